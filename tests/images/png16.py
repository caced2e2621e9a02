"""PNG files with samples of 16 bit, which Pillow does not write in every colour type."""

from __future__ import annotations

import struct
import zlib

_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}


def png16(values: list[int], colour_type: int, transparent: int | None = None) -> bytes:
    """One row; every channel of a pixel has its value."""
    header = struct.pack(">IIBBBBB", len(values), 1, 16, colour_type, 0, 0, 0)
    row = b"\0" + b"".join(struct.pack(">H", value) * _CHANNELS[colour_type] for value in values)
    clear = b"" if transparent is None else _chunk(b"tRNS", struct.pack(">H", transparent))
    return (
        b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + clear + _chunk(b"IDAT", zlib.compress(row)) + _chunk(b"IEND")
    )


def _chunk(name: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
