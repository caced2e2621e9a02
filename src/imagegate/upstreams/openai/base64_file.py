"""One picture inside a JSON string, from the bytes of the wire to the bytes of a file.

Knows: JSON's escapes, the prefix of a data URL, strict base64 and the largest picture. Refuses to know: where in the
answer the string stood, and what the picture shows. A picture that turns out to be none is dropped where it goes
wrong; the rest of its string is passed over.
"""

from __future__ import annotations

import binascii
import re
from io import FileIO
from pathlib import Path
from typing import Final

import msgspec
import pybase64

from imagegate.crash_points import crash_point
from imagegate.images.sniff import SNIFF_BYTES, sniff

MAX_IMAGE_BYTES: Final = 36 * 1024 * 1024
MAX_BASE64_BYTES: Final = 48 * 1024 * 1024
_MAX_PREFIX_BYTES: Final = 256
_MAX_ESCAPE_BYTES: Final = 6
_BACKSLASH: Final = ord("\\")
_PARTIAL_ESCAPE = re.compile(rb"\\(?:u[0-9A-Fa-f]{0,3})?")
_DATA_URL_PREFIX = re.compile(rb"data:[^,]*;base64,", re.IGNORECASE)
# No character of base64: what is taken for it is dropped.
_INVALID_BASE64 = b"\xff"


class Base64File:
    """`feed` until it says that the string has ended. `error` is empty while a picture may come of it.

    At most MAX_IMAGE_BYTES are written; the file exists from the first byte that is.
    """

    def __init__(self, draft: Path | None) -> None:
        self._draft = draft
        self._file: FileIO | None = None
        self._partial_escape = b""
        self._prefix: bytes | None = b""
        self._partial_quad = b""
        self._first_bytes = b""
        self._padded = False
        self._chars_read = 0
        self.bytes_written = 0
        self.error = "" if draft else "more pictures than asked for"

    @property
    def draft(self) -> Path | None:
        """The finished file, where there is one."""
        return None if self.error else self._draft

    def feed(self, piece: bytes, at: int = 0) -> int:
        """Where the string ended in the piece, after its quote, or -1. OSError is the disk's."""
        if not self._partial_escape:
            return self._feed(piece, at)
        begun, self._partial_escape = self._partial_escape, b""
        end = self._feed(begun + piece[at:], 0)
        return end if end < 0 else end + at - len(begun)

    def abort(self) -> None:
        """No more will come: a picture that has not ended leaves nothing behind."""
        if self._file is not None:
            self._fail("cut off")

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _feed(self, piece: bytes, at: int) -> int:
        quote = _end_of_string(piece, at)
        end = quote if quote >= 0 else len(piece) - _partial_escape_length(piece, at)
        self._partial_escape = piece[end:] if quote < 0 else b""
        text = piece[at:end]
        self._accept(_unescape(text) if b"\\" in text else text)
        if quote < 0:
            return -1
        self._finish()
        return quote + 1

    def _accept(self, text: bytes) -> None:
        self._chars_read += len(text)
        if self.error:
            return
        if self._chars_read > MAX_BASE64_BYTES + _MAX_PREFIX_BYTES:
            self._fail("too large")
        elif self._prefix is None:
            self._decode(text)
        else:
            self._accept_prefix(self._prefix + text)

    def _accept_prefix(self, head: bytes) -> None:
        """The beginning is held back until it is known whether it is the prefix of a data URL."""
        if head[:5].lower() != b"data:"[: len(head)]:
            self._prefix = None
            self._decode(head)
        elif prefix := _DATA_URL_PREFIX.match(head):
            self._prefix = None
            self._decode(head[prefix.end() :])
        elif len(head) > _MAX_PREFIX_BYTES:
            self._fail("not base64")
        else:
            self._prefix = head

    def _decode(self, text: bytes) -> None:
        if self._partial_quad:
            text = self._partial_quad + text
        whole = len(text) & ~3
        self._partial_quad = text[whole:]
        if whole == 0:
            return
        try:
            data = pybase64.b64decode(memoryview(text)[:whole], validate=True)
        except (binascii.Error, ValueError):
            self._fail("not base64")
            return
        if self._padded:
            self._fail("not base64")
            return
        self._padded = text[whole - 1] == ord("=")
        self._write(data)

    def _write(self, data: bytes) -> None:
        if self.bytes_written + len(data) > MAX_IMAGE_BYTES:
            self._fail("too large")
            return
        if self._file is None:
            data = self._first_bytes + data
            if len(data) < SNIFF_BYTES:
                self._first_bytes = data
                return
            if not self._open(data):
                return
        self._put(memoryview(data))
        crash_point("spool.mid")
        self.bytes_written += len(data)

    def _put(self, data: memoryview) -> None:
        # Unbuffered, so that a full disk is met here and not a second time when the file is closed.
        assert self._file is not None
        while data:
            data = data[self._file.write(data) :]

    def _open(self, data: bytes) -> bool:
        if sniff(data[:SNIFF_BYTES]) is None:
            self._fail("no picture by its first bytes")
            return False
        assert self._draft is not None
        self._file = self._draft.open("wb", buffering=0)
        return True

    def _finish(self) -> None:
        head = self._prefix
        if head:
            self._prefix = None
            self._decode(head)
        if self._partial_quad and not self.error:
            self._fail("not base64")
        if self.bytes_written == 0 and not self.error:
            self._fail("no picture by its first bytes")
        self._close()

    def _fail(self, fault: str) -> None:
        self.error = fault
        self._partial_quad = self._first_bytes = b""
        self._close()
        if self._draft is not None and self.bytes_written:
            self._draft.unlink()
        self.bytes_written = 0


def _end_of_string(piece: bytes, at: int) -> int:
    """Where the quote stands that no backslash escapes, or -1."""
    quote = piece.find(b'"', at)
    while quote >= 0 and _backslashes(piece, at, quote) % 2:
        quote = piece.find(b'"', quote + 1)
    return quote


def _partial_escape_length(piece: bytes, at: int) -> int:
    """How many bytes at the end belong to an escape whose rest is still to come."""
    last = piece.rfind(b"\\", max(at, len(piece) - _MAX_ESCAPE_BYTES + 1))
    if last < 0 or not _PARTIAL_ESCAPE.fullmatch(piece, last) or not _backslashes(piece, at, last + 1) % 2:
        return 0
    return len(piece) - last


def _backslashes(piece: bytes, at: int, end: int) -> int:
    """How many stand in a row before `end`."""
    start = end
    while start > at and piece[start - 1] == _BACKSLASH:
        start -= 1
    return end - start


def _unescape(text: bytes) -> bytes:
    """The text without its escapes, and without the line ends that some encoders put into base64."""
    try:
        # In C: a step of Python for each escape of a hostile answer would hold up every other call.
        return msgspec.json.decode(b'"%b"' % text, type=str).encode("ascii").translate(None, b"\r\n")
    except (msgspec.DecodeError, UnicodeError):
        return _INVALID_BASE64
