"""What is known of an image file, and why a file is not accepted as one."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from imagegate.images.exif import Orientation, upright_size

MediaType = Literal["image/png", "image/jpeg", "image/webp", "image/gif"]

ImageFlaw = Literal[
    "unsupported_image_type",
    "mislabelled",
    "too_large",
    "too_many_pixels",
    "edge_too_long",
    "zero_edge",
    "animated",
    "too_many_scans",
    "too_many_parts",
    "truncated",
    "corrupt",
]


class InvalidImage(Exception):
    """The file is not an image that the gateway accepts; `detail` is for logs and tests."""

    def __init__(self, reason: ImageFlaw, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason: Final = reason


class ImageFacts(msgspec.Struct, frozen=True):
    """What the bytes say. Width and height in pixels, as stored; `orientation` is how the image is shown."""

    media_type: MediaType
    width: int
    height: int
    bytes: int
    has_alpha: bool
    orientation: Orientation = 1

    @property
    def upright_size(self) -> tuple[int, int]:
        return upright_size(self.width, self.height, self.orientation)


class ImageStructure(msgspec.Struct, frozen=True):
    """What a walk through the parts of one file found.

    `header_only_file` is a tiny file of the same format with the same frame header and nothing else, for a second
    parser; it is empty where that would read the whole image.
    """

    width: int
    height: int
    has_alpha: bool = False
    animated: bool = False
    orientation: Orientation = 1
    header_only_file: bytes = b""
