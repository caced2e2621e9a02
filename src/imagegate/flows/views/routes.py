"""Routes and attempts for the operator: names, health, costs and margins. Only for the scope `admin`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from imagegate.api_docs.schema import Number, doc
from imagegate.catalog.routes import Route
from imagegate.domain.audit import Actor
from imagegate.domain.money import Money, format_decimal, to_money
from imagegate.domain.prices import TokenPrice
from imagegate.domain.tasks import Attempt
from imagegate.domain.time import US_PER_DAY, US_PER_SECOND
from imagegate.flows.audit import write_act
from imagegate.flows.views.task import duration_s
from imagegate.routing.circuit_breaker import Closed, HalfOpen, Health, Open, RateLimited, breaker_state
from imagegate.routing.planner import Candidate
from imagegate.runtime import Runtime
from imagegate.store import acts
from imagegate.store.attempts import list_attempts
from imagegate.store.database import OPERATORS, Database
from imagegate.store.queries.route_stats import RouteSpend, load_margin, sum_spend_by_route
from imagegate.store.route_health import load_health
from imagegate.store.tasks import find_task_account
from imagegate.upstreams.registry import UpstreamRegistry

HealthState = Literal["healthy", "trial", "cooling", "broken"]


class RouteView(msgspec.Struct, frozen=True, kw_only=True):
    """`until`: when its state ends by itself, Unix seconds. The counts are of the last 24 hours."""

    name: str
    object: Literal["route"] = "route"
    model: str
    upstream: str
    upstream_model: str
    cost: dict[str, str]
    state: HealthState
    reason: str
    until: int | None
    flags: int
    last_flag: str
    calls: int
    images: int
    produced: int
    unknown: int
    possible_duplicates: int
    spent: Money
    brought: Annotated[Money, doc("What customers were charged for its images, minus refunds")]
    margin: Annotated[Money, doc("`brought` minus `spent`")]


class AdminAttemptView(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt in full. `considered` is the plan: each route, its cost, and why it was not taken."""

    id: str
    attempt: int
    route: str
    upstream: str
    started: int
    duration: Number | None
    outcome: str
    trouble: str
    detail: str
    images: int
    cost: Money
    request_id: str
    possible_duplicate: bool
    considered: list[Candidate]


async def route_views(runtime: Runtime) -> list[RouteView]:
    """Every route with its health and figures, by name."""
    health = await runtime.db.read(load_health)
    spent = {
        one.route: one
        for one in await runtime.db.read_list(OPERATORS, sum_spend_by_route, runtime.clock() - US_PER_DAY)
    }
    routes = sorted(runtime.registry.route_table.routes.values(), key=lambda route: route.name)
    return [
        _route_view(runtime, route, health, spent.get(route.name, RouteSpend(route=route.name))) for route in routes
    ]


async def route_states(runtime: Runtime) -> dict[str, HealthState]:
    """The health of each route, by name. A route is never healthier than its upstream."""
    health = await runtime.db.read(load_health)
    return {
        route.name: worst_state(runtime, route, health)[0] for route in runtime.registry.route_table.routes.values()
    }


async def reset_route_health(db: Database, registry: UpstreamRegistry, name: str, now: int, actor: Actor) -> bool:
    """The next call of a route passes: what is known of its upstream is forgotten too, where that is what is broken. An
    upstream is reset with those of its routes that are broken. False where neither has this name."""
    route_table, health = registry.route_table, await db.read(load_health)
    # The upstream before its routes, as `try_dispatch` locks them.
    if name in route_table.routes:
        scopes = [route_table.routes[name].upstream, name]
    elif name in route_table.upstreams:
        scopes = [name, *(route.name for route in route_table.routes.values() if route.upstream == name)]
    else:
        return False
    states = {}
    for scope in scopes:
        state, reason, _ = _health_state(health.get(scope, Health()), now, registry.key_fingerprints.get(scopes[0], ""))
        states[scope] = f"{state}: {reason}" if reason else state
    broken = [scope for scope in scopes if scope == name or states[scope] != "healthy"]
    await write_act(db, acts.reset_health, name, broken, states, actor)
    return True


async def attempt_views(runtime: Runtime, task_id: str) -> tuple[dict[str, Money], list[AdminAttemptView]] | None:
    """Revenue and cost of a task of any account, and its attempts; None where there is no such task."""
    account_id = await runtime.db.read(find_task_account, task_id)
    if account_id is None:
        return None
    margin = await runtime.db.read_list(OPERATORS, load_margin, task_id)
    attempts = await runtime.db.read(list_attempts, account_id, task_id)
    rate = runtime.credits_per_usd
    views = [_attempt_view(runtime, number, one) for number, one in enumerate(attempts, 1)]
    return {name: to_money(nanos, rate) for name, nanos in margin.items()}, views


def _route_view(runtime: Runtime, route: Route, health: Mapping[str, Health], spent: RouteSpend) -> RouteView:
    own, rate = health.get(route.name, Health()), runtime.credits_per_usd
    health_state, reason, until = worst_state(runtime, route, health)
    return RouteView(
        name=route.name,
        model=route.model,
        upstream=route.upstream,
        upstream_model=route.upstream_model,
        cost=_cost(route),
        state=health_state,
        reason=reason,
        until=until,
        flags=own.anomalies,
        last_flag=own.last_anomaly,
        calls=spent.calls,
        images=spent.images,
        produced=spent.produced,
        unknown=spent.unknown,
        possible_duplicates=spent.duplicates,
        spent=to_money(spent.cost, rate),
        brought=to_money(spent.revenue, rate),
        margin=to_money(spent.revenue - spent.cost, rate),
    )


def worst_state(runtime: Runtime, route: Route, health: Mapping[str, Health]) -> tuple[HealthState, str, int | None]:
    """The worse of the states of a route and its upstream: the state, its reason, and when it ends, Unix seconds."""
    now, key = runtime.clock(), runtime.registry.key_fingerprints.get(route.upstream, "")
    found = [_health_state(health.get(scope, Health()), now, key) for scope in (route.upstream, route.name)]
    return max(found, key=lambda one: _SEVERITY[one[0]])


# An open breaker that only the operator can close has an end far in the future.
_FOR_EVER_US = 365 * US_PER_DAY
_SEVERITY: dict[HealthState, int] = {"healthy": 0, "trial": 1, "cooling": 2, "broken": 3}


def _health_state(health: Health, now: int, key: str) -> tuple[HealthState, str, int | None]:
    match breaker_state(health, now, key):
        case Closed():
            return "healthy", "", None
        case HalfOpen():
            return "trial", health.reason, None
        case RateLimited(until=until):
            return "cooling", "throttled", until // US_PER_SECOND
        case Open(until=until, reason=reason):
            return "broken", reason, None if until > now + _FOR_EVER_US else until // US_PER_SECOND


def _cost(route: Route) -> dict[str, str]:
    """USD as decimals: per million tokens by kind, or per image by tier."""
    rates: dict[str, str] = {}
    for tier, price in route.prices.items():
        if isinstance(price, TokenPrice):
            return {name: format_decimal(rate, 9) for name, rate in msgspec.structs.asdict(price).items()}
        rates["per_image" if tier == "any" else f"per_image_{tier}"] = format_decimal(price.per_image, 9)
    return rates


def _attempt_view(runtime: Runtime, number: int, one: Attempt) -> AdminAttemptView:
    return AdminAttemptView(
        id=one.id,
        attempt=number,
        route=one.route,
        upstream=one.upstream,
        started=one.started // US_PER_SECOND,
        duration=None if one.ended is None else duration_s(one.started, one.ended),
        outcome=str(one.outcome),
        trouble=one.failure_kind,
        detail=one.detail or "",
        images=one.images,
        cost=to_money(one.cost, runtime.credits_per_usd),
        request_id=one.request_id,
        possible_duplicate=one.duplicate,
        considered=msgspec.json.decode(one.considered, type=list[Candidate]) if one.considered else [],
    )
