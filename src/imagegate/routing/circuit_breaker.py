"""The health of a route or of a whole upstream, as a value.

Knows: what an outcome does to it, and whether a call may pass. Refuses to know: where it is kept, who shares it and
what is called. Times are UTC microseconds.
"""

from __future__ import annotations

import msgspec

from imagegate.domain.tasks import Trouble

SECOND = 1_000_000
FAILS = 5
WINDOW_US, WINDOW_CALLS = 30 * SECOND, 10
FIRST_US, LONGEST_US = 15 * SECOND, 300 * SECOND
LONG_FIRST_US, LONG_LONGEST_US = 1800 * SECOND, 86_400 * SECOND
COOL_US, COOL_MOST_US = 10 * SECOND, 600 * SECOND

# Troubles of a whole upstream: its account is out of funds, blocked, or our key is refused.
OF_UPSTREAM = frozenset({Trouble.unpaid, Trouble.blocked, Trouble.bad_key})
_LONG = OF_UPSTREAM | {Trouble.no_model}
SAYS = {
    Trouble.throttled: "throttled",
    Trouble.failing: "failing",
    Trouble.no_model: "the model is not there or not allowed",
    Trouble.unpaid: "the operator's account there is out of funds",
    Trouble.blocked: "the operator's account there is blocked",
    Trouble.bad_key: "the key is refused",
    Trouble.bad_row: "the row in the configuration does not fit the upstream",
}


class Health(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`fails` in a row; `calls` and `bad` since `since`, the window. `opens`: how often broken since the last success.

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


class Free(msgspec.Struct, frozen=True):
    """A call may pass."""


class Trial(msgspec.Struct, frozen=True):
    """One call may pass, to find out."""


class Cooling(msgspec.Struct, frozen=True):
    """Throttled, or its trial is under way: it will be free again by itself."""

    until: int


class Broken(msgspec.Struct, frozen=True):
    """No call may pass before `until`."""

    until: int
    reason: str


def state(health: Health, now: int, key: str = "") -> Free | Trial | Cooling | Broken:
    """`key` is the fingerprint of the key in use: a refusal of another key says nothing about it."""
    if health.key and health.key == key:
        return Broken(2**62, health.reason)
    if health.broken_until > now:
        return Broken(health.broken_until, health.reason)
    if health.cooled_until > now:
        return Cooling(health.cooled_until)
    if health.opens == 0 or health.key:
        return Free()
    return Trial() if health.trial_until <= now else Cooling(min(health.trial_until, now + FIRST_US))


def on_success(health: Health, now: int) -> Health:
    counted = _counted(health, now, bad=0)
    return msgspec.structs.replace(
        counted, fails=0, opens=0, broken_until=0, cooled_until=0, trial_until=0, reason="", key=""
    )


def on_trouble(health: Health, trouble: Trouble, now: int, *, retry_after_us: int = 0, key: str = "") -> Health:
    """What the next call has to reckon with. `retry_after_us` of 0: the upstream did not say."""
    counted = msgspec.structs.replace(_counted(health, now, bad=1), trial_until=0)
    match trouble:
        case Trouble.ours:
            return msgspec.structs.replace(health, trial_until=0)
        case Trouble.throttled:
            wait = min(retry_after_us or COOL_US, COOL_MOST_US)
            return msgspec.structs.replace(health, trial_until=0, cooled_until=now + wait)
        case Trouble.bad_key:
            return msgspec.structs.replace(counted, reason=SAYS[trouble], key=key or "unknown")
        case Trouble.unpaid | Trouble.blocked | Trouble.no_model | Trouble.bad_row:
            return _broken(counted, trouble, now)
        case Trouble.failing:
            failed = msgspec.structs.replace(counted, fails=health.fails + 1)
            return _broken(failed, trouble, now) if _too_bad(failed) else failed


def on_flag(health: Health, what: str) -> Health:
    return msgspec.structs.replace(health, flags=health.flags + 1, flag=what)


def _too_bad(health: Health) -> bool:
    """A trial that fails breaks again at once."""
    often = health.calls >= WINDOW_CALLS and 2 * health.bad >= health.calls
    return health.opens > 0 or health.fails >= FAILS or often


def _broken(health: Health, trouble: Trouble, now: int) -> Health:
    first, longest = (LONG_FIRST_US, LONG_LONGEST_US) if trouble in _LONG else (FIRST_US, LONGEST_US)
    wait = min(first * 2 ** min(health.opens, 20), longest)
    return msgspec.structs.replace(health, opens=health.opens + 1, broken_until=now + wait, reason=SAYS[trouble])


def _counted(health: Health, now: int, *, bad: int) -> Health:
    if now - health.since > WINDOW_US:
        return msgspec.structs.replace(health, since=now, calls=1, bad=bad)
    return msgspec.structs.replace(health, calls=health.calls + 1, bad=health.bad + bad)
