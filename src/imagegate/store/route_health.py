"""Health of routes and upstreams, shared by every process; and the gate before a call.

Knows: that a row is taken before it is judged, so that one trial is one trial. Refuses to know: what makes a route
healthy (that is the breaker).
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from imagegate.routing.circuit_breaker import Broken, Cooling, Free, Health, Trial, state
from imagegate.store.transaction import Tx

_MINUTE_US = 60_000_000
_SLOT_US = 500_000


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """What a call has to pass. `key` is the fingerprint of the upstream's key; 0 means no limit.

    `trial_us`: for how long a trial keeps others out at most.
    """

    route: str
    upstream: str
    key: str = ""
    concurrency: int = 0
    rate_per_min: int = 0
    images: int = 1
    trial_us: int = 600_000_000


class Held(msgspec.Struct, frozen=True):
    """Not now. `until` is when to ask again, 0 where that is not worth waiting for."""

    until: int
    why: str


def all_health(tx: Tx) -> dict[str, Health]:
    return {row["scope"]: _health(row["body"]) for row in tx.all("SELECT scope, body FROM health")}


def note_health(tx: Tx, scope: str, change: Callable[[Health], Health]) -> None:
    """Apply `change` to the row as it stands."""
    _store(tx, scope, change(_take(tx, scope)[0]))


def forget_health(tx: Tx, scope: str) -> None:
    """The operator has looked after it: the next call passes."""
    tx.put("DELETE FROM health WHERE scope = :scope", scope=scope)


def pass_gate(tx: Tx, gate: Gate) -> Held | None:
    """None lets the call through and counts it. The upstream's row is taken first, so callers come one by one."""
    upstream, free_at = _take(tx, gate.upstream)
    route, _ = _take(tx, gate.route)
    held = _unhealthy(tx, gate, upstream, route) or _crowded(tx, gate) or _too_fast(tx, gate, free_at)
    if held is None:
        for scope, health in ((gate.upstream, upstream), (gate.route, route)):
            if isinstance(state(health, tx.now, gate.key), Trial):
                _store(tx, scope, msgspec.structs.replace(health, trial_until=tx.now + gate.trial_us))
    return held


def _unhealthy(tx: Tx, gate: Gate, upstream: Health, route: Health) -> Held | None:
    for health in (upstream, route):
        match state(health, tx.now, gate.key):
            case Broken(reason=reason):
                return Held(0, reason)
            case Cooling(until=until):
                return Held(until, "throttled")
            case Free() | Trial():
                pass
    return None


def _crowded(tx: Tx, gate: Gate) -> Held | None:
    if not gate.concurrency:
        return None
    sending = tx.count(
        "SELECT COUNT(*) AS n FROM attempts WHERE upstream = :upstream AND outcome = 'sending'", upstream=gate.upstream
    )
    return Held(tx.now + _SLOT_US, "all its places are taken") if sending >= gate.concurrency else None


def _too_fast(tx: Tx, gate: Gate, free_at: int) -> Held | None:
    """A cell of `images` every `images / rate` of a minute, with a fifth of the minute's worth at once."""
    if not gate.rate_per_min:
        return None
    step = _MINUTE_US // gate.rate_per_min
    at = max(free_at, tx.now)
    early = at - (tx.now + step * max(1, gate.rate_per_min // 5) - step)
    if early > 0:
        return Held(tx.now + early, "its rate is used up")
    tx.put("UPDATE health SET free_at = :at WHERE scope = :scope", at=at + step * gate.images, scope=gate.upstream)
    return None


def _take(tx: Tx, scope: str) -> tuple[Health, int]:
    """Lock the row, made where it is absent."""
    tx.put("INSERT INTO health (scope, body) VALUES (:scope, '{}') ON CONFLICT (scope) DO NOTHING", scope=scope)
    row = tx.all("UPDATE health SET body = body WHERE scope = :scope RETURNING body, free_at", scope=scope)[0]
    return _health(row["body"]), row["free_at"]


def _store(tx: Tx, scope: str, health: Health) -> None:
    body = msgspec.json.encode(health).decode()
    tx.put("UPDATE health SET body = :body WHERE scope = :scope", body=body, scope=scope)


def _health(body: str) -> Health:
    return msgspec.json.decode(body, type=Health)
