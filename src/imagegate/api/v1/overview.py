"""GET /v1/admin/overview: the whole installation at a glance."""

from __future__ import annotations

from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import get
from imagegate.domain.accounts import Scope
from imagegate.flows.views.overview import OverviewCache, OverviewView
from imagegate.runtime import Runtime


@get(
    "/v1/admin/overview",
    summary="Revenue, cost, margin and ended tasks by day, what waits, and the health of every route",
    description="Of the last 30 UTC days, today included, over all accounts. It may be some seconds old.",
    tag="admin",
    scope=Scope.admin,
    response_example=examples.OVERVIEW,
)
async def get_overview(runtime: Runtime, overview: OverviewCache) -> OverviewView:
    return await overview.get(runtime)
