"""The append-only double-entry ledger: every ref sums to zero, and no entry is ever changed."""

from __future__ import annotations

import msgspec

from imagegate.domain import ids
from imagegate.domain.accounts import SYS_BANK, SYS_COST, SYS_OVERRUN, SYS_REVENUE, SYS_UPSTREAM, SYS_WASTE, EntryKind
from imagegate.store import accounts
from imagegate.store.transaction import Tx


class GrantPosted(msgspec.Struct, frozen=True):
    """The grant is posted, now or by an earlier call with the same ref."""


class GrantRefused(msgspec.Struct, frozen=True):
    """A negative grant would take more than the account has available."""


def grant(tx: Tx, account_id: str, amount: int, ref: str, actor: str) -> GrantPosted | GrantRefused:
    """Move `amount` nanos from the bank to the account, once per ref."""
    if tx.fetch_one("SELECT ref FROM entries WHERE ref = :ref", {"ref": ref}):
        return GrantPosted()
    if not accounts.adjust_posted(tx, account_id, amount):
        return GrantRefused()
    kind = EntryKind.grant if amount >= 0 else EntryKind.adjustment
    commit_id = ids.new_id("cmt", tx.now)
    post_entry(tx, account_id, amount, ref=ref, kind=kind, actor=actor, commit_id=commit_id)
    post_entry(tx, SYS_BANK, -amount, ref=ref, kind=kind, actor=actor, commit_id=commit_id)
    return GrantPosted()


def post_charge(tx: Tx, account_id: str, task_id: str, charge: int, price: int, commit_id: str) -> None:
    """Take `charge` nanos from the account. What `price` exceeds it by is the operator's overrun.

    The rows of the results must exist already: the entries count them, and outlive the task.
    """
    ref = f"settle:{task_id}"
    parts = [(account_id, -charge, EntryKind.charge), (SYS_REVENUE, price, EntryKind.charge)]
    if price != charge:
        parts.append((SYS_OVERRUN, charge - price, EntryKind.overrun))
    for account, amount, kind in parts:
        post_entry(tx, account, amount, ref=ref, kind=kind, actor="settle", commit_id=commit_id, task_id=task_id)


def post_cost(tx: Tx, task_id: str, attempt_id: str, cost: int, kind: EntryKind, commit_id: str) -> None:
    """Post what a call cost us, or may have: `cost` bought images, `waste` bought none that we know of."""
    ref, account = f"{kind}:{attempt_id}", SYS_COST if kind == EntryKind.cost else SYS_WASTE
    for ledger_account, amount in ((account, cost), (SYS_UPSTREAM, -cost)):
        post_entry(
            tx, ledger_account, amount, ref=ref, kind=kind, actor="execute", commit_id=commit_id, task_id=task_id
        )


def sum_since(tx: Tx, account: str, since: int) -> int:
    return tx.fetch_int(
        """SELECT CAST(COALESCE(SUM(amount), 0) AS BIGINT) AS total FROM entries
        WHERE account = :account AND created >= :since""",
        {"account": account, "since": since},
    )


def post_entry(
    tx: Tx,
    account: str,
    amount: int,
    *,
    ref: str,
    kind: EntryKind,
    actor: str,
    commit_id: str,
    task_id: str | None = None,
) -> None:
    tx.execute_nowait(
        """INSERT INTO entries (id, ref, account, kind, amount, task_id, actor, commit_id, created, model, key_id,
            price_version, images)
        VALUES (:id, :ref, :account, :kind, :amount, :task_id, :actor, :commit_id, :now,
            (SELECT model FROM tasks WHERE id = :task_id), (SELECT key_id FROM tasks WHERE id = :task_id),
            (SELECT price_version FROM tasks WHERE id = :task_id),
            (SELECT COUNT(*) FROM assets WHERE task_id = :task_id AND kind = 'result'))""",
        {
            "id": ids.new_id("led", tx.now),
            "ref": ref,
            "account": account,
            "kind": str(kind),
            "amount": amount,
            "task_id": task_id,
            "actor": actor,
            "commit_id": commit_id,
        },
    )
