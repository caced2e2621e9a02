"""The facts of an image file, read without decoding it, and whether the gateway accepts it.

Names and Content-Types count for nothing, because senders choose them. Our own walk through the file is the first
reading; Pillow reads the frame header as the second, from a few bytes in which nothing can hide, and both must agree.
"""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final

from PIL import Image

from imagegate.images import jpeg, png, webp
from imagegate.images.facts import ImageFacts, ImageStructure, InvalidImage, MediaType
from imagegate.images.sniff import SNIFF_BYTES, sniff

MAX_BYTES: Final = 52_428_800
MAX_PIXELS: Final = 178_956_970
MAX_EDGE: Final = 23_170

_PILLOW_NAMES: Final[dict[MediaType, str]] = {"image/png": "PNG", "image/jpeg": "JPEG", "image/webp": "WEBP"}


def inspect(path: Path, *, checksums: bool = False) -> ImageFacts:
    """The facts of a still JPEG, PNG or WebP file that is complete and within the limits; raises InvalidImage.

    `checksums`: verify those of a PNG too, for what is delivered and charged as it is.
    """
    with path.open("rb") as source:
        size = os.fstat(source.fileno()).st_size
        if size > MAX_BYTES:
            raise InvalidImage("too_large", f"{size} bytes")
        media_type = _media_type(source)
        outline = _structure(source, size, media_type, checksums=checksums)
    _check_limits(outline)
    _compare_with_pillow(outline, media_type)
    return ImageFacts(media_type, outline.width, outline.height, size, outline.has_alpha, outline.orientation)


def _media_type(source: BinaryIO) -> MediaType:
    """The media type by the first bytes, if it is one of the accepted formats; raises InvalidImage."""
    media_type = sniff(source.read(SNIFF_BYTES))
    if media_type is None or media_type not in _PILLOW_NAMES:
        raise InvalidImage("unsupported_image_type", media_type or "no known signature")
    return media_type


def _structure(source: BinaryIO, size: int, media_type: MediaType, *, checksums: bool) -> ImageStructure:
    """Walk through the file; raises InvalidImage."""
    if media_type == "image/png":
        return png.walk(source, size, checksums=checksums)
    if media_type == "image/jpeg":
        return jpeg.walk(source)
    return webp.walk(source, size)


def _check_limits(outline: ImageStructure) -> None:
    width, height = outline.width, outline.height
    if not width or not height:
        raise InvalidImage("zero_edge", f"{width}x{height}")
    if max(width, height) > MAX_EDGE:
        raise InvalidImage("edge_too_long", f"{width}x{height}")
    if width * height > MAX_PIXELS:
        raise InvalidImage("too_many_pixels", f"{width}x{height}")
    if outline.animated:
        raise InvalidImage("animated")


def _compare_with_pillow(outline: ImageStructure, media_type: MediaType) -> None:
    if not outline.header_only_file:
        return
    # Pillow's own limit is half of ours and would warn; ours has been checked already.
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    try:
        with Image.open(BytesIO(outline.header_only_file), formats=(_PILLOW_NAMES[media_type],)) as image:
            size = image.size
    except (OSError, SyntaxError, ValueError) as error:
        raise InvalidImage("corrupt", "Pillow cannot read the frame header") from error
    if size != (outline.width, outline.height):
        raise InvalidImage("corrupt", f"Pillow reads {size}")
