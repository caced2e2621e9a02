"""Holds: the reserved maximum of a task, on its key and on its account, from the submit to the settlement."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from imagegate.domain.accounts import LimitScope
from imagegate.domain.time import US_PER_DAY
from imagegate.store.dialect import Row
from imagegate.store.transaction import Tx, name_values


class InsufficientCredit(msgspec.Struct, frozen=True):
    """Nothing was held: this limit leaves only `remaining` nanos."""

    scope: LimitScope
    remaining: int


class TooManyUnfinishedTasks(msgspec.Struct, frozen=True):
    """Nothing was held: the account has as many unfinished tasks as it may."""


class InFlightCapReached(msgspec.Struct, frozen=True):
    """Nothing was held: the key's unfinished tasks leave only `remaining` nanos; more when some have ended."""

    remaining: int


class Holder:
    """Keys and their accounts, locked: holds are placed one after the other, and written together."""

    def __init__(self, tx: Tx, key_ids: Iterable[str]) -> None:
        self._tx = tx
        self._today = tx.now // US_PER_DAY
        # One statement locks them in the order in which a batch locks rows: by account, and each key before its
        # account, as `close_hold` does. What this transaction will close is locked with them, or it would be later.
        closed = {key for memo in tx.memo.values() if isinstance(memo, _ClosedHolds) for key, _ in memo.keys}
        asked, ids = name_values("id", sorted({*key_ids, *closed}))
        rows = tx.lock_rows(
            f"""SELECT k.id, k.account_id, k.cap, k.spent, k.held, k.daily_cap, k.day, k.day_spent, k.disabled,
                k.in_flight_cap, k.concurrent_tasks, a.posted, a.held AS account_held, a.credit_line, a.unfinished
            FROM api_keys k JOIN accounts a ON a.id = k.account_id
            WHERE k.id IN ({asked}) ORDER BY k.account_id, k.id""",
            ids,
        )
        self._keys = {row["id"]: row for row in rows}
        self._available: dict[str, int] = {}
        self._unfinished: dict[str, int] = {}
        for row in rows:
            row["day_spent"] = row["day_spent"] if row["day"] == self._today else 0
            self._available[row["account_id"]] = row["posted"] - row["account_held"] + row["credit_line"]
            self._unfinished[row["account_id"]] = row["unfinished"]
        self._held_on_keys: Counter[str] = Counter()
        self._held_on_accounts: Counter[str] = Counter()
        self._tasks: Counter[str] = Counter()  # by account

    def place(
        self, account_id: str, key_id: str, amount: int, max_unfinished: int
    ) -> InsufficientCredit | TooManyUnfinishedTasks | InFlightCapReached | None:
        """Hold `amount` nanos on the key and on the account, or return the limit in the way."""
        key = self._keys.get(key_id)
        if key is None or key["account_id"] != account_id or key["disabled"] is not None:
            return InsufficientCredit(LimitScope.key, 0)
        refusal = _key_refusal(key, amount)
        if refusal is not None:
            return refusal
        if self._available[account_id] < amount:
            return InsufficientCredit(LimitScope.account, self._available[account_id])
        if self._unfinished[account_id] >= max_unfinished:
            return TooManyUnfinishedTasks()
        key["held"] += amount
        key["day_spent"] += amount
        self._available[account_id] -= amount
        self._unfinished[account_id] += 1
        self._held_on_keys[key_id] += amount
        self._held_on_accounts[account_id] += amount
        self._tasks[account_id] += 1
        return None

    def has_slots(self, key_id: str) -> bool:
        """Whether the key's tasks wait for slots."""
        return self._keys[key_id]["concurrent_tasks"] is not None

    def write(self) -> None:
        for key_id, amount in self._held_on_keys.items():
            self._tx.execute_nowait(
                """UPDATE api_keys SET held = held + :amount, day = :day,
                    day_spent = (CASE WHEN day = :day THEN day_spent ELSE 0 END) + :amount
                WHERE id = :id AND account_id = :account_id""",
                {
                    "id": key_id,
                    "account_id": self._keys[key_id]["account_id"],
                    "amount": amount,
                    "day": self._today,
                },
            )
        for account_id, count in self._tasks.items():
            self._tx.execute_nowait(
                "UPDATE accounts SET held = held + :amount, unfinished = unfinished + :count WHERE id = :id",
                {"id": account_id, "amount": self._held_on_accounts[account_id], "count": count},
            )


def _key_refusal(key: Row, amount: int) -> InsufficientCredit | InFlightCapReached | None:
    cap, daily_cap, in_flight_cap = key["cap"], key["daily_cap"], key["in_flight_cap"]
    if cap is not None and key["spent"] + key["held"] + amount > cap:
        return InsufficientCredit(LimitScope.key, cap - key["spent"] - key["held"])
    if daily_cap is not None and key["day_spent"] + amount > daily_cap:
        return InsufficientCredit(LimitScope.key_daily, daily_cap - key["day_spent"])
    if in_flight_cap is not None and key["held"] + amount > in_flight_cap:
        # An amount above the limit by itself stays so, however long its caller waits.
        too_large = amount > in_flight_cap
        return (
            InsufficientCredit(LimitScope.key, in_flight_cap)
            if too_large
            else InFlightCapReached(in_flight_cap - key["held"])
        )
    return None


def close_hold(tx: Tx, account_id: str, key_id: str, amount: int, day: int, charge: int) -> None:
    """Give the held amount back and take the charge; `charge` is 0 for a release. `day` is that of the hold.

    Written at the end of the transaction, once for all its holds: the account's row is what all writers want.
    """

    def write() -> None:
        closed: _ClosedHolds = tx.memo["closed holds", account_id]
        # The keys' rows before the account's, as in `Holder`: two transactions never wait for each other.
        for (key, key_day), (held, charged) in sorted(closed.keys.items()):
            _settle_on_key(tx, account_id, key, held, charged, key_day)
        tx.execute_nowait(
            """UPDATE accounts SET held = held - :amount, unfinished = unfinished - :count, posted = posted - :charge
            WHERE id = :id""",
            {
                "id": account_id,
                "amount": sum(held for held, _ in closed.keys.values()),
                "charge": sum(charged for _, charged in closed.keys.values()),
                "count": closed.count,
            },
        )

    closed: _ClosedHolds = tx.memo.setdefault(("closed holds", account_id), _ClosedHolds())
    closed.add(key_id, day, amount, charge)
    tx.at_end(("closed holds", account_id), write)


class _ClosedHolds:
    """Of one account: by key and day, the nanos that were held and that are charged."""

    def __init__(self) -> None:
        self.count = 0
        self.keys: dict[tuple[str, int], tuple[int, int]] = {}

    def add(self, key_id: str, day: int, amount: int, charge: int) -> None:
        held, charged = self.keys.get((key_id, day), (0, 0))
        self.keys[key_id, day] = (held + amount, charged + charge)
        self.count += 1


def reverse_charge(tx: Tx, account_id: str, key_id: str, charge: int, day: int) -> None:
    """Undo a charge: on the account, and on the caps of the key that had spent it."""
    _settle_on_key(tx, account_id, key_id, 0, -charge, day)
    tx.execute_nowait(
        "UPDATE accounts SET posted = posted + :charge WHERE id = :id", {"id": account_id, "charge": charge}
    )


def _settle_on_key(tx: Tx, account_id: str, key_id: str, amount: int, charge: int, day: int) -> None:
    tx.execute_nowait(
        """UPDATE api_keys SET held = held - :amount, spent = spent + :charge,
            day_spent = day_spent + (CASE WHEN day = :day THEN :charge - :amount ELSE 0 END)
        WHERE id = :id AND account_id = :account_id""",
        {"id": key_id, "account_id": account_id, "amount": amount, "charge": charge, "day": day},
    )
