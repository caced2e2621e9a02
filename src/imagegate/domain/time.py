"""Microseconds in each larger unit: every stored time and duration is a whole number of UTC microseconds."""

from __future__ import annotations

US_PER_MS = 1_000
US_PER_SECOND = 1_000_000
US_PER_MINUTE = 60 * US_PER_SECOND
US_PER_HOUR = 60 * US_PER_MINUTE
US_PER_DAY = 24 * US_PER_HOUR


def ceil_seconds(us: int) -> int:
    """Whole seconds, never too few: for `Retry-After` and its kin."""
    return -(-us // US_PER_SECOND)
