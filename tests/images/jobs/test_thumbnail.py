"""Thumbnails: small, of the same shape, upright, and drawn within the child's limits."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from imagegate.images.jobs import thumbnail
from imagegate.images.jobs.decode import ImageSize
from imagegate.images.jobs.process_pool import JobFailed
from imagegate.images.jobs.thumbnail import ThumbnailRequest
from tests.images.jobs.helpers import run_job


def drawn(source: Path, target: Path, edge: int = thumbnail.MAX_EDGE_PX) -> ImageSize:
    return run_job(thumbnail.JOB, ThumbnailRequest(str(source), str(target), edge), ImageSize)


def picture(path: Path, size: tuple[int, int], mode: str = "RGB", **save: Any) -> Path:
    """The left half red, the right half blue."""
    image = Image.new(mode, size, "red")
    image.paste("blue", (size[0] // 2, 0, *size))
    image.save(path, **save)
    return path


@pytest.mark.parametrize("ext", ["png", "jpg", "webp"])
@pytest.mark.parametrize(
    ("size", "small"),
    [((3840, 2160), (512, 288)), ((1280, 3840), (171, 512)), ((1024, 1024), (512, 512)), ((400, 300), (400, 300))],
)
def test_the_longer_edge_fits_and_nothing_is_enlarged(
    tmp_path: Path, ext: str, size: tuple[int, int], small: tuple[int, int]
) -> None:
    target = tmp_path / "small.webp"
    told = drawn(picture(tmp_path / f"big.{ext}", size), target)
    assert (told.width, told.height) == small
    with Image.open(target) as image:
        assert (image.format, image.size) == ("WEBP", small)
        left, right = (image.convert("RGB").getpixel((x, small[1] // 2)) for x in (small[0] // 4, small[0] * 3 // 4))
    assert isinstance(left, tuple)
    assert isinstance(right, tuple)
    assert left[0] > 200 > 60 > left[2]
    assert right[2] > 200 > 60 > right[0]


def test_transparency_stays_and_exif_goes_once_it_is_obeyed(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (1600, 800), (255, 0, 0, 0))
    clear.save(tmp_path / "clear.png")
    drawn(tmp_path / "clear.png", tmp_path / "clear.webp")
    with Image.open(tmp_path / "clear.webp") as image:
        assert image.getchannel("A").getextrema() == (0, 0)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "taken at home"
    told = drawn(picture(tmp_path / "turned.jpg", (1600, 800), exif=exif), tmp_path / "turned.webp")
    assert (told.width, told.height) == (256, 512)
    with Image.open(tmp_path / "turned.webp") as image:
        assert dict(image.getexif()) == {}


def test_what_is_too_large_to_decode_or_no_image_is_refused(tmp_path: Path) -> None:
    Image.new("1", (8001, 8001)).save(tmp_path / "huge.png")
    with pytest.raises(JobFailed, match="8001x8001 is too large to decode"):
        drawn(tmp_path / "huge.png", tmp_path / "out.webp")
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(JobFailed, match="UnidentifiedImageError"):
        drawn(tmp_path / "text.png", tmp_path / "out.webp")
    assert not (tmp_path / "out.webp").exists()
