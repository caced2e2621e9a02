"""The envelope of the files API, and a file as its owner sees it."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal

import msgspec

from imagegate.api_docs.schema import DateTime, FileIdText, Link, MediaType, doc
from imagegate.domain.files import StoredFile
from imagegate.domain.time import US_PER_SECOND
from imagegate.flows.local_urls import download_link, upload_link
from imagegate.runtime import Runtime


class Envelope(msgspec.Struct, kw_only=True):
    success: Literal[True] = True
    code: Literal[200] = 200
    msg: Annotated[str, doc("For people; may change")]
    data: Any


class FileView(msgspec.Struct, kw_only=True):
    """A kept file. Both links open without a key until it expires."""

    file_id: FileIdText
    file_name: Annotated[
        str, doc("Made safe, with the extension of the format", pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$")
    ]
    original_name: Annotated[str, doc("As sent by the client")]
    file_size: Annotated[int, doc("In bytes", minimum=1)]
    mime_type: MediaType
    upload_path: Annotated[str, doc("A label; the same path and name replace the older file", minLength=1)]
    file_url: Annotated[Link, doc("Works in image_urls and mask_url")]
    download_url: Annotated[Link, doc("Opens as a download")]
    upload_time: DateTime
    expires_at: DateTime


class FileResponse(Envelope, kw_only=True):
    """One file, in the envelope of the files API."""

    data: FileView


def uploaded_file(runtime: Runtime, file: StoredFile) -> FileResponse:
    return FileResponse(msg="File uploaded successfully", data=file_view(runtime, file))


def file_view(runtime: Runtime, file: StoredFile) -> FileView:
    return FileView(
        file_id=file.id,
        file_name=file.file_name,
        original_name=file.original_name,
        file_size=file.bytes,
        mime_type=file.media_type,
        upload_path=file.upload_path,
        file_url=upload_link(runtime, file),
        download_url=download_link(runtime, file),
        upload_time=rfc_3339(file.created),
        expires_at=rfc_3339(file.expires),
    )


def rfc_3339(timestamp_us: int) -> str:
    """Whole seconds with a numeric offset."""
    return datetime.datetime.fromtimestamp(timestamp_us // US_PER_SECOND, datetime.UTC).isoformat()
