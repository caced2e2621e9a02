"""Health of routes and upstreams, shared by every process; and the gate before a call.

Knows: that a row is taken before it is judged, so that one trial is one trial. Refuses to know: what makes a route
healthy (that is the breaker).
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from imagegate.routing.circuit_breaker import Closed, HalfOpen, Health, Open, RateLimited, breaker_state
from imagegate.security.rate_limit import Denied, Quota, take
from imagegate.store.transaction import Tx

_SLOT_RETRY_US = 500_000
_MAX_IMAGES_PER_CALL = 10


class DispatchLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a call has to pass. `key_fingerprint` is the fingerprint of the upstream's key; 0 means no limit.

    `max_trial_us`: for how long a trial keeps others out at most.
    """

    route: str
    upstream: str
    key_fingerprint: str = ""
    concurrency: int = 0
    rate_per_min: int = 0
    images: int = 1
    max_trial_us: int = 600_000_000


class Blocked(msgspec.Struct, frozen=True):
    """Not now. `until` is when to ask again, 0 where that is not worth waiting for."""

    until: int
    reason: str


def load_health(tx: Tx) -> dict[str, Health]:
    return {row["scope"]: _decode_health(row["body"]) for row in tx.fetch_all("SELECT scope, body FROM health")}


def update_health(tx: Tx, scope: str, change: Callable[[Health], Health]) -> None:
    """Apply `change` to the row as it stands."""
    _save_health(tx, scope, change(_lock_health(tx, scope)[0]))


def reset_health(tx: Tx, scope: str) -> None:
    """The operator has looked after it: the next call passes."""
    tx.execute_nowait("DELETE FROM health WHERE scope = :scope", scope=scope)


def try_dispatch(tx: Tx, limits: DispatchLimits) -> Blocked | None:
    """None lets the call through and counts it. The upstream's row is taken first, so callers come one by one."""
    upstream, free_at = _lock_health(tx, limits.upstream)
    route, _ = _lock_health(tx, limits.route)
    blocked = (
        _check_health(tx, limits, upstream, route) or _check_concurrency(tx, limits) or _check_rate(tx, limits, free_at)
    )
    if blocked is None:
        for scope, health in ((limits.upstream, upstream), (limits.route, route)):
            if isinstance(breaker_state(health, tx.now, limits.key_fingerprint), HalfOpen):
                _save_health(tx, scope, msgspec.structs.replace(health, half_open_until=tx.now + limits.max_trial_us))
    return blocked


def _check_health(tx: Tx, limits: DispatchLimits, upstream: Health, route: Health) -> Blocked | None:
    for health in (upstream, route):
        match breaker_state(health, tx.now, limits.key_fingerprint):
            case Open(reason=reason):
                return Blocked(0, reason)
            case RateLimited(until=until):
                return Blocked(until, "throttled")
            case Closed() | HalfOpen():
                pass
    return None


def _check_concurrency(tx: Tx, limits: DispatchLimits) -> Blocked | None:
    if not limits.concurrency:
        return None
    in_flight = tx.fetch_int(
        "SELECT COUNT(*) AS n FROM attempts WHERE upstream = :upstream AND outcome = 'sending'",
        upstream=limits.upstream,
    )
    return Blocked(tx.now + _SLOT_RETRY_US, "all its places are taken") if in_flight >= limits.concurrency else None


def _check_rate(tx: Tx, limits: DispatchLimits, free_at: int) -> Blocked | None:
    """Images per minute, of which a fifth of a minute's worth may be asked for at once."""
    if not limits.rate_per_min:
        return None
    burst = max(1, limits.rate_per_min // 5)
    quota = Quota("rate", limits.upstream, limits.rate_per_min, burst=burst, max_cost=_MAX_IMAGES_PER_CALL)
    result = take((quota,), {quota.bucket: free_at}, tx.now, cost=limits.images)
    if isinstance(result, Denied):
        return Blocked(tx.now + result.retry_after_us, "its rate is used up")
    tx.execute_nowait(
        "UPDATE health SET free_at = :at WHERE scope = :scope", at=result.full_at[quota.bucket], scope=limits.upstream
    )
    return None


def _lock_health(tx: Tx, scope: str) -> tuple[Health, int]:
    """Lock the row, made where it is absent."""
    tx.execute_nowait(
        "INSERT INTO health (scope, body) VALUES (:scope, '{}') ON CONFLICT (scope) DO NOTHING", scope=scope
    )
    row = tx.fetch_all("UPDATE health SET body = body WHERE scope = :scope RETURNING body, free_at", scope=scope)[0]
    return _decode_health(row["body"]), row["free_at"]


def _save_health(tx: Tx, scope: str, health: Health) -> None:
    body = msgspec.json.encode(health).decode()
    tx.execute_nowait("UPDATE health SET body = :body WHERE scope = :scope", body=body, scope=scope)


def _decode_health(body: str) -> Health:
    return msgspec.json.decode(body, type=Health)
