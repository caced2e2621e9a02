"""The health of routes and upstreams, shared by every process, and the check before a call.

What an outcome does to a health is decided by `imagegate.routing.circuit_breaker`; here each row is locked before it
is judged, so that one half-open trial is one trial, however many processes ask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from imagegate.catalog.routes import Route
from imagegate.routing.circuit_breaker import (
    MAX_TRIAL_US,
    BreakerState,
    Closed,
    HalfOpen,
    Health,
    Open,
    RateLimited,
    breaker_state,
)
from imagegate.routing.planner import RouteWait, WaitReason
from imagegate.security.rate_limit import Denied, Quota, take
from imagegate.store.transaction import Tx

_SLOT_RETRY_US = 500_000  # nobody knows when a call of another process ends: ask again soon
_MAX_IMAGES_PER_CALL = 10


class Blocked(msgspec.Struct, frozen=True):
    """No call now. `wait`: until when, None where that needs a person."""

    wait: RouteWait | None


def load_health(tx: Tx) -> dict[str, Health]:
    """Return the health of every route and upstream that has one, by its scope."""
    return {
        row["scope"]: msgspec.json.decode(row["body"], type=Health)
        for row in tx.fetch_all("SELECT scope, body FROM route_health")
    }


def update_health(tx: Tx, scope: str, change: Callable[[Health], Health]) -> bool:
    """Apply `change` to the row as it is once it is locked. True where that ended a break."""
    before, _ = _lock_health(tx, scope)
    after = change(before)
    _save_health(tx, scope, after)
    return bool(before.times_opened or before.refused_key) and not (after.times_opened or after.refused_key)


def reset_health(tx: Tx, scope: str) -> None:
    """Forget what was observed: the next call passes."""
    tx.execute_nowait("DELETE FROM route_health WHERE scope = :scope", {"scope": scope})


def try_dispatch(tx: Tx, route: Route, images: int, key: str) -> Blocked | None:
    """Let a call for so many images through and count it (None), or say why not.

    `key` is the fingerprint of the upstream's key. A concurrency or rate of 0 means no limit.
    """
    # The upstream's row before the route's, in every process: callers of one upstream come one after the other.
    upstream_health, full_at = _lock_health(tx, route.upstream)
    healths = {route.upstream: upstream_health, route.name: _lock_health(tx, route.name)[0]}
    states = {scope: breaker_state(health, tx.now, key) for scope, health in healths.items()}
    blocked = _check_health(states.values()) or _check_concurrency(tx, route) or _check_rate(tx, route, images, full_at)
    if blocked is None:
        for scope, health in healths.items():
            if isinstance(states[scope], HalfOpen):
                _save_health(tx, scope, msgspec.structs.replace(health, half_open_until=tx.now + MAX_TRIAL_US))
    return blocked


def _check_health(states: Iterable[BreakerState]) -> Blocked | None:
    for state in states:
        match state:
            case Open(until=until, is_temporary=is_temporary):
                return Blocked(RouteWait(until, WaitReason.unavailable) if is_temporary else None)
            case RateLimited(until=until):
                return Blocked(RouteWait(until, WaitReason.throttled))
            case Closed() | HalfOpen():
                pass
    return None


def _check_concurrency(tx: Tx, route: Route) -> Blocked | None:
    if not route.concurrency:
        return None
    in_flight = tx.fetch_int(
        "SELECT COUNT(*) AS n FROM attempts WHERE upstream = :upstream AND outcome = 'sending'",
        {"upstream": route.upstream},
    )
    return Blocked(RouteWait(tx.now + _SLOT_RETRY_US, WaitReason.busy)) if in_flight >= route.concurrency else None


def _check_rate(tx: Tx, route: Route, images: int, full_at: int) -> Blocked | None:
    """Images per minute, of which a fifth of a minute's worth may be asked for at once."""
    if not route.rate_per_min:
        return None
    burst = max(1, route.rate_per_min // 5)
    quota = Quota("rate", route.upstream, route.rate_per_min, burst=burst, max_cost=_MAX_IMAGES_PER_CALL)
    result = take((quota,), {quota.bucket: full_at}, tx.now, cost=images)
    if isinstance(result, Denied):
        return Blocked(RouteWait(tx.now + result.retry_after_us, WaitReason.busy))
    tx.execute_nowait(
        "UPDATE route_health SET full_at = :at WHERE scope = :scope",
        {"at": result.full_at[quota.bucket], "scope": route.upstream},
    )
    return None


def _lock_health(tx: Tx, scope: str) -> tuple[Health, int]:
    """Lock the row, inserted where it is absent: two first callers meet too."""
    tx.insert("route_health", unless_exists="scope", scope=scope, body="{}")
    row = tx.lock_rows("SELECT body, full_at FROM route_health WHERE scope = :scope", {"scope": scope})[0]
    return msgspec.json.decode(row["body"], type=Health), row["full_at"]


def _save_health(tx: Tx, scope: str, health: Health) -> None:
    body = msgspec.json.encode(health).decode()
    tx.execute_nowait("UPDATE route_health SET body = :body WHERE scope = :scope", {"body": body, "scope": scope})
