"""GET /v1/status: public health per model."""

from __future__ import annotations

from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import get
from imagegate.flows.views.status import Status, StatusCache
from imagegate.runtime import Runtime


@get(
    "/v1/status",
    summary="Health per model, from the calls of the last hour; needs no key",
    tag="operations",
    response_example=examples.STATUS,
    public=True,
)
async def get_status(runtime: Runtime, board: StatusCache) -> Status:
    return await board.get(runtime)
