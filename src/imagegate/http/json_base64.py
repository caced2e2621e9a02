"""A file in base64 inside a JSON string, decoded as the string arrives and never whole in memory."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import msgspec
import pybase64

MAX_PREFIX_BYTES: Final = 1024
_MAX_ESCAPE_BYTES: Final = 6
_BACKSLASH: Final = ord("\\")
_PARTIAL_ESCAPE = re.compile(rb"\\(?:u[0-9A-Fa-f]{0,3})?")
_DATA_URL_PREFIX = re.compile(rb"data:[^,]*;base64,", re.IGNORECASE)
_LINE_BREAKS: Final = b"\r\n"
_FROM_URL_SAFE: Final = bytes.maketrans(b"-_", b"+/")
# Outside of base64's alphabet: stands for escapes that no JSON has, so that the decoder rejects them.
_INVALID: Final = b"\xff"


class JsonStringReader:
    """The characters of one JSON string, from behind its opening quote; `write` gets them without escapes."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._partial_escape = b""

    def feed(self, chunk: bytes, start: int = 0) -> int:
        """Where the string ended in the chunk, behind its quote, or -1."""
        held = self._partial_escape
        if not held:
            return self._read(chunk, start)
        end = self._read(held + chunk[start:], 0)
        return end if end < 0 else start + end - len(held)

    def _read(self, chunk: bytes, start: int) -> int:
        quote = _end_of_string(chunk, start)
        end = quote if quote >= 0 else len(chunk) - _partial_escape_length(chunk, start)
        self._partial_escape = chunk[end:] if quote < 0 else b""
        text = chunk[start:end]
        self._write(_unescape(text) if b"\\" in text else text)
        return quote + 1 if quote >= 0 else -1


class Base64Reader:
    """Base64 as text that arrives in chunks, bare or as a data URL; `write` gets the bytes.

    `ignored` are the characters that may stand anywhere in it. With `is_lenient` it may be in the alphabet for URLs and
    without padding: then what is decoded must show whether it is whole. Raises ValueError for any other text; what was
    written until then must be discarded.
    """

    def __init__(
        self, write: Callable[[bytes], None], ignored: bytes = _LINE_BREAKS, *, is_lenient: bool = False
    ) -> None:
        self._write = write
        self._ignored = ignored
        self._is_lenient = is_lenient
        self._prefix: bytes | None = b""  # None once the base64 has begun
        self._rest = b""
        self._is_padded = False

    def feed(self, text: bytes) -> None:
        # A few searches in C cost less than a pass that copies, and line breaks are rare.
        if any(char in text for char in self._ignored):
            text = text.translate(None, self._ignored)
        if self._is_lenient and (b"-" in text or b"_" in text):
            text = text.translate(_FROM_URL_SAFE)
        if self._prefix is not None:
            text = self._skip_prefix(self._prefix + text)
        if self._rest:
            text = self._rest + text
        whole = len(text) & ~3
        self._rest = text[whole:]
        if whole:
            self._decode(text, whole)

    def finish(self) -> None:
        """The text is complete."""
        if self._is_lenient and len(self._rest) > 1:
            self.feed(b"=" * (4 - len(self._rest)))
        if self._rest or self._prefix:
            raise ValueError("the base64 is incomplete")

    def _decode(self, text: bytes, whole: int) -> None:
        if self._is_padded:
            raise ValueError("base64 goes on after its padding")
        # binascii.Error is a ValueError.
        data = pybase64.b64decode(memoryview(text)[:whole], validate=True)
        self._is_padded = text[whole - 1] == ord("=")
        self._write(data)

    def _skip_prefix(self, text: bytes) -> bytes:
        """What follows `data:image/png;base64,`; nothing while it is not known whether that is how the text begins."""
        if text[:5].lower() != b"data:"[: len(text)]:
            self._prefix = None
            return text
        if prefix := _DATA_URL_PREFIX.match(text):
            self._prefix = None
            return text[prefix.end() :]
        if len(text) > MAX_PREFIX_BYTES or b"," in text:
            raise ValueError("not a data URL in base64")
        self._prefix = text
        return b""


def _end_of_string(chunk: bytes, start: int) -> int:
    """Where the quote stands that no backslash escapes, or -1."""
    quote = chunk.find(b'"', start)
    while quote >= 0 and _count_backslashes(chunk, start, quote) % 2:
        quote = chunk.find(b'"', quote + 1)
    return quote


def _partial_escape_length(chunk: bytes, start: int) -> int:
    """How many bytes at the end belong to an escape whose rest is still to come."""
    last = chunk.rfind(b"\\", max(start, len(chunk) - _MAX_ESCAPE_BYTES + 1))
    if last < 0 or not _PARTIAL_ESCAPE.fullmatch(chunk, last) or not _count_backslashes(chunk, start, last + 1) % 2:
        return 0
    return len(chunk) - last


def _count_backslashes(chunk: bytes, start: int, end: int) -> int:
    """How many stand in a row before `end`."""
    first = end
    while first > start and chunk[first - 1] == _BACKSLASH:
        first -= 1
    return end - first


def _unescape(text: bytes) -> bytes:
    """The text without JSON's escapes; `_INVALID` where it has none of JSON's, or stands for more than ASCII."""
    try:
        # In C: a step of Python for each escape of a hostile text would hold up every other request.
        return msgspec.json.decode(b'"%b"' % text.translate(None, _LINE_BREAKS), type=str).encode("ascii")
    except (msgspec.DecodeError, UnicodeError):
        return _INVALID
