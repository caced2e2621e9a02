"""POST /api/v1/files/upload/{base64,stream,url}: one file per request, never whole in memory."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator
from typing import Annotated

import msgspec

from imagegate.api.body import ApiRequest, check_json_type, stream_body
from imagegate.api.files.base64_body import Base64BodyParser, Base64Fields
from imagegate.api.files.envelope import FileResponse, uploaded_file
from imagegate.api.files.form_body import MAX_FORM_OVERHEAD_BYTES, FormBodyParser
from imagegate.api.files.naming import NamingFields, parse_naming
from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import ResponseLink, post
from imagegate.api.problems import FILES_PATH, FileErrorResponse
from imagegate.api_docs.schema import FetchUrl, doc, required
from imagegate.domain import errors
from imagegate.domain.accounts import ApiKey, Scope
from imagegate.domain.errors import Problem
from imagegate.flows.files import fetch_file, receive_file, store_file
from imagegate.runtime import Runtime

_MAX_JSON_OVERHEAD_BYTES = 4096
_UPLOAD_ERRORS: tuple[type[Problem], ...] = (
    errors.FileTooLarge,
    errors.FileTypeNotAllowed,
    errors.FileQuotaExceeded,
    errors.StorageFailed,
)
_ID = {"file_id": "$response.body#/data/file_id"}
_LINKS = (
    ResponseLink("download_file", "Download it", _ID),
    ResponseLink("remove_file", "Delete it", _ID),
    ResponseLink(
        "create_image",
        "Use it as a reference",
        body={"prompt": "At dusk", "image_urls": ["$response.body#/data/file_url"]},
    ),
)


_upload = functools.partial(
    post,
    tag="files",
    scope=Scope.files_write,
    response_example=examples.FILE,
    links=_LINKS,
    error_type=FileErrorResponse,
)


class UrlFields(NamingFields):
    """Where to fetch an image from."""

    file_url: Annotated[FetchUrl | None, required("A public URL of the image")] = None


class FileForm(NamingFields, kw_only=True):
    """A multipart/form-data form."""

    file: Annotated[msgspec.Raw, doc("The image", type="string", format="binary")]


@_upload(
    f"{FILES_PATH}/upload/base64",
    streamed_type=Base64Fields,
    summary="Keep a file given as base64 or a data URL",
    request_example=examples.BASE64_UPLOAD,
    errors=_UPLOAD_ERRORS,
)
async def upload_base64(request: ApiRequest, runtime: Runtime, key: ApiKey) -> FileResponse:
    check_json_type(request.headers.get("content-type", ""))
    max_bytes = runtime.settings.limits.max_upload_bytes * 4 // 3 + _MAX_JSON_OVERHEAD_BYTES
    async with receive_file(runtime, key.account_id) as incoming:
        body = Base64BodyParser(incoming)
        async for chunk in _stream_body(request, runtime, max_bytes):
            body.feed(chunk)
        naming = parse_naming(body.finish())
        return uploaded_file(runtime, await store_file(runtime, key.account_id, incoming, naming))


@_upload(
    f"{FILES_PATH}/upload/stream",
    summary="Keep a file given as multipart/form-data in the field file",
    errors=_UPLOAD_ERRORS,
    streamed_type=FileForm,
    streamed_media_type="multipart/form-data",
)
async def upload_stream(request: ApiRequest, runtime: Runtime, key: ApiKey) -> FileResponse:
    max_bytes = runtime.settings.limits.max_upload_bytes + MAX_FORM_OVERHEAD_BYTES
    async with receive_file(runtime, key.account_id) as incoming:
        form = FormBodyParser(request.headers.get("content-type", ""), incoming)
        async for chunk in _stream_body(request, runtime, max_bytes):
            form.feed(chunk)
        naming = parse_naming(form.finish(), form.filename)
        return uploaded_file(runtime, await store_file(runtime, key.account_id, incoming, naming))


@_upload(
    f"{FILES_PATH}/upload/url",
    summary="Keep a file that is fetched from a URL",
    request_example=examples.URL_UPLOAD,
    errors=(*_UPLOAD_ERRORS, errors.FileNotFetched),
)
async def upload_url(data: UrlFields, runtime: Runtime, key: ApiKey) -> FileResponse:
    if not data.file_url:
        raise errors.InvalidRequest("file_url is required", param="file_url")
    return uploaded_file(runtime, await fetch_file(runtime, key.account_id, data.file_url, parse_naming(data)))


def _stream_body(request: ApiRequest, runtime: Runtime, max_bytes: int) -> AsyncIterator[bytes]:
    """A body above its limit means a file above its limit: everything else in it is small."""
    limits = runtime.settings.limits
    too_large = errors.FileTooLarge(f"The file is too large: at most {limits.max_upload_bytes:,} bytes")
    idle_s = runtime.settings.server.body_timeout_s
    return stream_body(request, max_bytes, too_large, idle_s=idle_s, total_s=limits.upload_timeout_s)
