"""A multipart form with one file, parsed as it arrives; the bytes of the file go to the sink."""

from __future__ import annotations

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from imagegate.api.files.naming import NamingFields
from imagegate.domain.errors import InvalidRequest, UnsupportedMediaType
from imagegate.flows.files import IncomingFile

MAX_PARTS = 32
MAX_PART_HEADER_BYTES = 8 * 1024
MAX_FIELD_BYTES = 64 * 1024
MAX_FORM_OVERHEAD_BYTES = MAX_PARTS * (MAX_PART_HEADER_BYTES + MAX_FIELD_BYTES)  # what a form may hold beside its file
_FIELDS = {
    "upload_path": "upload_path",
    "uploadPath": "upload_path_too",
    "file_name": "file_name",
    "fileName": "file_name_too",
}


class FormBodyParser:
    """`feed` every chunk, then `finish`. `filename` is the one that the client sent."""

    def __init__(self, content_type: str, sink: IncomingFile) -> None:
        self.filename: str | None = None
        self._sink = sink
        self._parser = build_parser(content_type, MAX_PARTS)
        self._part: MultipartSegment | None = None
        self._files = 0
        self._text = b""
        self._texts: dict[str, str] = {}

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

    def finish(self) -> NamingFields:
        try:
            self._parser.close()
        except MultipartError as error:
            raise invalid_form(error) from error
        if self._files == 0:
            raise InvalidRequest("The form must have a part named file", param="file")
        return NamingFields(**self._texts)

    def _begin_part(self, part: MultipartSegment) -> None:
        if sum(len(name) + len(value) + 4 for name, value in part.headerlist) > MAX_PART_HEADER_BYTES:
            raise InvalidRequest(f"The headers of a part must not take more than {MAX_PART_HEADER_BYTES:,} bytes")
        self._part, self._text = part, b""
        if part.name == "file":
            self._files += 1
            self.filename = part.filename
        if self._files > 1:
            raise InvalidRequest("Send one file per request", param="file")

    def _take_data(self, data: bytes) -> None:
        assert self._part is not None
        if self._part.name == "file":
            self._sink.write(data)
            return
        if self._part.bytes_received > MAX_FIELD_BYTES:
            name = str(self._part.name)[:100]
            raise InvalidRequest(f"A field must not take more than {MAX_FIELD_BYTES:,} bytes", param=name)
        if self._part.name in _FIELDS:
            self._text += data

    def _end_part(self) -> None:
        assert self._part is not None
        field = _FIELDS.get(self._part.name or "")
        if field:
            try:
                self._texts[field] = self._text.decode("utf-8")
            except UnicodeError:
                raise InvalidRequest(f"{self._part.name} must be UTF-8", param=self._part.name) from None


def build_parser(content_type: str, max_parts: int) -> PushMultipartParser:
    kind, options = parse_options_header(content_type)
    if kind.lower() != "multipart/form-data":
        raise UnsupportedMediaType("The body must be multipart/form-data")
    try:
        return PushMultipartParser(
            options.get("boundary", ""), max_header_size=MAX_PART_HEADER_BYTES, max_segment_count=max_parts
        )
    except MultipartError as error:
        raise invalid_form(error) from error


def invalid_form(error: MultipartError) -> InvalidRequest:
    return InvalidRequest(f"The form is not valid multipart/form-data: {str(error)[:100]}")
