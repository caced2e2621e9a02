"""The bytes that an account may have us fetch in an hour: reserved before a fetch, counted after it.

There is one row an account, begun anew with each hour, so the table never grows. What a process that dies had reserved
is missing from its account's budget until the hour ends, and no longer.
"""

from __future__ import annotations

import msgspec

from imagegate.domain.time import US_PER_HOUR
from imagegate.store.transaction import Tx


class FetchAllowance(msgspec.Struct, frozen=True):
    """A fetch may bring `max_bytes`. `hour` counts hours since 1970, UTC."""

    hour: int
    max_bytes: int


class BudgetReserved(msgspec.Struct, frozen=True):
    """Fetches under way have reserved what is left; they may bring less."""


class BudgetExhausted(msgspec.Struct, frozen=True):
    """Nothing is left in this hour."""


def reserve_fetch(
    tx: Tx, account_id: str, max_bytes: int, budget_bytes: int
) -> FetchAllowance | BudgetReserved | BudgetExhausted:
    """Reserve up to `max_bytes` of the account's hourly budget; less only where no other fetch may give some back."""
    hour = tx.now // US_PER_HOUR
    row = tx.fetch_all(
        """INSERT INTO fetch_budgets (account_id, hour, fetched_bytes, reserved_bytes) VALUES (:account_id, :hour, 0, 0)
        ON CONFLICT (account_id) DO UPDATE SET hour = :hour,
            fetched_bytes = CASE WHEN fetch_budgets.hour = :hour THEN fetch_budgets.fetched_bytes ELSE 0 END,
            reserved_bytes = CASE WHEN fetch_budgets.hour = :hour THEN fetch_budgets.reserved_bytes ELSE 0 END
        RETURNING fetched_bytes, reserved_bytes""",
        {"account_id": account_id, "hour": hour},
    )[0]
    if row["fetched_bytes"] >= budget_bytes:
        return BudgetExhausted()
    left = budget_bytes - row["fetched_bytes"] - row["reserved_bytes"]
    if left < max_bytes and row["reserved_bytes"] > 0:
        return BudgetReserved()
    reserved = min(max_bytes, left)
    tx.execute_nowait(
        "UPDATE fetch_budgets SET reserved_bytes = reserved_bytes + :reserved WHERE account_id = :account_id",
        {"reserved": reserved, "account_id": account_id},
    )
    return FetchAllowance(hour, reserved)


def settle_fetch(tx: Tx, account_id: str, allowance: FetchAllowance, fetched_bytes: int) -> None:
    """Give the allowance back and count what came. An allowance of an hour that is over has ended with it."""
    tx.execute_nowait(
        """UPDATE fetch_budgets SET fetched_bytes = fetched_bytes + :fetched_bytes,
            reserved_bytes = CASE WHEN reserved_bytes > :max_bytes THEN reserved_bytes - :max_bytes ELSE 0 END
        WHERE account_id = :account_id AND hour = :hour""",
        {
            "account_id": account_id,
            "fetched_bytes": fetched_bytes,
            "max_bytes": allowance.max_bytes,
            "hour": allowance.hour,
        },
    )
