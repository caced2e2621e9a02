"""What an account keeps: list, quota, delete; and the two addresses of a file, which open without a key."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, delete, get, route

from imagegate.api.auth import require_scope
from imagegate.api.files.envelope import Envelope, FileView, file_view
from imagegate.api.files.results import FILE_HEADERS, send_file
from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import Operation, described, header, path, query
from imagegate.api.problems import FILES_PATH, FileErrorResponse
from imagegate.api.responses import json_response, whole_number
from imagegate.domain import errors
from imagegate.domain.accounts import ApiKey, Scope
from imagegate.domain.errors import NotFound, ResultExpired
from imagegate.domain.fields import Count, FileIdText, doc
from imagegate.domain.files import FILE_ID_RE, FileState, StoredFile
from imagegate.flows.files import delete_file
from imagegate.flows.local_urls import DOWNLOADS_PATH, UPLOADS_PATH
from imagegate.runtime import Runtime
from imagegate.store import files

_GROUP = "default"
_FILE_ID = path(
    "file_id",
    {"type": "string", "pattern": f"^{FILE_ID_RE.pattern}$", "examples": [examples.FILE_ID]},
    "The id of a file",
)
_RANGE = header("Range", {"type": "string", "examples": ["bytes=0-1023"]}, "A single byte range")


class FilePage(msgspec.Struct):
    total: Count
    page: Annotated[int, doc("From 1", minimum=1)]
    page_size: Annotated[int, doc("Files on a page", minimum=1, maximum=100)]
    files: list[FileView]


class FileQuota(msgspec.Struct):
    user_group: str
    max_files: Count
    used_files: Count
    remain_files: Count


class DeletedFile(msgspec.Struct):
    file_id: FileIdText


class FilePageResponse(Envelope, kw_only=True):
    """A page of files, newest first."""

    data: FilePage


class FileQuotaResponse(Envelope, kw_only=True):
    """How much room the account has."""

    data: FileQuota


class DeletedFileResponse(Envelope, kw_only=True):
    """The id of what was deleted."""

    data: DeletedFile


@get(
    [f"{FILES_PATH}/list", FILES_PATH],
    opt=described(
        Operation(
            summary="The account's files, newest first",
            response_type=FilePageResponse,
            response_example=examples.FILES,
            error_type=FileErrorResponse,
            tag="files",
            scope=Scope.files_write,
            parameters=(
                query("page", {"type": "integer", "minimum": 1, "maximum": 1_000_000, "default": 1}, "From 1"),
                query(
                    "pageSize",
                    {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
                    "Files on a page; page_size too",
                ),
            ),
        )
    ),
)
async def list_files(request: Request[Any, Any, Any], runtime: Runtime, key: ApiKey) -> Response[bytes]:
    require_scope(key, Scope.files_write)
    page = whole_number(request, "page", 1, 1, 1_000_000)
    spelling = "pageSize" if "pageSize" in request.query_params else "page_size"
    size = whole_number(request, spelling, 20, 1, 100)
    found, total = await runtime.db.snapshot(files.list_files_page, key.account_id, page, size)
    data = FilePage(total, page, size, [file_view(runtime, file) for file in found])
    return json_response(FilePageResponse(msg="Files listed", data=data))


@get(
    f"{FILES_PATH}/quota",
    opt=described(
        Operation(
            summary="How many files the account may keep and keeps",
            response_type=FileQuotaResponse,
            response_example=examples.FILE_QUOTA,
            error_type=FileErrorResponse,
            tag="files",
            scope=Scope.files_write,
        )
    ),
)
async def get_quota(runtime: Runtime, key: ApiKey) -> Response[bytes]:
    require_scope(key, Scope.files_write)
    max_files = runtime.settings.limits.files_per_account
    used = await runtime.db.read(files.count_files, key.account_id)
    quota = FileQuota(_GROUP, max_files, used, max(0, max_files - used))
    return json_response(FileQuotaResponse(msg="Files counted", data=quota))


@delete(
    f"{FILES_PATH}/{{file_id:str}}",
    status_code=200,
    opt=described(
        Operation(
            summary="Delete a file and its bytes",
            response_type=DeletedFileResponse,
            response_example=examples.DELETED_FILE,
            scope=Scope.files_write,
            error_type=FileErrorResponse,
            tag="files",
            parameters=(_FILE_ID,),
            errors=(errors.NotFound,),
        )
    ),
)
async def remove_file(runtime: Runtime, key: ApiKey, file_id: str) -> Response[bytes]:
    require_scope(key, Scope.files_write)
    await delete_file(runtime, key.account_id, file_id if FILE_ID_RE.fullmatch(file_id) else "")
    return json_response(DeletedFileResponse(msg="File deleted", data=DeletedFile(file_id)))


@route(
    f"{DOWNLOADS_PATH}/{{file_id:str}}",
    http_method=["GET", "HEAD"],
    status_code=200,
    opt=described(
        Operation(
            summary="A file by its id; the address is the secret",
            media_type="image/*",
            public=True,
            statuses={200: "The file", 206: "A part of it"},
            error_type=FileErrorResponse,
            tag="files",
            parameters=(_FILE_ID, _RANGE),
            response_headers=FILE_HEADERS,
            errors=(errors.NotFound, errors.ResultExpired, errors.RangeNotSatisfiable),
        )
    ),
)
async def download_file(request: Request[Any, Any, Any], runtime: Runtime, file_id: str) -> Response[Any]:
    file = await runtime.db.read(files.find_file_by_id, file_id) if FILE_ID_RE.fullmatch(file_id) else None
    return _send_stored_file(request, runtime, file)


@route(
    f"{UPLOADS_PATH}/{{secret:str}}/{{name:str}}",
    http_method=["GET", "HEAD"],
    status_code=200,
    opt=described(
        Operation(
            summary="A file by its own address",
            tag="files",
            media_type="image/*",
            public=True,
            statuses={200: "The file", 206: "A part of it"},
            parameters=(
                path(
                    "secret",
                    {"type": "string", "pattern": "^[0-9a-f]{32}$", "examples": [examples.UPLOAD_URL.split("/")[-2]]},
                    "Part of the address",
                ),
                path(
                    "name",
                    {"type": "string", "pattern": "^[A-Za-z0-9_][A-Za-z0-9._-]*$", "examples": ["fox.png"]},
                    "The file's name",
                ),
                _RANGE,
            ),
            response_headers=FILE_HEADERS,
            errors=(errors.NotFound, errors.ResultExpired, errors.RangeNotSatisfiable),
        )
    ),
)
async def open_file(request: Request[Any, Any, Any], runtime: Runtime, secret: str, name: str) -> Response[Any]:
    file = await runtime.db.read(files.find_file_by_secret, secret) if "\0" not in secret else None
    return _send_stored_file(request, runtime, file if file and file.file_name == name else None)


def _send_stored_file(request: Request[Any, Any, Any], runtime: Runtime, file: StoredFile | None) -> Response[Any]:
    standing = file.state_at(runtime.clock()) if file else FileState.removed
    if file is None or standing is FileState.removed:
        raise NotFound("The requested file could not be found")
    if standing is FileState.expired:
        raise ResultExpired("This file has expired")
    headers = {
        "Content-Disposition": f'attachment; filename="{file.file_name}"',
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "private, no-cache",  # it can be deleted or replaced before it expires
    }
    return send_file(request, runtime, file, headers)
