"""Attempts: the dispatch mark, the outcome, and how far a claim has come.

Knows: that `sending` is written before the first byte leaves. Refuses to know: how an outcome is found.
"""

from __future__ import annotations

import msgspec

from imagegate.domain.tasks import Attempt, Outcome
from imagegate.store.tasks import Done, LostLease, stepped
from imagegate.store.transaction import Tx


class Unwanted(msgspec.Struct, frozen=True):
    """The customer wishes the task cancelled: no further attempt is made."""


def begin_attempt(tx: Tx, account_id: str, attempt: Attempt, owner: str) -> Done | LostLease | Unwanted:
    """The dispatch mark: `sending`, written while the task is still ours and before the first byte leaves.

    The first statement takes the task's row, so that a cancel comes before it or finds the task sent.
    """
    ours = tx.all(
        """UPDATE tasks SET sent = CASE WHEN cancel_wished IS NULL THEN COALESCE(sent, :now) ELSE sent END
        WHERE id = :id AND account_id = :account_id AND claim_no = :claim_no AND state = 'running'
        RETURNING cancel_wished""",
        now=tx.now, id=attempt.task_id, account_id=account_id, claim_no=attempt.claim_no,
    )  # fmt: skip
    if not ours:
        return LostLease()
    if ours[0]["cancel_wished"] is not None:
        return Unwanted()
    tx.put(
        """INSERT INTO attempts (id, task_id, account_id, claim_no, route, owner, outcome, started)
        VALUES (:id, :task_id, :account_id, :claim_no, :route, :owner, 'sending', :started)
        ON CONFLICT (id) DO NOTHING""",
        id=attempt.id, task_id=attempt.task_id, account_id=account_id, claim_no=attempt.claim_no,
        route=attempt.route, owner=owner, started=attempt.started,
    )  # fmt: skip
    return Done()


def end_attempt(tx: Tx, account_id: str, attempt_id: str, outcome: Outcome, detail: str | None) -> None:
    tx.put(
        """UPDATE attempts SET outcome = :outcome, ended = :now, detail = :detail
        WHERE id = :id AND account_id = :account_id AND outcome = 'sending'""",
        id=attempt_id, account_id=account_id, outcome=str(outcome), now=tx.now, detail=detail,
    )  # fmt: skip


def open_attempts(tx: Tx, account_id: str, task_id: str) -> list[Attempt]:
    """Attempts that carry the dispatch mark and no outcome: what a dead worker left behind."""
    return [attempt for attempt in list_attempts(tx, account_id, task_id) if attempt.outcome == Outcome.sending]


def is_sending(tx: Tx, attempt_id: str) -> bool:
    """Whether this attempt still waits for its outcome: the spool keeps its folder as long."""
    row = tx.one("SELECT outcome FROM attempts WHERE id = :id", id=attempt_id)
    return row is not None and row["outcome"] == Outcome.sending


def list_attempts(tx: Tx, account_id: str, task_id: str) -> list[Attempt]:
    rows = tx.all(
        """SELECT id, task_id, account_id, claim_no, route, outcome, started, ended, detail FROM attempts
        WHERE task_id = :task_id AND account_id = :account_id ORDER BY started, id""",
        task_id=task_id, account_id=account_id,
    )  # fmt: skip
    return [Attempt(**{**row, "outcome": Outcome(row["outcome"])}) for row in rows]


def close_attempts(tx: Tx, account_id: str, task_id: str) -> None:
    """What a dead worker left open when the task ends without it."""
    tx.put(
        """UPDATE attempts SET outcome = 'unknown', ended = :now
        WHERE task_id = :id AND account_id = :account_id AND outcome = 'sending'""",
        id=task_id, account_id=account_id, now=tx.now,
    )  # fmt: skip


def advance(tx: Tx, account_id: str, task_id: str, claim_no: int, progress: int) -> Done | LostLease:
    """Raise the progress of a running task; it never falls and never reaches 100 here."""
    changed = tx.run(
        """UPDATE tasks SET progress = :progress
        WHERE id = :id AND account_id = :account_id AND claim_no = :claim_no AND state = 'running'
            AND progress < :progress""",
        id=task_id, account_id=account_id, claim_no=claim_no, progress=min(progress, 99),
    )  # fmt: skip
    return stepped(tx, task_id, changed)
