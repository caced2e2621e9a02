"""Which route the next call of a task takes, if any.

Knows: what of the task, the roster and the shared health makes a plan. Refuses to know: how a route is called.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

import msgspec

from imagegate.catalog.routes import Route
from imagegate.domain.images import ImageOrder
from imagegate.domain.money import Nanos
from imagegate.domain.tasks import Task
from imagegate.families import FAMILIES
from imagegate.routing.circuit_breaker import Health
from imagegate.routing.planner import Candidate, RoutePlan, RouteRequest, plan_routes, route_cost
from imagegate.runtime import Runtime
from imagegate.store.route_health import load_health


class RouteChoice(msgspec.Struct, frozen=True):
    """Call this route for `order.n` images; `cost` is what that is expected to cost us."""

    route: Route
    order: ImageOrder
    cost: Nanos
    considered: tuple[Candidate, ...]


class RetryAt(msgspec.Struct, frozen=True):
    """Every route that could do it is throttled or full: ask again then."""

    until: int


class NoRoute(msgspec.Struct, frozen=True):
    """No route can do it, now or soon."""

    considered: tuple[Candidate, ...]


async def select_route(
    runtime: Runtime,
    task: Task,
    missing_images: int,
    largest_reference_bytes: int,
    tried_routes: AbstractSet[str],
    blocked_until: Mapping[str, int],
) -> RouteChoice | RetryAt | NoRoute:
    """`missing_images` images are still missing; `largest_reference_bytes` is the size of the largest reference in
    bytes."""
    request = build_route_request(runtime, task.order, missing_images, largest_reference_bytes)
    health = await runtime.db.read(load_health)
    route_plan = make_plan(runtime, request, health, tried_routes, blocked_until)
    if route_plan.choices:
        return _first_choice(runtime, task, route_plan, missing_images, largest_reference_bytes)
    return RetryAt(route_plan.wait_until) if route_plan.wait_until else NoRoute(route_plan.considered)


async def has_route(runtime: Runtime, order: ImageOrder) -> bool:
    """Whether any route could take this order now or soon; asked before a hold is placed.

    Routes that buy nothing are never broken for long: an install without real ones is not asked.
    """
    if not runtime.registry.route_table.has_real_upstream:
        return True
    health = await runtime.route_health.get(lambda: runtime.db.read(load_health))
    planned = make_plan(runtime, build_route_request(runtime, order, order.n), health)
    return bool(planned.choices or planned.wait_until)


def make_plan(
    runtime: Runtime,
    request: RouteRequest,
    health: Mapping[str, Health],
    tried_routes: AbstractSet[str] = frozenset(),
    blocked_until: Mapping[str, int] | None = None,
) -> RoutePlan:
    routes = runtime.registry.route_table.for_model(request.order.row)
    return plan_routes(
        routes, health, runtime.registry.key_fingerprints, request, tried_routes, blocked_until or {}, runtime.clock()
    )


def build_route_request(
    runtime: Runtime, order: ImageOrder, missing_images: int, largest_reference_bytes: int = 0
) -> RouteRequest:
    model = runtime.catalog.models[order.row]
    family = FAMILIES[model.family]
    part = msgspec.structs.replace(order, n=missing_images)
    return RouteRequest(
        order=part,
        usage=family.expected_usage(part, model),
        tier=family.price_tier(order),
        largest_reference=largest_reference_bytes,
    )


def _first_choice(
    runtime: Runtime, task: Task, route_plan: RoutePlan, missing_images: int, largest_reference_bytes: int
) -> RouteChoice:
    route = route_plan.choices[0]
    request = build_route_request(runtime, task.order, min(missing_images, route.max_n), largest_reference_bytes)
    return RouteChoice(route, request.order, route_cost(route, request), route_plan.considered)
