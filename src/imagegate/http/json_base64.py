"""A file as text inside a JSON string, decoded as the string arrives and never whole in memory."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from typing import Final

import msgspec
import pybase64

MAX_PREFIX_BYTES: Final = 1024
_MAX_ESCAPE_BYTES: Final = 6
_BACKSLASH: Final = ord("\\")
_PARTIAL_ESCAPE = re.compile(rb"\\(?:u[0-9A-Fa-f]{0,3})?")
_IS_BASE64 = re.compile(rb"; *base64 *\Z", re.IGNORECASE)
_SCHEME: Final = b"data:"
_CONTROLS: Final = b"\t\r\n\f"
_WHITESPACE: Final = b" " + _CONTROLS
# Writers of base64 for URLs use these two in place of "+" and "/".
_URL_SAFE: Final = b"-_"
_TO_STANDARD: Final = bytes.maketrans(_URL_SAFE, b"+/")
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


class FileTextReader:
    """A file as text that arrives in chunks: base64, or a data URL of any form; `write` gets the bytes.

    Read as browsers read data URLs, since people copy what browsers accept: whitespace is ignored, the padding may be
    missing, bytes may be percent-encoded. The alphabet for URLs passes too. Raises ValueError for any other text; what
    was written until then must be discarded.
    """

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self._prefix: bytes | None = b""  # None once the file has begun
        self._is_data_url = False
        self._is_base64 = True
        self._partial_percent = b""
        self._rest = b""
        self._is_padded = False

    def feed(self, text: bytes) -> None:
        if self._prefix is not None:
            text = self._skip_prefix(self._prefix + text)
        if self._is_data_url:
            text = self._percent_decode(text)
        if self._is_base64:
            self._feed_base64(text)
        elif text:
            self._write(text)

    def finish(self) -> None:
        """The text is complete."""
        if self._prefix or self._partial_percent:
            raise ValueError("the text is incomplete")
        if self._rest and (rest := self._rest.translate(_TO_STANDARD, _WHITESPACE)):
            self._write(self._decoded(rest.ljust(4, b"="), 4))

    def _feed_base64(self, text: bytes) -> None:
        if self._rest:
            text = self._rest + text
        whole = len(text) & ~3
        try:
            data = self._decoded(text, whole)
        except ValueError:
            # Other spellings are rare, and only looking for them would cost more than the decoding.
            text = text.translate(_TO_STANDARD, _WHITESPACE)
            whole = len(text) & ~3
            data = self._decoded(text, whole)
        self._rest = text[whole:]
        if whole:
            self._is_padded = text[whole - 1] == ord("=")
            self._write(data)

    def _decoded(self, text: bytes, whole: int) -> bytes:
        """Raises ValueError, of which binascii.Error is one."""
        if self._is_padded and whole:
            raise ValueError("base64 goes on after its padding")
        return pybase64.b64decode(memoryview(text)[:whole], validate=True)

    def _percent_decode(self, text: bytes) -> bytes:
        if b"%" not in text and not self._partial_percent:
            return text if self._is_base64 else text.translate(None, _CONTROLS)
        text = (self._partial_percent + text).translate(None, _CONTROLS)
        percent = text.rfind(b"%", max(0, len(text) - 2))
        end = percent if percent >= 0 else len(text)
        self._partial_percent = text[end:]
        # Quoted-printable is the same with another mark, and decoded in C: a step of Python for each escape of a
        # hostile text would hold up every other request.
        return binascii.a2b_qp(text[:end].replace(b"=", b"=3D").replace(b"%", b"="))

    def _skip_prefix(self, text: bytes) -> bytes:
        """What follows `data:image/png;base64,`; nothing while it is not known whether that is how the text begins.

        Some servers put a prefix before a text that has one already.
        """
        while True:
            text = text.lstrip(_WHITESPACE)
            if text[: len(_SCHEME)].lower() != _SCHEME[: len(text)]:
                self._prefix = None
                return text
            comma = text.find(b",", 0, MAX_PREFIX_BYTES)
            if comma < 0:
                if len(text) > MAX_PREFIX_BYTES:
                    raise ValueError("not a data URL")
                self._prefix = text
                return b""
            self._is_data_url, self._is_base64 = True, _IS_BASE64.search(text[:comma]) is not None
            text = text[comma + 1 :]
            if not self._is_base64:
                self._prefix = None
                return text


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
        return msgspec.json.decode(b'"%b"' % text.translate(None, _CONTROLS), type=str).encode("ascii")
    except (msgspec.DecodeError, UnicodeError):
        return _INVALID
