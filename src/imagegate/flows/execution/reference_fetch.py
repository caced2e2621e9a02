"""Fetch a URL for an account: its turn, its bytes of this hour, the guard.

`[ bytes held ]`, the fetch, `[ bytes booked ]`. If we die in between, what was held is out of reach until the hour
ends. Refuses to know what the bytes are and what becomes of them.
"""

from __future__ import annotations

import asyncio

from imagegate.egress import CheckedUrl, Fetched, FetchFailed, Sink
from imagegate.runtime import Runtime
from imagegate.store import fetch_budget
from imagegate.store.fetch_budget import Busy, Granted, Spent

SPENT_REASON = "fetch_budget_spent"
_LOOK_S = 0.2


class BudgetSpent(Exception):
    """The account has had as many bytes fetched as it may in an hour."""


class _Counted:
    """A sink that counts on the way to another."""

    def __init__(self, sink: Sink) -> None:
        self.bytes = 0
        self._sink = sink

    def write(self, data: bytes) -> None:
        self.bytes += len(data)
        self._sink.write(data)


async def fetch_for(runtime: Runtime, account_id: str, url: CheckedUrl, sink: Sink, most: int) -> Fetched:
    """GET the URL into `sink`, at most `most` bytes. FetchFailed or BudgetSpent leave rubbish in `sink`."""
    async with runtime.turns.of(account_id):
        grant, total_s = await _hold(runtime, account_id, most), runtime.settings.limits.fetch_timeout_s
        counted = _Counted(sink)
        try:
            async with runtime.turns.overall:
                return await runtime.outbound.fetch(url, counted, max_bytes=grant.most, total_s=total_s)
        except FetchFailed as failed:
            if failed.reason == "too_large":
                counted.bytes = grant.most if counted.bytes else 0
                if grant.most < most:
                    raise BudgetSpent from failed
            raise
        finally:
            await asyncio.shield(runtime.db.write(fetch_budget.book_fetch, account_id, grant, counted.bytes))


async def _hold(runtime: Runtime, account_id: str, most: int) -> Granted:
    """Patient while others of the account hold what is left: they end in time, and may give some back."""
    clock = asyncio.get_running_loop().time
    limits = runtime.settings.limits
    give_up, budget = clock() + limits.fetch_timeout_s, limits.fetch_bytes_per_hour
    while True:
        match await runtime.db.write(fetch_budget.hold_fetch, account_id, most, budget):
            case Granted() as grant:
                return grant
            case Busy() if clock() < give_up:
                await asyncio.sleep(_LOOK_S)
            case Busy() | Spent():
                raise BudgetSpent
