"""References and masks: really used, and really respected."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.painter.conftest import MakeRequest, Pixels, paint_bytes, paint_pixels

from imagegate.painter.paint import paint

_SIZE = (320, 224)


def _photo(path: Path, seed: int = 1, size: tuple[int, int] = _SIZE, mode: str = "RGB", **options: object) -> str:
    coarse = np.random.default_rng(seed).integers(0, 256, (7, 9, len(mode)), np.uint8)
    image = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
    noise = np.random.default_rng(seed + 1).integers(-3, 4, (size[1], size[0], 1))
    pixels = np.clip(np.asarray(image, np.int16) + noise, 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(path, **options)  # type: ignore[arg-type]
    return str(path)


def _mask(path: Path, size: tuple[int, int] = _SIZE) -> tuple[str, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]:
    alpha = np.full((size[1], size[0]), 255, np.uint8)
    alpha[size[1] // 4 : size[1] * 3 // 4, size[0] // 3 : size[0] * 5 // 6] = 0
    alpha[10:12, 10:12] = 254
    colour = np.zeros((size[1], size[0], 3), np.uint8)
    Image.fromarray(np.dstack([colour, alpha])).save(path, "PNG")
    return str(path), alpha < 255


def _pixels(path: str) -> Pixels:
    with Image.open(path) as image:
        return np.array(image)


def _mean_difference(first: Pixels, second: Pixels) -> float:
    return float(np.abs(first.astype(np.int16) - second.astype(np.int16)).mean())


@pytest.mark.parametrize(
    "prompt",
    [
        "watercolor",
        "sketch",
        "night",
        "sepia",
        "neon",
        "blur",
        "pixel art",
        "poster",
        "oil painting",
        "수채화",
        "흑백",
        "x",
    ],
)
def test_words_transform_the_reference_but_keep_its_composition(
    make_request: MakeRequest, tmp_path: Path, prompt: str
) -> None:
    reference = _photo(tmp_path / "a.png")
    other = _photo(tmp_path / "b.png", seed=9)
    request = make_request(prompt=prompt, width=_SIZE[0], height=_SIZE[1], references=(reference,))
    result = paint_pixels(request)
    assert _mean_difference(result, _pixels(reference)) > 3
    changed = paint_pixels(make_request(prompt=prompt, width=_SIZE[0], height=_SIZE[1], references=(other,)))
    assert _mean_difference(result, changed) > 3


def test_the_same_edit_gives_the_same_bytes_wherever_the_file_lies(make_request: MakeRequest, tmp_path: Path) -> None:
    first, second = _photo(tmp_path / "a.png"), _photo(tmp_path / "copy.png")
    assert paint_bytes(make_request(references=(first,))) == paint_bytes(make_request(references=(second,)))


def test_every_reference_shows(make_request: MakeRequest, tmp_path: Path) -> None:
    references = [_photo(tmp_path / f"{seed}.png", seed) for seed in range(16)]
    all_of_them = paint_pixels(make_request(width=640, height=448, references=tuple(references)))
    for number in (1, 8, 15):
        swapped = list(references)
        swapped[number] = _photo(tmp_path / "other.png", 99)
        pixels = paint_pixels(make_request(width=640, height=448, references=tuple(swapped)))
        assert (np.abs(pixels.astype(np.int16) - all_of_them).max(axis=2) > 40).mean() > 0.004


def test_exif_orientation_is_honoured(make_request: MakeRequest, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    sideways = _photo(tmp_path / "a.jpg", size=(224, 320), exif=exif, quality=95)
    upright = _pixels(sideways)
    result = paint_pixels(make_request(prompt="x", width=_SIZE[0], height=_SIZE[1], references=(sideways,)))
    turned = np.rot90(upright, 3)
    assert np.corrcoef(result[..., 1].ravel(), turned[..., 1].ravel())[0, 1] > 0.85


@pytest.mark.parametrize("prompt", ["add a flower", "remove it", "sketch", "노을 바다"])
def test_outside_the_mask_every_pixel_is_the_references(make_request: MakeRequest, tmp_path: Path, prompt: str) -> None:
    reference = _photo(tmp_path / "a.png")
    mask, inside = _mask(tmp_path / "m.png")
    request = make_request(prompt=prompt, width=_SIZE[0], height=_SIZE[1], references=(reference,), mask=mask)
    result, before = paint_pixels(request), _pixels(reference)
    assert np.array_equal(result[~inside], before[~inside])
    assert (np.abs(result[inside].astype(np.int16) - before[inside]).max(axis=1) > 2).mean() > 0.8


def test_outside_the_mask_transparency_is_kept_too(make_request: MakeRequest, tmp_path: Path) -> None:
    reference = _photo(tmp_path / "a.png", mode="RGBA")
    mask, inside = _mask(tmp_path / "m.png")
    result = paint_pixels(make_request(width=_SIZE[0], height=_SIZE[1], references=(reference,), mask=mask))
    assert np.array_equal(result[~inside], _pixels(reference)[~inside])
    assert (result[inside][:, 3] == 255).all()


def test_a_mask_of_another_size_goes_with_its_reference(make_request: MakeRequest, tmp_path: Path) -> None:
    reference = _photo(tmp_path / "a.png", size=(640, 448))
    mask, inside = _mask(tmp_path / "m.png", size=(640, 448))
    plain = paint_pixels(
        make_request(prompt="remove", width=_SIZE[0], height=_SIZE[1], references=(reference,), mask=mask)
    )
    with Image.open(reference) as image:
        kept = np.array(image.resize(_SIZE, Image.Resampling.LANCZOS))
    outside = ~inside[::2, ::2] & ~inside[1::2, 1::2]
    assert np.array_equal(plain[outside], kept[outside])
    assert _mean_difference(plain[~outside], kept[~outside]) > 2


def test_a_mask_that_keeps_everything_changes_nothing(make_request: MakeRequest, tmp_path: Path) -> None:
    reference = _photo(tmp_path / "a.png")
    opaque = tmp_path / "m.png"
    Image.new("RGBA", _SIZE, (0, 0, 0, 255)).save(opaque)
    result = paint_pixels(make_request(width=_SIZE[0], height=_SIZE[1], references=(reference,), mask=str(opaque)))
    assert np.array_equal(result, _pixels(reference))


def test_a_transparent_edit_has_alpha(make_request: MakeRequest, tmp_path: Path) -> None:
    reference = _photo(tmp_path / "a.jpg")
    result = paint_pixels(make_request(references=(reference,), transparent=True))
    assert result.shape[2] == 4
    assert result[0, 0, 3] == 0
    assert result[80, 128, 3] == 255


def test_other_files_are_refused(make_request: MakeRequest, tmp_path: Path) -> None:
    gif = tmp_path / "a.gif"
    Image.new("RGB", (8, 8)).save(gif)
    with pytest.raises(OSError, match="cannot identify"):
        paint(make_request(references=(str(gif),)))


def test_too_many_pixels_are_refused_before_decoding(make_request: MakeRequest, tmp_path: Path) -> None:
    huge = tmp_path / "huge.png"
    Image.new("1", (9_000, 8_000)).save(huge)
    with pytest.raises(ValueError, match="too large"):
        paint(make_request(references=(str(huge),)))
