"""The bytes that an account may have us fetch in an hour: held before a fetch, booked after it.

Knows: one row an account, which each new hour begins anew, so that it never grows. Refuses to know: what is fetched.
A process that dies keeps what it held from its account until the hour ends, and no longer.
"""

from __future__ import annotations

import msgspec

from imagegate.domain.time import US_PER_HOUR
from imagegate.store.transaction import Tx


class FetchReservation(msgspec.Struct, frozen=True):
    """A fetch may bring `max_bytes` bytes. Give the grant back with `settle_fetch`."""

    hour: int
    max_bytes: int


class BudgetReserved(msgspec.Struct, frozen=True):
    """Fetches under way hold what is left; they may bring less."""


class BudgetExhausted(msgspec.Struct, frozen=True):
    """Nothing is left in this hour."""


def reserve_fetch(
    tx: Tx, account_id: str, max_bytes: int, budget_bytes: int
) -> FetchReservation | BudgetReserved | BudgetExhausted:
    """Hold up to `max_bytes` bytes of the account's `budget_bytes`; less than that only where nobody else may give
    some back."""
    hour = tx.now // US_PER_HOUR
    row = tx.fetch_all(
        """INSERT INTO fetched (account_id, hour, bytes, held) VALUES (:account_id, :hour, 0, 0)
        ON CONFLICT (account_id) DO UPDATE SET hour = :hour,
            bytes = CASE WHEN fetched.hour = :hour THEN fetched.bytes ELSE 0 END,
            held = CASE WHEN fetched.hour = :hour THEN fetched.held ELSE 0 END
        RETURNING bytes, held""",
        account_id=account_id,
        hour=hour,
    )[0]
    if row["bytes"] >= budget_bytes:
        return BudgetExhausted()
    left = budget_bytes - row["bytes"] - row["held"]
    if left < max_bytes and row["held"] > 0:
        return BudgetReserved()
    reserved = min(max_bytes, left)
    tx.execute_nowait(
        "UPDATE fetched SET held = held + :held WHERE account_id = :account_id", held=reserved, account_id=account_id
    )
    return FetchReservation(hour, reserved)


def settle_fetch(tx: Tx, account_id: str, reservation: FetchReservation, fetched_bytes: int) -> None:
    """Give the grant back and book the `fetched_bytes` bytes; a grant of an hour that is over has ended with it."""
    tx.execute_nowait(
        """UPDATE fetched SET bytes = bytes + :came, held = CASE WHEN held > :most THEN held - :most ELSE 0 END
        WHERE account_id = :account_id AND hour = :hour""",
        account_id=account_id,
        came=fetched_bytes,
        most=reservation.max_bytes,
        hour=reservation.hour,
    )
