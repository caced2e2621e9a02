"""The append-only double-entry ledger: every ref sums to zero, and no entry is ever changed."""

from __future__ import annotations

import functools
from collections.abc import Sequence

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
    if is_posted(tx, ref):
        return GrantPosted()
    if not accounts.adjust_posted(tx, account_id, amount):
        return GrantRefused()
    kind = EntryKind.grant if amount >= 0 else EntryKind.adjustment
    lines = [(account_id, amount, kind), (SYS_BANK, -amount, kind)]
    post_entries(tx, lines, ref=ref, actor=actor, commit_id=ids.new_id("cmt", tx.now))
    return GrantPosted()


def is_posted(tx: Tx, ref: str) -> bool:
    return tx.fetch_one("SELECT ref FROM entries WHERE ref = :ref", {"ref": ref}) is not None


def post_charge(tx: Tx, account_id: str, task_id: str, charge: int, price: int, commit_id: str) -> None:
    """Take `charge` nanos from the account. What `price` exceeds it by is the operator's overrun.

    The rows of the results must exist already: the entries count them, and outlive the task.
    """
    lines = [(account_id, -charge, EntryKind.charge), (SYS_REVENUE, price, EntryKind.charge)]
    if price != charge:
        lines.append((SYS_OVERRUN, charge - price, EntryKind.overrun))
    post_entries(tx, lines, ref=f"settle:{task_id}", actor="settle", commit_id=commit_id, task_id=task_id)


def post_cost(tx: Tx, task_id: str, attempt_id: str, cost: int, kind: EntryKind, commit_id: str) -> None:
    """Post what a call cost us, or may have: `cost` bought images, `waste` bought none that we know of."""
    account = SYS_COST if kind == EntryKind.cost else SYS_WASTE
    lines = [(account, cost, kind), (SYS_UPSTREAM, -cost, kind)]
    post_entries(tx, lines, ref=f"{kind}:{attempt_id}", actor="execute", commit_id=commit_id, task_id=task_id)


def post_entries(
    tx: Tx,
    lines: Sequence[tuple[str, int, EntryKind]],
    *,
    ref: str,
    actor: str,
    commit_id: str,
    task_id: str | None = None,
) -> None:
    """Account, nanos and kind of each entry of the ref; the amounts sum to zero."""
    values = {
        f"{name}_{number}": value
        for number, (account, amount, kind) in enumerate(lines)
        for name, value in zip(_LINE, (ids.new_id("led", tx.now), account, str(kind), amount), strict=True)
    }
    tx.execute_nowait(
        _insert_lines(len(lines)),
        {**values, "ref": ref, "task_id": task_id, "actor": actor, "commit_id": commit_id},
    )


_LINE = ("id", "account", "kind", "amount")


@functools.cache
def _insert_lines(count: int) -> str:
    rows = ", ".join(f"(:{f'_{number}, :'.join(_LINE)}_{number})" for number in range(count))
    return f"""INSERT INTO entries (id, account, kind, amount, ref, task_id, actor, commit_id, created, model, key_id,
            price_version, images)
        SELECT line.column1, line.column2, line.column3, line.column4, :ref, :task_id, :actor, :commit_id, :now,
            t.model, t.key_id, t.price_version,
            (SELECT COUNT(*) FROM assets WHERE task_id = :task_id AND kind = 'result')
        FROM (VALUES {rows}) AS line LEFT JOIN tasks t ON t.id = :task_id"""
