"""The optional name fields of every upload, in both spellings."""

from __future__ import annotations

import unicodedata
from typing import Annotated

import msgspec

from imagegate.api_docs.schema import doc, schema
from imagegate.domain.errors import InvalidRequest
from imagegate.domain.files import MAX_NAME_CHARS
from imagegate.flows.files import UploadNames

_Name = Annotated[str, schema(maxLength=MAX_NAME_CHARS)]


class NamingFields(msgspec.Struct):
    """The optional name fields of an upload."""

    upload_path: Annotated[_Name | None, doc("A label, images when absent")] = None
    upload_path_too: Annotated[_Name | None, doc("Another spelling of upload_path")] = msgspec.field(
        default=None, name="uploadPath"
    )
    file_name: Annotated[_Name | None, doc("Made safe before it is used; the name of the sent file when absent")] = None
    file_name_too: Annotated[_Name | None, doc("Another spelling of file_name")] = msgspec.field(
        default=None, name="fileName"
    )


def parse_naming(fields: NamingFields, filename: str | None = None) -> UploadNames:
    """InvalidRequest for text that is too long or has control characters; empty counts as absent."""
    path = fields.upload_path or fields.upload_path_too
    name = fields.file_name or fields.file_name_too
    return UploadNames(_check_text(path, "upload_path"), _check_text(name, "file_name"), _check_text(filename, "file"))


def _check_text(text: str | None, field: str) -> str | None:
    if not text:
        return None
    if len(text) > MAX_NAME_CHARS:
        raise InvalidRequest(f"{field} must have at most {MAX_NAME_CHARS} characters", param=field)
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in text):
        raise InvalidRequest(f"{field} must not contain control characters", param=field)
    return text
