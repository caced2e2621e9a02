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
from imagegate.routing.planner import Considered, Plan, Request, cost_of, plan
from imagegate.runtime import Runtime
from imagegate.store.route_health import all_health


class Chosen(msgspec.Struct, frozen=True):
    """Call this route for `order.n` images; `cost` is what that is expected to cost us."""

    route: Route
    order: ImageOrder
    cost: Nanos
    considered: tuple[Considered, ...]


class Later(msgspec.Struct, frozen=True):
    """Every route that could do it is throttled or full: ask again then."""

    until: int


class Nothing(msgspec.Struct, frozen=True):
    """No route can do it, now or soon."""

    considered: tuple[Considered, ...]


async def choose(
    runtime: Runtime, task: Task, wanted: int, largest: int, tried: AbstractSet[str], held: Mapping[str, int]
) -> Chosen | Later | Nothing:
    """`wanted` images are still missing; `largest` is the size of the largest reference in bytes."""
    request = request_of(runtime, task.order, wanted, largest)
    health = await runtime.db.read(all_health)
    planned = plan_for(runtime, request, health, tried, held)
    if planned.choices:
        return _chosen(runtime, task, planned, wanted, largest)
    return Later(planned.wait_until) if planned.wait_until else Nothing(planned.considered)


async def has_route(runtime: Runtime, order: ImageOrder) -> bool:
    """Whether any route could take this order now or soon; asked before a hold is placed.

    Routes that buy nothing are never broken for long: an install without real ones is not asked.
    """
    if not runtime.fleet.roster.has_real:
        return True
    health = await runtime.health.fresh(lambda: runtime.db.read(all_health))
    planned = plan_for(runtime, request_of(runtime, order, order.n), health)
    return bool(planned.choices or planned.wait_until)


def plan_for(
    runtime: Runtime,
    request: Request,
    health: Mapping[str, Health],
    tried: AbstractSet[str] = frozenset(),
    held: Mapping[str, int] | None = None,
) -> Plan:
    routes = runtime.fleet.roster.of_model(request.order.row)
    return plan(routes, health, runtime.fleet.keys, request, tried, held or {}, runtime.clock())


def request_of(runtime: Runtime, order: ImageOrder, wanted: int, largest: int = 0) -> Request:
    model = runtime.book.models[order.row]
    family = FAMILIES[model.family]
    part = msgspec.structs.replace(order, n=wanted)
    return Request(
        order=part, usage=family.expected_usage(part, model), tier=family.price_tier(order), largest_reference=largest
    )


def _chosen(runtime: Runtime, task: Task, planned: Plan, wanted: int, largest: int) -> Chosen:
    route = planned.choices[0]
    request = request_of(runtime, task.order, min(wanted, route.max_n), largest)
    return Chosen(route, request.order, cost_of(route, request), planned.considered)
