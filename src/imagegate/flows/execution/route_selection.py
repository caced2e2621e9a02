"""Which route the next call of a task takes, if any."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from imagegate.catalog.routes import Route
from imagegate.domain.images import ImageOrder
from imagegate.domain.money import Nanos
from imagegate.families import FAMILIES
from imagegate.flows.execution.state import Execution
from imagegate.routing.circuit_breaker import Health
from imagegate.routing.planner import (
    Candidate,
    RouteHistory,
    RoutePlan,
    RouteRequest,
    RouteWait,
    plan_routes,
    route_cost,
)
from imagegate.runtime import Runtime
from imagegate.store.claims import has_other_work
from imagegate.store.route_health import load_health


class RouteChoice(msgspec.Struct, frozen=True):
    """Call this route for `order.n` images; `cost` in nanos is what the call is expected to cost us."""

    route: Route
    order: ImageOrder
    cost: Nanos
    considered: tuple[Candidate, ...]


class Wait(msgspec.Struct, frozen=True):
    """Every route that could do it takes no call now, but will by itself; the first to do so first."""

    waits: tuple[RouteWait, ...]


class NoRoute(msgspec.Struct, frozen=True):
    """No route can do it, now or soon."""

    considered: tuple[Candidate, ...]


async def select_route(execution: Execution) -> RouteChoice | Wait | NoRoute:
    """The best route for the images that are still missing."""
    runtime, order = execution.runtime, execution.task.order
    largest = max((path.stat().st_size for path in execution.inputs.references), default=0)
    request = build_route_request(runtime, order, execution.missing_count, largest)
    health = await runtime.db.read(load_health)
    plan = make_plan(runtime, request, health, await _route_history(execution))
    if not plan.choices:
        return Wait(plan.waits) if plan.waits else NoRoute(plan.considered)
    route = plan.choices[0]
    request = build_route_request(runtime, order, min(execution.missing_count, route.max_n), largest)
    return RouteChoice(route, request.order, route_cost(route, request), plan.considered)


async def _route_history(execution: Execution) -> RouteHistory:
    state, unknown = execution.state, execution.state.unknown_attempt
    excluded = state.excluded_routes
    if unknown is None or unknown.duplicate:
        return RouteHistory(excluded, state.waits, unknown_at=state.unknown_at)
    # Whether the route works again is for other tasks to find out: alone, this one would wait for nothing.
    if not await execution.runtime.db.read(has_other_work, execution.task.id, execution.task.order.model):
        excluded = excluded | {unknown.route}
    return RouteHistory(excluded, state.waits, unknown.route, state.unknown_at)


async def has_route(runtime: Runtime, order: ImageOrder) -> bool:
    """Whether any route could take this order now, or will by itself; asked before a hold is placed.

    The embedded engine is always there: an installation with nothing else is not asked.
    """
    if not runtime.registry.route_table.has_real_upstream:
        return True
    health = await runtime.route_health.get(lambda: runtime.db.read(load_health))
    plan = make_plan(runtime, build_route_request(runtime, order, order.n), health)
    return bool(plan.choices or plan.waits)


def make_plan(
    runtime: Runtime,
    request: RouteRequest,
    health: Mapping[str, Health],
    history: RouteHistory = RouteHistory(),  # noqa: B008  frozen
) -> RoutePlan:
    registry = runtime.registry
    routes = registry.route_table.for_model(request.order.row)
    return plan_routes(routes, health, registry.key_fingerprints, request, history, runtime.clock())


def build_route_request(
    runtime: Runtime, order: ImageOrder, images: int, largest_reference_bytes: int = 0
) -> RouteRequest:
    model = runtime.catalog.models[order.row]
    family = FAMILIES[model.family]
    part = msgspec.structs.replace(order, n=images)
    return RouteRequest(
        order=part,
        usage=family.expected_usage(part, model),
        tier=family.price_tier(order),
        largest_reference=largest_reference_bytes,
    )
