"""GET and HEAD /files/inputs/{name}: a reference of a running task, for an upstream that reads it by URL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from litestar import Request, Response, route
from litestar.response import Stream

from imagegate.api.openapi.operation import Operation, described, path, query
from imagegate.blobs import BlobNotFound
from imagegate.domain import errors
from imagegate.domain.assets import MEDIA_TYPE_BY_FORMAT
from imagegate.domain.errors import InvalidSignature, ResultExpired
from imagegate.domain.time import US_PER_SECOND
from imagegate.runtime import Runtime
from imagegate.security.signing import decode_blob_key, verify_input_link

_SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-store",
}

_NAME_SCHEMA = {
    "type": "string",
    "pattern": r"^[A-Za-z0-9_-]+\.(png|jpg|webp|gif)$",
    "examples": ["dC9hY2NfMDEvMjAyNi8xMS8yMi9hc3QucG5n.png"],
}


@route(
    "/files/inputs/{name:str}",
    http_method=["GET", "HEAD"],
    status_code=200,
    opt=described(
        Operation(
            summary="A reference behind a link that only an upstream was given",
            tag="files",
            media_type="image/*",
            public=True,
            parameters=(
                path("name", _NAME_SCHEMA, "What is stored"),
                query("exp", {"type": "integer"}, "When the link ends, Unix seconds"),
                query("sig", {"type": "string"}, "The signature"),
            ),
            errors=(errors.InvalidSignature, errors.ResultExpired),
        )
    ),
)
async def get_input(request: Request[Any, Any, Any], runtime: Runtime, name: str) -> Response[Any]:
    key = decode_blob_key(name)
    exp, sig = request.query_params.get("exp", ""), request.query_params.get("sig", "")
    expires_s = verify_input_link(runtime.keyring.derive_key("links"), key, exp, sig)
    if expires_s is None:
        raise InvalidSignature
    if expires_s * US_PER_SECOND <= runtime.clock():
        raise ResultExpired
    try:
        size = await runtime.blobs.size(key)
    except BlobNotFound:
        raise ResultExpired from None
    headers = {
        **_SECURITY_HEADERS,
        "Content-Type": MEDIA_TYPE_BY_FORMAT[key.rpartition(".")[2]],
        "Content-Length": str(size),
    }
    stream = _empty_body() if request.method == "HEAD" else runtime.blobs.read(key, 0, size)
    return Stream(stream, headers=headers)


async def _empty_body() -> AsyncIterator[bytes]:
    yield b""
