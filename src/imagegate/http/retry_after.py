"""How long an upstream asks us to stay away. Knows three spellings of it; refuses to know who waits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MAX_RETRY_AFTER_S = 86_400.0


def parse_retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float:
    """Seconds, at most a day; 0 where nothing readable was said. Header names in any case, as the mapping has it."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return _clamp(milliseconds / 1000)
    value = headers.get("retry-after")
    seconds = _number(value)
    if seconds is not None:
        return _clamp(seconds)
    return _clamp(_seconds_until(value or "", now or datetime.now(UTC)))


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _seconds_until(text: str, now: datetime) -> float:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, IndexError, TypeError):
        return 0.0
    # A date without a zone is in UTC by the rules of HTTP.
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return (moment - now).total_seconds()


def _clamp(seconds: float) -> float:
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S)
