"""Which way up an image is shown: the one tag of EXIF that browsers, phones and everybody else obey."""

from __future__ import annotations

import struct
from typing import Final, Literal

Orientation = Literal[1, 2, 3, 4, 5, 6, 7, 8]
"""As EXIF counts: 1 is as stored, 2 to 4 are flips and the half turn, 5 to 8 exchange width and height."""

# The tag is in the first directory, whose place the header gives; the rest of a block may be long, such as a preview.
MAX_BLOCK_BYTES: Final = 65_536
_PREFIX: Final = b"Exif\0\0"
_ORIENTATION_TAG, _SHORT, _MAX_TAGS = 0x0112, 3, 1_000


def read_orientation(block: bytes) -> Orientation:
    """The orientation in an EXIF block, with or without `Exif` before it; 1 where it says nothing readable."""
    # Twice where a PNG has it too: Pillow puts another before what it found.
    tiff = block.removeprefix(_PREFIX).removeprefix(_PREFIX)
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, start)
        for index in range(min(count, _MAX_TAGS)):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", tiff, start + 2 + 12 * index)
            if tag == _ORIENTATION_TAG:
                return value if kind == _SHORT and value in range(1, 9) else 1
    except struct.error:
        pass
    return 1


def upright_size(width: int, height: int, orientation: Orientation) -> tuple[int, int]:
    """The size as people see it."""
    return (height, width) if orientation >= 5 else (width, height)
