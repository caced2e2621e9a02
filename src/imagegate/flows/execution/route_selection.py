"""Which route the next call of a task takes, if any."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

import msgspec

from imagegate.catalog.routes import Route
from imagegate.domain.images import ImageOrder
from imagegate.domain.money import Nanos
from imagegate.families import FAMILIES
from imagegate.flows.execution.state import Execution
from imagegate.routing.circuit_breaker import Health
from imagegate.routing.planner import Candidate, RoutePlan, RouteRequest, plan_routes, route_cost
from imagegate.runtime import Runtime
from imagegate.store.route_health import load_health


class RouteChoice(msgspec.Struct, frozen=True):
    """Call this route for `order.n` images; `cost` in nanos is what the call is expected to cost us."""

    route: Route
    order: ImageOrder
    cost: Nanos
    considered: tuple[Candidate, ...]


class RetryAt(msgspec.Struct, frozen=True):
    """Every route that could do it is rate limited or full until then, in UTC microseconds."""

    until: int


class NoRoute(msgspec.Struct, frozen=True):
    """No route can do it, now or soon."""

    considered: tuple[Candidate, ...]


async def select_route(execution: Execution) -> RouteChoice | RetryAt | NoRoute:
    """The best route for the images that are still missing."""
    runtime, order, state = execution.runtime, execution.task.order, execution.state
    largest = max((path.stat().st_size for path in execution.inputs.references), default=0)
    request = build_route_request(runtime, order, execution.missing_count, largest)
    health = await runtime.db.read(load_health)
    plan = make_plan(runtime, request, health, state.tried_routes, state.blocked_until)
    if not plan.choices:
        return RetryAt(plan.wait_until) if plan.wait_until else NoRoute(plan.considered)
    route = plan.choices[0]
    request = build_route_request(runtime, order, min(execution.missing_count, route.max_n), largest)
    return RouteChoice(route, request.order, route_cost(route, request), plan.considered)


async def has_route(runtime: Runtime, order: ImageOrder) -> bool:
    """Whether any route could take this order now or soon; asked before a hold is placed.

    The embedded engine is always there: an installation with nothing else is not asked.
    """
    if not runtime.registry.route_table.has_real_upstream:
        return True
    health = await runtime.route_health.get(lambda: runtime.db.read(load_health))
    plan = make_plan(runtime, build_route_request(runtime, order, order.n), health)
    return bool(plan.choices or plan.wait_until)


def make_plan(
    runtime: Runtime,
    request: RouteRequest,
    health: Mapping[str, Health],
    tried_routes: AbstractSet[str] = frozenset(),
    blocked_until: Mapping[str, int] | None = None,
) -> RoutePlan:
    registry = runtime.registry
    routes = registry.route_table.for_model(request.order.row)
    return plan_routes(
        routes, health, registry.key_fingerprints, request, tried_routes, blocked_until or {}, runtime.clock()
    )


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
