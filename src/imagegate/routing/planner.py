"""Which route a request takes: the cheapest for this very request among those that can serve it and are healthy."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import assert_never

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


class _Obstacle(enum.Enum):
    """What of a request a route may be unable to do."""

    references = enum.auto()
    mask = enum.auto()
    background = enum.auto()
    quality = enum.auto()
    size = enum.auto()
    reference_bytes = enum.auto()


class Impossible(msgspec.Struct, frozen=True):
    """No route of the model will ever do the request: what its customer may send instead. It names no upstream."""

    param: str
    message: str


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
    """Why the route cannot do this request; empty where it can."""
    return next((reason for _, reason in _obstacles(route, request)), "")


def find_impossible(routes: Sequence[Route], request: RouteRequest) -> Impossible | None:
    """What is in the way where none of the routes will ever do this request, told by the routes that lack least."""
    found = [(route, [obstacle for obstacle, _ in _obstacles(route, request)]) for route in routes]
    if not found or not all(obstacles for _, obstacles in found):
        return None
    fewest = min(len(obstacles) for _, obstacles in found)
    first = next(obstacles[0] for _, obstacles in found if len(obstacles) == fewest)
    nearest = [route for route, obstacles in found if len(obstacles) == fewest and obstacles[0] is first]
    return _describe_obstacle(first, nearest, request)


def _obstacles(route: Route, request: RouteRequest) -> Iterator[tuple[_Obstacle, str]]:
    """`n` is none: larger ones are cut into slices. Nor is the format: what is made is converted."""
    order, references = request.order, len(request.order.image_urls)
    if references > route.max_refs:
        yield _Obstacle.references, f"takes at most {route.max_refs} references"
    if order.has_mask and not route.mask:
        yield _Obstacle.mask, "takes no mask"
    if order.background == "transparent" and not route.transparent:
        yield _Obstacle.background, "cannot make transparent images"
    if route.qualities and order.quality and order.quality not in route.qualities:
        yield _Obstacle.quality, "lacks the quality"
    if not _supports_size(route, order):
        yield _Obstacle.size, "lacks the size"
    if request.largest_reference > route.max_ref_bytes:
        yield _Obstacle.reference_bytes, "a reference is too large for it"


def _describe_obstacle(obstacle: _Obstacle, routes: Sequence[Route], request: RouteRequest) -> Impossible:
    none = "no route of this gateway"
    match obstacle:
        case _Obstacle.references:
            most = max(route.max_refs for route in routes)
            if most == 0:
                return Impossible("image_urls", f"image_urls cannot be used with this model: {none} takes references")
            return Impossible("image_urls", f"image_urls may hold at most {most} URLs: {none} takes more references")
        case _Obstacle.mask:
            return Impossible("mask_url", f"mask_url cannot be used with this model: {none} takes a mask")
        case _Obstacle.background:
            return Impossible("background", f"background must be opaque: {none} can make transparent images")
        case _Obstacle.quality:
            known = ", ".join(dict.fromkeys(one for route in routes for one in route.qualities))
            asked = request.order.quality
            return Impossible("quality", f"quality must be one of {known}: {none} can generate {asked}")
        case _Obstacle.size:
            known = ", ".join(dict.fromkeys(one for route in routes for one in route.sizes))
            asked = request.order.size.requested
            return Impossible("size", f"size must be one of {known}: {none} can generate {asked}")
        case _Obstacle.reference_bytes:
            most = max(route.max_ref_bytes for route in routes)
            return Impossible("image_urls", f"image_urls lead to an image of more than {most} bytes: {none} takes it")
        case _:
            assert_never(obstacle)


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
