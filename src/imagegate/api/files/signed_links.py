"""GET and HEAD /files/results/… and /files/inputs/…: the bytes behind a signed link, without a key.

A result is `{task}/{index}.{ext}`; a thumbnail has the extension `thumb.webp`, which its signature covers, and is drawn
at the first look. An input is a reference of a running task, for an upstream that fetches it by URL.
"""

from __future__ import annotations

import base64
import re
from collections.abc import AsyncIterator
from typing import Annotated, Any

from litestar import Response
from litestar.params import HeaderParameter, PathParameter, QueryParameter
from litestar.response import Stream

from imagegate.api.body import ApiRequest
from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import ResponseHeader, get_or_head
from imagegate.api.responses import TaskIdPath
from imagegate.api_docs.curl import PIXEL_PNG_BASE64
from imagegate.api_docs.schema import doc
from imagegate.blobs import BlobDamaged, BlobNotFound, OpenBlob
from imagegate.domain import errors
from imagegate.domain.assets import MEDIA_TYPE_BY_EXTENSION, Asset, AssetKind
from imagegate.domain.files import StoredFile
from imagegate.domain.ids import is_test_task_id
from imagegate.domain.time import US_PER_SECOND
from imagegate.flows.thumbnails import find_thumbnail
from imagegate.logging import log_error
from imagegate.runtime import Runtime
from imagegate.security.signing import THUMBNAIL_EXTENSION, decode_blob_key, verify_input_link, verify_result_link
from imagegate.store.assets import find_output_asset

_NAME = re.compile(r"(0|[1-9][0-9]?)\.(png|jpg|webp|thumb\.webp)")
_RANGE = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})")
_SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Referrer-Policy": "no-referrer",
}
_MAX_STORE_LINK_S = 300
_LENGTH_SCHEMA = {"type": "string", "pattern": "^[0-9]+$"}
FILE_HEADERS = (
    ResponseHeader("Content-Length", _LENGTH_SCHEMA, "Bytes of this answer"),
    ResponseHeader("Content-Range", {"type": "string", "pattern": "^bytes "}, "With 206"),
    ResponseHeader("Location", {"type": "string"}, "With 302"),
    ResponseHeader("Content-Disposition", {"type": "string"}, "The file's name", required=True),
    ResponseHeader("Cache-Control", {"type": "string"}, "Until the link ends", required=True),
    ResponseHeader("Accept-Ranges", {"enum": ["bytes"]}, "Single ranges work", required=True),
    ResponseHeader("X-Content-Type-Options", {"enum": ["nosniff"]}, "The type is true to the bytes", required=True),
)
_CROSS_ORIGIN_HEADERS = {"Cross-Origin-Resource-Policy": "cross-origin", "Access-Control-Allow-Origin": "*"}


LinkExpiry = Annotated[
    str,
    QueryParameter(name="exp"),
    doc("When the link ends, Unix seconds", pattern="^[0-9]+$", examples=[str(examples.EXPIRES)]),
]
LinkSignature = Annotated[
    str,
    QueryParameter(name="sig"),
    doc("The signature: the key's name, a dot, and base64url", examples=[examples.RESULT_URL.partition("sig=")[2]]),
]
RangeHeader = Annotated[str, HeaderParameter(name="Range"), doc("A single byte range", examples=["bytes=0-1023"])]


@get_or_head(
    "/files/results/{task_id:str}/{name:str}",
    summary="The image or thumbnail behind a signed link",
    tag="files",
    media_type="image/*",
    public=True,
    response_headers=FILE_HEADERS,
    statuses={200: "The image", 206: "A part of it", 302: "A link of the object store, where the gateway is set so"},
    errors=(
        errors.InvalidSignature,
        errors.NotFound,
        errors.ResultExpired,
        errors.RangeNotSatisfiable,
        errors.StorageFailed,
    ),
)
async def get_result(
    request: ApiRequest,
    runtime: Runtime,
    task_id: TaskIdPath,
    name: Annotated[
        str, PathParameter(), doc("Position and extension", pattern=f"^{_NAME.pattern}$", examples=["0.png"])
    ],
    exp: LinkExpiry = "",
    sig: LinkSignature = "",
    range_header: RangeHeader = "",
) -> Response[Any]:
    index, ext, expires_s = _verify_link(runtime, task_id, name, exp, sig)
    left_s = max(0, expires_s - runtime.clock() // US_PER_SECOND)
    headers = {
        **_CROSS_ORIGIN_HEADERS,
        "Content-Disposition": f'inline; filename="{task_id}_{name}"',
        "Cache-Control": f"private, max-age={left_s}",
    }
    if is_test_task_id(task_id):
        return _send_example(request, headers)
    asset = await _find_linked_asset(runtime, task_id, index, ext)
    if runtime.links_origin and not _is_script_of_page(request):
        return await _redirect(request, runtime, asset, headers, left_s)
    return await send_file(request, runtime, asset, headers, range_header)


def _is_script_of_page(request: ApiRequest) -> bool:
    """Our page's scripts read images too: from another origin only where the bucket allows it to this one."""
    sent = request.headers
    return sent.get("sec-fetch-dest") == "empty" and sent.get("sec-fetch-site") == "same-origin"


async def _redirect(
    request: ApiRequest, runtime: Runtime, asset: Asset, headers: dict[str, str], left_s: int
) -> Response[Any]:
    """To a link of the store, which ends with ours or earlier: it cannot be called back."""
    try:
        link = await runtime.blobs.sign_link(asset.key, request.method, max(1, min(left_s, _MAX_STORE_LINK_S)))
    except ValueError as error:  # it could at the start: its credentials come from elsewhere
        log_error("link_not_signed", key=asset.key, error=str(error))
        raise errors.ServiceUnavailable(reason="storage_unavailable") from error
    return Response(
        b"",
        status_code=302,
        headers={
            **_SECURITY_HEADERS,
            **headers,
            "Accept-Ranges": "bytes",
            "Location": link,
            "Cache-Control": "private, no-store",
        },
        media_type=asset.media_type,
    )


@get_or_head(
    "/files/inputs/{name:str}",
    summary="A reference behind a link that only an upstream was given",
    tag="files",
    media_type="image/*",
    public=True,
    errors=(errors.InvalidSignature, errors.ResultExpired),
)
async def get_input(
    request: ApiRequest,
    runtime: Runtime,
    name: Annotated[
        str,
        PathParameter(),
        doc(
            "The stored file",
            pattern=r"^[A-Za-z0-9_-]+\.(png|jpg|webp|gif)$",
            examples=["dC9hY2NfMDEvMjAyNi8xMS8yMi9hc3QucG5n.png"],
        ),
    ],
    exp: LinkExpiry = "",
    sig: LinkSignature = "",
) -> Response[Any]:
    key = decode_blob_key(name)
    keys = runtime.keyring.accepted_keys("links", runtime.clock())
    _require_live(runtime, verify_input_link(keys, key, exp, sig))
    try:
        blob = await runtime.blobs.open(key)
    except BlobNotFound:
        raise errors.ResultExpired from None
    headers = {
        **_SECURITY_HEADERS,
        "Content-Type": MEDIA_TYPE_BY_EXTENSION[key.rpartition(".")[2]],
        "Content-Length": str(blob.size),
    }
    return Stream(_body(request, blob, 0, blob.size), headers=headers)


async def send_file(
    request: ApiRequest, runtime: Runtime, stored: Asset | StoredFile, headers: dict[str, str], range_header: str
) -> Response[Any]:
    """The bytes, whole or the requested range, with the media type that was found in them; HEAD gets headers alone.

    StorageFailed where the bytes are missing or cut: the head of an answer cannot be taken back.
    """
    start, length = byte_range(range_header if request.method == "GET" else "", stored.bytes)
    headers = {
        **_SECURITY_HEADERS,
        "Accept-Ranges": "bytes",
        "Content-Type": stored.media_type,
        "Content-Length": str(length),
        **headers,
    }
    partial = length != stored.bytes
    if partial:
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{stored.bytes}"
    try:
        blob = await runtime.blobs.open(stored.key, stored.bytes)
    except (BlobNotFound, BlobDamaged) as error:
        log_error("blob_unusable", key=stored.key, error=f"{type(error).__name__}: {error}")
        raise errors.StorageFailed("The stored bytes of this file are missing or damaged") from error
    return Stream(_body(request, blob, start, length), headers=headers, status_code=206 if partial else 200)


def _body(request: ApiRequest, blob: OpenBlob, start: int, length: int) -> AsyncIterator[bytes]:
    if request.method != "HEAD":
        return blob.read(start, length)
    blob.close()
    return _whole(b"")


def _send_example(request: ApiRequest, headers: dict[str, str]) -> Response[Any]:
    """The image of a test webhook, whole whatever the range."""
    image = base64.b64decode(PIXEL_PNG_BASE64)
    headers = {
        **_SECURITY_HEADERS,
        "Accept-Ranges": "bytes",
        "Content-Type": "image/png",
        "Content-Length": str(len(image)),
        **headers,
    }
    return Stream(_whole(b"" if request.method == "HEAD" else image), headers=headers)


def _verify_link(runtime: Runtime, task_id: str, name: str, exp: str, sig: str) -> tuple[int, str, int]:
    """Position, extension, and when the link expires, Unix seconds."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise errors.NotFound
    index, ext = int(match[1]), match[2]
    keys = runtime.keyring.accepted_keys("links", runtime.clock())
    expires_s = verify_result_link(keys, task_id, index, ext, exp, sig)
    return index, ext, _require_live(runtime, expires_s)


async def _find_linked_asset(runtime: Runtime, task_id: str, index: int, ext: str) -> Asset:
    if ext == THUMBNAIL_EXTENSION:
        asset = await find_thumbnail(runtime, task_id, index)
    else:
        asset = await runtime.db.read(find_output_asset, task_id, AssetKind.result, index)
    if asset is None or asset.deleted is not None:
        raise errors.ResultExpired
    return asset


def _require_live(runtime: Runtime, expires_s: int | None) -> int:
    """InvalidSignature without an expiry, ResultExpired after it."""
    if expires_s is None:
        raise errors.InvalidSignature
    if expires_s * US_PER_SECOND <= runtime.clock():
        raise errors.ResultExpired
    return expires_s


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
        raise errors.RangeNotSatisfiable(param="Range", headers={"Content-Range": f"bytes */{size}"})
    return value


async def _whole(body: bytes) -> AsyncIterator[bytes]:
    yield body
