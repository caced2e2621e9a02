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

import pybase64

from imagegate.imaging.magic import ENOUGH, sniff

MAX_IMAGE_BYTES: Final = 36 * 1024 * 1024
MAX_BASE64_BYTES: Final = 48 * 1024 * 1024
_LONGEST_PREFIX: Final = 256
_LONGEST_ESCAPE: Final = 6
# Possessive: what is refused is refused in one pass, however the bytes were chosen.
_WHOLE = re.compile(rb'(?:[^"\\]++|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*+')
_ESCAPE = re.compile(rb"\\(?:u(....)|(.))", re.DOTALL)
_BEGUN = re.compile(rb"\\(?:u[0-9A-Fa-f]{0,3})?")
_PREFIX = re.compile(rb"data:[^,]*;base64,", re.IGNORECASE)
# The characters of plain base64 and the line ends that some encoders put between them; any other makes it foreign.
_PLAIN = {b"/": b"/", b"n": b"", b"r": b""}
_FOREIGN = b"\xff"


class NotJson(Exception):
    """A string that no JSON has."""


class Payload:
    """`feed` until it says that the string has ended. `fault` is empty while a picture may come of it.

    At most MAX_IMAGE_BYTES are written; the file exists from the first byte that is.
    """

    def __init__(self, draft: Path | None) -> None:
        self._draft = draft
        self._file: FileIO | None = None
        self._begun = b""
        self._head: bytes | None = b""
        self._quad = b""
        self._opening = b""
        self._padded = False
        self._taken = 0
        self.written = 0
        self.fault = "" if draft else "more pictures than asked for"

    @property
    def draft(self) -> Path | None:
        """The finished file, where there is one."""
        return None if self.fault else self._draft

    def feed(self, piece: bytes, at: int = 0) -> int:
        """Where the string ended in the piece, after its quote, or -1. Raises NotJson; OSError is the disk's."""
        if not self._begun:
            return self._feed(piece, at)
        begun, self._begun = self._begun, b""
        end = self._feed(begun + piece[at:], 0)
        return end if end < 0 else end + at - len(begun)

    def close(self) -> None:
        """Also where the string was cut off."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _feed(self, piece: bytes, at: int) -> int:
        quote = piece.find(b'"', at)
        if piece.find(b"\\", at, quote if quote >= 0 else len(piece)) >= 0:
            return self._feed_escaped(piece, at)
        if quote < 0:
            self._accept(piece[at:] if at else piece)
            return -1
        self._accept(piece[at:quote])
        self._finish()
        return quote + 1

    def _feed_escaped(self, piece: bytes, at: int) -> int:
        whole = _WHOLE.match(piece, at)
        assert whole is not None
        self._accept(_ESCAPE.sub(_meant, whole[0]))
        end = whole.end()
        if piece[end : end + 1] == b'"':
            self._finish()
            return end + 1
        rest = piece[end:]
        if rest and not _BEGUN.fullmatch(rest):
            raise NotJson
        self._begun = rest
        return -1

    def _accept(self, text: bytes) -> None:
        self._taken += len(text)
        if self.fault:
            return
        if self._taken > MAX_BASE64_BYTES + _LONGEST_PREFIX:
            self._drop("too large")
        elif self._head is None:
            self._decode(text)
        else:
            self._accept_head(self._head + text)

    def _accept_head(self, head: bytes) -> None:
        """The beginning is held back until it is known whether it is the prefix of a data URL."""
        if head[:5].lower() != b"data:"[: len(head)]:
            self._head = None
            self._decode(head)
        elif prefix := _PREFIX.match(head):
            self._head = None
            self._decode(head[prefix.end() :])
        elif len(head) > _LONGEST_PREFIX:
            self._drop("not base64")
        else:
            self._head = head

    def _decode(self, text: bytes) -> None:
        if self._quad:
            text = self._quad + text
        whole = len(text) & ~3
        self._quad = text[whole:]
        if whole == 0:
            return
        try:
            data = pybase64.b64decode(memoryview(text)[:whole], validate=True)
        except (binascii.Error, ValueError):
            self._drop("not base64")
            return
        if self._padded:
            self._drop("not base64")
            return
        self._padded = text[whole - 1] == ord("=")
        self._write(data)

    def _write(self, data: bytes) -> None:
        if self.written + len(data) > MAX_IMAGE_BYTES:
            self._drop("too large")
            return
        if self._file is None:
            data = self._opening + data
            if len(data) < ENOUGH:
                self._opening = data
                return
            if not self._open(data):
                return
        self._put(memoryview(data))
        self.written += len(data)

    def _put(self, data: memoryview) -> None:
        # Unbuffered, so that a full disk is met here and not a second time when the file is closed.
        assert self._file is not None
        while data:
            data = data[self._file.write(data) :]

    def _open(self, data: bytes) -> bool:
        if sniff(data[:ENOUGH]) is None:
            self._drop("no picture by its first bytes")
            return False
        assert self._draft is not None
        self._file = self._draft.open("wb", buffering=0)
        return True

    def _finish(self) -> None:
        head = self._head
        if head:
            self._head = None
            self._decode(head)
        if self._quad and not self.fault:
            self._drop("not base64")
        if self.written == 0 and not self.fault:
            self._drop("no picture by its first bytes")
        self.close()

    def _drop(self, fault: str) -> None:
        self.fault = fault
        self._quad = self._opening = b""
        self.close()
        if self._draft is not None and self.written:
            self._draft.unlink()
        self.written = 0


def _meant(escape: re.Match[bytes]) -> bytes:
    if escape[1] is None:
        return _PLAIN.get(escape[2], _FOREIGN)
    code = int(escape[1], 16)
    if code in (0x0A, 0x0D):
        return b""
    return bytes([code]) if code < 0x80 else _FOREIGN
