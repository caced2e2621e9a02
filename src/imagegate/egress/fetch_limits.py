"""How many fetches run at once: a few of each account and not too many in all, in the order of asking.

An account waits for its own slots first, so it never takes more than MAX_PER_ACCOUNT places in the common queue.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from typing import Final

from imagegate.concurrency import KeyedSlots

MAX_PER_ACCOUNT: Final = 4
MAX_OVERALL: Final = 16


class FetchLimiter:
    """The slots of one process."""

    def __init__(self, per_account: int = MAX_PER_ACCOUNT, overall: int = MAX_OVERALL) -> None:
        self._account_slots = KeyedSlots(per_account)
        # One of these is taken last, and for the fetch alone.
        self.overall_slot = asyncio.Semaphore(overall)

    def account_slot(self, account_id: str) -> AbstractAsyncContextManager[None]:
        """One of the account's own slots. Accounts that fetch nothing take no memory."""
        return self._account_slots.slot(account_id)
