"""Holds: the reserved maximum of a task, on its key and on its account, from the submit to the settlement."""

from __future__ import annotations

import msgspec

from imagegate.domain.accounts import LimitScope
from imagegate.domain.time import US_PER_DAY
from imagegate.store.accounts import find_account
from imagegate.store.api_keys import find_key
from imagegate.store.transaction import Tx


class InsufficientCredit(msgspec.Struct, frozen=True):
    """Nothing was held: this limit leaves only `remaining` nanos."""

    scope: LimitScope
    remaining: int


class TooManyUnfinishedTasks(msgspec.Struct, frozen=True):
    """Nothing was held: the account has as many unfinished tasks as it may."""


class InFlightCapReached(msgspec.Struct, frozen=True):
    """Nothing was held: the key's unfinished tasks leave only `remaining` nanos; more when some have ended."""

    remaining: int


def place_hold(
    tx: Tx, account_id: str, key_id: str, amount: int, max_unfinished: int
) -> InsufficientCredit | TooManyUnfinishedTasks | InFlightCapReached | None:
    """Hold `amount` nanos on the key and on the account, or change nothing and return the limit in the way."""
    if not _hold_on_key(tx, account_id, key_id, amount):
        return _explain_key_refusal(tx, account_id, key_id, amount)
    changed = tx.execute(
        """UPDATE accounts SET held = held + :amount, unfinished = unfinished + 1
        WHERE id = :id AND posted - held + credit_line >= :amount AND unfinished < :max_unfinished""",
        {"id": account_id, "amount": amount, "max_unfinished": max_unfinished},
    )
    if changed == 1:
        return None
    _settle_on_key(tx, account_id, key_id, amount, 0, _today(tx))
    account = find_account(tx, account_id)
    assert account is not None
    if account.available < amount:
        return InsufficientCredit(LimitScope.account, account.available)
    return TooManyUnfinishedTasks()


def close_hold(tx: Tx, account_id: str, key_id: str, amount: int, day: int, charge: int) -> None:
    """Give the held amount back and take the charge; `charge` is 0 for a release. `day` is that of the hold."""
    # The key's row before the account's, as in `place_hold`: two transactions never wait for each other.
    _settle_on_key(tx, account_id, key_id, amount, charge, day)
    tx.execute_nowait(
        """UPDATE accounts SET held = held - :amount, unfinished = unfinished - 1, posted = posted - :charge
        WHERE id = :id""",
        {"id": account_id, "amount": amount, "charge": charge},
    )


def reverse_charge(tx: Tx, account_id: str, key_id: str, charge: int, day: int) -> None:
    """Undo a charge: on the account, and on the caps of the key that had spent it."""
    _settle_on_key(tx, account_id, key_id, 0, -charge, day)
    tx.execute_nowait(
        "UPDATE accounts SET posted = posted + :charge WHERE id = :id", {"id": account_id, "charge": charge}
    )


def _hold_on_key(tx: Tx, account_id: str, key_id: str, amount: int) -> bool:
    changed = tx.execute(
        """UPDATE api_keys SET held = held + :amount, day = :day,
            day_spent = (CASE WHEN day = :day THEN day_spent ELSE 0 END) + :amount
        WHERE id = :id AND account_id = :account_id AND disabled IS NULL
            AND (cap IS NULL OR spent + held + :amount <= cap)
            AND (in_flight_cap IS NULL OR held + :amount <= in_flight_cap)
            AND (daily_cap IS NULL OR (CASE WHEN day = :day THEN day_spent ELSE 0 END) + :amount <= daily_cap)""",
        {"id": key_id, "account_id": account_id, "amount": amount, "day": _today(tx)},
    )
    return changed == 1


def _settle_on_key(tx: Tx, account_id: str, key_id: str, amount: int, charge: int, day: int) -> None:
    tx.execute_nowait(
        """UPDATE api_keys SET held = held - :amount, spent = spent + :charge,
            day_spent = day_spent + (CASE WHEN day = :day THEN :charge - :amount ELSE 0 END)
        WHERE id = :id AND account_id = :account_id""",
        {"id": key_id, "account_id": account_id, "amount": amount, "charge": charge, "day": day},
    )


def _explain_key_refusal(tx: Tx, account_id: str, key_id: str, amount: int) -> InsufficientCredit | InFlightCapReached:
    key = find_key(tx, account_id, key_id)
    if key is None or key.disabled is not None:
        return InsufficientCredit(LimitScope.key, 0)
    if key.cap is not None and key.spent + key.held + amount > key.cap:
        return InsufficientCredit(LimitScope.key, key.cap - key.spent - key.held)
    if key.daily_cap is not None and key.spent_today(tx.now) + amount > key.daily_cap:
        return InsufficientCredit(LimitScope.key_daily, key.daily_cap - key.spent_today(tx.now))
    cap = key.in_flight_cap or 0
    # An amount above the limit by itself stays so, however long its caller waits.
    return InsufficientCredit(LimitScope.key, cap) if amount > cap else InFlightCapReached(cap - key.held)


def _today(tx: Tx) -> int:
    """Days since 1970, UTC."""
    return tx.now // US_PER_DAY
