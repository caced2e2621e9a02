"""A form with references, a mask and texts, parsed as it arrives; the files go to disk."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from multipart import MultipartError, MultipartSegment, PushMultipartParser

from imagegate.api.files.form_body import build_parser, invalid_form
from imagegate.api.openai.parameters import FIELDS
from imagegate.domain.errors import InvalidRequest, Problem
from imagegate.flows.files import IncomingFile

MAX_IMAGES: Final = 16
MAX_PARTS: Final = 64
_MAX_TEXT_BYTES: Final = 256 * 1024  # the longest prompt in UTF-8, and more
MAX_TEXTS_BYTES: Final = 1024 * 1024
_IMAGE = re.compile(r"image(?:\[([0-9]{0,3})\])?")


class EditFormParser:
    """`feed` every chunk, then `finish`. `images` are in their order; `texts` are the fields that we know."""

    def __init__(self, content_type: str, open_file: Callable[[], IncomingFile]) -> None:
        self.texts: dict[str, str] = {}
        self.mask: IncomingFile | None = None
        self._open_file = open_file
        self._parser: PushMultipartParser = build_parser(content_type, MAX_PARTS)
        self._images: list[tuple[int | None, IncomingFile]] = []
        self._file: IncomingFile | None = None
        self._name = ""
        self._keeps_text = False
        self._text = bytearray()
        self._texts_bytes = 0

    @property
    def images(self) -> list[IncomingFile]:
        """By their numbers where all have one, else as they came."""
        if all(number is not None for number, _ in self._images):
            return [file for _, file in sorted(self._images, key=lambda one: one[0] or 0)]
        return [file for _, file in self._images]

    def feed(self, chunk: bytes) -> None:
        try:
            for event in self._parser.parse(chunk):
                if isinstance(event, MultipartSegment):
                    self._begin_part(event)
                elif event is None:
                    self._end_part()
                else:
                    self._take_data(bytes(event))
        except MultipartError as error:
            raise invalid_form(error) from error

    def finish(self) -> None:
        try:
            self._parser.close()
        except MultipartError as error:
            raise invalid_form(error) from error

    def _begin_part(self, part: MultipartSegment) -> None:
        self._name, self._text, self._file = part.name or "", bytearray(), None
        field = self._name.partition("[")[0]
        self._keeps_text = field in FIELDS
        if field == "markup":
            raise InvalidRequest("markup is not supported here", param="markup")

    def _is_file(self) -> bool:
        return self._name == "mask" or _IMAGE.fullmatch(self._name) is not None

    def _begin_file(self) -> IncomingFile:
        """At its first byte: an empty part is absent, as an empty text is."""
        if self._name == "mask":
            if self.mask is not None:
                raise InvalidRequest("Send one mask", param="mask")
            self.mask = self._open_file()
            return self.mask
        if len(self._images) >= MAX_IMAGES:
            raise InvalidRequest(f"At most {MAX_IMAGES} images", param="image")
        match = _IMAGE.fullmatch(self._name)
        assert match is not None
        file = self._open_file()
        self._images.append((int(match[1]) if match[1] else None, file))
        return file

    def _take_data(self, data: bytes) -> None:
        if self._is_file():
            try:
                self._file = self._file or self._begin_file()
                self._file.write(data)
            except Problem as problem:
                problem.param = problem.param or self._name
                raise
        elif self._keeps_text:
            self._text += data
            self._texts_bytes += len(data)
            if len(self._text) > _MAX_TEXT_BYTES or self._texts_bytes > MAX_TEXTS_BYTES:
                raise InvalidRequest(f"A field must not take more than {_MAX_TEXT_BYTES:,} bytes", param=self._name)

    def _end_part(self) -> None:
        if self._keeps_text:
            try:
                self.texts[self._name] = self._text.decode("utf-8")
            except UnicodeError:
                raise InvalidRequest(f"{self._name[:100]} must be UTF-8", param=self._name[:100]) from None
