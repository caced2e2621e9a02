"""The health of routes and upstreams, shared by every process, and the check before a call.

What an outcome does to a health is decided by `imagegate.routing.circuit_breaker`; here each row is locked before it
is judged, so that one half-open trial is one trial, however many processes ask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from imagegate.catalog.routes import Route
from imagegate.domain.time import US_PER_SECOND
from imagegate.routing.circuit_breaker import (
    MAX_TRIAL_US,
    BreakerState,
    Closed,
    HalfOpen,
    Health,
    Open,
    RateLimited,
    breaker_state,
    is_one_more_success,
)
from imagegate.routing.planner import RouteWait, WaitReason
from imagegate.security.rate_limit import Denied, Quota, take
from imagegate.store.dialect import SKIP_LOCKED, Row
from imagegate.store.transaction import Tx

_SLOT_RETRY_US = 500_000  # nobody knows when a call of another process ends: ask again soon
_MAX_IMAGES_PER_CALL = 10


class Blocked(msgspec.Struct, frozen=True):
    """No call now. `wait`: until when, None where that needs a person."""

    wait: RouteWait | None


def load_health(tx: Tx) -> dict[str, Health]:
    """Return the health of every route and upstream that has one, by its scope."""
    if "health" not in tx.memo:
        tx.memo["health"] = {
            row["scope"]: msgspec.json.decode(row["body"], type=Health)
            for row in tx.fetch_all("SELECT scope, body FROM route_health")
        }
    # Rows that this transaction has changed are written at its end only.
    changed = {key[1]: row.health for key, row in tx.memo.items() if isinstance(row, _LockedHealth)}
    return {**tx.memo["health"], **changed}


def update_health(tx: Tx, scope: str, change: Callable[[Health], Health]) -> bool:
    """Apply `change` to the row as it is once it is locked. True where that ended a break.

    One more success of a route that does not fail is left out where one was counted within the last second, or is
    being counted now: every call of every process ends here, and none is to wait for another.
    """
    seen = load_health(tx).get(scope)
    if seen is not None and ("health", scope) not in tx.memo and is_one_more_success(seen, change(seen)):
        if not 0 <= tx.now - seen.completed_at < US_PER_SECOND:
            tx.at_end(("health", scope), lambda: _count_success(tx, scope, change))
        return False
    row = _lock_health(tx, scope)
    before, row.health = row.health, change(row.health)
    _save_health(tx, scope)
    return bool(before.times_opened or before.refused_key) and not (row.health.times_opened or row.health.refused_key)


def reset_health(tx: Tx, scope: str) -> None:
    """Forget what was observed: the next call passes."""
    tx.execute_nowait("DELETE FROM route_health WHERE scope = :scope", {"scope": scope})
    tx.memo.pop(("health", scope), None)
    tx.forget(("health", scope))


def try_dispatch(tx: Tx, route: Route, images: int, key: str) -> Blocked | None:
    """Let a call for so many images through and count it (None), or say why not.

    `key` is the fingerprint of the upstream's key. A concurrency or rate of 0 means no limit.
    """
    if not route.concurrency and not route.rate_per_min:
        # Nothing to count, and no trial that only one may make: all processes may pass at the same time.
        seen = load_health(tx)
        scopes = (route.upstream, route.name)
        if all(breaker_state(seen.get(scope, Health()), tx.now, key) == Closed() for scope in scopes):
            return None
    # The upstream's row before the route's, in every process: callers of one upstream come one after the other.
    rows = {scope: _lock_health(tx, scope) for scope in (route.upstream, route.name)}
    states = {scope: breaker_state(row.health, tx.now, key) for scope, row in rows.items()}
    blocked = _check_health(states.values()) or _check_concurrency(tx, route) or _check_rate(tx, route, images)
    if blocked is None:
        for scope, row in rows.items():
            if isinstance(states[scope], HalfOpen):
                row.health = msgspec.structs.replace(row.health, half_open_until=tx.now + MAX_TRIAL_US)
                _save_health(tx, scope)
        if route.concurrency:
            tx.memo["sending", route.upstream] += 1
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
    # Counted once in a transaction: begun calls are added, and one that ends in it frees its place with the next.
    key = ("sending", route.upstream)
    if key not in tx.memo:
        tx.memo[key] = tx.fetch_int(
            "SELECT COUNT(*) AS n FROM attempts WHERE upstream = :upstream AND outcome = 'sending'",
            {"upstream": route.upstream},
        )
    is_full = tx.memo[key] >= route.concurrency
    return Blocked(RouteWait(tx.now + _SLOT_RETRY_US, WaitReason.busy)) if is_full else None


def _check_rate(tx: Tx, route: Route, images: int) -> Blocked | None:
    """Images per minute, of which a fifth of a minute's worth may be asked for at once."""
    if not route.rate_per_min:
        return None
    burst = max(1, route.rate_per_min // 5)
    quota = Quota("rate", route.upstream, route.rate_per_min, burst=burst, max_cost=_MAX_IMAGES_PER_CALL)
    row = _lock_health(tx, route.upstream)
    result = take((quota,), {quota.bucket: row.full_at}, tx.now, cost=images)
    if isinstance(result, Denied):
        return Blocked(RouteWait(tx.now + result.retry_after_us, WaitReason.busy))
    row.full_at = result.full_at[quota.bucket]
    _save_health(tx, route.upstream)
    return None


class _LockedHealth:
    """A row that is ours until the commit, as the commands of this transaction have left it."""

    def __init__(self, health: Health, full_at: int) -> None:
        self.health = health
        self.full_at = full_at


def _lock_health(tx: Tx, scope: str) -> _LockedHealth:
    """Lock the row, inserted where it is absent: two first callers meet too.

    All rows with it, in one order for all processes: nobody knows which ones this transaction will need.
    """
    select, key = "SELECT scope, body, full_at FROM route_health", ("health", scope)
    if key not in tx.memo:
        for row in tx.lock_rows(f"{select} ORDER BY scope"):
            tx.memo.setdefault(("health", row["scope"]), _read_locked(row))
    if key not in tx.memo:
        tx.insert("route_health", unless_exists="scope", scope=scope, body="{}")
        tx.memo[key] = _read_locked(tx.lock_rows(f"{select} WHERE scope = :scope", {"scope": scope})[0])
    locked: _LockedHealth = tx.memo[key]
    return locked


def _read_locked(row: Row) -> _LockedHealth:
    return _LockedHealth(msgspec.json.decode(row["body"], type=Health), row["full_at"])


def _count_success(tx: Tx, scope: str, change: Callable[[Health], Health]) -> None:
    if ("health", scope) not in tx.memo:
        # Never waits, and so can come after the locks of accounts.
        select = f"SELECT scope, body, full_at FROM route_health WHERE scope = :scope {SKIP_LOCKED}"
        for row in tx.fetch_all(select, {"scope": scope}):
            tx.memo["health", scope] = _read_locked(row)
    if (locked := tx.memo.get(("health", scope))) is not None:
        locked.health = change(locked.health)
        _write_health(tx, scope)


def _save_health(tx: Tx, scope: str) -> None:
    """Written at the end of the transaction: each call of a busy upstream changes the same two rows."""
    tx.at_end(("health", scope), lambda: _write_health(tx, scope))


def _write_health(tx: Tx, scope: str) -> None:
    row: _LockedHealth = tx.memo["health", scope]
    tx.execute_nowait(
        "UPDATE route_health SET body = :body, full_at = :full_at WHERE scope = :scope",
        {"body": msgspec.json.encode(row.health).decode(), "full_at": row.full_at, "scope": scope},
    )
