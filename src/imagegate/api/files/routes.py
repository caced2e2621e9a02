"""The files of an account: list, quota, delete; and the two addresses of a file, which need no key."""

from __future__ import annotations

import functools
from typing import Annotated, Any

import msgspec
from litestar import Response
from litestar.params import PathParameter, QueryParameter
from msgspec import Meta

from imagegate.api.body import ApiRequest
from imagegate.api.files.envelope import Envelope, FileView, file_view
from imagegate.api.files.signed_links import FILE_HEADERS, RangeHeader, send_file
from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import delete, get, get_or_head
from imagegate.api.pagination import read_list
from imagegate.api.params import PageNumber
from imagegate.api.problems import FILES_PATH, FileErrorResponse
from imagegate.api_docs.schema import Count, FileIdText, doc
from imagegate.domain import errors
from imagegate.domain.accounts import ApiKey, Scope
from imagegate.domain.files import FILE_ID_RE, FileState, StoredFile
from imagegate.flows.files import delete_file
from imagegate.flows.local_urls import DOWNLOADS_PATH, UPLOADS_PATH
from imagegate.runtime import Runtime
from imagegate.store import files

_GROUP = "default"
FileIdPath = Annotated[
    str,
    PathParameter(name="file_id"),
    doc("The id of a file", pattern=f"^{FILE_ID_RE.pattern}$", examples=[examples.FILE_ID]),
]
_open_file = functools.partial(
    get_or_head,
    tag="files",
    media_type="image/*",
    public=True,
    statuses={200: "The file", 206: "A part of it"},
    response_headers=FILE_HEADERS,
    errors=(errors.NotFound, errors.ResultExpired, errors.RangeNotSatisfiable, errors.StorageFailed),
)
_PageSize = Annotated[int, Meta(ge=1, le=100)]


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
    """The file limit of the account, and how much of it is used."""

    data: FileQuota


class DeletedFileResponse(Envelope, kw_only=True):
    """The id of the deleted file."""

    data: DeletedFile


@get(
    [f"{FILES_PATH}/list", FILES_PATH],
    summary="The account's files, newest first",
    response_example=examples.FILES,
    error_type=FileErrorResponse,
    tag="files",
    scope=Scope.files_write,
)
async def list_files(
    runtime: Runtime,
    key: ApiKey,
    page: PageNumber = 1,
    page_size: Annotated[_PageSize | None, QueryParameter(name="pageSize"), doc("Files on a page", default=20)] = None,
    snake_page_size: Annotated[_PageSize, QueryParameter(name="page_size"), doc("Another spelling of pageSize")] = 20,
) -> FilePageResponse:
    size = page_size or snake_page_size
    found, total = await read_list(
        runtime,
        key,
        "ask for an earlier page or fewer files with pageSize",
        files.list_files_page,
        key.account_id,
        page,
        size,
    )
    data = FilePage(total, page, size, [file_view(runtime, file) for file in found])
    return FilePageResponse(msg="Files listed", data=data)


@get(
    f"{FILES_PATH}/quota",
    summary="The file limit of the account, and how much of it is used",
    response_example=examples.FILE_QUOTA,
    error_type=FileErrorResponse,
    tag="files",
    scope=Scope.files_write,
)
async def get_quota(runtime: Runtime, key: ApiKey) -> FileQuotaResponse:
    max_files = runtime.settings.limits.files_per_account
    used = await runtime.db.read(files.count_files, key.account_id)
    quota = FileQuota(_GROUP, max_files, used, max(0, max_files - used))
    return FileQuotaResponse(msg="Files counted", data=quota)


@delete(
    f"{FILES_PATH}/{{file_id:str}}",
    summary="Delete a file and its bytes",
    response_example=examples.DELETED_FILE,
    scope=Scope.files_write,
    error_type=FileErrorResponse,
    tag="files",
    errors=(errors.NotFound,),
)
async def remove_file(runtime: Runtime, key: ApiKey, file_id: FileIdPath) -> DeletedFileResponse:
    await delete_file(runtime, key.account_id, file_id if FILE_ID_RE.fullmatch(file_id) else "")
    return DeletedFileResponse(msg="File deleted", data=DeletedFile(file_id))


@_open_file(
    f"{DOWNLOADS_PATH}/{{file_id:str}}",
    summary="A file by its id; the address is the secret",
    error_type=FileErrorResponse,
)
async def download_file(
    request: ApiRequest, runtime: Runtime, file_id: FileIdPath, range_header: RangeHeader = ""
) -> Response[Any]:
    file = await runtime.db.read(files.find_file_by_id, file_id) if FILE_ID_RE.fullmatch(file_id) else None
    return await _send_stored_file(request, runtime, file, range_header)


@_open_file(f"{UPLOADS_PATH}/{{secret:str}}/{{name:str}}", summary="A file by its own address")
async def open_file(
    request: ApiRequest,
    runtime: Runtime,
    secret: Annotated[
        str,
        PathParameter(),
        doc("Part of the address", pattern="^[0-9a-f]{32}$", examples=[examples.UPLOAD_URL.split("/")[-2]]),
    ],
    name: Annotated[
        str, PathParameter(), doc("The file's name", pattern="^[A-Za-z0-9_][A-Za-z0-9._-]*$", examples=["fox.png"])
    ],
    range_header: RangeHeader = "",
) -> Response[Any]:
    file = await runtime.db.read(files.find_file_by_secret, secret) if "\0" not in secret else None
    return await _send_stored_file(request, runtime, file if file and file.file_name == name else None, range_header)


async def _send_stored_file(
    request: ApiRequest, runtime: Runtime, file: StoredFile | None, range_header: str
) -> Response[Any]:
    state = file.state_at(runtime.clock()) if file else FileState.removed
    if file is None or state is FileState.removed:
        raise errors.NotFound("The requested file could not be found")
    if state is FileState.expired:
        raise errors.ResultExpired("This file has expired")
    headers = {
        "Content-Disposition": f'attachment; filename="{file.file_name}"',
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "private, no-cache",  # it can be deleted or replaced before it expires
    }
    return await send_file(request, runtime, file, headers, range_header)
