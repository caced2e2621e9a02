"""A walk through the markers of a JPEG file, from SOI to the first EOI.

It counts scans, which are what makes a small file slow to decode, and reads no segments but the frame
header and EXIF. What follows EOI, such as the second image or the short film of a phone camera, is ignored.
"""

from __future__ import annotations

import struct
from typing import BinaryIO, Final

from imagegate.images.exif import Orientation, read_orientation
from imagegate.images.facts import ImageStructure, InvalidImage

MAX_SCANS: Final = 100
MAX_SEGMENTS: Final = 10_000
_BLOCK_BYTES: Final = 1 << 16

# A marker is FF and a byte that is no stuffing (00), no restart (D0 to D7) and no fill (FF). Sorting bytes into kinds
# first lets the search run in C at one speed for all data; a pattern took four times as long on a file full of FF.
_NON_MARKERS: Final = frozenset({0x00, *range(0xD0, 0xD8)})
_BYTE_KINDS: Final = bytes(ord("F" if byte == 0xFF else "-" if byte in _NON_MARKERS else "c") for byte in range(256))
_TEM, _SOI, _EOI, _SOS, _APP1 = 0x01, 0xD8, 0xD9, 0xDA, 0xE1
_FRAMES: Final = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})
# Lossless and hierarchical: the standard has them, nobody reads them.
_UNSUPPORTED_FRAMES: Final = frozenset({0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF, 0xDE, 0xDF})
_SKIPPED_SEGMENTS: Final = frozenset({0xC4, 0xCC, 0xDB, 0xDC, 0xDD, 0xFE, *range(0xE0, 0xF0)})


def walk(source: BinaryIO) -> ImageStructure:
    """Follow the markers to EOI. Raises InvalidImage, also for too many scans."""
    source.seek(2)
    window, frame, scans, exif = _Window(source), b"", 0, b""
    for _ in range(MAX_SEGMENTS):
        marker = window.next_marker()
        if marker == _EOI:
            return _structure(frame, scans, read_orientation(exif))
        if marker in _FRAMES:
            frame = _frame(window, marker, frame)
        elif marker == _SOS:
            scans = _count_scan(scans)
            window.skip(window.length())
        elif marker == _APP1 and not exif and not scans:
            exif = _exif_block(window)
        elif marker in _SKIPPED_SEGMENTS:
            window.skip(window.length())
        else:
            _reject_marker(marker)
    raise InvalidImage("too_many_parts", f"over {MAX_SEGMENTS} segments")


def _frame(window: _Window, marker: int, earlier: bytes) -> bytes:
    if earlier:
        raise InvalidImage("corrupt", "a second frame header")
    length = window.length()
    if length < 9:
        raise InvalidImage("corrupt", "a short frame header")
    return struct.pack(">BBH", 0xFF, marker, length + 2) + window.take(length)


def _exif_block(window: _Window) -> bytes:
    """The segment where it is the one with EXIF; XMP comes in segments of the same kind."""
    segment = window.take(window.length())
    return segment if segment.startswith(b"Exif\0\0") else b""


def _count_scan(scans: int) -> int:
    if scans == MAX_SCANS:
        raise InvalidImage("too_many_scans", f"over {MAX_SCANS}")
    return scans + 1


def _reject_marker(marker: int) -> None:
    if marker in _UNSUPPORTED_FRAMES:
        raise InvalidImage("unsupported_image_type", f"JPEG process {marker:02x}")
    if marker != _TEM:
        raise InvalidImage("corrupt", f"marker {marker:02x}")


def _structure(frame: bytes, scans: int, orientation: Orientation) -> ImageStructure:
    if not frame or not scans:
        raise InvalidImage("corrupt", "no image before EOI")
    height, width = struct.unpack(">HH", frame[5:9])
    # For a parser that reads headers, the image ends where its first scan begins.
    header_only_file = b"\xff\xd8" + frame + b"\xff\xda\x00\x02"
    return ImageStructure(width, height, orientation=orientation, header_only_file=header_only_file)


class _Window:
    """A file read through a small window that moves forward."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._position = 0
        self._set_data(b"")

    def next_marker(self) -> int:
        """The code of the next marker; anything before it is skipped, as decoders do."""
        while True:
            found = self._kinds.find(b"Fc", self._position)
            if found >= 0:
                self._position = found + 2
                return self._data[found + 1]
            # The second half of a marker may be in the next block.
            rest = self._data[self._position :][-1:]
            self._refill(rest if rest == b"\xff" else b"")

    def length(self) -> int:
        """The length of the segment that begins here, without the two bytes of the length itself."""
        length = int.from_bytes(self.take(2))
        if length < 2:
            raise InvalidImage("corrupt", "a segment of no length")
        return length - 2

    def take(self, count: int) -> bytes:
        while len(self._data) - self._position < count:
            self._refill(self._data[self._position :])
        taken = self._data[self._position : self._position + count]
        self._position += count
        return taken

    def skip(self, count: int) -> None:
        beyond = count - (len(self._data) - self._position)
        if beyond <= 0:
            self._position += count
            return
        # A seek beyond the end is noticed at the next read.
        self._source.seek(beyond, 1)
        self._set_data(b"")

    def _refill(self, kept: bytes) -> None:
        block = self._source.read(_BLOCK_BYTES)
        if not block:
            raise InvalidImage("truncated", "no EOI")
        self._set_data(kept + block)

    def _set_data(self, data: bytes) -> None:
        self._data, self._kinds, self._position = data, data.translate(_BYTE_KINDS), 0
