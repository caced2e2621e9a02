"""The envelope of the files API, and a file as its owner sees it."""

from __future__ import annotations

import datetime
from typing import Any

import msgspec
from litestar import Response

from imagegate.api.answers import json_answer
from imagegate.domain.files import StoredFile
from imagegate.flows.own_links import download_link, upload_link
from imagegate.runtime import PER_SECOND, Runtime


class Envelope(msgspec.Struct, kw_only=True):
    success: bool = True
    code: int = 200
    msg: str
    data: Any


class FileView(msgspec.Struct, kw_only=True):
    file_id: str
    file_name: str
    original_name: str
    file_size: int
    mime_type: str
    upload_path: str
    file_url: str
    download_url: str
    upload_time: str
    expires_at: str


def enveloped(msg: str, data: Any) -> Response[bytes]:
    return json_answer(Envelope(msg=msg, data=data))


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


def rfc_3339(micros: int) -> str:
    """Whole seconds with a numeric offset."""
    return datetime.datetime.fromtimestamp(micros // PER_SECOND, datetime.UTC).isoformat()
