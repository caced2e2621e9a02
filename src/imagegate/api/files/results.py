"""GET and HEAD /files/results/{task}/{index}.{ext}: the bytes behind a signed link, without a key.

A thumbnail has the extension `thumb.webp`, and its signature is of that.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

from litestar import Request, Response, route
from litestar.response import Stream

from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import Operation, described, header, path, query, response_header
from imagegate.domain import errors, ids
from imagegate.domain.assets import Asset, AssetKind
from imagegate.domain.errors import InvalidSignature, NotFound, RangeNotSatisfiable, ResultExpired
from imagegate.domain.files import StoredFile
from imagegate.domain.time import US_PER_SECOND
from imagegate.runtime import Runtime
from imagegate.security.signing import THUMBNAIL_EXTENSION, verify_result_link
from imagegate.store.assets import find_output_asset

_NAME = re.compile(r"([0-9]{1,2})\.(png|jpg|webp|thumb\.webp)")
_RANGE = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})")
_SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Referrer-Policy": "no-referrer",
    "Accept-Ranges": "bytes",
}
_LENGTH_SCHEMA = {"type": "string", "pattern": "^[0-9]+$"}
FILE_HEADERS = (
    response_header("Content-Length", _LENGTH_SCHEMA, "Bytes of this answer"),
    response_header("Content-Range", {"type": "string", "pattern": "^bytes "}, "With 206"),
    response_header("Content-Disposition", {"type": "string"}, "The file's name", required=True),
    response_header("Cache-Control", {"type": "string"}, "Until the link ends", required=True),
    response_header("Accept-Ranges", {"enum": ["bytes"]}, "Single ranges work", required=True),
    response_header("X-Content-Type-Options", {"enum": ["nosniff"]}, "The type is true to the bytes", required=True),
)
_CROSS_ORIGIN_HEADERS = {"Cross-Origin-Resource-Policy": "cross-origin", "Access-Control-Allow-Origin": "*"}


@route(
    "/files/results/{task_id:str}/{name:str}",
    http_method=["GET", "HEAD"],
    status_code=200,
    opt=described(
        Operation(
            summary="The image or thumbnail behind a signed link",
            tag="files",
            media_type="image/*",
            public=True,
            parameters=(
                path(
                    "task_id",
                    {"type": "string", "pattern": f"^{ids.TASK_ID_RE.pattern}$", "examples": [examples.TASK_ID]},
                    "The id of a task",
                ),
                path(
                    "name",
                    {"type": "string", "pattern": f"^{_NAME.pattern}$", "examples": ["0.png"]},
                    "Position and extension",
                ),
                query(
                    "exp",
                    {"type": "integer", "minimum": 0, "examples": [examples.EXPIRES]},
                    "When the link ends, Unix seconds",
                ),
                query(
                    "sig",
                    {"type": "string", "examples": [examples.RESULT_URL.partition("sig=")[2]]},
                    "The signature: the key's name, a dot, and base64url",
                ),
                header("Range", {"type": "string", "examples": ["bytes=0-1023"]}, "A single byte range"),
            ),
            response_headers=FILE_HEADERS,
            statuses={200: "The image", 206: "A part of it"},
            errors=(errors.InvalidSignature, errors.NotFound, errors.ResultExpired, errors.RangeNotSatisfiable),
        )
    ),
)
async def get_result(request: Request[Any, Any, Any], runtime: Runtime, task_id: str, name: str) -> Response[Any]:
    asset, exp = await _find_linked_asset(request, runtime, task_id, name)
    headers = {
        **_CROSS_ORIGIN_HEADERS,
        "Content-Disposition": f'inline; filename="{task_id}_{name}"',
        "Cache-Control": f"private, max-age={max(0, exp - runtime.clock() // US_PER_SECOND)}",
    }
    return send_file(request, runtime, asset, headers)


def send_file(
    request: Request[Any, Any, Any], runtime: Runtime, stored: Asset | StoredFile, headers: dict[str, str]
) -> Response[Any]:
    """Stored bytes as what we know them to be, whole or the range that was asked for; HEAD gets the headers alone."""
    range_header = request.headers.get("range", "") if request.method == "GET" else ""
    start, length = byte_range(range_header, stored.bytes)
    headers = {**_SECURITY_HEADERS, "Content-Type": stored.media_type, "Content-Length": str(length), **headers}
    partial = length != stored.bytes
    if partial:
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{stored.bytes}"
    stream = _empty_body() if request.method == "HEAD" else runtime.blobs.read(stored.key, start, length)
    return Stream(stream, headers=headers, status_code=206 if partial else 200)


async def _find_linked_asset(
    request: Request[Any, Any, Any], runtime: Runtime, task_id: str, name: str
) -> tuple[Asset, int]:
    match = _NAME.fullmatch(name)
    if match is None:
        raise NotFound
    index, ext = int(match[1]), match[2]
    exp, sig = request.query_params.get("exp", ""), request.query_params.get("sig", "")
    expires_s = verify_result_link(runtime.keyring.derive_key("links"), task_id, index, ext, exp, sig)
    if expires_s is None:
        raise InvalidSignature
    if expires_s * US_PER_SECOND <= runtime.clock():
        raise ResultExpired
    kind = AssetKind.thumbnail if ext == THUMBNAIL_EXTENSION else AssetKind.result
    asset = await runtime.db.read(find_output_asset, task_id, kind, index)
    if asset is None or asset.deleted is not None:
        raise ResultExpired
    return asset, expires_s


def byte_range(header: str, size: int) -> tuple[int, int]:
    """Start and length of a single range; the whole for anything else. RangeNotSatisfiable where it lies outside."""
    match = _RANGE.fullmatch(header)
    if match is None or not (match[1] or match[2]):
        return 0, size
    if not match[1]:
        length = min(int(match[2]), size)
        return size - _require_satisfiable(length > 0, length, size), length
    start, end = int(match[1]), min(int(match[2] or size - 1), size - 1)
    _require_satisfiable(start < size, start, size)
    return (start, end - start + 1) if start <= end else (0, size)


def _require_satisfiable(satisfiable: bool, value: int, size: int) -> int:
    if not satisfiable:
        raise RangeNotSatisfiable(param="Range", headers={"Content-Range": f"bytes */{size}"})
    return value


async def _empty_body() -> AsyncIterator[bytes]:
    yield b""
