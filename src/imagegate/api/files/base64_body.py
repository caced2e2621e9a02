"""A JSON object with an image in base64 in one of its strings, read as it arrives.

What is not the image is kept as it came, with an empty string in the image's place, and parsed strictly at the end: so
the image is never whole in memory, and wrong JSON is found by the parser that reads all other bodies.
"""

from __future__ import annotations

import re
from typing import Annotated

import msgspec

from imagegate.api.body import decode_json
from imagegate.api.files.naming import NamingFields
from imagegate.api_docs.schema import doc
from imagegate.domain.errors import InvalidRequest
from imagegate.flows.files import IncomingFile
from imagegate.http.json_base64 import FileTextReader, JsonStringReader

MAX_FIELDS_BYTES = 64 * 1024
_PAYLOAD_FIELDS = ("base64_data", "base64")
_STRUCTURAL = re.compile(rb'["{}\[\]:,]')
_STRING_END = re.compile(rb'["\\]')


class Base64Fields(NamingFields):
    """One of `base64_data` and `base64` is required."""

    base64_data: Annotated[str | None, doc("The image in base64, bare or as a data URL")] = None
    base64: Annotated[str | None, doc("Another spelling of base64_data")] = None


class Base64BodyParser:
    """`feed` every chunk, then `finish`; the image's bytes go to the sink. Raises InvalidRequest."""

    def __init__(self, sink: IncomingFile) -> None:
        self._file_text = FileTextReader(sink.write)
        self._payload = JsonStringReader(self._file_text.feed)
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
        try:
            self._file_text.finish()
        except ValueError:
            raise _invalid_base64() from None
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
                self._name = ""  # the parser reports it at the end

    def _inside_payload(self, chunk: bytes, at: int) -> int:
        """Inside the string that is the image."""
        try:
            end = self._payload.feed(chunk, at)
        except ValueError:
            raise _invalid_base64() from None
        if end < 0:
            return len(chunk)
        self._keep(b'"')
        self._read = self._outside_strings
        return end


def _invalid_base64() -> InvalidRequest:
    return InvalidRequest("base64_data is neither valid base64 nor a data URL", param="base64_data")
