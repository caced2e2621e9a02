"""Whose turn it is to fetch: a few of each account and not too many in all, in the order of asking.

An account waits in its own line first, so that however much it asks for, it never stands more than `MAX_PER_ACCOUNT`
times in the line that all share. Refuses to know what is fetched.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

MAX_PER_ACCOUNT: Final = 4
MAX_OVERALL: Final = 16


class FetchLimiter:
    """The lines of one process."""

    def __init__(self, per_account: int = MAX_PER_ACCOUNT, overall: int = MAX_OVERALL) -> None:
        self._per_account = per_account
        self._overall = asyncio.Semaphore(overall)
        self._account_slots: dict[str, asyncio.Semaphore] = {}
        self._waiting: dict[str, int] = {}

    @asynccontextmanager
    async def account_slot(self, account_id: str) -> AsyncIterator[None]:
        """A place among the account's own; a line that nobody stands in is forgotten."""
        line = self._account_slots.setdefault(account_id, asyncio.Semaphore(self._per_account))
        self._waiting[account_id] = self._waiting.get(account_id, 0) + 1
        try:
            async with line:
                yield
        finally:
            self._waiting[account_id] -= 1
            if not self._waiting[account_id]:
                del self._waiting[account_id], self._account_slots[account_id]

    @property
    def overall_slot(self) -> asyncio.Semaphore:
        """A place among all; take it last and for the fetch alone."""
        return self._overall
