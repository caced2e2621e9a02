"""GET /reference and GET /reference/{section}: the API document as pages for people."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Annotated, Any

from litestar import Request, Response
from litestar.params import HeaderParameter, PathParameter, SkipValidation

from imagegate.api.openapi.operation import ResponseHeader, get
from imagegate.api_docs.schema import doc
from imagegate.domain import errors

RenderReference = SkipValidation[Callable[[Request[Any, Any, Any], str], Response[bytes]]]
IfNoneMatch = Annotated[str, HeaderParameter(name="If-None-Match"), doc("The ETag of the page that is known")]

_ETAG = ResponseHeader("ETag", {"type": "string", "pattern": '^"[0-9a-f]{20}"$'}, "Of this page", required=True)
_get_page = functools.partial(
    get,
    tag="operations",
    media_type="text/html",
    public=True,
    response_headers=(_ETAG,),
    statuses={200: "The page", 304: "The known page is current"},
)


@_get_page("/reference", summary="This document as pages for people: the overview")
async def get_reference(
    request: Request[Any, Any, Any], render_reference: RenderReference, if_none_match: IfNoneMatch = ""
) -> Response[bytes]:
    return render_reference(request, "")


@_get_page("/reference/{section:str}", summary="The endpoints of one tag, or `types`", errors=(errors.NotFound,))
async def get_reference_section(
    request: Request[Any, Any, Any],
    render_reference: RenderReference,
    section: Annotated[str, PathParameter(), doc("A tag of this document, or types", examples=["tasks"])],
    if_none_match: IfNoneMatch = "",
) -> Response[bytes]:
    return render_reference(request, section)
