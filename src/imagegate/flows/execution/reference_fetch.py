"""Fetch a URL for an account: its turn, its bytes of this hour, the guard.

`[ bytes held ]`, the fetch, `[ bytes booked ]`. If we die in between, what was held is out of reach until the hour
ends. Refuses to know what the bytes are and what becomes of them.
"""

from __future__ import annotations

import asyncio

from imagegate.egress import CheckedUrl, FetchFailed, FetchResult, Sink
from imagegate.runtime import Runtime
from imagegate.store import fetch_budget
from imagegate.store.fetch_budget import BudgetExhausted, BudgetReserved, FetchReservation

BUDGET_EXCEEDED_REASON = "fetch_budget_spent"
_POLL_S = 0.2


class FetchBudgetExceeded(Exception):
    """The account has had as many bytes fetched as it may in an hour."""


class CountingSink:
    """A sink that counts on the way to another."""

    def __init__(self, sink: Sink) -> None:
        self.bytes = 0
        self._sink = sink

    def write(self, data: bytes) -> None:
        self.bytes += len(data)
        self._sink.write(data)


async def fetch_within_budget(
    runtime: Runtime, account_id: str, url: CheckedUrl, sink: Sink, max_bytes: int
) -> FetchResult:
    """GET the URL into `sink`, at most `max_bytes` bytes. FetchFailed or BudgetSpent leave rubbish in `sink`."""
    async with runtime.fetch_limits.account_slot(account_id):
        grant, total_s = await _reserve_bytes(runtime, account_id, max_bytes), runtime.settings.limits.fetch_timeout_s
        counted = CountingSink(sink)
        try:
            async with runtime.fetch_limits.overall_slot:
                return await runtime.egress_client.fetch(url, counted, max_bytes=grant.max_bytes, total_s=total_s)
        except FetchFailed as failed:
            if failed.reason == "too_large":
                counted.bytes = grant.max_bytes if counted.bytes else 0
                if grant.max_bytes < max_bytes:
                    raise FetchBudgetExceeded from failed
            raise
        finally:
            await asyncio.shield(runtime.db.write(fetch_budget.settle_fetch, account_id, grant, counted.bytes))


async def _reserve_bytes(runtime: Runtime, account_id: str, max_bytes: int) -> FetchReservation:
    """Patient while others of the account hold what is left: they end in time, and may give some back."""
    clock = asyncio.get_running_loop().time
    limits = runtime.settings.limits
    give_up, budget = clock() + limits.fetch_timeout_s, limits.fetch_bytes_per_hour
    while True:
        match await runtime.db.write(fetch_budget.reserve_fetch, account_id, max_bytes, budget):
            case FetchReservation() as grant:
                return grant
            case BudgetReserved() if clock() < give_up:
                await asyncio.sleep(_POLL_S)
            case BudgetReserved() | BudgetExhausted():
                raise FetchBudgetExceeded
