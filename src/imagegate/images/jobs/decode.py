"""Opens an image from an untrusted source.

Only for use inside a child process: a decoder that misbehaves takes its own process down and nothing else.
"""

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path

import msgspec
from PIL import Image, ImageOps

from imagegate.images.jobs.png_filter import open_filtered

FORMATS = ("JPEG", "PNG", "WEBP")
MAX_OPEN_PIXELS = 178_956_970
MAX_DECODE_PIXELS = 64_000_000
MAX_DECODE_SIDE = 16_384
# What reading one image and writing another may take.
CPU_S, WALL_S = 5.0, 10.0
_STRIP_PIXELS = 1 << 20


class ImageSize(msgspec.Struct, frozen=True):
    """The size in pixels of what a job wrote."""

    width: int
    height: int


def open_upright(path: Path, within: tuple[int, int] | None = None) -> Image.Image:
    """Decode upright, as RGB or RGBA. With `within`, a big image shrinks to a size that still covers it."""
    with _open_checked(path) as image:
        return _upright(image, within)


def open_alpha(path: Path) -> Image.Image:
    """The alpha channel alone, not turned. ValueError for an image that has none."""
    with _open_checked(path) as image:
        if not image.has_transparency_data:
            raise ValueError("no alpha channel")
        image.load()
        return (image if image.mode in ("RGBA", "LA") else image.convert("RGBA")).getchannel("A")


@contextlib.contextmanager
def _open_checked(path: Path) -> Iterator[Image.Image]:
    Image.MAX_IMAGE_PIXELS = MAX_OPEN_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with open_filtered(path) as file, Image.open(file, formats=FORMATS) as image:
            _check_size(image)
            yield image


def _check_size(image: Image.Image) -> None:
    if image.width * image.height > MAX_DECODE_PIXELS or max(image.size) > MAX_DECODE_SIDE:
        raise ValueError(f"{image.width}x{image.height} is too large to decode")


def _upright(image: Image.Image, within: tuple[int, int] | None) -> Image.Image:
    if within:
        # JPEG can decode at a half, quarter or eighth; it must still cover both orientations
        cover = max(within)
        image.draft("RGB", (cover, cover))
    plain = _to_rgb(image)
    if within:
        plain = _shrink(plain, max(within))
    upright = _keep_orientation(plain, image)
    # In place: turning a copy would hold a large image twice even where nothing turns.
    ImageOps.exif_transpose(upright, in_place=True)
    return upright


def _to_rgb(image: Image.Image) -> Image.Image:
    image.load()
    if image.mode in ("RGB", "RGBA"):
        return image
    return image.convert("RGBA" if image.has_transparency_data else "RGB")


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


def _keep_orientation(plain: Image.Image, source: Image.Image) -> Image.Image:
    if plain is source:
        return plain
    plain.info["exif"] = source.getexif().tobytes()
    return plain
