"""Refused keys, sign-ins and links: counted for the metrics, and logged at a bounded rate, never with what was sent."""

from __future__ import annotations

import ipaddress
import time
from collections import Counter
from collections.abc import Callable
from typing import Literal

from imagegate.logging import log_warning

Kind = Literal["key", "sign_in", "link"]
# Addresses of which a line is written within a minute. An attack from more is told by the count alone.
_MAX_LINES_PER_MINUTE = 30


class FailedLogins:
    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.totals: Counter[Kind] = Counter()
        self._monotonic = monotonic
        self._minute = 0
        self._logged: set[tuple[Kind, str]] = set()
        self._unlogged = 0

    def record(self, kind: Kind, address: str, request_id: str) -> None:
        """The first one of an address within a minute gets a line."""
        self.totals[kind] += 1
        minute = int(self._monotonic() // 60)
        if minute != self._minute:
            if self._unlogged:
                log_warning("logins_failed", more=self._unlogged)
            self._minute, self._logged, self._unlogged = minute, set(), 0
        who = (kind, network_of(address))
        if who in self._logged or len(self._logged) >= _MAX_LINES_PER_MINUTE:
            self._unlogged += 1
            return
        self._logged.add(who)
        log_warning("login_failed", kind=kind, address=address, request_id=request_id)


def network_of(address: str) -> str:
    """An IPv6 client has at least a /64 to send from: it counts as one."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address[:100]
    if isinstance(known, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(known) >> 64 << 64, 64)))
    return str(known)
