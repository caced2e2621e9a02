"""One orientation everywhere: what the header of each format says, and how each is turned, is what people see."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from imagegate.images import inspect
from imagegate.images.exif import read_orientation
from imagegate.images.jobs.decode import open_alpha, open_upright
from tests.images.corpus import chunk
from tests.images.png16 import png16

FORMATS = ["JPEG", "PNG", "WEBP"]


def quadrants(mode: str = "RGB") -> Image.Image:
    """48x32 with another colour in each quarter, alpha only in the upper left."""
    image = Image.new("RGBA", (48, 32), (255, 255, 255, 255))
    for at, colour in (((0, 0), "red"), ((24, 0), "green"), ((0, 16), "blue")):
        image.paste(Image.new("RGBA", (24, 16), colour), at)
    image.paste(Image.new("RGBA", (24, 16), (255, 0, 0, 0)), (0, 0))
    return image if mode == "RGBA" else image.convert(mode)


def saved(path: Path, image: Image.Image, file_format: str, orientation: int) -> Path:
    exif = Image.Exif()
    exif[0x010F] = "a camera with a name"  # a tag before it
    exif[0x0112] = orientation
    options: dict[str, Any] = {"quality": 100} if file_format != "PNG" else {}
    if file_format == "MPO":
        options |= {"save_all": True, "append_images": [image.convert("RGB")]}
    image.save(path, file_format, exif=exif, **options)
    return path


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_eight_orientations_are_read_and_obeyed(tmp_path: Path, file_format: str, orientation: int) -> None:
    path = saved(tmp_path / "image", quadrants(), file_format, orientation)
    facts = inspect(path)
    assert (facts.width, facts.height, facts.orientation) == (48, 32, orientation)
    with Image.open(path) as image:
        shown = ImageOps.exif_transpose(image).convert("RGB")
    assert facts.upright_size == shown.size
    upright = open_upright(path)
    assert upright.size == shown.size
    assert np.array_equal(np.asarray(upright.convert("RGB")), np.asarray(shown))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_mask_is_turned_by_its_own_orientation_or_by_that_of_its_reference(tmp_path: Path, orientation: int) -> None:
    mask = quadrants("RGBA")
    own = saved(tmp_path / "own.png", mask, "PNG", orientation)
    stored = saved(tmp_path / "stored.png", mask, "PNG", 1)
    with Image.open(own) as image:
        shown = np.asarray(ImageOps.exif_transpose(image).getchannel("A"))
    assert np.array_equal(np.asarray(open_alpha(own)), shown)
    assert np.array_equal(np.asarray(open_alpha(stored, orientation)), shown)


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"Exif\0\0",
        b"Exif\0\0II*\0",
        b"II*\0\xff\xff\xff\xff",
        b"MM\0*\0\0\0\x08\xff\xff",
        b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x09\0\0\0",
        b"II*\0\x08\0\0\0\x01\0\x12\x01\x04\0\x01\0\0\0\x06\0\0\0",
        b"nothing of the kind",
    ],
)
def test_a_block_that_says_nothing_readable_turns_nothing(block: bytes) -> None:
    assert read_orientation(block) == 1


def exif_first_webp(data: bytes) -> bytes:
    """The chunk of EXIF before the image instead of behind it."""
    chunks, at = list[bytes](), 12
    while at < len(data):
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        chunks.append(data[at : at + 8 + length + length % 2])
        at += len(chunks[-1])
    chunks.sort(key=lambda chunk: [b"VP8X", b"EXIF"].index(chunk[:4]) if chunk[:4] in (b"VP8X", b"EXIF") else 2)
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def exif_chunk(data: bytes, prefix: bytes, *, is_last: bool) -> bytes:
    """A PNG with its EXIF behind IHDR or before IEND."""
    exif = Image.Exif()
    exif[0x0112] = 6
    block = chunk(b"eXIf", prefix + exif.tobytes().removeprefix(b"Exif\0\0"))
    at = data.rindex(b"IEND") - 4 if is_last else 33
    return data[:at] + block + data[at:]


PLACES = {
    "WebP, before the image": lambda path: exif_first_webp(saved(path, quadrants(), "WEBP", 6).read_bytes()),
    "PNG, with a prefix": lambda path: exif_chunk(plain_png(path), b"Exif\0\0", is_last=False),
    "PNG, after the image": lambda path: exif_chunk(plain_png(path), b"", is_last=True),
    "JPEG, with something behind it": lambda path: saved(path, quadrants(), "JPEG", 6).read_bytes() + b"film" * 99,
    "JPEG of several images": lambda path: saved(path, quadrants(), "MPO", 6).read_bytes(),
    "JPEG in ink": lambda path: saved(path, quadrants("RGB").convert("CMYK"), "JPEG", 6).read_bytes(),
    "grey JPEG": lambda path: saved(path, quadrants("L"), "JPEG", 6).read_bytes(),
}


def plain_png(path: Path) -> bytes:
    quadrants().save(path, "PNG")
    return path.read_bytes()


@pytest.mark.parametrize("place", PLACES)
def test_header_and_pixels_agree_wherever_the_orientation_stands(place: str, tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(PLACES[place](path))
    facts = inspect(path)
    assert (facts.orientation, facts.upright_size) == (6, (32, 48))
    assert open_upright(path).size == (32, 48)


def test_both_byte_orders_are_read() -> None:
    assert read_orientation(b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0") == 6
    assert read_orientation(b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0") == 8


# Beside orientation: samples of more than 8 bit.

COLOURS = {"grey": 0, "rgb": 2, "grey with alpha": 4, "rgb with alpha": 6}
RAMP = [2313, 16896, 34181, 49987, 62207]


@pytest.mark.parametrize("colour", COLOURS)
def test_16_bit_samples_are_scaled_to_8(tmp_path: Path, colour: str) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(png16(RAMP, COLOURS[colour]))
    image = open_upright(path)
    assert [int(value) for value in np.asarray(image)[0, :, 0]] == [9, 66, 133, 195, 242]
    assert image.mode == ("RGBA" if "alpha" in colour else "RGB")


def test_the_transparent_value_of_16_bit_grey_is_exact(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(png16([16896, 16897, 0], 0, transparent=16896))
    image = open_upright(path)
    assert image.mode == "RGBA"
    assert np.asarray(image)[0].tolist() == [[66, 66, 66, 0], [66, 66, 66, 255], [0, 0, 0, 255]]
    assert np.asarray(open_alpha(path))[0].tolist() == [0, 255, 255]
