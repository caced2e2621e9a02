"""A JSON object with a picture in one of its strings, read piece by piece.

The scanner knows where strings begin and end and how deep it is, no more: what is not the payload is kept as it came,
with an empty string in the payload's place, and parsed strictly at the end. So the payload is never whole in memory,
and whatever is wrong with the JSON is found by the parser that reads all other bodies.
"""

from __future__ import annotations

import binascii
import re
from typing import Annotated

import msgspec

from imagegate.api.body import decode
from imagegate.api.files.naming import NamingFields
from imagegate.domain.errors import InvalidRequest
from imagegate.domain.fields import said
from imagegate.flows.files import Incoming

KEPT_MOST = 64 * 1024
_PAYLOADS = ("base64_data", "base64")
_MARKS = re.compile(rb'["{}\[\]:,]')
_ENDS = re.compile(rb'["\\]')
_RUN = re.compile(rb'[^"\\]*(?:\\(?:[/nrt]|u00[0-9A-Fa-f]{2})[^"\\]*)*')
_CODED = re.compile(rb"\\u00([0-9A-Fa-f]{2})")
_SPACE = b" \t\r\n"
_LONGEST_HEAD = 1024


class Base64Fields(NamingFields):
    """One of `base64_data` and `base64` is required."""

    base64_data: Annotated[str | None, said("The picture in base64, bare or as a data URL")] = None
    base64: Annotated[str | None, said("Another spelling of base64_data")] = None


class Base64Body:
    """`feed` every piece, then `finish`; the picture's bytes go to the sink."""

    def __init__(self, sink: Incoming) -> None:
        self._decoder = Decoder(sink)
        self._read = self._between
        self._kept = bytearray()
        self._depth = 0
        self._name = ""
        self._name_at = 0
        self._in_value = False
        self._escape = b""
        self._payloads = 0

    def feed(self, piece: bytes) -> None:
        at = 0
        while at < len(piece):
            at = self._read(piece, at)

    def finish(self) -> Base64Fields:
        fields = decode(bytes(self._kept), Base64Fields)
        if self._payloads == 0:
            raise InvalidRequest("base64_data must be a data URL or base64", param="base64_data")
        self._decoder.finish()
        return fields

    def _keep(self, part: bytes) -> None:
        self._kept += part
        if len(self._kept) > KEPT_MOST:
            raise InvalidRequest(f"The fields beside base64_data must not take more than {KEPT_MOST:,} bytes")

    def _between(self, piece: bytes, at: int) -> int:
        """Outside of strings."""
        found = _MARKS.search(piece, at)
        end = found.end() if found else len(piece)
        self._keep(piece[at:end])
        if found:
            self._mark(found[0])
        return end

    def _mark(self, mark: bytes) -> None:
        if mark in b"{[":
            self._depth += 1
        elif mark in b"}]":
            self._depth -= 1
        elif mark == b'"':
            self._begin_string()
        elif self._depth == 1:
            self._in_value = mark == b":"

    def _begin_string(self) -> None:
        self._read = self._text
        if self._depth != 1:
            return
        if not self._in_value:
            self._name_at = len(self._kept) - 1
        elif self._name in _PAYLOADS:
            self._payloads += 1
            if self._payloads > 1:
                raise InvalidRequest("Give one of base64_data and base64, once", param=self._name)
            self._read = self._payload

    def _text(self, piece: bytes, at: int) -> int:
        """Inside a string that is kept."""
        if self._escape:
            self._escape = b""
            self._keep(piece[at : at + 1])
            return at + 1
        found = _ENDS.search(piece, at)
        end = found.end() if found else len(piece)
        self._keep(piece[at:end])
        if found and found[0] == b"\\":
            self._escape = b"\\"
        elif found:
            self._end_text()
        return end

    def _end_text(self) -> None:
        self._read = self._between
        if self._depth == 1 and not self._in_value:
            try:
                self._name = msgspec.json.decode(self._kept[self._name_at :], type=str)
            except (msgspec.DecodeError, UnicodeError):
                self._name = ""  # the parser will say so at the end

    def _payload(self, piece: bytes, at: int) -> int:
        """Inside the string that is the picture."""
        found = _RUN.match(piece, at)
        assert found is not None
        self._decoder.feed(_unescaped(found[0]) if b"\\" in found[0] else found[0])
        end = found.end()
        if piece[end : end + 1] == b'"':
            self._keep(b'"')
            self._read = self._between
        elif piece[end : end + 1]:
            self._read = self._payload_escape
        return end + 1

    def _payload_escape(self, piece: bytes, at: int) -> int:
        self._escape += piece[at : at + 1]
        if len(self._escape) == (5 if self._escape.startswith(b"u") else 1):
            self._decoder.feed(_meant(self._escape))
            self._escape, self._read = b"", self._payload
        return at + 1


def _unescaped(run: bytes) -> bytes:
    """Many writers of JSON escape every slash, plus or line break: a million of them must cost next to nothing."""
    for line_break in (b"\\n", b"\\r", b"\\t"):
        run = run.replace(line_break, b"")
    run = run.replace(b"\\/", b"/")
    for code in set(_CODED.findall(run)):
        meant = bytes.fromhex(code.decode())
        if meant == b"\\":
            raise _bad()
        run = run.replace(b"\\u00" + code, meant)
    return run


def _meant(escape: bytes) -> bytes:
    r"""What stands behind the backslash: `n`, `/`, `u002b`. For the rare ones, and those cut by the end of a piece."""
    try:
        return msgspec.json.decode(b'"\\' + escape + b'"', type=str).encode("utf-8")
    except (msgspec.DecodeError, UnicodeError):
        raise _bad() from None


class Decoder:
    """Base64, bare or as a data URL, decoded four characters at a time. Line breaks are passed over."""

    def __init__(self, sink: Incoming) -> None:
        self._sink = sink
        self._head: bytes | None = b""  # None once it is known where the base64 begins
        self._rest = b""
        self._ended = False

    def feed(self, text: bytes) -> None:
        text = text.translate(None, _SPACE)
        if self._head is not None:
            text = self._without_head(self._head + text)
        text = self._rest + text
        whole = len(text) // 4 * 4
        self._rest = text[whole:]
        self._decode(text[:whole])

    def finish(self) -> None:
        if self._rest or self._head:
            raise _bad()

    def _without_head(self, text: bytes) -> bytes:
        """Pass over `data:image/png;base64,`; nothing while it is not whole."""
        start = text[:5].lower()
        if start != b"data:":
            waits = b"data:".startswith(start)
            self._head = text if waits else None
            return b"" if waits else text
        head, comma, after = text.partition(b",")
        if len(head) > _LONGEST_HEAD or (comma and not head.lower().endswith(b";base64")):
            raise _bad()
        self._head = None if comma else text
        return after

    def _decode(self, text: bytes) -> None:
        if not text:
            return
        if self._ended:
            raise _bad()
        try:
            self._sink.write(binascii.a2b_base64(text, strict_mode=True))
        except binascii.Error:
            raise _bad() from None
        self._ended = text.endswith(b"=")


def _bad() -> InvalidRequest:
    return InvalidRequest("base64_data is not valid base64", param="base64_data")
