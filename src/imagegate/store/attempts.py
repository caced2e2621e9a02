"""Attempts: the dispatch mark, the outcome, and how far a claim has come.

Knows: that `sending` is written before the first byte leaves. Refuses to know: how an outcome is found.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from imagegate.domain.accounts import DAY_US, SYS_COST, EntryKind
from imagegate.domain.money import Nanos
from imagegate.domain.tasks import Attempt, Outcome
from imagegate.routing.circuit_breaker import Health
from imagegate.store import ledger
from imagegate.store.route_health import Gate, Held, note_health, pass_gate
from imagegate.store.tasks import Done, LostLease, stepped
from imagegate.store.transaction import Tx

Judge = Callable[[str, Health, int], Health]


class Unwanted(msgspec.Struct, frozen=True):
    """The customer wishes the task cancelled: no further attempt is made."""


def begin_attempt(
    tx: Tx, account_id: str, attempt: Attempt, owner: str, gate: Gate
) -> Done | LostLease | Unwanted | Held:
    """The dispatch mark: `sending`, written while the task is still ours and before the first byte leaves.

    The task's row is taken before anything is counted, so that a cancel comes before it or finds the task sent.
    """
    if tx.again and tx.one("SELECT id FROM attempts WHERE id = :id", id=attempt.id):
        return Done()
    ours = tx.all(
        """UPDATE tasks SET owner = owner
        WHERE id = :id AND account_id = :account_id AND claim_no = :claim_no AND state = 'running'
        RETURNING cancel_wished""",
        id=attempt.task_id,
        account_id=account_id,
        claim_no=attempt.claim_no,
    )
    if not ours:
        return LostLease()
    if ours[0]["cancel_wished"] is not None:
        return Unwanted()
    held = pass_gate(tx, gate)
    if held is not None:
        return held
    tx.put("UPDATE tasks SET sent = COALESCE(sent, :now) WHERE id = :id", now=tx.now, id=attempt.task_id)
    _insert(tx, attempt, owner)
    return Done()


def add_unsent(tx: Tx, account_id: str, attempt: Attempt, owner: str) -> None:
    """Why no call was made, for the attempt log."""
    if attempt.account_id == account_id:
        _insert(tx, attempt, owner)


def _insert(tx: Tx, attempt: Attempt, owner: str) -> None:
    tx.put(
        """INSERT INTO attempts (id, task_id, account_id, claim_no, route, owner, outcome, started, ended, detail,
            upstream, images, cost, considered)
        VALUES (:id, :task_id, :account_id, :claim_no, :route, :owner, :outcome, :started, :ended, :detail, :upstream,
            :images, :cost, :considered)
        ON CONFLICT (id) DO NOTHING""",
        id=attempt.id,
        task_id=attempt.task_id,
        account_id=attempt.account_id,
        claim_no=attempt.claim_no,
        route=attempt.route,
        owner=owner,
        outcome=str(attempt.outcome),
        started=attempt.started,
        ended=attempt.ended,
        detail=attempt.detail,
        upstream=attempt.upstream,
        images=attempt.images,
        cost=attempt.cost,
        considered=attempt.considered,
    )


def remember_ref(tx: Tx, account_id: str, attempt_id: str, ref: str) -> None:
    """The upstream's own id of the work: from here on the call is taken up again, not made again."""
    tx.put(
        "UPDATE attempts SET ref = :ref WHERE id = :id AND account_id = :account_id",
        ref=ref,
        id=attempt_id,
        account_id=account_id,
    )


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt ended. `cost` in nanos: what it came to, or may have come to where that is unknown."""

    attempt_id: str
    route: str
    upstream: str
    outcome: Outcome
    trouble: str = ""
    detail: str = ""
    request_id: str = ""
    images: int = 0
    cost: int = 0
    commit_id: str = ""


def end_attempt(tx: Tx, account_id: str, ended: Ended, judge: Judge) -> bool:
    """[ outcome, what it cost, health of route and upstream ]. Nothing happens to an attempt that has ended: False."""
    rows = tx.all(
        """UPDATE attempts SET outcome = :outcome, ended = :now, detail = :detail, request_id = :request_id,
            images = :images, cost = :cost, trouble = :trouble
        WHERE id = :id AND account_id = :account_id AND outcome = 'sending' RETURNING task_id""",
        id=ended.attempt_id,
        account_id=account_id,
        outcome=str(ended.outcome),
        now=tx.now,
        detail=ended.detail[:500] or None,
        request_id=ended.request_id[:200],
        images=ended.images,
        cost=ended.cost,
        trouble=ended.trouble,
    )
    if not rows:
        return False
    for scope in (ended.upstream, ended.route):
        note_health(tx, scope, lambda health, scope=scope: judge(scope, health, tx.now))  # type: ignore[misc]
    if ended.outcome in (Outcome.produced, Outcome.unknown) and ended.cost:
        kind = EntryKind.cost if ended.outcome == Outcome.produced else EntryKind.waste
        ledger.book_cost(tx, rows[0]["task_id"], ended.attempt_id, ended.cost, kind, ended.commit_id)
    return True


def permit_repeat(tx: Tx, account_id: str, attempt_id: str, budget: Nanos, percent: int) -> bool:
    """Whether the work of an attempt of unknown outcome may be bought once more: once per task, within the day's
    budget, which is `budget` or `percent` of what was spent that day, whichever is more."""
    row = tx.all(
        "SELECT task_id, cost, duplicate FROM attempts WHERE id = :id AND account_id = :account_id",
        id=attempt_id,
        account_id=account_id,
    )[0]
    if row["duplicate"]:
        return True
    note_health(tx, "sys:repeats", lambda health: health)  # callers come one by one
    day = tx.now - tx.now % DAY_US
    spent = ledger.total_since(tx, SYS_COST, day)
    doubled = tx.count(
        """SELECT CAST(COALESCE(SUM(cost), 0) AS BIGINT) AS total FROM attempts
        WHERE ended >= :day AND duplicate = 1""",
        day=day,
    )
    again = tx.count("SELECT COUNT(*) AS n FROM attempts WHERE task_id = :id AND duplicate = 1", id=row["task_id"])
    if again or doubled + row["cost"] > max(budget, spent * percent // 100):
        return False
    tx.put("UPDATE attempts SET duplicate = 1 WHERE id = :id", id=attempt_id)
    return True


def is_needed(tx: Tx, attempt_id: str) -> bool:
    """Whether the spool has to keep this attempt's folder: its outcome is open, or its task has not ended."""
    row = tx.one(
        """SELECT a.outcome, t.state FROM attempts a JOIN tasks t ON t.id = a.task_id WHERE a.id = :id""", id=attempt_id
    )
    return row is not None and (row["outcome"] == Outcome.sending or row["state"] not in ("completed", "failed"))


def list_attempts(tx: Tx, account_id: str, task_id: str) -> list[Attempt]:
    """In the order in which they were made."""
    rows = tx.all(
        """SELECT id, task_id, account_id, claim_no, route, outcome, started, ended, detail, upstream, images,
            cost, ref, request_id, considered, trouble, duplicate FROM attempts
        WHERE task_id = :task_id AND account_id = :account_id ORDER BY started, id""",
        task_id=task_id,
        account_id=account_id,
    )
    return [Attempt(**{**row, "outcome": Outcome(row["outcome"]), "duplicate": bool(row["duplicate"])}) for row in rows]


def close_attempts(tx: Tx, account_id: str, task_id: str) -> None:
    """What a dead worker left open when the task ends without it."""
    tx.put(
        """UPDATE attempts SET outcome = 'unknown', ended = :now
        WHERE task_id = :id AND account_id = :account_id AND outcome = 'sending'""",
        id=task_id,
        account_id=account_id,
        now=tx.now,
    )


def advance(tx: Tx, account_id: str, task_id: str, claim_no: int, progress: int) -> Done | LostLease:
    """Raise the progress of a running task; it never falls and never reaches 100 here."""
    changed = tx.run(
        """UPDATE tasks SET progress = :progress
        WHERE id = :id AND account_id = :account_id AND claim_no = :claim_no AND state = 'running'
            AND progress < :progress""",
        id=task_id,
        account_id=account_id,
        claim_no=claim_no,
        progress=min(progress, 99),
    )
    return stepped(tx, task_id, changed)
