"""Refunds: an operator gives the whole charge of a settled task back to its account, once.

The task's hold and settlement stay as they were: what was charged was charged.
"""

from __future__ import annotations

import msgspec

from imagegate.domain.accounts import SYS_REVENUE, EntryKind
from imagegate.store import holds, ledger
from imagegate.store.dialect import Row
from imagegate.store.transaction import Tx

_REFUND = "SELECT id, task_id, account_id, amount, reason, actor, idempotency_key, created FROM refunds"


class NewRefund(msgspec.Struct, frozen=True, kw_only=True):
    """A refund to post. The caller makes `id` and `commit_id`; a repeat is recognized by its `idempotency_key`."""

    id: str
    task_id: str
    reason: str
    actor: str
    idempotency_key: str
    commit_id: str


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    """Posted. `available` is what the account has now, in nanos; `replayed`: it was posted before this call."""

    id: str
    task_id: str
    account_id: str
    amount: int
    reason: str
    actor: str
    created: int
    available: int
    replayed: bool


class AlreadyRefunded(msgspec.Struct, frozen=True):
    """Somebody has given it back already, under another key."""

    amount: int
    created: int


class RefundConflict(msgspec.Struct, frozen=True):
    """The key belongs to a refund of another task, or with another reason."""


class NotCharged(msgspec.Struct, frozen=True):
    """There is nothing to give back: the task is unfinished, failed, or was free."""

    state: str


class NoSuchTask(msgspec.Struct, frozen=True):
    """There is no such task, or no more."""


RefundOutcome = Refund | AlreadyRefunded | RefundConflict | NotCharged | NoSuchTask


def find_refund_account(tx: Tx, task_id: str) -> str | None:
    """Whose task it is, or was when it was refunded."""
    row = tx.fetch_one(
        """SELECT account_id FROM tasks WHERE id = :id
        UNION SELECT account_id FROM refunds WHERE task_id = :id""",
        {"id": task_id},
    )
    return row["account_id"] if row else None


def refund_task(tx: Tx, account_id: str, new: NewRefund) -> RefundOutcome:
    """[ refund, entries, balance, what the key has spent ]: all or none."""
    if tx.execute(
        """INSERT INTO refunds (task_id, id, account_id, amount, reason, actor, idempotency_key, commit_id, created)
        SELECT id, :id, account_id, charge, :reason, :actor, :idempotency_key, :commit_id, :now FROM tasks
        WHERE id = :task_id AND account_id = :account_id AND state = 'completed' AND charge > 0
        ON CONFLICT DO NOTHING""",
        {"account_id": account_id, **msgspec.structs.asdict(new)},
    ):
        _reverse_charge(tx, account_id, new)
    return _load_outcome(tx, account_id, new)


def _reverse_charge(tx: Tx, account_id: str, new: NewRefund) -> None:
    hold = tx.fetch_all(
        "SELECT key_id, charge, day FROM holds WHERE task_id = :id AND account_id = :account_id",
        {"id": new.task_id, "account_id": account_id},
    )[0]
    holds.reverse_charge(tx, account_id, hold["key_id"], hold["charge"], hold["day"])
    kind, amount = EntryKind.refund, hold["charge"]
    ledger.post_entries(
        tx,
        [(account_id, amount, kind), (SYS_REVENUE, -amount, kind)],
        ref=f"refund:{new.task_id}",
        actor=new.actor,
        commit_id=new.commit_id,
        task_id=new.task_id,
    )


def _load_outcome(tx: Tx, account_id: str, new: NewRefund) -> RefundOutcome:
    found = tx.fetch_one(f"{_REFUND} WHERE task_id = :id", {"id": new.task_id})
    same_key = tx.fetch_one(
        f"{_REFUND} WHERE idempotency_key = :idempotency_key", {"idempotency_key": new.idempotency_key}
    )
    if same_key is not None:
        same = (same_key["task_id"], same_key["reason"]) == (new.task_id, new.reason)
        return _refund_from_row(tx, same_key, new.id) if same else RefundConflict()
    if found is not None:
        return AlreadyRefunded(found["amount"], found["created"])
    task = tx.fetch_one(
        "SELECT state FROM tasks WHERE id = :id AND account_id = :account_id",
        {"id": new.task_id, "account_id": account_id},
    )
    return NotCharged(task["state"]) if task else NoSuchTask()


def _refund_from_row(tx: Tx, row: Row, new_id: str) -> Refund:
    available = tx.fetch_int(
        "SELECT posted - held AS available FROM accounts WHERE id = :id", {"id": row["account_id"]}
    )
    fields = {name: value for name, value in row.items() if name != "idempotency_key"}
    return Refund(**fields, available=available, replayed=row["id"] != new_id)
