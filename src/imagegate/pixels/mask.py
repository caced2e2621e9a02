"""A customer's mask, made into the one form that means the same everywhere. Knows alpha, no upstream.

We promise that every alpha below 255 is repainted; the openai protocol says that alpha 0 is. Where there are only 0
and 255 both say the same. Colours and metadata go, so the file is small. For use inside the child process.
"""

from pathlib import Path

import msgspec
import numpy as np

from imagegate.pixels.decode import open_alpha
from imagegate.pixels.encode import encode

JOB = "imagegate.pixels.mask:sharpen"
_KEPT = 255


class MaskOrder(msgspec.Struct, frozen=True):
    """Both are local files; `out` is written."""

    source: str
    out: str


class Sharpened(msgspec.Struct, frozen=True):
    """The mask that was written, and how many of its pixels are repainted."""

    width: int
    height: int
    bytes: int
    repainted: int


def sharpen(order: MaskOrder) -> Sharpened:
    """Write an RGBA PNG of the same size, black, with alpha 0 where the source has less than 255."""
    kept = np.asarray(open_alpha(Path(order.source))) == _KEPT
    height, width = kept.shape
    pixels = np.zeros((height, width, 4), np.uint8)
    pixels[..., 3][kept] = _KEPT
    size = encode(pixels, Path(order.out), "png")
    return Sharpened(width, height, size, int(kept.size - np.count_nonzero(kept)))
