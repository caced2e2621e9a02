"""How many fetches run at once: a few of each account and not too many in all, in the order of asking.

An account waits for its own slots first, so it never takes more than MAX_PER_ACCOUNT places in the common queue.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

MAX_PER_ACCOUNT: Final = 4
MAX_OVERALL: Final = 16


class FetchLimiter:
    """The slots of one process."""

    def __init__(self, per_account: int = MAX_PER_ACCOUNT, overall: int = MAX_OVERALL) -> None:
        self._per_account = per_account
        # One of these is taken last, and for the fetch alone.
        self.overall_slot = asyncio.Semaphore(overall)
        self._account_slots: dict[str, asyncio.Semaphore] = {}
        self._waiting: dict[str, int] = {}

    @asynccontextmanager
    async def account_slot(self, account_id: str) -> AsyncIterator[None]:
        """One of the account's own slots. Accounts that fetch nothing take no memory."""
        line = self._account_slots.setdefault(account_id, asyncio.Semaphore(self._per_account))
        self._waiting[account_id] = self._waiting.get(account_id, 0) + 1
        try:
            async with line:
                yield
        finally:
            self._waiting[account_id] -= 1
            if not self._waiting[account_id]:
                del self._waiting[account_id], self._account_slots[account_id]
