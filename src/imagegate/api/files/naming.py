"""The optional fields of every upload, in both spellings. Refuses to know what becomes of them."""

from __future__ import annotations

import unicodedata
from typing import Annotated

import msgspec

from imagegate.domain.errors import InvalidRequest
from imagegate.domain.fields import said, shape
from imagegate.domain.files import LONGEST_NAME
from imagegate.flows.files import Naming

_Name = Annotated[str, shape(maxLength=LONGEST_NAME)]


class NamingFields(msgspec.Struct):
    """What an upload may say of its name."""

    upload_path: Annotated[_Name | None, said("A label, images when absent")] = None
    upload_path_too: Annotated[_Name | None, said("Another spelling of upload_path")] = msgspec.field(
        default=None, name="uploadPath"
    )
    file_name: Annotated[_Name | None, said("Made safe before it is used; its own name when absent")] = None
    file_name_too: Annotated[_Name | None, said("Another spelling of file_name")] = msgspec.field(
        default=None, name="fileName"
    )


def naming_of(fields: NamingFields, own_name: str | None = None) -> Naming:
    """InvalidRequest for text that is too long or holds control characters; empty is as good as absent."""
    path = fields.upload_path or fields.upload_path_too
    name = fields.file_name or fields.file_name_too
    return Naming(_checked(path, "upload_path"), _checked(name, "file_name"), _checked(own_name, "file"))


def _checked(text: str | None, field: str) -> str | None:
    if not text:
        return None
    if len(text) > LONGEST_NAME:
        raise InvalidRequest(f"{field} must have at most {LONGEST_NAME} characters", param=field)
    if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in text):
        raise InvalidRequest(f"{field} must not hold control characters", param=field)
    return text
