"""Microseconds in each larger unit: every stored time and duration is a whole number of UTC microseconds."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable

import msgspec

US_PER_MS = 1_000
US_PER_SECOND = 1_000_000
US_PER_MINUTE = 60 * US_PER_SECOND
US_PER_HOUR = 60 * US_PER_MINUTE
US_PER_DAY = 24 * US_PER_HOUR


def monotonic_us() -> int:
    return time.monotonic_ns() // 1000


def ceil_seconds(us: int) -> int:
    """Whole seconds, never too few: for `Retry-After` and its kin."""
    return -(-us // US_PER_SECOND)


def format_utc(us: int) -> str:
    """ISO 8601, to the second."""
    return datetime.datetime.fromtimestamp(us // US_PER_SECOND, datetime.UTC).isoformat()


def format_minute(seconds: int) -> str:
    """Unix seconds for people: 2026-12-01 00:00 UTC."""
    try:
        moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    except (ValueError, OverflowError, OSError):  # no year that a date can have
        return f"{seconds} s"
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC" if moment.second else "%Y-%m-%d %H:%M UTC")


def utc_date(us: int) -> str:
    """YYYY-MM-DD."""
    return format_utc(us)[:10]


class ClockStep(msgspec.Struct, frozen=True):
    """The clock was set: it should show `expected` and shows `now`, both UTC microseconds."""

    expected: int
    now: int

    @property
    def size(self) -> int:
        return self.now - self.expected


class ClockWatch:
    """Compares a clock that can be set with one that cannot. Small differences are the clock being slewed."""

    _MIN_STEP_US = 2 * US_PER_SECOND

    def __init__(self) -> None:
        self._last: tuple[int, int] | None = None

    def find_step(self, now: int, monotonic: int) -> ClockStep | None:
        """Whether `now` moved otherwise than `monotonic` since the last call. The first call finds nothing."""
        last, self._last = self._last, (now, monotonic)
        if last is None:
            return None
        step = ClockStep(last[0] + monotonic - last[1], now)
        return step if abs(step.size) >= self._MIN_STEP_US else None


class FollowingClock:
    """Shows what another clock shows, which is read now and then: that of the database, whatever this machine's says.

    In between it goes by the monotonic clock. What differs by less than a read may take is left as it is, so that no
    time measured with it is negative.
    """

    _MAX_OFF_US = 250 * US_PER_MS
    _MAX_READ_US = 100 * US_PER_MS  # a look that took longer says too little

    def __init__(self, now: int, monotonic: Callable[[], int]) -> None:
        self._monotonic = monotonic
        self._base = now - monotonic()

    def __call__(self) -> int:
        return self._base + self._monotonic()

    def follow(self, now: int, asked: int) -> None:
        """The other clock showed `now` between `asked`, by the monotonic clock, and this moment."""
        answered = self._monotonic()
        base = now - (asked + answered) // 2
        if answered - asked <= self._MAX_READ_US and abs(base - self._base) > self._MAX_OFF_US:
            self._base = base
