"""Which route a request takes: the cheapest for this very request among those that can serve it and are healthy."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

import msgspec

from imagegate.catalog.routes import Route
from imagegate.domain.images import ImageOrder
from imagegate.domain.money import Nanos
from imagegate.domain.time import US_PER_SECOND
from imagegate.domain.usage import Usage
from imagegate.pricing import compute_charge
from imagegate.routing.circuit_breaker import Closed, HalfOpen, Health, Open, RateLimited, breaker_state


class RouteRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a route. `usage` is the expected usage of all its images together."""

    order: ImageOrder
    usage: Usage
    tier: str
    largest_reference: int = 0


class Candidate(msgspec.Struct, frozen=True):
    """One route as the plan saw it. `cost`: of this request, in nanos. `skipped`: why it was passed over, or empty."""

    route: str
    cost: Nanos
    skipped: str = ""


class WaitReason(enum.StrEnum):
    """Why a task does not move on now: each ends by itself. All but `storage` are about its routes."""

    unavailable = "upstream_unavailable"
    throttled = "upstream_throttled"
    busy = "upstream_busy"
    storage = "storage_unavailable"


class RouteWait(msgspec.Struct, frozen=True, order=True):
    """A route may take a call from `until` on, in UTC microseconds."""

    until: int
    reason: WaitReason


class RoutePlan(msgspec.Struct, frozen=True):
    """`choices`: the routes to try, cheapest first. `considered`: all routes of the model, for the attempt log.

    `waits`: one for each capable route that takes no call now but will by itself, the first to end first.
    """

    choices: tuple[Route, ...]
    waits: tuple[RouteWait, ...]
    considered: tuple[Candidate, ...]


class RouteHistory(msgspec.Struct, frozen=True):
    """What calls for the same images have come to. `excluded`: routes that cannot serve them.

    `waits`: what failed calls and full places leave to wait for, by route. `unknown_route` made a call at `unknown_at`
    whose outcome is unknown.
    """

    excluded: AbstractSet[str] = frozenset()
    waits: Mapping[str, RouteWait] = {}
    unknown_route: str = ""
    unknown_at: int = 0


_SKIPPED = {
    WaitReason.unavailable: "failed a moment ago",
    WaitReason.throttled: "throttled",
    WaitReason.busy: "at the limit of concurrent calls or images per minute",
}
# When to look again for what nobody can foresee; the end of a break wakes the tasks that wait for it.
_RECHECK_US = 10 * US_PER_SECOND
# A trial call should not be one that may buy the same a second time, as long as another task could make it.
_TRIAL_HEAD_START_US = 5 * US_PER_SECOND


def plan_routes(
    routes: Sequence[Route],
    health: Mapping[str, Health],
    keys: Mapping[str, str],
    request: RouteRequest,
    history: RouteHistory,
    now: int,
) -> RoutePlan:
    """Rank the routes. Times are UTC microseconds.

    `health` by the name of a route or an upstream, `keys` the fingerprint of each upstream's key.
    """
    choices, waits, considered = [], [], []
    for cost, route in sorted(
        ((route_cost(route, request), route) for route in routes), key=lambda ranked: (ranked[0], ranked[1].name)
    ):
        reason = "tried before" if route.name in history.excluded else unsupported_reason(route, request)
        if not reason:
            found = _unhealthy(route, health, keys, history, now) or _waiting(route, health, history, now)
            reason, wait = found or ("", None)
            waits += [wait] if wait else []
        considered.append(Candidate(route.name, cost, reason))
        choices += [] if reason else [route]
    return RoutePlan(tuple(choices), tuple(sorted(waits)), tuple(considered))


def route_cost(route: Route, request: RouteRequest) -> Nanos:
    return compute_charge(request.usage, route.price_for_tier(request.tier)).total


def unsupported_reason(route: Route, request: RouteRequest) -> str:
    """Why the route cannot do this request; empty where it can. `n` is no reason: larger ones are cut into slices."""
    order, references = request.order, len(request.order.image_urls)
    obstacles = (
        (references > route.max_refs, f"takes at most {route.max_refs} references"),
        (order.has_mask and not route.mask, "takes no mask"),
        (order.background == "transparent" and not route.transparent, "cannot make transparent images"),
        (bool(route.qualities) and bool(order.quality) and order.quality not in route.qualities, "lacks the quality"),
        (not _supports_size(route, order), "lacks the size"),
        (request.largest_reference > route.max_ref_bytes, "a reference is too large for it"),
    )
    return next((reason for applies, reason in obstacles if applies), "")


def _supports_size(route: Route, order: ImageOrder) -> bool:
    """`sizes` names ratios, WxH or auto; none named means every size. A route without auto gets the priced pixels."""
    size = order.size
    return not route.sizes or size.requested in route.sizes or f"{size.width}x{size.height}" in route.sizes


def _waiting(
    route: Route, health: Mapping[str, Health], history: RouteHistory, now: int
) -> tuple[str, RouteWait] | None:
    """What this very task has to wait for before it calls the route (again)."""
    wait = history.waits.get(route.name)
    if wait is not None and wait.until > now:
        return _SKIPPED[wait.reason], wait
    completed_at = health.get(route.name, Health()).completed_at
    if route.name == history.unknown_route and completed_at <= history.unknown_at:
        # The same call could be lost in the same way: first the route must show that it works.
        return "the outcome of an earlier call is unknown", RouteWait(now + _RECHECK_US, WaitReason.unavailable)
    return None


def _unhealthy(
    route: Route, health: Mapping[str, Health], keys: Mapping[str, str], history: RouteHistory, now: int
) -> tuple[str, RouteWait | None] | None:
    """Why no call may pass now, and when that ends by itself, if it does."""
    found: list[tuple[str, RouteWait | None]] = []
    for scope in (route.name, route.upstream):
        match breaker_state(health.get(scope, Health()), now, keys.get(route.upstream, "")):
            case Open(until=until, reason=reason, is_temporary=True):
                found.append((reason, RouteWait(until, WaitReason.unavailable)))
            case Open(reason=reason):
                return reason, None
            case RateLimited(until=until):
                found.append((_SKIPPED[WaitReason.throttled], RouteWait(until, WaitReason.throttled)))
            case HalfOpen(since=since) if history.unknown_at and now < since + _TRIAL_HEAD_START_US:
                found.append(("half-open", RouteWait(since + _TRIAL_HEAD_START_US, WaitReason.unavailable)))
            case Closed() | HalfOpen():
                pass
    return next(iter(found), None)
