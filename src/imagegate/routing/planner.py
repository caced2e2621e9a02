"""Which route a request takes: the cheapest for this very request among those that can serve it and are healthy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

import msgspec

from imagegate.catalog.routes import Route
from imagegate.domain.images import ImageOrder
from imagegate.domain.money import Nanos
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


class RoutePlan(msgspec.Struct, frozen=True):
    """`choices`: the routes to try, cheapest first. `considered`: all routes of the model, for the attempt log.

    `wait_until`: when the first of those that are only rate limited or blocked is free again, 0 where none is.
    """

    choices: tuple[Route, ...]
    wait_until: int
    considered: tuple[Candidate, ...]


def plan_routes(
    routes: Sequence[Route],
    health: Mapping[str, Health],
    keys: Mapping[str, str],
    request: RouteRequest,
    tried: AbstractSet[str],
    blocked_until: Mapping[str, int],
    now: int,
) -> RoutePlan:
    """Rank the routes. `tried` names those that failed for this request before; times are UTC microseconds.

    `health` by the name of a route or an upstream, `keys` the fingerprint of each upstream's key, `blocked_until` until
    when a route was found at the limit of its upstream.
    """
    choices, waits, considered = [], [], []
    for cost, route in sorted(
        ((route_cost(route, request), route) for route in routes), key=lambda ranked: (ranked[0], ranked[1].name)
    ):
        reason = "tried before" if route.name in tried else unsupported_reason(route, request)
        if not reason:
            reason, wait = _blocked(route, blocked_until, now) or _unhealthy(route, health, keys, now)
            waits += [wait] if wait else []
        considered.append(Candidate(route.name, cost, reason))
        choices += [] if reason else [route]
    return RoutePlan(tuple(choices), min(waits, default=0), tuple(considered))


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


def _blocked(route: Route, blocked_until: Mapping[str, int], now: int) -> tuple[str, int] | None:
    until = blocked_until.get(route.name, 0)
    return ("at the limit of concurrent calls or images per minute", until) if until > now else None


def _unhealthy(route: Route, health: Mapping[str, Health], keys: Mapping[str, str], now: int) -> tuple[str, int]:
    """Why no call may pass now, and when that ends by itself soon, if it does."""
    for scope in (route.name, route.upstream):
        match breaker_state(health.get(scope, Health()), now, keys.get(route.upstream, "")):
            case Open(reason=reason):
                return reason, 0
            case RateLimited(until=until):
                return "throttled", until
            case Closed() | HalfOpen():
                pass
    return "", 0
