"""The circuit breaker of a route or a whole upstream, as a value: what an outcome does to it, what it lets pass.

Times are UTC microseconds.
"""

from __future__ import annotations

import msgspec

from imagegate.domain.tasks import FailureKind
from imagegate.domain.time import US_PER_DAY, US_PER_MINUTE, US_PER_SECOND

MAX_CONSECUTIVE_FAILURES = 5
WINDOW_US, MIN_WINDOW_CALLS = 30 * US_PER_SECOND, 10
MIN_OPEN_US, MAX_OPEN_US = 15 * US_PER_SECOND, 5 * US_PER_MINUTE
MIN_LONG_OPEN_US, MAX_LONG_OPEN_US = 30 * US_PER_MINUTE, US_PER_DAY
DEFAULT_RETRY_AFTER_US, MAX_RETRY_AFTER_US = 10 * US_PER_SECOND, 10 * US_PER_MINUTE
_NEVER_US = 2**62  # the end of what only an operator ends; fits a 64-bit column

# Failures of a whole upstream: its account is out of funds, blocked, or our key is refused.
UPSTREAM_WIDE_FAILURES = frozenset({FailureKind.out_of_funds, FailureKind.blocked, FailureKind.bad_key})
_LONG_OPEN_FAILURES = UPSTREAM_WIDE_FAILURES | {FailureKind.no_model}
REASONS = {
    FailureKind.throttled: "throttled",
    FailureKind.failing: "failing",
    FailureKind.no_model: "the model is not there or not allowed",
    FailureKind.out_of_funds: "the operator's account there is out of funds",
    FailureKind.blocked: "the operator's account there is blocked",
    FailureKind.bad_key: "the key is refused",
    FailureKind.misconfigured: "upstream configuration is invalid",
}

# Stored as JSON: these are the keys that databases already hold.
_STORED_NAMES = {
    "consecutive_failures": "fails",
    "window_start": "since",
    "window_calls": "calls",
    "window_failures": "bad",
    "times_opened": "opens",
    "open_until": "broken_until",
    "rate_limited_until": "cooled_until",
    "half_open_until": "trial_until",
    "refused_key": "key",
    "anomalies": "flags",
    "last_anomaly": "flag",
}


class Health(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename=_STORED_NAMES):
    """`window_*` count calls since `window_start`. `times_opened`: since the last success.

    `half_open_until`: a trial call is under way, and holds others back until then at most. `refused_key` is the
    fingerprint of a key that the upstream refused. `anomalies` counts odd answers (another size, strange usage).
    """

    consecutive_failures: int = 0
    window_start: int = 0
    window_calls: int = 0
    window_failures: int = 0
    times_opened: int = 0
    open_until: int = 0
    rate_limited_until: int = 0
    half_open_until: int = 0
    reason: str = ""
    refused_key: str = ""
    anomalies: int = 0
    last_anomaly: str = ""


class Closed(msgspec.Struct, frozen=True):
    """Calls may pass."""


class HalfOpen(msgspec.Struct, frozen=True):
    """One trial call may pass."""


class RateLimited(msgspec.Struct, frozen=True):
    """Throttled, or a trial call is under way: ends by itself at `until`."""

    until: int


class Open(msgspec.Struct, frozen=True):
    """No call may pass before `until`."""

    until: int
    reason: str


BreakerState = Closed | HalfOpen | RateLimited | Open


def breaker_state(health: Health, now: int, key: str = "") -> BreakerState:
    """`key` is the fingerprint of the key in use: a refusal of another key says nothing about it."""
    if health.refused_key and health.refused_key == key:
        return Open(_NEVER_US, health.reason)
    if health.open_until > now:
        return Open(health.open_until, health.reason)
    if health.rate_limited_until > now:
        return RateLimited(health.rate_limited_until)
    if health.times_opened == 0 or health.refused_key:
        return Closed()
    if health.half_open_until <= now:
        return HalfOpen()
    return RateLimited(min(health.half_open_until, now + MIN_OPEN_US))


def on_success(health: Health, now: int) -> Health:
    return msgspec.structs.replace(
        _count_call(health, now, failures=0),
        consecutive_failures=0,
        times_opened=0,
        open_until=0,
        rate_limited_until=0,
        half_open_until=0,
        reason="",
        refused_key="",
    )


def on_failure(health: Health, failure: FailureKind, now: int, *, retry_after_us: int = 0, key: str = "") -> Health:
    """`retry_after_us` of 0: the upstream named none. `key` is the fingerprint of the key in use."""
    health = msgspec.structs.replace(health, half_open_until=0)
    counted = _count_call(health, now, failures=1)
    match failure:
        case FailureKind.internal:
            return health
        case FailureKind.throttled:
            wait = min(retry_after_us or DEFAULT_RETRY_AFTER_US, MAX_RETRY_AFTER_US)
            return msgspec.structs.replace(health, rate_limited_until=now + wait)
        case FailureKind.bad_key:
            return msgspec.structs.replace(counted, reason=REASONS[failure], refused_key=key or "unknown")
        case FailureKind.out_of_funds | FailureKind.blocked | FailureKind.no_model | FailureKind.misconfigured:
            return _open(counted, failure, now)
        case FailureKind.failing:
            failed = msgspec.structs.replace(counted, consecutive_failures=health.consecutive_failures + 1)
            return _open(failed, failure, now) if _should_open(failed) else failed


def on_anomaly(health: Health, anomaly: str) -> Health:
    return msgspec.structs.replace(health, anomalies=health.anomalies + 1, last_anomaly=anomaly)


def _should_open(health: Health) -> bool:
    """A failed trial opens again at once."""
    half_failed = health.window_calls >= MIN_WINDOW_CALLS and 2 * health.window_failures >= health.window_calls
    return health.times_opened > 0 or health.consecutive_failures >= MAX_CONSECUTIVE_FAILURES or half_failed


def _open(health: Health, failure: FailureKind, now: int) -> Health:
    """Twice as long each time, up to the maximum. It is reached long before the cap of the exponent."""
    minimum, maximum = (
        (MIN_LONG_OPEN_US, MAX_LONG_OPEN_US) if failure in _LONG_OPEN_FAILURES else (MIN_OPEN_US, MAX_OPEN_US)
    )
    wait = min(minimum * 2 ** min(health.times_opened, 20), maximum)
    return msgspec.structs.replace(
        health, times_opened=health.times_opened + 1, open_until=now + wait, reason=REASONS[failure]
    )


def _count_call(health: Health, now: int, *, failures: int) -> Health:
    if now - health.window_start > WINDOW_US:
        return msgspec.structs.replace(health, window_start=now, window_calls=1, window_failures=failures)
    return msgspec.structs.replace(
        health, window_calls=health.window_calls + 1, window_failures=health.window_failures + failures
    )
