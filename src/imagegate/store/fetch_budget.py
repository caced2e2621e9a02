"""The bytes that an account may have us fetch in an hour: held before a fetch, booked after it.

Knows: one row an account, which each new hour begins anew, so that it never grows. Refuses to know: what is fetched.
A process that dies keeps what it held from its account until the hour ends, and no longer.
"""

from __future__ import annotations

import msgspec

from imagegate.store.transaction import Tx

_HOUR_US = 3_600_000_000


class Granted(msgspec.Struct, frozen=True):
    """A fetch may bring `most` bytes. Give the grant back with `book_fetch`."""

    hour: int
    most: int


class Busy(msgspec.Struct, frozen=True):
    """Fetches under way hold what is left; they may bring less."""


class Spent(msgspec.Struct, frozen=True):
    """Nothing is left in this hour."""


def hold_fetch(tx: Tx, account_id: str, most: int, budget: int) -> Granted | Busy | Spent:
    """Hold up to `most` bytes of the account's `budget`; less than that only where nobody else may give some back."""
    hour = tx.now // _HOUR_US
    row = tx.all(
        """INSERT INTO fetched (account_id, hour, bytes, held) VALUES (:account_id, :hour, 0, 0)
        ON CONFLICT (account_id) DO UPDATE SET hour = :hour,
            bytes = CASE WHEN fetched.hour = :hour THEN fetched.bytes ELSE 0 END,
            held = CASE WHEN fetched.hour = :hour THEN fetched.held ELSE 0 END
        RETURNING bytes, held""",
        account_id=account_id,
        hour=hour,
    )[0]
    if row["bytes"] >= budget:
        return Spent()
    left = budget - row["bytes"] - row["held"]
    if left < most and row["held"] > 0:
        return Busy()
    held = min(most, left)
    tx.put("UPDATE fetched SET held = held + :held WHERE account_id = :account_id", held=held, account_id=account_id)
    return Granted(hour, held)


def book_fetch(tx: Tx, account_id: str, grant: Granted, came: int) -> None:
    """Give the grant back and book the `came` bytes; a grant of an hour that is over has ended with it."""
    tx.put(
        """UPDATE fetched SET bytes = bytes + :came, held = CASE WHEN held > :most THEN held - :most ELSE 0 END
        WHERE account_id = :account_id AND hour = :hour""",
        account_id=account_id,
        came=came,
        most=grant.most,
        hour=grant.hour,
    )
