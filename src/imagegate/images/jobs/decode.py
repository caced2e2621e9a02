"""Opens an image from an untrusted source.

Only for use inside a child process: a decoder that misbehaves takes its own process down and nothing else.
"""

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path

import msgspec
from PIL import Image, ImageFile

from imagegate.images.exif import Orientation, read_orientation
from imagegate.images.jobs.png_filter import open_filtered

FORMATS = ("JPEG", "PNG", "WEBP")
MAX_OPEN_PIXELS = 178_956_970
MAX_DECODE_PIXELS = 64_000_000
# Pillow's decoder of WebP holds the canvas five times: more does not fit the child's memory.
MAX_DECODE_WEBP_PIXELS = 24_000_000
MAX_DECODE_SIDE = 16_384
# What reading one image and writing another may take.
CPU_S, WALL_S = 5.0, 10.0
_STRIP_PIXELS = 1 << 20
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class TooManyPixels(ValueError):
    """More than is decoded here, though a file may have as many."""


def max_decode_pixels(media_type: str) -> int:
    return MAX_DECODE_WEBP_PIXELS if media_type == "image/webp" else MAX_DECODE_PIXELS


def is_decodable(width: int, height: int, media_type: str) -> bool:
    return width * height <= max_decode_pixels(media_type) and max(width, height) <= MAX_DECODE_SIDE


class ImageSize(msgspec.Struct, frozen=True):
    """The size in pixels of what a job wrote."""

    width: int
    height: int


def open_upright(path: Path, within: tuple[int, int] | None = None) -> Image.Image:
    """Decode upright, as RGB or RGBA. With `within`, a big image shrinks to a size that still covers it."""
    with _open_checked(path) as image:
        return _upright(image, within)


def open_alpha(path: Path, orientation: int = 1) -> Image.Image:
    """The alpha channel alone, upright, and then turned as an image of this `orientation` is.

    ValueError for an image that has none.
    """
    with _open_checked(path) as image:
        if not image.has_transparency_data:
            raise ValueError("no alpha channel")
        plain = image if image.mode in ("RGBA", "LA") else _to_rgb(image)
        return _turn(_turn(plain.getchannel("A"), _orientation_of(image)), orientation)


@contextlib.contextmanager
def _open_checked(path: Path) -> Iterator[Image.Image]:
    Image.MAX_IMAGE_PIXELS = MAX_OPEN_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with open_filtered(path) as file, Image.open(file, formats=FORMATS) as image:
            _check_size(image)
            yield image


def _check_size(image: Image.Image) -> None:
    if not is_decodable(*image.size, f"image/{(image.format or '').lower()}"):
        raise TooManyPixels(f"{image.width}x{image.height} is too large to decode")


def _upright(image: Image.Image, within: tuple[int, int] | None) -> Image.Image:
    if within:
        # JPEG can decode at a half, quarter or eighth; it must still cover both orientations
        cover = max(within)
        image.draft("RGB", (cover, cover))
    plain = _to_rgb(image)
    if within:
        plain = _shrink(plain, max(within))
    return _turn(plain, _orientation_of(image))


def _to_rgb(image: Image.Image) -> Image.Image:
    clear, tiles = image.info.get("transparency"), image.tile if isinstance(image, ImageFile.ImageFile) else []
    if isinstance(clear, tuple) and tiles and tiles[0].args == "RGB;16B":
        # Pillow cuts samples of 16 bit to 8 as it reads them, but not the one colour that is transparent.
        image.info["transparency"] = tuple(value >> 8 for value in clear)
    image.load()
    if image.mode == "RGBA" or (image.mode == "RGB" and not image.has_transparency_data):
        return image
    if image.mode.startswith("I;16"):
        image = _to_8_bit(image)
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _to_8_bit(image: Image.Image) -> Image.Image:
    """Grey of 16 bit, which converting would cut off at 255. Its one transparent value is exact to 16 bit."""
    grey = _map_values(image, [value >> 8 for value in range(1 << 16)])
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        grey = Image.merge("LA", (grey, _map_values(image, [255 * (value != clear) for value in range(1 << 16)])))
    grey.info = {name: value for name, value in image.info.items() if name != "transparency"}
    return grey


def _map_values(image: Image.Image, table: list[int]) -> Image.Image:
    """In strips: only images of 32 bit can be mapped from 65,536 values, twice the memory of those of 16."""
    result = Image.new("L", image.size)
    rows = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(image.height, top + rows)))
        result.paste(strip.convert("I").point(table, "L"), (0, top))
    return result


def _orientation_of(image: Image.Image) -> Orientation:
    """By the same reading as where the size is asked for; Pillow's own would also obey XMP, which browsers do not."""
    return read_orientation(image.info.get("exif") or b"")


def _turn(image: Image.Image, orientation: int) -> Image.Image:
    """Without a copy where nothing turns: a large image would be held twice."""
    if orientation not in _TURNS:
        return image
    turned = image.transpose(_TURNS[orientation])
    turned.info = dict(image.info)
    return turned


def _shrink(image: Image.Image, cover: int) -> Image.Image:
    factor = min(image.width, image.height) // max(1, cover)
    if factor <= 1:
        return image
    result = Image.new(image.mode, (-(-image.width // factor), -(-image.height // factor)))
    rows = factor * max(1, _STRIP_PIXELS // (image.width * factor))
    for top in range(0, image.height, rows):
        # in strips: with transparency the reduction first makes a premultiplied copy
        strip = image.crop((0, top, image.width, min(image.height, top + rows)))
        result.paste(strip.reduce(factor), (0, top // factor))
    result.info = dict(image.info)
    return result
