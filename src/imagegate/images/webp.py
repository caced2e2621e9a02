"""A walk through the chunks of a WebP file: the RIFF frame, the canvas and the headers of the two bitstreams.

Pillow gives no second reading here: its plugin reads the whole file and reserves the whole canvas, twice, first.
"""

from __future__ import annotations

import struct
from typing import BinaryIO, Final

from imagegate.images.exif import MAX_BLOCK_BYTES, Orientation, read_orientation
from imagegate.images.facts import ImageStructure, InvalidImage

MAX_CHUNKS: Final = 10_000
_RIFF_HEADER_BYTES: Final = 12
_ANIMATED_FLAG, _EXIF, _ALPHA = 0x02, 0x08, 0x10


def walk(source: BinaryIO, size: int) -> ImageStructure:
    """Follow the chunks to the end that the RIFF header gives. Raises InvalidImage."""
    source.seek(4)
    end = 8 + int.from_bytes(source.read(4), "little")
    if end > size:
        raise InvalidImage("truncated", f"RIFF announces {end} bytes")
    source.seek(_RIFF_HEADER_BYTES)
    name, head = _chunk(source, end)
    if name != b"VP8X":
        return _bitstream_structure(name, head)
    return _extended_structure(source, end, head)


def _chunk(source: BinaryIO, end: int) -> tuple[bytes, bytes]:
    """Name and first bytes of the chunk that begins here; moves to the next one."""
    header = source.read(8)
    if len(header) < 8 or source.tell() > end:
        raise InvalidImage("truncated", "a chunk without a head")
    name, length = struct.unpack("<4sI", header)
    after = source.tell() + length
    if after > end:
        raise InvalidImage("truncated", f"{name!r} reaches behind the end")
    head = source.read(min(length, 10))
    source.seek(after + length % 2)
    return name, head


def _extended_structure(source: BinaryIO, end: int, head: bytes) -> ImageStructure:
    if len(head) < 10:
        raise InvalidImage("corrupt", "a short VP8X")
    flags = head[0]
    width, height = (int.from_bytes(head[at : at + 3], "little") + 1 for at in (4, 7))
    if flags & _ANIMATED_FLAG:
        return ImageStructure(width, height, animated=True)
    exif: Orientation | None = None
    for _ in range(MAX_CHUNKS):
        start = source.tell()
        name, head = _chunk(source, end)
        if name == b"EXIF" and flags & _EXIF and exif is None:
            exif = _orientation_at(source, start)
        if name in {b"ANIM", b"ANMF"}:
            return ImageStructure(width, height, animated=True)
        if name in {b"VP8 ", b"VP8L"}:
            bitstream = _bitstream_structure(name, head)
            if (bitstream.width, bitstream.height) != (width, height):
                raise InvalidImage("corrupt", "image and canvas differ")
            has_alpha = bool(flags & _ALPHA) or bitstream.has_alpha
            orientation = exif or (_orientation_after_image(source, end) if flags & _EXIF else 1)
            return ImageStructure(width, height, has_alpha=has_alpha, orientation=orientation)
    raise InvalidImage("too_many_parts", f"over {MAX_CHUNKS} chunks")


def _orientation_at(source: BinaryIO, start: int) -> Orientation:
    """What the EXIF chunk at `start` says; the source stays where it is."""
    position = source.tell()
    source.seek(start + 4)
    length = int.from_bytes(source.read(4), "little")
    orientation = read_orientation(source.read(min(length, MAX_BLOCK_BYTES)))
    source.seek(position)
    return orientation


def _orientation_after_image(source: BinaryIO, end: int) -> Orientation:
    """EXIF comes after the image, by the rules; a file that ends without it is shown as stored."""
    for _ in range(MAX_CHUNKS):
        start = source.tell()
        header = source.read(8)
        if len(header) < 8 or source.tell() > end:
            return 1
        name, length = struct.unpack("<4sI", header)
        if name == b"EXIF":
            return _orientation_at(source, start)
        source.seek(length + length % 2, 1)
    return 1


def _bitstream_structure(name: bytes, head: bytes) -> ImageStructure:
    if name == b"VP8 " and len(head) == 10 and not head[0] & 1 and head[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", head[6:10])
        return ImageStructure(width & 0x3FFF, height & 0x3FFF)
    if name == b"VP8L" and len(head) >= 5 and head[0] == 0x2F and head[4] >> 5 == 0:
        bits = int.from_bytes(head[1:5], "little")
        return ImageStructure((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, has_alpha=bool(bits >> 28 & 1))
    raise InvalidImage("corrupt", f"no image in {name!r}")
