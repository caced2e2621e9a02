"""What operators see first: money and ended tasks by day, what waits, and the health of the routes."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from imagegate.api_docs.schema import Count, Day, Seconds, doc
from imagegate.concurrency import TtlCache
from imagegate.domain.time import US_PER_DAY, US_PER_SECOND, utc_date
from imagegate.flows.views.margin import DEFAULT_MARGIN_DAYS, MarginRow, margin_amounts, margin_days
from imagegate.flows.views.routes import HealthState, worst_state
from imagegate.runtime import Runtime
from imagegate.store.database import OPERATORS
from imagegate.store.queries.margin import MarginSum, add_up
from imagegate.store.queries.overview import DaySum, OverviewSums, Waiting, load_overview
from imagegate.store.route_health import load_health

_CACHE_S = 2.0
# Of a large database the sums take seconds: they are read for a tenth of the time at most.
_MAX_LOADS = 9


class OverviewRow(MarginRow, kw_only=True):
    """Tasks count on the day of their end."""

    completed: Count
    failed: Annotated[Count, doc("Without those that were cancelled")]


class OverviewDay(OverviewRow, kw_only=True):
    day: Day


class WaitingView(msgspec.Struct, kw_only=True):
    count: Count
    oldest_seconds: Annotated[Count, doc("How long the oldest of them has waited; 0 where none does")]


class QueueView(WaitingView, kw_only=True):
    """`count` tasks wait to be started."""

    running: Count


class RouteHealth(msgspec.Struct, kw_only=True):
    name: str
    state: HealthState
    reason: str
    until: Annotated[Seconds | None, doc("When this state ends by itself")]


class OverviewView(msgspec.Struct, kw_only=True):
    """The last 30 UTC days, up to the end of today; days on which nothing happened are left out of `days`."""

    object: Literal["overview"] = "overview"
    first_day: Day
    last_day: Day
    total: OverviewRow
    days: list[OverviewDay]
    queue: QueueView
    webhooks: Annotated[WaitingView, doc("Webhooks that are to be sent")]
    routes: list[RouteHealth]
    broken_invariants: Annotated[list[str], doc("What the last check of the ledger found violated; empty: nothing")]


class OverviewCache:
    """However many operators watch it, the database is read as for one."""

    def __init__(self) -> None:
        self._cache: TtlCache[OverviewView] = TtlCache(_CACHE_S, _MAX_LOADS)

    async def get(self, runtime: Runtime) -> OverviewView:
        return await self._cache.get(lambda: build_overview(runtime))


async def build_overview(runtime: Runtime) -> OverviewView:
    now = runtime.clock()
    days = margin_days(now, DEFAULT_MARGIN_DAYS)
    found = await runtime.db.read_list(OPERATORS, load_overview, *days)
    return _overview_view(runtime, found, days, now, await _routes(runtime))


async def _routes(runtime: Runtime) -> list[RouteHealth]:
    health = await runtime.db.read(load_health)
    routes = sorted(runtime.registry.route_table.routes.values(), key=lambda route: route.name)
    states = ((route.name, worst_state(runtime, route, health)) for route in routes)
    return [RouteHealth(name=name, state=state, reason=reason, until=until) for name, (state, reason, until) in states]


def _overview_view(
    runtime: Runtime, found: OverviewSums, days: tuple[int, int], now: int, routes: list[RouteHealth]
) -> OverviewView:
    rate = runtime.credits_per_usd

    def waiting(one: Waiting) -> dict[str, int]:
        oldest_us = 0 if one.oldest is None else max(0, now - one.oldest)
        return {"count": one.count, "oldest_seconds": oldest_us // US_PER_SECOND}

    def day_view(one: DaySum) -> OverviewDay:
        amounts = margin_amounts(one.margin, rate)
        return OverviewDay(day=utc_date(one.day * US_PER_DAY), completed=one.completed, failed=one.failed, **amounts)

    total: MarginSum = add_up("", [one.margin for one in found.days])
    return OverviewView(
        first_day=utc_date(days[0] * US_PER_DAY),
        last_day=utc_date(days[1] * US_PER_DAY),
        total=OverviewRow(
            completed=sum(one.completed for one in found.days),
            failed=sum(one.failed for one in found.days),
            **margin_amounts(total, rate),
        ),
        days=[day_view(one) for one in found.days],
        queue=QueueView(running=found.running, **waiting(found.queued)),
        webhooks=WaitingView(**waiting(found.webhooks)),
        routes=routes,
        broken_invariants=sorted(runtime.wake_ups.broken_invariants | runtime.wake_ups.broken_books),
    )
