"""A walk through the chunks of a PNG file, from IHDR to IEND.

No chunk is inflated, so text and profile bombs are only lengths. What follows IEND is ignored.
"""

from __future__ import annotations

import struct
from typing import BinaryIO, Final

from imagegate.images.exif import MAX_BLOCK_BYTES, Orientation, read_orientation
from imagegate.images.facts import ImageStructure, InvalidImage

# isal is several times faster than zlib, but has no wheel for every machine.
try:
    from isal.isal_zlib import crc32
except ImportError:
    from zlib import crc32

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
MAX_CHUNKS: Final = 65_536
_BLOCK_BYTES: Final = 1 << 16
_ALPHA_TYPES: Final = {4, 6}
_PALETTE: Final = 3


def walk(source: BinaryIO, size: int, *, checksums: bool = False) -> ImageStructure:
    """Follow the chunks to IEND; with `checksums`, verify the checksum of every one. Raises InvalidImage."""
    source.seek(len(SIGNATURE))
    header = _ihdr(source, size)
    before, after, exif = set[bytes](), set[bytes](), b""
    for _ in range(MAX_CHUNKS):
        name, length = _chunk_head(source, size)
        if name == b"eXIf" and not exif:
            exif = source.read(min(length, MAX_BLOCK_BYTES))
            source.seek(-len(exif), 1)
        if checksums:
            _verify_checksum(source, name, length)
        else:
            source.seek(length + 4, 1)
        if name == b"IEND":
            return _structure(header, before, after, read_orientation(exif))
        _record_chunk(name, before, after)
    raise InvalidImage("too_many_parts", f"over {MAX_CHUNKS} chunks")


def _ihdr(source: BinaryIO, size: int) -> bytes:
    name, length = _chunk_head(source, size)
    if name != b"IHDR" or length != 13:
        raise InvalidImage("corrupt", "no IHDR at the start")
    body, checksum = source.read(13), source.read(4)
    if crc32(name + body).to_bytes(4) != checksum:
        raise InvalidImage("corrupt", "checksum of IHDR")
    return body


def _chunk_head(source: BinaryIO, size: int) -> tuple[bytes, int]:
    head = source.read(8)
    if len(head) < 8:
        raise InvalidImage("truncated", "no IEND")
    length, name = struct.unpack(">I4s", head)
    if not name.isalpha():
        raise InvalidImage("corrupt", f"chunk name {name!r}")
    if source.tell() + length + 4 > size:
        raise InvalidImage("truncated", f"{name!r} reaches behind the end")
    return name, length


def _verify_checksum(source: BinaryIO, name: bytes, length: int) -> None:
    checksum = crc32(name)
    while length:
        block = source.read(min(length, _BLOCK_BYTES))
        checksum = crc32(block, checksum)
        length -= len(block)
    if checksum.to_bytes(4) != source.read(4):
        raise InvalidImage("corrupt", f"checksum of {name!r}")


def _record_chunk(name: bytes, before: set[bytes], after: set[bytes]) -> None:
    """Record a chunk by its place: before the image data, or from there on."""
    if name == b"IHDR":
        raise InvalidImage("corrupt", "a second IHDR")
    if name == b"IDAT" and after - {b"IDAT"}:
        raise InvalidImage("corrupt", "image data in two places")
    (after if name == b"IDAT" or after else before).add(name)


def _structure(header: bytes, before: set[bytes], after: set[bytes], orientation: Orientation) -> ImageStructure:
    if not after:
        raise InvalidImage("corrupt", "no image data")
    width, height, _, colour = struct.unpack(">IIBB", header[:10])
    if colour == _PALETTE and b"PLTE" not in before:
        raise InvalidImage("corrupt", "no palette")
    return ImageStructure(
        width,
        height,
        has_alpha=colour in _ALPHA_TYPES or b"tRNS" in before,
        # After the image data acTL means nothing, to decoders as well.
        animated=b"acTL" in before,
        orientation=orientation,
        header_only_file=SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", b""),
    )


def _chunk(name: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4) + name + body + crc32(name + body).to_bytes(4)
