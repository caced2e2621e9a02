"""Generated images: exact, repeatable, distinct, labelled."""

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.images.jobs.helpers import read_metadata
from tests.painter.conftest import MakeRequest, paint_bytes, paint_pixels

from imagegate.painter.paint import METADATA, paint
from imagegate.painter.request import PaintResult
from imagegate.painter.scenes import SCENES

_VECTORS = Path(__file__).parents[1] / "vectors" / "sizes.json"
_CELLS: list[dict[str, Any]] = json.loads(_VECTORS.read_text())["cells"]
_PROMPTS = {
    "vista": "a mountain lake",
    "sea": "바다",
    "forest": "forest",
    "desert": "desert",
    "city": "도시 밤",
    "space": "planet",
    "ribbons": "abstract",
    "bloom": "flower",
    "emblem": "logo",
    "creature": "fox",
    "portrait": "portrait",
    "vessel": "vase",
}


@pytest.mark.parametrize(
    "cell",
    [pytest.param(cell, marks=pytest.mark.gate if number % 3 else ()) for number, cell in enumerate(_CELLS)],
    ids=lambda cell: f"{cell['width']}x{cell['height']}",
)
def test_every_documented_size_is_exact(make_request: MakeRequest, cell: dict[str, Any]) -> None:
    # the cheapest scene: what is tested is the size, not the image
    answer = paint(
        make_request(prompt="logo", width=cell["width"], height=cell["height"], format="jpeg", compression=70)
    )
    with Image.open(make_request().out) as image:
        assert image.size == (cell["width"], cell["height"])
    assert (answer.width, answer.height) == image.size


@pytest.mark.parametrize("size", [(16, 16), (48, 16), (1, 3)])
@pytest.mark.parametrize("scene", sorted(SCENES))
def test_small_and_narrow_sheets_hold_every_scene(make_request: MakeRequest, scene: str, size: tuple[int, int]) -> None:
    pixels = paint_pixels(make_request(prompt=_PROMPTS[scene], width=size[0], height=size[1]))
    assert pixels.shape == (size[1], size[0], 3)


@pytest.mark.parametrize("scene", sorted(SCENES))
def test_the_same_order_gives_the_same_bytes(make_request: MakeRequest, scene: str) -> None:
    request = make_request(prompt=_PROMPTS[scene], width=160, height=112)
    assert paint_bytes(request) == paint_bytes(request)


@pytest.mark.parametrize("scene", sorted(SCENES))
def test_neighbouring_indexes_are_clearly_different_images(make_request: MakeRequest, scene: str) -> None:
    images = [
        paint_pixels(make_request(prompt=_PROMPTS[scene], width=160, height=112, index=index)).astype(np.int16)
        for index in range(3)
    ]
    for first in range(3):
        for second in range(first):
            assert np.abs(images[first] - images[second]).mean() > 4


@pytest.mark.parametrize("scene", sorted(SCENES))
def test_an_image_is_not_flat_and_not_muddy(make_request: MakeRequest, scene: str) -> None:
    pixels = paint_pixels(make_request(prompt=_PROMPTS[scene], quality="medium")).astype(np.int16)
    assert pixels.std() > 12
    assert (pixels.max(axis=2) - pixels.min(axis=2)).mean() > 8


def test_quality_is_visible(make_request: MakeRequest) -> None:
    qualities = ("low", "medium", "high", "xhigh", "max")
    images = [paint_pixels(make_request(prompt="forest", quality=quality)).astype(np.int16) for quality in qualities]
    for first, second in itertools.pairwise(images):
        assert np.abs(first - second).mean() > 2


def test_no_quality_means_medium(make_request: MakeRequest) -> None:
    assert paint_bytes(make_request(quality="")) == paint_bytes(make_request(quality="medium"))


def test_prompt_and_size_seed_the_image_but_the_path_does_not(make_request: MakeRequest, tmp_path: Path) -> None:
    plain = paint_bytes(make_request(prompt="x"))
    assert paint_bytes(make_request(prompt="x", out=str(tmp_path / "elsewhere"))) == plain
    assert paint_bytes(make_request(prompt="x ")) != plain


@pytest.mark.parametrize("file_format", ["png", "jpeg", "webp"])
def test_the_three_formats_are_real_and_labelled(make_request: MakeRequest, file_format: str) -> None:
    request = make_request(format=file_format, compression=80)
    answer = paint(request)
    out = Path(request.out)
    assert answer == PaintResult(256, 160, out.stat().st_size, f"image/{file_format}")
    with Image.open(out) as image:
        image.load()
        assert (image.format, image.size) == (file_format.upper(), (256, 160))
    assert read_metadata(out) == METADATA


def test_compression_shrinks_the_file(make_request: MakeRequest) -> None:
    sizes = [paint(make_request(format="jpeg", compression=quality)).bytes for quality in (10, 60, 100)]
    assert sizes[0] < sizes[1] < sizes[2]


@pytest.mark.parametrize("prompt", ["fox", "flower", "logo", "planet", "vase", "portrait", "robot"])
@pytest.mark.parametrize("file_format", ["png", "webp"])
def test_a_transparent_subject_stands_on_nothing(make_request: MakeRequest, prompt: str, file_format: str) -> None:
    request = make_request(prompt=prompt, width=256, height=256, transparent=True, format=file_format, compression=90)
    pixels = paint_pixels(request)
    assert pixels.shape[2] == 4
    alpha = pixels[..., 3]
    assert 0.08 < (alpha > 200).mean() < 0.92
    assert alpha[:8, :8].max() == 0


def test_a_transparent_landscape_is_cut_out(make_request: MakeRequest) -> None:
    alpha = paint_pixels(make_request(prompt="mountains", width=256, height=256, transparent=True))[..., 3]
    assert alpha[128, 128] == 255
    assert alpha[0, 0] == alpha[-1, -1] == 0


def test_the_visible_label_is_there(make_request: MakeRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    marked = paint_pixels(make_request(prompt="logo", width=512, height=512)).astype(np.int16)
    monkeypatch.setattr("imagegate.painter.watermark.stamp", lambda *_, **__: None)
    unmarked = paint_pixels(make_request(prompt="logo", width=512, height=512)).astype(np.int16)
    rows, columns = np.nonzero(np.abs(marked - unmarked).max(axis=2))
    assert 0 < len(rows) < 4_000
    assert rows.min() > 440
    assert columns.min() > 256


@pytest.mark.parametrize(
    "wrong",
    [
        {"format": "gif"},
        {"format": "jpeg", "transparent": True},
        {"quality": "best"},
        {"width": 0},
        {"width": 4000},
        {"width": 3840, "height": 3840},
        {"compression": 101, "format": "webp"},
    ],
)
def test_impossible_orders_are_refused(make_request: MakeRequest, wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        paint(make_request(**wrong))
