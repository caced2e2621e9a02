"""POST /api/v1/files/upload/{base64,stream,url}: one file per request, never whole in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, post

from imagegate.api.auth import need
from imagegate.api.body import check_json_type, pieces, read_json
from imagegate.api.files.base64_body import Base64Body, Base64Fields
from imagegate.api.files.envelope import FileAnswer, file_answer
from imagegate.api.files.form_body import BESIDE_FILE, FormBody
from imagegate.api.files.naming import NamingFields, naming_of
from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import Follow, Operation, described
from imagegate.api.problems import FILES_API, FileError
from imagegate.domain import errors
from imagegate.domain.accounts import Key, Scope
from imagegate.domain.errors import FileTooLarge, InvalidRequest, Problem, RequestTooLarge
from imagegate.domain.fields import needed, said, shape
from imagegate.domain.files import StoredFile
from imagegate.flows.files import fetch_file, keep_file, receiving
from imagegate.runtime import Runtime

_BESIDE_BASE64 = 4096
_REFUSALS: tuple[type[Problem], ...] = (
    errors.FileTooLarge,
    errors.FileTypeNotAllowed,
    errors.FileQuotaExceeded,
    errors.StorageFailed,
)
_ID = {"file_id": "$response.body#/data/file_id"}
_FOLLOW = (
    Follow("download_file", "Download it", _ID),
    Follow("remove_file", "Delete it", _ID),
    Follow(
        "create_image",
        "Use it as a reference",
        body={"prompt": "At dusk", "image_urls": ["$response.body#/data/file_url"]},
    ),
)


class UrlFields(NamingFields):
    """Where to fetch a picture."""

    file_url: Annotated[
        Annotated[str, shape(format="uri", pattern="^https?://", maxLength=8192)] | None,
        needed("Where the picture is; a public address"),
    ] = None


class FileForm(NamingFields, kw_only=True):
    """A form of multipart/form-data."""

    file: Annotated[msgspec.Raw, said("The picture", type="string", format="binary")]


@post(
    f"{FILES_API}/upload/base64",
    status_code=200,
    request_max_body_size=None,
    opt=described(
        Operation(
            summary="Keep a file given as base64 or a data URL",
            takes=Base64Fields,
            example=examples.BASE64,
            answer=FileAnswer,
            gives=examples.FILE,
            scope=Scope.files_write,
            follow=_FOLLOW,
            failure=FileError,
            tag="files",
            errors=_REFUSALS,
        )
    ),
)
async def upload_base64(request: Request[Any, Any, Any], runtime: Runtime, key: Key) -> Response[bytes]:
    need(key, Scope.files_write)
    check_json_type(request.headers.get("content-type", ""))
    most = runtime.settings.limits.upload_max_bytes * 4 // 3 + _BESIDE_BASE64
    async with receiving(runtime) as incoming:
        body = Base64Body(incoming)
        async for piece in _file_body(request, runtime, most):
            body.feed(piece)
        naming = naming_of(body.finish())
        return _answer(runtime, await keep_file(runtime, key.account_id, incoming, naming))


@post(
    f"{FILES_API}/upload/stream",
    status_code=200,
    request_max_body_size=None,
    opt=described(
        Operation(
            summary="Keep a file given as multipart/form-data in the field file",
            form=FileForm,
            answer=FileAnswer,
            gives=examples.FILE,
            scope=Scope.files_write,
            follow=_FOLLOW,
            failure=FileError,
            tag="files",
            errors=_REFUSALS,
        )
    ),
)
async def upload_stream(request: Request[Any, Any, Any], runtime: Runtime, key: Key) -> Response[bytes]:
    need(key, Scope.files_write)
    most = runtime.settings.limits.upload_max_bytes + BESIDE_FILE
    async with receiving(runtime) as incoming:
        form = FormBody(request.headers.get("content-type", ""), incoming)
        async for piece in _file_body(request, runtime, most):
            form.feed(piece)
        naming = naming_of(form.finish(), form.own_name)
        return _answer(runtime, await keep_file(runtime, key.account_id, incoming, naming))


@post(
    f"{FILES_API}/upload/url",
    status_code=200,
    opt=described(
        Operation(
            summary="Keep a file that is fetched from a URL",
            takes=UrlFields,
            example=examples.BY_URL,
            answer=FileAnswer,
            gives=examples.FILE,
            scope=Scope.files_write,
            follow=_FOLLOW,
            failure=FileError,
            tag="files",
            errors=(*_REFUSALS, errors.FileNotFetched),
        )
    ),
)
async def upload_url(request: Request[Any, Any, Any], runtime: Runtime, key: Key) -> Response[bytes]:
    need(key, Scope.files_write)
    fields = await read_json(request, UrlFields, runtime.settings.server)
    if not fields.file_url:
        raise InvalidRequest("file_url is required", param="file_url")
    return _answer(runtime, await fetch_file(runtime, key.account_id, fields.file_url, naming_of(fields)))


async def _file_body(request: Request[Any, Any, Any], runtime: Runtime, most: int) -> AsyncIterator[bytes]:
    """A body above its cap is a file above its limit: all else in it is small."""
    idle_s, total_s = runtime.settings.server.body_timeout_s, runtime.settings.limits.upload_timeout_s
    try:
        async for piece in pieces(request, most, idle_s, total_s):
            yield piece
    except RequestTooLarge:
        limit = runtime.settings.limits.upload_max_bytes
        raise FileTooLarge(f"The file is too large: at most {limit:,} bytes") from None


def _answer(runtime: Runtime, file: StoredFile) -> Response[bytes]:
    return file_answer(runtime, "File uploaded successfully", file)
