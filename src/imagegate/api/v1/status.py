"""GET /v1/status: public health per model."""

from __future__ import annotations

from litestar import Response, get

from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import Operation, described
from imagegate.api.responses import json_response
from imagegate.flows.views.status import Status, StatusCache
from imagegate.runtime import Runtime


@get(
    "/v1/status",
    opt=described(
        Operation(
            summary="Health per model, from the calls of the last hour; needs no key",
            tag="operations",
            response_type=Status,
            response_example=examples.STATUS,
            public=True,
        )
    ),
)
async def get_status(runtime: Runtime, board: StatusCache) -> Response[bytes]:
    return json_response(await board.get(runtime))
