"""The circuit breaker of a route or a whole upstream, as a value: what an outcome does to it, what it lets pass.

Times are UTC microseconds.
"""

from __future__ import annotations

import msgspec

from imagegate.domain.tasks import FailureKind
from imagegate.domain.time import US_PER_DAY, US_PER_MINUTE, US_PER_SECOND

MAX_CONSECUTIVE_FAILURES = 5
WINDOW_US, MIN_WINDOW_CALLS = 30 * US_PER_SECOND, 10
# How long a breaker stays open at first, and at most. Short where it may end by itself: acknowledged tasks wait for it,
# and work must flow again within a minute of the upstream's return, of which a trial call may need half.
OPEN_US = {
    FailureKind.failing: (1 * US_PER_SECOND, 30 * US_PER_SECOND),
    FailureKind.misconfigured: (15 * US_PER_SECOND, 5 * US_PER_MINUTE),
    FailureKind.no_model: (30 * US_PER_MINUTE, US_PER_DAY),
    FailureKind.out_of_funds: (30 * US_PER_MINUTE, US_PER_DAY),
    FailureKind.blocked: (30 * US_PER_MINUTE, US_PER_DAY),
}
MAX_TRIAL_US = 10 * US_PER_MINUTE  # how long a half-open trial keeps other calls out at most
_CLOCK_SLACK_US = US_PER_SECOND  # clocks of several machines differ
# A trial that still runs is looked at again after this long.
_TRIAL_RECHECK_US = 30 * US_PER_SECOND
DEFAULT_RETRY_AFTER_US = 10 * US_PER_SECOND
# Upstreams do send `retry-after-ms: 1`: without a floor one task called a thousand times a minute.
MIN_RETRY_AFTER_US, MAX_RETRY_AFTER_US = 1 * US_PER_SECOND, 10 * US_PER_MINUTE
_NEVER_US = 2**62  # the end of what only an operator ends; fits a 64-bit column

# Failures of a whole upstream: its account is out of funds, blocked, or our key is refused.
UPSTREAM_WIDE_FAILURES = frozenset({FailureKind.out_of_funds, FailureKind.blocked, FailureKind.bad_key})
REASONS = {
    FailureKind.throttled: "throttled",
    FailureKind.failing: "failing",
    FailureKind.no_model: "the model is not there or not allowed",
    FailureKind.out_of_funds: "the operator's account there is out of funds",
    FailureKind.blocked: "the operator's account there is blocked",
    FailureKind.bad_key: "the key is refused",
    FailureKind.misconfigured: "upstream configuration is invalid",
}

_FAILURE_OF_REASON = {reason: failure for failure, reason in REASONS.items()}

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
    "completed_at": "done",
    "anomalies": "flags",
    "last_anomaly": "flag",
}


class Health(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename=_STORED_NAMES):
    """`window_*` count calls since `window_start`. `times_opened`: since the last success.

    `half_open_until`: a trial call is under way, and holds others back until then at most. `refused_key` is the
    fingerprint of a key that the upstream refused. `completed_at`: when a call was last answered by what it asked for
    or by a refusal. `anomalies` counts odd answers (another size, strange usage).
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
    completed_at: int = 0
    anomalies: int = 0
    last_anomaly: str = ""


class Closed(msgspec.Struct, frozen=True):
    """Calls may pass."""


class HalfOpen(msgspec.Struct, frozen=True):
    """One trial call may pass, from `since` on."""

    since: int


class RateLimited(msgspec.Struct, frozen=True):
    """Throttled, or a trial call is under way: ends by itself at `until`."""

    until: int


class Open(msgspec.Struct, frozen=True):
    """No call may pass before `until`. `is_temporary`: it may end by itself, without a person."""

    until: int
    reason: str
    is_temporary: bool = False


BreakerState = Closed | HalfOpen | RateLimited | Open


def breaker_state(health: Health, now: int, key: str = "") -> BreakerState:
    """`key` is the fingerprint of the key in use: a refusal of another key says nothing about it."""
    health = _forget_future(health, now)
    if health.refused_key and health.refused_key == key:
        return Open(_NEVER_US, health.reason)
    if health.open_until > now:
        return Open(health.open_until, health.reason, health.reason == REASONS[FailureKind.failing])
    if health.rate_limited_until > now:
        return RateLimited(health.rate_limited_until)
    if health.times_opened == 0 or health.refused_key:
        return Closed()
    if health.half_open_until <= now:
        return HalfOpen(health.open_until)
    return RateLimited(min(health.half_open_until, now + _TRIAL_RECHECK_US))


def on_success(health: Health, started: int, now: int) -> Health:
    """A call that began at `started` was answered. What the upstream said of waiting still holds for other calls."""
    health = _forget_future(health, now)
    completed = msgspec.structs.replace(_count_call(health, now, failures=0), completed_at=now)
    if _is_stale(health, started):
        return completed
    return msgspec.structs.replace(
        completed,
        consecutive_failures=0,
        times_opened=0,
        open_until=0,
        half_open_until=0,
        reason="",
        refused_key="",
    )


def on_failure(
    health: Health,
    failure: FailureKind,
    started: int,
    now: int,
    *,
    retry_after_us: int = 0,
    key: str = "",
) -> Health:
    """A call that began at `started` failed. `retry_after_us` of 0: the upstream named none.

    `key` is the fingerprint of the key in use.
    """
    health = _forget_future(health, now)
    if _is_stale(health, started):
        return health
    health = end_trial(health)
    counted = _count_call(health, now, failures=1)
    match failure:
        case FailureKind.internal:
            return health
        case FailureKind.throttled:
            wait = min(max(retry_after_us or DEFAULT_RETRY_AFTER_US, MIN_RETRY_AFTER_US), MAX_RETRY_AFTER_US)
            return msgspec.structs.replace(health, rate_limited_until=max(now + wait, health.rate_limited_until))
        case FailureKind.bad_key:
            return msgspec.structs.replace(counted, reason=REASONS[failure], refused_key=key or "unknown")
        case FailureKind.out_of_funds | FailureKind.blocked | FailureKind.no_model | FailureKind.misconfigured:
            return _open(counted, failure, now)
        case FailureKind.failing:
            failed = msgspec.structs.replace(counted, consecutive_failures=health.consecutive_failures + 1)
            return _open(failed, failure, now) if _should_open(failed) else failed


def is_one_more_success(before: Health, after: Health) -> bool:
    """Whether nothing differs but that one more call of a route that does not fail was counted, if that.

    From the first failure of a window on every call counts: until then a few tell as much as all.
    """
    counted = msgspec.structs.replace(
        before, window_start=after.window_start, window_calls=after.window_calls, completed_at=after.completed_at
    )
    return after == counted and before.window_failures == 0


def end_trial(health: Health) -> Health:
    """The trial ended without a verdict on the route: the next call may be one."""
    return msgspec.structs.replace(health, half_open_until=0)


def on_anomaly(health: Health, anomaly: str) -> Health:
    return msgspec.structs.replace(health, anomalies=health.anomalies + 1, last_anomaly=anomaly)


def _is_stale(health: Health, started: int) -> bool:
    """Whether the call began before the breaker opened: then its outcome is what opened it, and no trial.

    Ten calls that fail together are one break, not one break and five failed trials of it.
    """
    return health.times_opened > 0 and started < health.open_until


def _should_open(health: Health) -> bool:
    """A failed trial opens again at once."""
    half_failed = health.window_calls >= MIN_WINDOW_CALLS and 2 * health.window_failures >= health.window_calls
    return health.times_opened > 0 or health.consecutive_failures >= MAX_CONSECUTIVE_FAILURES or half_failed


def _open(health: Health, failure: FailureKind, now: int) -> Health:
    wait = _open_us(failure, health.times_opened)
    return msgspec.structs.replace(
        health, times_opened=health.times_opened + 1, open_until=now + wait, reason=REASONS[failure]
    )


def _open_us(failure: FailureKind, times_opened: int) -> int:
    """Twice as long each time, up to the maximum. It is reached long before the cap of the exponent."""
    minimum, maximum = OPEN_US[failure]
    return min(minimum << min(times_opened, 20), maximum)


def _forget_future(health: Health, now: int) -> Health:
    """Times further ahead than any outcome can put them were written before the clock was set back: they are over."""
    latest = max(health.open_until, health.rate_limited_until, health.half_open_until, health.window_start)
    if latest <= now + _CLOCK_SLACK_US:  # nearly always
        return health
    failure = _FAILURE_OF_REASON.get(health.reason)
    open_us = _open_us(failure, max(0, health.times_opened - 1)) if failure in OPEN_US else US_PER_DAY
    changes = {
        name: 0
        for name, furthest in (
            ("open_until", open_us),
            ("rate_limited_until", MAX_RETRY_AFTER_US),
            ("half_open_until", MAX_TRIAL_US),
            ("window_start", 0),
        )
        if getattr(health, name) > now + furthest + _CLOCK_SLACK_US
    }
    return msgspec.structs.replace(health, **changes) if changes else health


def _count_call(health: Health, now: int, *, failures: int) -> Health:
    if now - health.window_start > WINDOW_US:
        return msgspec.structs.replace(health, window_start=now, window_calls=1, window_failures=failures)
    return msgspec.structs.replace(
        health, window_calls=health.window_calls + 1, window_failures=health.window_failures + failures
    )
