"""A JSON body whose data URLs are decoded into files as they arrive, so that none is ever whole in memory."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Final

from imagegate.domain.errors import InvalidRequest, RequestTooLarge
from imagegate.flows.files import IncomingFile
from imagegate.http.json_base64 import FileTextReader, JsonStringReader

MAX_KEPT_BYTES: Final = 1024 * 1024
MAX_FILES: Final = 17  # references and a mask
_STRING_END = re.compile(rb'["\\]')
_SCHEME: Final = b"data:"


class DataUrlExtractor:
    """`feed` every chunk, then `finish` for the JSON without the files; `file_of` finds the one behind a text."""

    def __init__(self, open_file: Callable[[], IncomingFile]) -> None:
        self._open_file = open_file
        self._files: dict[str, IncomingFile] = {}
        # Nobody can write the text that stands for a file: it is drawn anew for each request.
        self._secret = secrets.token_hex(16)
        self._kept = bytearray()
        self._read = self._outside_strings
        self._head = b""
        self._is_escaped = False
        self._file_text: FileTextReader | None = None
        self._payload: JsonStringReader | None = None

    def feed(self, chunk: bytes) -> None:
        at = 0
        while at < len(chunk):
            at = self._read(chunk, at)

    def finish(self) -> bytes:
        return bytes(self._kept)

    def file_of(self, text: str) -> IncomingFile | None:
        return self._files.get(text)

    def _keep(self, part: bytes) -> None:
        self._kept += part
        if len(self._kept) > MAX_KEPT_BYTES:
            raise RequestTooLarge(f"The body without its data URLs is over {MAX_KEPT_BYTES:,} bytes")

    def _outside_strings(self, chunk: bytes, at: int) -> int:
        quote = chunk.find(b'"', at)
        end = len(chunk) if quote < 0 else quote + 1
        self._keep(chunk[at:end])
        if quote >= 0:
            self._head, self._read = b"", self._at_start
        return end

    def _at_start(self, chunk: bytes, at: int) -> int:
        """The first characters of a string: whether it is a data URL."""
        part = chunk[at : at + len(_SCHEME) - len(self._head)]
        special = _STRING_END.search(part)
        if special:
            part = part[: special.start()]
        self._head += part
        if self._head.lower() == _SCHEME:
            self._begin_file()
        elif special or len(self._head) == len(_SCHEME):
            self._keep(self._head)
            self._read = self._inside_string
        return at + len(part)

    def _inside_string(self, chunk: bytes, at: int) -> int:
        if self._is_escaped:
            self._is_escaped = False
            self._keep(chunk[at : at + 1])
            return at + 1
        found = _STRING_END.search(chunk, at)
        end = found.end() if found else len(chunk)
        self._keep(chunk[at:end])
        if found and found[0] == b"\\":
            self._is_escaped = True
        elif found:
            self._read = self._outside_strings
        return end

    def _begin_file(self) -> None:
        if len(self._files) >= MAX_FILES:
            raise InvalidRequest(f"At most {MAX_FILES - 1} images and a mask", param="images")
        file, name = self._open_file(), f"{self._secret}:{len(self._files)}"
        self._files[name] = file
        self._keep(name.encode())
        self._file_text = FileTextReader(file.write)
        self._file_text.feed(self._head)
        self._payload = JsonStringReader(self._file_text.feed)
        self._read = self._inside_file

    def _inside_file(self, chunk: bytes, at: int) -> int:
        assert self._payload is not None
        assert self._file_text is not None
        try:
            end = self._payload.feed(chunk, at)
            if end < 0:
                return len(chunk)
            self._file_text.finish()
        except ValueError:
            raise InvalidRequest("A data URL of this request is not valid base64", param="images") from None
        self._keep(b'"')
        self._read = self._outside_strings
        return end
