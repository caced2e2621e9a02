"""Three formats, their metadata, and reading strangers' files."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imagegate.images.jobs.decode import open_upright
from imagegate.images.jobs.encode import Format, encode
from tests.images.jobs.helpers import read_metadata

_NOTES = {"Software": "a program", "Description": "what it is"}


def _picture(channels: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    coarse = np.random.default_rng(3).integers(0, 256, (6, 8, channels), np.uint8)
    return np.array(Image.fromarray(coarse).resize((120, 90), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("file_format", ["png", "jpeg", "webp"])
def test_size_type_and_metadata(tmp_path: Path, file_format: Format) -> None:
    path = tmp_path / "picture"
    pixels = _picture(3)
    assert encode(pixels, path, file_format, 90, _NOTES) == path.stat().st_size
    assert read_metadata(path) == _NOTES
    with Image.open(path) as image:
        assert (image.format, image.size) == (file_format.upper(), (120, 90))
        assert np.abs(np.asarray(image, np.int16) - pixels).mean() < (0.001 if file_format == "png" else 6)


@pytest.mark.parametrize("file_format", ["png", "webp"])
def test_transparency_survives(tmp_path: Path, file_format: Format) -> None:
    path = tmp_path / "picture"
    pixels = _picture(4)
    encode(pixels, path, file_format, 100)
    with Image.open(path) as image:
        assert np.array_equal(np.asarray(image)[..., 3], pixels[..., 3])


def test_jpeg_refuses_transparency_and_unknown_notes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="transparency"):
        encode(_picture(4), tmp_path / "x", "jpeg")
    with pytest.raises(ValueError, match="no place"):
        encode(_picture(3), tmp_path / "x", "jpeg", metadata={"Mood": "good"})


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("within", [None, (40, 40)])
def test_images_stand_upright(tmp_path: Path, orientation: int, within: tuple[int, int] | None) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "a.jpg"
    Image.new("RGB", (200, 100), (200, 30, 30)).save(path, exif=exif)
    image = open_upright(path, within)
    assert (image.width > image.height) == (orientation < 5)
    assert min(image.size) >= (40 if within else 100)


def test_a_big_jpeg_is_never_decoded_whole(tmp_path: Path) -> None:
    path = tmp_path / "big.jpg"
    Image.new("L", (6000, 4000)).save(path)
    image = open_upright(path, within=(500, 400))
    assert max(image.size) < 2000
    assert min(image.size) >= 500


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "I;16"])
def test_odd_modes_become_plain(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.png"
    Image.new(mode, (10, 10)).save(path)
    assert open_upright(path).mode in {"RGB", "RGBA"}
