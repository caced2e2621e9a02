"""Which route the next call of a task takes, if any."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import msgspec

from imagegate.catalog.routes import Route
from imagegate.domain import ids
from imagegate.domain.errors import InvalidRequest
from imagegate.domain.images import ImageOrder
from imagegate.domain.money import Nanos
from imagegate.domain.tasks import Attempt, AttemptOutcome, Task
from imagegate.families import FAMILIES
from imagegate.flows.execution.state import Execution
from imagegate.routing.call_limits import CallPlace
from imagegate.routing.circuit_breaker import Health
from imagegate.routing.planner import (
    Candidate,
    Impossible,
    RouteHistory,
    RoutePlan,
    RouteRequest,
    RouteWait,
    find_impossible,
    plan_routes,
    route_cost,
)
from imagegate.runtime import Runtime
from imagegate.store.claims import FirstCall, NoFirstCall, NoPlace, PlanFirstCall, has_other_work
from imagegate.store.route_health import load_health
from imagegate.store.transaction import Tx
from imagegate.upstreams.base import RecoveryMode


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
    """No route can do it, now or soon; `impossible` says why none ever will, where that is so."""

    considered: tuple[Candidate, ...]
    impossible: Impossible | None = None


async def select_route(execution: Execution) -> RouteChoice | Wait | NoRoute:
    """The best route for the images that are still missing."""
    runtime, order = execution.runtime, execution.task.order
    largest = max((path.stat().st_size for path in execution.inputs.references), default=0)
    request = build_route_request(runtime, order, execution.missing_count, largest)
    health = await runtime.db.read(load_health)
    plan = make_plan(runtime, request, health, await _route_history(execution))
    if not plan.choices:
        routes = runtime.registry.route_table.for_model(order.row)
        return Wait(plan.waits) if plan.waits else NoRoute(plan.considered, find_impossible(routes, request))
    return _choose(runtime, plan.choices[0], request, plan)


def _choose(runtime: Runtime, route: Route, request: RouteRequest, plan: RoutePlan) -> RouteChoice:
    if request.order.n > route.max_n:
        request = build_route_request(runtime, request.order, route.max_n, request.largest_reference)
    return RouteChoice(route, request.order, route_cost(route, request), plan.considered)


def call_place(runtime: Runtime, upstream: str, route: str) -> CallPlace:
    """Whose calls count with those of this route."""
    found, config = runtime.registry.upstreams.get(upstream), runtime.registry.route_table.upstreams.get(upstream)
    if found is not None and found.recovery_mode == RecoveryMode.deterministic:
        # Made on this machine. One more than there are painters, so that none of them waits for a settlement.
        return CallPlace(upstream, (runtime.settings.work.max_embedded_processes or os.cpu_count() or 1) + 1)
    if config is not None and config.concurrency:
        return CallPlace(upstream, config.concurrency)
    return CallPlace(route)


def free_calls(runtime: Runtime) -> dict[CallPlace, int]:
    """How many calls this process may begin now, of every route."""
    routes = runtime.registry.route_table.routes.values()
    places = {call_place(runtime, route.upstream, route.name) for route in routes}
    return {place: runtime.call_limits.free(place) for place in places}


def first_call_planner(runtime: Runtime, free: dict[CallPlace, int]) -> PlanFirstCall:
    """Plans the first calls of tasks that are being claimed, and takes from what is `free`."""

    def plan_first_call(tx: Tx, task: Task) -> FirstCall | NoPlace | NoFirstCall:
        if runtime.wake_ups.draining:
            return NoFirstCall()
        request = build_route_request(runtime, task.order, task.order.n)
        plan = make_plan(runtime, request, load_health(tx))
        if not plan.choices:
            return NoFirstCall()
        places = ((call_place(runtime, route.upstream, route.name), route) for route in plan.choices)
        place, route = next((found for found in places if free.get(found[0], 0) > 0), (None, None))
        if place is None or route is None:
            return NoPlace()
        free[place] -= 1
        attempt = call_attempt(runtime, task, _choose(runtime, route, request, plan))
        return FirstCall(attempt, route, runtime.registry.key_fingerprints.get(route.upstream, ""))

    return plan_first_call


def call_attempt(runtime: Runtime, task: Task, choice: RouteChoice) -> Attempt:
    # Of an upstream that makes the same again for nothing, nobody waits for what is in a spool.
    is_free = runtime.registry.upstreams[choice.route.upstream].recovery_mode == RecoveryMode.deterministic
    return new_attempt(
        runtime,
        task,
        choice.considered,
        route=choice.route.name,
        upstream=choice.route.upstream,
        outcome=AttemptOutcome.sending,
        images=choice.order.n,
        cost=choice.cost,
        spool=runtime.spool.folder_id if runtime.db.engine.shared and not is_free else None,
    )


def new_attempt(runtime: Runtime, task: Task, considered: tuple[Candidate, ...], **fields: Any) -> Attempt:
    now = runtime.clock()
    return Attempt(
        id=ids.new_id("att", now),
        task_id=task.id,
        account_id=task.account_id,
        claim_no=task.claim_no,
        started=now,
        considered=msgspec.json.encode(considered).decode(),
        **fields,
    )


async def _route_history(execution: Execution) -> RouteHistory:
    state, unknown = execution.state, execution.state.unknown_attempt
    excluded = state.excluded_routes
    if unknown is None or unknown.duplicate:
        return RouteHistory(excluded, state.waits, unknown_at=state.unknown_at)
    # Whether the route works again is for other tasks to find out: alone, this one would wait for nothing.
    if not await execution.runtime.db.read(has_other_work, execution.task.id, execution.task.order.model):
        excluded = excluded | {unknown.route}
    return RouteHistory(excluded, state.waits, unknown.route, state.unknown_at)


def find_refusal(runtime: Runtime, order: ImageOrder) -> InvalidRequest | None:
    """What is wrong with an order that no route of this installation will ever do."""
    routes = runtime.registry.route_table.for_model(order.row)
    impossible = find_impossible(routes, build_route_request(runtime, order, order.n))
    return None if impossible is None else InvalidRequest(impossible.message, param=impossible.param)


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
