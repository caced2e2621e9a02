"""Fetches a URL for an account: within its number of concurrent fetches, its bytes of this hour and the egress rules.

`[ bytes reserved ]`, the fetch, `[ bytes used ]`. If the process dies in between, the reserved bytes are lost to the
account until the hour ends.
"""

from __future__ import annotations

import asyncio

from imagegate.egress import CheckedUrl, FetchFailed, Sink
from imagegate.http.client import Download
from imagegate.runtime import Runtime
from imagegate.store import fetch_budget
from imagegate.store.fetch_budget import BudgetExhausted, BudgetReserved, FetchAllowance

BUDGET_EXCEEDED_REASON = "fetch_budget_spent"
_POLL_S = 0.2


class FetchBudgetExceeded(Exception):
    """The account has used up its bytes of this hour."""


class _CountingSink:
    """Counts the bytes that pass to another sink."""

    def __init__(self, sink: Sink) -> None:
        self.bytes = 0
        self._sink = sink

    def write(self, data: bytes) -> None:
        self.bytes += len(data)
        self._sink.write(data)


async def fetch_within_budget(
    runtime: Runtime, account_id: str, url: CheckedUrl, sink: Sink, max_bytes: int
) -> Download:
    """GET the URL into `sink`, at most `max_bytes` bytes.

    FetchFailed or FetchBudgetExceeded may leave a part of the body in `sink`.
    """
    async with runtime.fetch_limits.account_slot(account_id):
        allowance = await _reserve_bytes(runtime, account_id, max_bytes)
        total_s = runtime.settings.limits.fetch_timeout_s
        counted = _CountingSink(sink)
        try:
            async with runtime.fetch_limits.overall_slot:
                return await runtime.egress_client.fetch(url, counted, max_bytes=allowance.max_bytes, total_s=total_s)
        except FetchFailed as failed:
            if failed.reason == "too_large":
                # Too large by its announced length costs nothing; otherwise all that was allowed has arrived.
                counted.bytes = allowance.max_bytes if counted.bytes else 0
                if allowance.max_bytes < max_bytes:
                    raise FetchBudgetExceeded from failed
            raise
        finally:
            # Shielded: a cancelled task still gives back what it reserved.
            await asyncio.shield(runtime.db.write(fetch_budget.settle_fetch, account_id, allowance, counted.bytes))


async def _reserve_bytes(runtime: Runtime, account_id: str, max_bytes: int) -> FetchAllowance:
    """Waits while other fetches of the account have reserved what is left: they end in time and may give some back."""
    clock = asyncio.get_running_loop().time
    limits = runtime.settings.limits
    give_up, budget = clock() + limits.fetch_timeout_s, limits.fetch_bytes_per_hour
    while True:
        match await runtime.db.write(fetch_budget.reserve_fetch, account_id, max_bytes, budget):
            case FetchAllowance() as allowance:
                return allowance
            case BudgetReserved() if clock() < give_up:
                await asyncio.sleep(_POLL_S)
            case BudgetReserved() | BudgetExhausted():
                raise FetchBudgetExceeded
