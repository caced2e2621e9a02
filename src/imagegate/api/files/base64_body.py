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

from imagegate.api.body import decode_json
from imagegate.api.files.naming import NamingFields
from imagegate.api_docs.schema import doc
from imagegate.domain.errors import InvalidRequest
from imagegate.flows.files import IncomingFile

MAX_FIELDS_BYTES = 64 * 1024
_PAYLOAD_FIELDS = ("base64_data", "base64")
_STRUCTURAL = re.compile(rb'["{}\[\]:,]')
_STRING_END = re.compile(rb'["\\]')
_PAYLOAD_RUN = re.compile(rb'[^"\\]*(?:\\(?:[/nrt]|u00[0-9A-Fa-f]{2})[^"\\]*)*')
_UNICODE_ESCAPE = re.compile(rb"\\u00([0-9A-Fa-f]{2})")
_WHITESPACE = b" \t\r\n"
_MAX_DATA_URL_HEADER = 1024


class Base64Fields(NamingFields):
    """One of `base64_data` and `base64` is required."""

    base64_data: Annotated[str | None, doc("The picture in base64, bare or as a data URL")] = None
    base64: Annotated[str | None, doc("Another spelling of base64_data")] = None


class Base64BodyParser:
    """`feed` every piece, then `finish`; the picture's bytes go to the sink."""

    def __init__(self, sink: IncomingFile) -> None:
        self._decoder = Base64Decoder(sink)
        self._read = self._outside_strings
        self._kept = bytearray()
        self._depth = 0
        self._name = ""
        self._name_at = 0
        self._in_value = False
        self._escape = b""
        self._payloads = 0

    def feed(self, chunk: bytes) -> None:
        at = 0
        while at < len(chunk):
            at = self._read(chunk, at)

    def finish(self) -> Base64Fields:
        fields = decode_json(bytes(self._kept), Base64Fields)
        if self._payloads == 0:
            raise InvalidRequest("base64_data must be a data URL or base64", param="base64_data")
        self._decoder.finish()
        return fields

    def _keep(self, part: bytes) -> None:
        self._kept += part
        if len(self._kept) > MAX_FIELDS_BYTES:
            raise InvalidRequest(f"The fields beside base64_data must not take more than {MAX_FIELDS_BYTES:,} bytes")

    def _outside_strings(self, chunk: bytes, at: int) -> int:
        """Outside of strings."""
        found = _STRUCTURAL.search(chunk, at)
        end = found.end() if found else len(chunk)
        self._keep(chunk[at:end])
        if found:
            self._handle_token(found[0])
        return end

    def _handle_token(self, token: bytes) -> None:
        if token in b"{[":
            self._depth += 1
        elif token in b"}]":
            self._depth -= 1
        elif token == b'"':
            self._begin_string()
        elif self._depth == 1:
            self._in_value = token == b":"

    def _begin_string(self) -> None:
        self._read = self._inside_string
        if self._depth != 1:
            return
        if not self._in_value:
            self._name_at = len(self._kept) - 1
        elif self._name in _PAYLOAD_FIELDS:
            self._payloads += 1
            if self._payloads > 1:
                raise InvalidRequest("Give one of base64_data and base64, once", param=self._name)
            self._read = self._inside_payload

    def _inside_string(self, chunk: bytes, at: int) -> int:
        """Inside a string that is kept."""
        if self._escape:
            self._escape = b""
            self._keep(chunk[at : at + 1])
            return at + 1
        found = _STRING_END.search(chunk, at)
        end = found.end() if found else len(chunk)
        self._keep(chunk[at:end])
        if found and found[0] == b"\\":
            self._escape = b"\\"
        elif found:
            self._end_string()
        return end

    def _end_string(self) -> None:
        self._read = self._outside_strings
        if self._depth == 1 and not self._in_value:
            try:
                self._name = msgspec.json.decode(self._kept[self._name_at :], type=str)
            except (msgspec.DecodeError, UnicodeError):
                self._name = ""  # the parser will say so at the end

    def _inside_payload(self, chunk: bytes, at: int) -> int:
        """Inside the string that is the picture."""
        found = _PAYLOAD_RUN.match(chunk, at)
        assert found is not None
        self._decoder.feed(_unescape(found[0]) if b"\\" in found[0] else found[0])
        end = found.end()
        if chunk[end : end + 1] == b'"':
            self._keep(b'"')
            self._read = self._outside_strings
        elif chunk[end : end + 1]:
            self._read = self._inside_payload_escape
        return end + 1

    def _inside_payload_escape(self, chunk: bytes, at: int) -> int:
        self._escape += chunk[at : at + 1]
        if len(self._escape) == (5 if self._escape.startswith(b"u") else 1):
            self._decoder.feed(_decode_escape(self._escape))
            self._escape, self._read = b"", self._inside_payload
        return at + 1


def _unescape(run: bytes) -> bytes:
    """Many writers of JSON escape every slash, plus or line break: a million of them must cost next to nothing."""
    for line_break in (b"\\n", b"\\r", b"\\t"):
        run = run.replace(line_break, b"")
    run = run.replace(b"\\/", b"/")
    for code in set(_UNICODE_ESCAPE.findall(run)):
        meant = bytes.fromhex(code.decode())
        if meant == b"\\":
            raise _invalid_base64()
        run = run.replace(b"\\u00" + code, meant)
    return run


def _decode_escape(escape: bytes) -> bytes:
    r"""What stands behind the backslash: `n`, `/`, `u002b`. For the rare ones, and those cut by the end of a piece."""
    try:
        return msgspec.json.decode(b'"\\' + escape + b'"', type=str).encode("utf-8")
    except (msgspec.DecodeError, UnicodeError):
        raise _invalid_base64() from None


class Base64Decoder:
    """Base64, bare or as a data URL, decoded four characters at a time. Line breaks are passed over."""

    def __init__(self, sink: IncomingFile) -> None:
        self._sink = sink
        self._header: bytes | None = b""  # None once it is known where the base64 begins
        self._rest = b""
        self._ended = False

    def feed(self, text: bytes) -> None:
        text = text.translate(None, _WHITESPACE)
        if self._header is not None:
            text = self._strip_header(self._header + text)
        text = self._rest + text
        whole = len(text) // 4 * 4
        self._rest = text[whole:]
        self._decode(text[:whole])

    def finish(self) -> None:
        if self._rest or self._header:
            raise _invalid_base64()

    def _strip_header(self, text: bytes) -> bytes:
        """Pass over `data:image/png;base64,`; nothing while it is not whole."""
        start = text[:5].lower()
        if start != b"data:":
            incomplete = b"data:".startswith(start)
            self._header = text if incomplete else None
            return b"" if incomplete else text
        header, comma, after = text.partition(b",")
        if len(header) > _MAX_DATA_URL_HEADER or (comma and not header.lower().endswith(b";base64")):
            raise _invalid_base64()
        self._header = None if comma else text
        return after

    def _decode(self, text: bytes) -> None:
        if not text:
            return
        if self._ended:
            raise _invalid_base64()
        try:
            self._sink.write(binascii.a2b_base64(text, strict_mode=True))
        except binascii.Error:
            raise _invalid_base64() from None
        self._ended = text.endswith(b"=")


def _invalid_base64() -> InvalidRequest:
    return InvalidRequest("base64_data is not valid base64", param="base64_data")
