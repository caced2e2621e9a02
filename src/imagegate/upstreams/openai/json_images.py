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

from imagegate.upstreams.openai.base64_file import MAX_BASE64_BYTES, Payload

MAX_ENVELOPE_BYTES: Final = 256 * 1024
_MOST_PICTURES: Final = 100
_KEY = b'"b64_json"'
_SPACE = re.compile(rb"[ \t\r\n]*+")


class BadAnswer(Exception):
    """Not an answer that can be read: too large, cut off, or no JSON. The text is for the operator."""


class Scanner:
    """`feed` every piece, then `finish`. `place` gives the file of picture k, or None where k is one too many.

    Raises BadAnswer; OSError is the disk's. Call `close` in any case. `most` bounds the pictures that may come.
    """

    def __init__(self, place: Callable[[int], Path | None], most: int) -> None:
        self.kept = bytearray()
        self.payloads: list[Payload] = []
        self._place = place
        self._left = most * MAX_BASE64_BYTES + MAX_ENVELOPE_BYTES
        self._at = 0
        self._colon: bool | None = None
        self._open: Payload | None = None

    def feed(self, piece: bytes) -> None:
        self._left -= len(piece)
        if self._left < 0:
            raise BadAnswer("the answer is larger than its pictures may be")
        while piece:
            piece = self._pass_payload(piece) if self._open else self._keep(piece)
        if len(self.kept) > MAX_ENVELOPE_BYTES:
            raise BadAnswer(f"more than {MAX_ENVELOPE_BYTES} bytes beside the pictures")

    def finish(self) -> bytes:
        """What was kept."""
        if self._open is not None:
            raise BadAnswer("the answer ends within a picture")
        return bytes(self.kept)

    def close(self) -> None:
        for payload in self.payloads:
            payload.give_up()

    def cut(self, end: int) -> None:
        """Forget the first bytes of what was kept: they were read."""
        del self.kept[:end]
        if end > self._at:
            self._colon = None
        self._at = max(0, self._at - end)

    def _pass_payload(self, piece: bytes) -> bytes:
        assert self._open is not None
        end = self._open.feed(piece)
        if end < 0:
            return b""
        self._open = None
        return piece[end:]

    def _keep(self, piece: bytes) -> bytes:
        """Keep up to where a picture begins; what lies behind is answered."""
        kept = self.kept
        kept += piece
        while self._at < len(kept):
            if self._colon is None:
                if not self._find_key():
                    break
            elif self._step():
                rest = bytes(kept[self._at :])
                del kept[self._at - 1 :]
                self._begin()
                return rest
        return b""

    def _find_key(self) -> bool:
        found = self.kept.find(_KEY, self._at)
        if found < 0:
            self._at = max(self._at, len(self.kept) - len(_KEY) + 1)
            return False
        self._at = found + len(_KEY)
        # Behind a backslash the first quote is a character of some text.
        if found and self.kept[found - 1] == ord("\\"):
            self._at = found + 1
        else:
            self._colon = False
        return True

    def _step(self) -> bool:
        """One token behind a key; whether it was the quote that opens a picture."""
        space = _SPACE.match(self.kept, self._at)
        assert space is not None
        self._at = space.end()
        following = self.kept[self._at : self._at + 1]
        if not following:
            return False
        if following == b":":
            self._colon = True
            self._at += 1
            return False
        opens = following == b'"' and self._colon is True
        self._colon = None
        if opens:
            self._at += 1
        return opens

    def _begin(self) -> None:
        number = len(self.payloads)
        if number >= _MOST_PICTURES:
            raise BadAnswer(f"more than {_MOST_PICTURES} pictures")
        self._open = Payload(self._place(number))
        self.payloads.append(self._open)
        self.kept += b'"@%d"' % number
        self._at = len(self.kept)
