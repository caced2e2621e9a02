"""A PNG file without its ancillary chunks: text, profiles and private ones.

Pillow reads such chunks whole, 50 MB of them too, and refuses an image for the size of its texts. Other formats and
broken files are passed on as they are.
"""

import io
from pathlib import Path
from typing import BinaryIO

from imagegate.images.png import SIGNATURE

_KEPT_CHUNKS = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"eXIf", b"gAMA", b"sRGB", b"cHRM"}
_MAX_CHUNKS = 65_536
Span = tuple[int, int]


def open_filtered(path: Path) -> BinaryIO:
    """The file for reading; a PNG without its extras."""
    file = path.open("rb")
    if file.read(len(SIGNATURE)) != SIGNATURE:
        file.seek(0)
        return file
    return io.BufferedReader(_SpanReader(file, _kept_spans(file, path.stat().st_size)), 1 << 16)


def _kept_spans(file: BinaryIO, size: int) -> list[Span]:
    """Start and end of the parts to keep; from the first error on all of it, for the decoder to report."""
    spans = [(0, len(SIGNATURE))]
    for _ in range(_MAX_CHUNKS):
        start = file.tell()
        head = file.read(8)
        end = start + 12 + int.from_bytes(head[:4])
        if len(head) < 8 or end > size:
            return _append_span(spans, (start, size))
        if head[4:] in _KEPT_CHUNKS:
            spans = _append_span(spans, (start, end))
        if head[4:] == b"IEND":
            return spans
        file.seek(end)
    return _append_span(spans, (file.tell(), size))


def _append_span(spans: list[Span], new: Span) -> list[Span]:
    if spans[-1][1] == new[0]:
        spans[-1] = (spans[-1][0], new[1])
    else:
        spans.append(new)
    return spans


class _SpanReader(io.RawIOBase):
    """Some spans of a file, read as if they were the whole."""

    def __init__(self, file: BinaryIO, spans: list[Span]) -> None:
        self._file = file
        self._spans = spans
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        length = sum(end - start for start, end in self._spans)
        self._at = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: length}[whence])
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]
        skip = self._at
        for start, end in self._spans:
            if skip < end - start:
                self._file.seek(start + skip)
                data = self._file.read(min(len(buffer), end - start - skip))
                buffer[: len(data)] = data
                self._at += len(data)
                return len(data)
            skip -= end - start
        return 0

    def close(self) -> None:
        self._file.close()
        super().close()
