"""How long an answer may take: no longer than its client waits for it, and never longer than proxies do."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Mapping

MAX_ANSWER_S = 285.0
_MARGIN_S = 5.0
_SHORT_S = 10.0  # of a time-out as short as this the margin would leave nothing
_MIN_ANSWER_S = 1.0
_TIMEOUT_HEADERS = (b"x-stainless-read-timeout", b"x-stainless-timeout")
_RESPOND_ASYNC = re.compile(r"(?:^|[,;\s])respond-async(?=$|[,;\s])", re.IGNORECASE)


def answer_limit_s(headers: Mapping[bytes, bytes]) -> float:
    """By the time-outs in seconds that the vendor's SDKs tell. What is malformed is ignored."""
    limits = [MAX_ANSWER_S]
    for name in _TIMEOUT_HEADERS:
        with contextlib.suppress(KeyError, ValueError):
            seconds = float(headers[name])
            if math.isfinite(seconds) and seconds > 0:
                limits.append(seconds / 2 if seconds < _SHORT_S else seconds - _MARGIN_S)
    return max(_MIN_ANSWER_S, min(limits))


def wants_task_at_once(prefer: str) -> bool:
    return _RESPOND_ASYNC.search(prefer) is not None


def retry_count(headers: Mapping[bytes, bytes]) -> int:
    """How often the SDK has sent this call before; 0 where it does not say so."""
    text = headers.get(b"x-stainless-retry-count", b"").strip()
    return int(text) if text.isdigit() and len(text) < 6 else 0
