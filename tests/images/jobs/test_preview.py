"""Previews for models: within an edge and a number of bytes, whatever the image."""

from pathlib import Path

import pytest
from PIL import Image

from imagegate.images.jobs import preview
from imagegate.images.jobs.preview import Preview, PreviewRequest
from tests.images.jobs.helpers import run_job


def shrunk(image: Image.Image, folder: Path, edge: int, max_bytes: int) -> tuple[Preview, Path]:
    source, target = folder / "source.png", folder / "target"
    image.save(source)
    request = PreviewRequest(str(source), str(target), edge, max_bytes)
    return run_job(preview.JOB, request, Preview), target


@pytest.mark.parametrize(("mode", "media_type"), [("RGB", "image/jpeg"), ("RGBA", "image/webp"), ("L", "image/jpeg")])
@pytest.mark.parametrize(
    ("size", "expected"), [((3000, 1500), (1568, 784)), ((1000, 2000), (784, 1568)), ((40, 30), (40, 30))]
)
def test_the_longer_edge_fits_and_nothing_is_enlarged(
    tmp_path: Path, mode: str, media_type: str, size: tuple[int, int], expected: tuple[int, int]
) -> None:
    given = Image.linear_gradient("L").resize(size).convert(mode)
    if mode == "RGBA":
        given.putalpha(100)
    done, target = shrunk(given, tmp_path, 1568, 600_000)
    assert done == Preview(media_type, *expected)
    with Image.open(target) as image:
        assert (image.size, Image.MIME[image.format or ""]) == (expected, media_type)
        assert image.has_transparency_data == (mode == "RGBA")


@pytest.mark.gate
def test_what_does_not_compress_becomes_smaller_until_it_fits(tmp_path: Path) -> None:
    noise = Image.effect_noise((1600, 1600), 200).convert("RGB")
    done, target = shrunk(noise, tmp_path, 1568, 60_000)
    assert target.stat().st_size <= 60_000
    assert 64 < done.width < 1568
