"""A JSON answer with pictures in it, read as it arrives: the pictures go to files, the rest stays small.

Knows: where a `"b64_json"` key has a string for its value, wherever the network cut it, and how large an answer may
be. In what it keeps, `"@0"`, `"@1"`, ... stand where the pictures stood. Refuses to know: what the rest says, whether
it is one object or a stream of events, and what a picture is.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Final

from imagegate.upstreams.openai.base64_file import MAX_BASE64_BYTES, Base64File

MAX_ENVELOPE_BYTES: Final = 256 * 1024
_MAX_IMAGES: Final = 100
_KEY = b'"b64_json"'
_SPACE = re.compile(rb"[ \t\r\n]*+")


class UnreadableResponse(Exception):
    """Not an answer that can be read: too large, cut off, or no JSON. The text is for the operator."""


class JsonImageScanner:
    """`feed` every piece, then `finish`. `place` gives the file of picture k, or None where k is one too many.

    Raises BadAnswer; OSError is the disk's. Call `close` in any case. `most` bounds the pictures that may come.
    """

    def __init__(self, place: Callable[[int], Path | None], most: int) -> None:
        self.kept = bytearray()
        self.files: list[Base64File] = []
        self._path_for = place
        self._bytes_left = most * MAX_BASE64_BYTES + MAX_ENVELOPE_BYTES
        self._position = 0
        self._after_colon: bool | None = None
        self._current: Base64File | None = None

    def feed(self, piece: bytes) -> None:
        self._bytes_left -= len(piece)
        if self._bytes_left < 0:
            raise UnreadableResponse("the answer is larger than its pictures may be")
        while piece:
            piece = self._feed_file(piece) if self._current else self._keep(piece)
        if len(self.kept) > MAX_ENVELOPE_BYTES:
            raise UnreadableResponse(f"more than {MAX_ENVELOPE_BYTES} bytes beside the pictures")

    def finish(self) -> bytes:
        """What was kept."""
        if self._current is not None:
            raise UnreadableResponse("the answer ends within a picture")
        return bytes(self.kept)

    def close(self) -> None:
        for payload in self.files:
            payload.abort()

    def discard(self, end: int) -> None:
        """Forget the first bytes of what was kept: they were read."""
        del self.kept[:end]
        if end > self._position:
            self._after_colon = None
        self._position = max(0, self._position - end)

    def _feed_file(self, piece: bytes) -> bytes:
        assert self._current is not None
        end = self._current.feed(piece)
        if end < 0:
            return b""
        self._current = None
        return piece[end:]

    def _keep(self, piece: bytes) -> bytes:
        """Keep up to where a picture begins; what lies behind is answered."""
        kept = self.kept
        kept += piece
        while self._position < len(kept):
            if self._after_colon is None:
                if not self._find_key():
                    break
            elif self._read_token():
                rest = bytes(kept[self._position :])
                del kept[self._position - 1 :]
                self._open_file()
                return rest
        return b""

    def _find_key(self) -> bool:
        found = self.kept.find(_KEY, self._position)
        if found < 0:
            self._position = max(self._position, len(self.kept) - len(_KEY) + 1)
            return False
        self._position = found + len(_KEY)
        # Behind a backslash the first quote is a character of some text.
        if found and self.kept[found - 1] == ord("\\"):
            self._position = found + 1
        else:
            self._after_colon = False
        return True

    def _read_token(self) -> bool:
        """One token behind a key; whether it was the quote that opens a picture."""
        space = _SPACE.match(self.kept, self._position)
        assert space is not None
        self._position = space.end()
        following = self.kept[self._position : self._position + 1]
        if not following:
            return False
        if following == b":":
            self._after_colon = True
            self._position += 1
            return False
        opens = following == b'"' and self._after_colon is True
        self._after_colon = None
        if opens:
            self._position += 1
        return opens

    def _open_file(self) -> None:
        number = len(self.files)
        if number >= _MAX_IMAGES:
            raise UnreadableResponse(f"more than {_MAX_IMAGES} pictures")
        self._current = Base64File(self._path_for(number))
        self.files.append(self._current)
        self.kept += b'"@%d"' % number
        self._position = len(self.kept)
