"""The health of a route or of a whole upstream, as a value.

Knows: what an outcome does to it, and whether a call may pass. Refuses to know: where it is kept, who shares it and
what is called. Times are UTC microseconds.
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

# Troubles of a whole upstream: its account is out of funds, blocked, or our key is refused.
UPSTREAM_WIDE_FAILURES = frozenset({FailureKind.out_of_funds, FailureKind.blocked, FailureKind.bad_key})
_LONG_OPEN_FAILURES = UPSTREAM_WIDE_FAILURES | {FailureKind.no_model}
REASONS = {
    FailureKind.throttled: "throttled",
    FailureKind.failing: "failing",
    FailureKind.no_model: "the model is not there or not allowed",
    FailureKind.out_of_funds: "the operator's account there is out of funds",
    FailureKind.blocked: "the operator's account there is blocked",
    FailureKind.bad_key: "the key is refused",
    FailureKind.misconfigured: "the row in the configuration does not fit the upstream",
}


class Health(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`fails` in a row; `calls` and `failures` since `since`, the window. `opens`: how often broken since the last
    success.

    `key` is the fingerprint of a key that was refused. `flags` counts odd answers (another size, strange usage), of
    which `flag` is the last.
    """

    fails: int = 0
    since: int = 0
    calls: int = 0
    bad: int = 0
    opens: int = 0
    broken_until: int = 0
    cooled_until: int = 0
    trial_until: int = 0
    reason: str = ""
    key: str = ""
    flags: int = 0
    flag: str = ""


class Closed(msgspec.Struct, frozen=True):
    """A call may pass."""


class HalfOpen(msgspec.Struct, frozen=True):
    """One call may pass, to find out."""


class RateLimited(msgspec.Struct, frozen=True):
    """Throttled, or its trial is under way: it will be free again by itself."""

    until: int


class Open(msgspec.Struct, frozen=True):
    """No call may pass before `until`."""

    until: int
    reason: str


def breaker_state(health: Health, now: int, key: str = "") -> Closed | HalfOpen | RateLimited | Open:
    """`key` is the fingerprint of the key in use: a refusal of another key says nothing about it."""
    if health.key and health.key == key:
        return Open(2**62, health.reason)
    if health.broken_until > now:
        return Open(health.broken_until, health.reason)
    if health.cooled_until > now:
        return RateLimited(health.cooled_until)
    if health.opens == 0 or health.key:
        return Closed()
    return HalfOpen() if health.trial_until <= now else RateLimited(min(health.trial_until, now + MIN_OPEN_US))


def on_success(health: Health, now: int) -> Health:
    counted = _count_call(health, now, failures=0)
    return msgspec.structs.replace(
        counted, fails=0, opens=0, broken_until=0, cooled_until=0, trial_until=0, reason="", key=""
    )


def on_failure(health: Health, failure: FailureKind, now: int, *, retry_after_us: int = 0, key: str = "") -> Health:
    """What the next call has to reckon with. `retry_after_us` of 0: the upstream did not say."""
    counted = msgspec.structs.replace(_count_call(health, now, failures=1), trial_until=0)
    match failure:
        case FailureKind.internal:
            return msgspec.structs.replace(health, trial_until=0)
        case FailureKind.throttled:
            wait = min(retry_after_us or DEFAULT_RETRY_AFTER_US, MAX_RETRY_AFTER_US)
            return msgspec.structs.replace(health, trial_until=0, cooled_until=now + wait)
        case FailureKind.bad_key:
            return msgspec.structs.replace(counted, reason=REASONS[failure], key=key or "unknown")
        case FailureKind.out_of_funds | FailureKind.blocked | FailureKind.no_model | FailureKind.misconfigured:
            return _open(counted, failure, now)
        case FailureKind.failing:
            failed = msgspec.structs.replace(counted, fails=health.fails + 1)
            return _open(failed, failure, now) if _should_open(failed) else failed


def on_anomaly(health: Health, anomaly: str) -> Health:
    return msgspec.structs.replace(health, flags=health.flags + 1, flag=anomaly)


def _should_open(health: Health) -> bool:
    """A trial that fails breaks again at once."""
    failing_often = health.calls >= MIN_WINDOW_CALLS and 2 * health.bad >= health.calls
    return health.opens > 0 or health.fails >= MAX_CONSECUTIVE_FAILURES or failing_often


def _open(health: Health, failure: FailureKind, now: int) -> Health:
    first, longest = (
        (MIN_LONG_OPEN_US, MAX_LONG_OPEN_US) if failure in _LONG_OPEN_FAILURES else (MIN_OPEN_US, MAX_OPEN_US)
    )
    wait = min(first * 2 ** min(health.opens, 20), longest)
    return msgspec.structs.replace(health, opens=health.opens + 1, broken_until=now + wait, reason=REASONS[failure])


def _count_call(health: Health, now: int, *, failures: int) -> Health:
    if now - health.since > WINDOW_US:
        return msgspec.structs.replace(health, since=now, calls=1, bad=failures)
    return msgspec.structs.replace(health, calls=health.calls + 1, bad=health.bad + failures)
