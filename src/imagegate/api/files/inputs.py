"""GET and HEAD /files/inputs/{name}: a reference of a running task, for an upstream that fetches it by URL."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, Response, route
from litestar.params import PathParameter
from litestar.response import Stream

from imagegate.api.files.results import SECURITY_HEADERS, LinkExpiry, LinkSignature, empty_body
from imagegate.api.openapi.operation import Operation
from imagegate.api_docs.schema import doc
from imagegate.blobs import BlobNotFound
from imagegate.domain import errors
from imagegate.domain.assets import MEDIA_TYPE_BY_FORMAT
from imagegate.domain.errors import InvalidSignature, ResultExpired
from imagegate.domain.time import US_PER_SECOND
from imagegate.runtime import Runtime
from imagegate.security.signing import decode_blob_key, verify_input_link


@route(
    "/files/inputs/{name:str}",
    http_method=["GET", "HEAD"],
    status_code=200,
    operation=Operation(
        summary="A reference behind a link that only an upstream was given",
        tag="files",
        media_type="image/*",
        public=True,
        errors=(errors.InvalidSignature, errors.ResultExpired),
    ),
)
async def get_input(
    request: Request[Any, Any, Any],
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
        **SECURITY_HEADERS,
        "Content-Type": MEDIA_TYPE_BY_FORMAT[key.rpartition(".")[2]],
        "Content-Length": str(size),
    }
    stream = empty_body() if request.method == "HEAD" else runtime.blobs.read(key, 0, size)
    return Stream(stream, headers=headers)
