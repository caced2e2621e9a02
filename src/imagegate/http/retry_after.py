"""How long a server asks its client to wait."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# A day: what asks for more is a mistake or a trick, and whoever waits has a limit of its own.
MAX_RETRY_AFTER_S = 86_400.0


def parse_retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float:
    """Seconds to wait by `retry-after-ms`, else by `Retry-After` as seconds (also 1.5) or as an HTTP date.

    From 0 to MAX_RETRY_AFTER_S; 0 where nothing readable stands. Never raises. `headers` ignores case.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return _clamp(milliseconds / 1000)
    value = headers.get("retry-after", "")
    seconds = _number(value)
    return _clamp(_seconds_until(value, now or datetime.now(UTC)) if seconds is None else seconds)


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _seconds_until(text: str, now: datetime) -> float:
    try:
        date = parsedate_to_datetime(text)
        # A date without a zone is in UTC by the rules of HTTP.
        date = date.replace(tzinfo=UTC) if date.tzinfo is None else date
        return (date - now).total_seconds()
    except (ValueError, IndexError, TypeError, OverflowError):
        # OverflowError: a year, or a zone, beyond what a date can hold.
        return 0.0


def _clamp(seconds: float) -> float:
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S)
