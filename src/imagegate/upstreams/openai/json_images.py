"""A JSON response with images in it, read as it arrives: the images go to files, the rest stays small.

In the rest, `"@0"`, `"@1"`, ... stand where the images stood. It may be one object or a stream of events.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from imagegate.upstreams.error_body import UNREADABLE
from imagegate.upstreams.openai.base64_file import MAX_BASE64_BYTES, Base64File

MAX_ENVELOPE_BYTES: Final = 256 * 1024
# Against a response of tiny images: each one costs an object and a file.
_MAX_IMAGES: Final = 100
_KEY: Final = b'"b64_json"'
_SPACE = re.compile(rb"[ \t\r\n]*+")


class UnreadableResponse(Exception):
    """The response cannot be read: too large, truncated, or not JSON. The text is for the operator."""


class JsonImageScanner:
    """`feed` every chunk, then `finish`. `path_for` gives the file of image k, or None where k is one too many.

    Raises UnreadableResponse; OSError is the disk's. Call `close` in any case. `max_images` bounds the size.
    """

    def __init__(self, path_for: Callable[[int], Path | None], max_images: int) -> None:
        self.kept = bytearray()
        self.files: list[Base64File] = []
        self._path_for = path_for
        self._bytes_left = max_images * MAX_BASE64_BYTES + MAX_ENVELOPE_BYTES
        self._position = 0
        self._after_colon: bool | None = None  # None outside of what follows the key
        self._current: Base64File | None = None

    def feed(self, chunk: bytes) -> None:
        self._bytes_left -= len(chunk)
        if self._bytes_left < 0:
            raise UnreadableResponse("the response is larger than its images may be")
        while chunk:
            chunk = self._feed_file(chunk) if self._current else self._keep(chunk)
        if len(self.kept) > MAX_ENVELOPE_BYTES:
            raise UnreadableResponse(f"more than {MAX_ENVELOPE_BYTES} bytes beside the images")

    def finish(self) -> bytes:
        """Everything but the images."""
        if self._current is not None:
            raise UnreadableResponse("the response ends within an image")
        return bytes(self.kept)

    def close(self) -> None:
        for file in self.files:
            file.abort()

    def discard(self, end: int) -> None:
        """Forget the first bytes of what was kept: they have been read."""
        del self.kept[:end]
        if end > self._position:
            self._after_colon = None
        self._position = max(0, self._position - end)

    def _feed_file(self, chunk: bytes) -> bytes:
        assert self._current is not None
        end = self._current.feed(chunk)
        if end < 0:
            return b""
        self._current = None
        return chunk[end:]

    def _keep(self, chunk: bytes) -> bytes:
        """Keep up to where an image begins, and return what follows."""
        kept = self.kept
        kept += chunk
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
            # The key may be cut in two by the end of the chunk.
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
        """One token behind the key; whether it was the quote that opens an image."""
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
            raise UnreadableResponse(f"more than {_MAX_IMAGES} images")
        self._current = Base64File(self._path_for(number))
        self.files.append(self._current)
        self.kept += b'"@%d"' % number
        self._position = len(self.kept)


def _decimal(text: str) -> Decimal | None:
    """None for a number that no Decimal can hold, as 1e9999999999999999999: it must not cost the images."""
    try:
        return Decimal(text)
    except ArithmeticError:
        return None


_DECODER = msgspec.json.Decoder(float_hook=_decimal)


def decode_object(text: bytes) -> dict[str, Any]:
    """A JSON object whose fractions are Decimal. Raises UnreadableResponse."""
    try:
        decoded = _DECODER.decode(text.removeprefix(codecs.BOM_UTF8))
    except UNREADABLE as error:
        raise UnreadableResponse(f"not JSON: {error}"[:200]) from None
    if not isinstance(decoded, dict):
        raise UnreadableResponse("not a JSON object")
    return decoded
