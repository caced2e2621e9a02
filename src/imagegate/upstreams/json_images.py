"""A JSON response with images in it, read as it arrives: the images go to files, the rest stays small.

An image is the text under the key `"b64_json"`, any text that is a data URL of an image or in base64, and any text that
begins as a PNG, JPEG or WebP in base64. In the rest, `"@0"`, `"@1"`,
... stand where the images stood. It may be one object or a stream of events.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec

from imagegate.upstreams.base import Call
from imagegate.upstreams.base64_file import MAX_BASE64_BYTES, Base64File
from imagegate.upstreams.damaged_json import repair_json
from imagegate.upstreams.downloads import IMAGE_MARK, ImageFile
from imagegate.upstreams.error_body import UNREADABLE

MAX_ENVELOPE_BYTES: Final = 256 * 1024
# Against a response of tiny images: each one costs an object and a file.
_MAX_IMAGES: Final = 100
_KEY: Final = b'b64_json"'
# What images begin with in base64. No URL and no name does.
_IMAGE_STARTS: Final = (b"iVBORw0KGg", b"/9j/", rb"\/9j\/", b"UklGR")
# A data URL's prefix may be written with escapes (`image\/png`), so the string reader undoes it, not the scanner. In
# valid JSON a quote before `data:` opens a string; behind a backslash it is a character of some text.
_DATA_URL: Final = rb' *(?i:data:(?:image\\?/[^",\r\n]{0,1000}|[^",\r\n]{0,1000}; *base64 *),)'
_START = re.compile(rb'(?<!\\)"(?:%b)' % b"|".join((_KEY, _DATA_URL, *map(re.escape, _IMAGE_STARTS))))
_PARTIAL_DATA_URL = re.compile(rb' *data:[^",\r\n]{0,1008}', re.IGNORECASE)
_MAX_START_BYTES: Final = 1024
_SPACE = re.compile(rb"[ \t\r\n]*+")


class UnreadableResponse(Exception):
    """The response cannot be read: too large, truncated, or not JSON. The text is for the operator."""


# What ends the reading of a response: the images that came before are as good as any.
BROKEN_OFF: Final = (aiohttp.ClientError, TimeoutError, UnreadableResponse)


class JsonImageScanner:
    """`feed` every chunk, then `finish`. `path_for` gives the file of image k, or None where k is one too many.

    Raises UnreadableResponse; OSError is the disk's. Call `close` in any case. `max_images` bounds the size, together
    with `max_envelope_bytes`, which the rest may have.
    """

    def __init__(
        self, path_for: Callable[[int], Path | None], max_images: int, max_envelope_bytes: int = MAX_ENVELOPE_BYTES
    ) -> None:
        self.kept = bytearray()
        self.files: list[Base64File] = []
        self._path_for = path_for
        self._max_envelope_bytes = max_envelope_bytes
        self._bytes_left = max_images * MAX_BASE64_BYTES + max_envelope_bytes
        self._position = 0
        self._after_colon: bool | None = None  # None outside of what follows the key
        self._current: Base64File | None = None

    @property
    def finished_files(self) -> dict[str, ImageFile]:
        """By the text that stands for them."""
        return {f"{IMAGE_MARK}{number}": one.file for number, one in enumerate(self.files) if one.file}

    @property
    def image_errors(self) -> list[str]:
        """Why the other images have no file."""
        return [f"image {number}: {file.error}" for number, file in enumerate(self.files) if file.error]

    def feed(self, chunk: bytes) -> None:
        self._bytes_left -= len(chunk)
        if self._bytes_left < 0:
            raise UnreadableResponse("the response is larger than its images may be")
        while chunk:
            chunk = self._feed_file(chunk) if self._current else self._keep(chunk)
        if len(self.kept) > self._max_envelope_bytes:
            raise UnreadableResponse(f"more than {self._max_envelope_bytes} bytes beside the images")

    def finish(self) -> bytes:
        """Everything but the images. One that the response ends in is truncated; those before it may be whole."""
        if self._current is not None:
            self._current.abort()
            self._current = None
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
            quote = self._find_quote()
            if quote is None:
                break
            if quote >= 0:
                rest = bytes(kept[quote + 1 :])
                del kept[quote:]
                self._open_file()
                return rest
        return b""

    def _find_quote(self) -> int | None:
        """One step forward: where the quote stands that opens an image, or -1. None until more has come."""
        if self._after_colon is not None:
            return self._position - 1 if self._read_token() else -1
        found = _START.search(self.kept, self._position)
        if found is None:
            self._position = self._partial_start()
            return None
        if found[0] != b'"' + _KEY:
            return found.start()
        self._position, self._after_colon = found.end(), False
        return -1

    def _partial_start(self) -> int:
        """Where an image's beginning may stand that the end of the chunk cut in two; else the end."""
        end = len(self.kept)
        quote = self.kept.rfind(b'"', max(self._position, end - _MAX_START_BYTES))
        return end if quote < 0 or not _may_be_start(bytes(self.kept[quote + 1 :])) else quote

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
        self.kept += f'"{IMAGE_MARK}{number}"'.encode()
        self._position = len(self.kept)


def _may_be_start(text: bytes) -> bool:
    """Whether more text could make it the beginning of an image."""
    return (
        any(start.startswith(text) for start in (_KEY, *_IMAGE_STARTS))
        or b"data:".startswith(text.lstrip(b" ").lower())
        or _PARTIAL_DATA_URL.fullmatch(text) is not None
    )


def max_images(call: Call) -> int:
    """Whose bytes one response may have: servers repeat what they were sent. Of files there may be twice as many, since
    they may send a result in two ways."""
    return call.order.n + len(call.references) + bool(call.mask)


def _decimal(text: str) -> Decimal | None:
    """None for a number that no Decimal can hold, as 1e9999999999999999999: it must not cost the images."""
    try:
        return Decimal(text)
    except ArithmeticError:
        return None


_DECODER = msgspec.json.Decoder(float_hook=_decimal)


def is_whole_json(text: bytes) -> bool:
    try:
        _DECODER.decode(text.removeprefix(codecs.BOM_UTF8))
    except UNREADABLE:
        return False
    return True


def decode_object(text: bytes) -> dict[str, Any]:
    """A JSON object whose fractions are Decimal; of damaged JSON what stands before the damage.

    Raises UnreadableResponse.
    """
    text = text.removeprefix(codecs.BOM_UTF8)
    try:
        decoded = _DECODER.decode(text)
    except UNREADABLE as error:
        decoded = _decode_damaged(text, error)
    if not isinstance(decoded, dict):
        raise UnreadableResponse("not a JSON object")
    return decoded


def _decode_damaged(text: bytes, reason: Exception) -> Any:
    try:
        decoded = _DECODER.decode(repair_json(text))
    except (ValueError, *UNREADABLE):
        decoded = None
    if not decoded:
        raise UnreadableResponse(f"not JSON: {reason}"[:200]) from None
    return decoded
