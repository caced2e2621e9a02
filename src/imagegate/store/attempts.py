"""Attempts: the dispatch mark, the outcome and its cost, and the progress of a task.

The mark `sending` is committed before the first byte leaves: an attempt that still has it when its worker is gone may
have reached the upstream, and one without it did not.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from imagegate.catalog.routes import Route
from imagegate.domain.accounts import SYS_COST, EntryKind
from imagegate.domain.money import Nanos
from imagegate.domain.tasks import Attempt, AttemptOutcome
from imagegate.domain.time import US_PER_DAY
from imagegate.routing.circuit_breaker import Health
from imagegate.store import ledger
from imagegate.store.daily_sums import sum_days
from imagegate.store.dialect import STATE, Lock
from imagegate.store.route_health import Blocked, try_dispatch, update_health
from imagegate.store.tasks import (
    CancelRequested,
    Done,
    LostLease,
    record_step,
    record_step_if_changed,
)
from imagegate.store.transaction import Tx

HealthUpdate = Callable[[str, Health, int], Health]


def begin_attempt(
    tx: Tx, account_id: str, attempt: Attempt, owner: str, route: Route, key_fingerprint: str = ""
) -> Done | LostLease | CancelRequested | Blocked:
    """Write the dispatch mark `sending` for a task that is still ours."""
    if tx.is_retry and tx.fetch_one("SELECT id FROM attempts WHERE id = :id", {"id": attempt.id}):
        return Done()
    # Locked before anything is counted: a cancel comes before this, or finds the task sent.
    task = tx.lock_row(
        f"""SELECT cancel_requested, first_sent FROM tasks
        WHERE id = :id AND account_id = :account_id AND claim_no = :claim_no AND {STATE} = 'running'""",
        {"id": attempt.task_id, "account_id": account_id, "claim_no": attempt.claim_no},
    )
    if task is None:
        return LostLease()
    if task["cancel_requested"] is not None:
        return CancelRequested()
    blocked = try_dispatch(tx, route, attempt.images, key_fingerprint)
    if blocked is not None:
        return blocked
    tx.execute_nowait(
        """UPDATE tasks SET first_sent = COALESCE(first_sent, :now), waiting_since = NULL, waiting_reason = NULL
        WHERE id = :id""",
        {"id": attempt.task_id},
    )
    if task["first_sent"] is None:
        record_step(tx, attempt.task_id)  # customers see it as processing from here on
    add_attempt(tx, account_id, attempt, owner)
    return Done()


def begin_first_attempt(
    tx: Tx, account_id: str, attempt: Attempt, owner: str, route: Route, key_fingerprint: str
) -> bool:
    """Write the dispatch mark of a task that is claimed in this transaction; False, and no mark, where it must wait."""
    if try_dispatch(tx, route, attempt.images, key_fingerprint) is not None:
        return False
    add_attempt(tx, account_id, attempt, owner)
    return True


def add_attempt(tx: Tx, account_id: str, attempt: Attempt, owner: str) -> None:
    """Log an attempt; one that was not sent says why no call was made."""
    if attempt.account_id == account_id:
        columns = {"outcome": str(attempt.outcome), "duplicate": int(attempt.duplicate), "owner": owner}
        tx.insert("attempts", unless_exists="id", **msgspec.structs.asdict(attempt) | columns)


def save_remote_ref(tx: Tx, account_id: str, attempt_id: str, ref: str) -> None:
    """Store the upstream's own id of the job: from here on the call is resumed, not made again."""
    tx.execute_nowait(
        "UPDATE attempts SET ref = :ref WHERE id = :id AND account_id = :account_id",
        {"ref": ref, "id": attempt_id, "account_id": account_id},
    )


def mark_spooled(tx: Tx, account_id: str, attempt_id: str) -> None:
    """Record that what the call delivered is safe in its spool: from here on its task waits for that spool."""
    tx.execute_nowait(
        "UPDATE attempts SET spooled = 1 WHERE id = :id AND account_id = :account_id AND outcome = 'sending'",
        {"id": attempt_id, "account_id": account_id},
    )


class AttemptEnded(msgspec.Struct, frozen=True):
    """The outcome is recorded. `ended_break`: it closed a breaker, so that tasks which wait for a route may look."""

    ended_break: bool


class EndedBefore(msgspec.Struct, frozen=True):
    """The attempt had ended before: nothing changed."""


class AttemptEnd(msgspec.Struct, frozen=True):
    """What is to be recorded of an attempt that has ended.

    `cost` of `attempt` is what it came to, or may have come to where that is unknown. `update_health` is called with
    the scope, its health and the time, and returns the new health.
    """

    attempt: Attempt
    commit_id: str
    update_health: HealthUpdate


def end_attempt(tx: Tx, account_id: str, end: AttemptEnd) -> AttemptEnded | EndedBefore:
    """[ outcome, cost, health of route and upstream ]."""
    ended = end.attempt
    rows = tx.fetch_all(
        """UPDATE attempts SET outcome = :outcome, ended = :now, detail = :detail, request_id = :request_id,
            images = :images, cost = :cost, failure_kind = :failure_kind
        WHERE id = :id AND account_id = :account_id AND outcome = 'sending' RETURNING task_id""",
        msgspec.structs.asdict(ended)
        | {
            "account_id": account_id,
            "outcome": str(ended.outcome),
            "detail": (ended.detail or "")[:500] or None,
            "request_id": ended.request_id[:200],
        },
    )
    if not rows:
        return EndedBefore()
    ended_breaks = [
        update_health(tx, scope, lambda health, scope=scope: end.update_health(scope, health, tx.now))  # type: ignore[misc]
        for scope in (ended.upstream, ended.route)
    ]
    if ended.outcome in (AttemptOutcome.produced, AttemptOutcome.unknown) and ended.cost:
        kind = EntryKind.cost if ended.outcome == AttemptOutcome.produced else EntryKind.waste
        ledger.post_cost(tx, rows[0]["task_id"], ended.id, ended.cost, kind, end.commit_id)
    return AttemptEnded(any(ended_breaks))


def permit_repeat(tx: Tx, account_id: str, attempt_id: str, budget: Nanos, percent: int) -> bool:
    """Decide whether the work of an attempt of unknown outcome may be bought once more, and mark it if so.

    Once per task, and within the day's budget: `budget` nanos or `percent` of what was spent that day, whichever is
    more.
    """
    row = tx.fetch_all(
        "SELECT task_id, cost, duplicate FROM attempts WHERE id = :id AND account_id = :account_id",
        {"id": attempt_id, "account_id": account_id},
    )[0]
    if row["duplicate"]:
        return True
    tx.lock(Lock.duplicate_purchases)  # two tasks must not both take the last of the budget
    today = tx.now // US_PER_DAY
    spent = sum(row["amount"] for row in sum_days(tx, [SYS_COST], today, today))
    duplicate_cost = tx.fetch_int(
        """SELECT CAST(COALESCE(SUM(cost), 0) AS BIGINT) AS total FROM attempts
        WHERE ended >= :day AND duplicate = 1""",
        {"day": today * US_PER_DAY},
    )
    duplicates = tx.fetch_int(
        "SELECT COUNT(*) AS n FROM attempts WHERE task_id = :id AND duplicate = 1", {"id": row["task_id"]}
    )
    if duplicates or duplicate_cost + row["cost"] > max(budget, spent * percent // 100):
        return False
    tx.execute_nowait("UPDATE attempts SET duplicate = 1 WHERE id = :id", {"id": attempt_id})
    return True


def is_spool_needed(tx: Tx, attempt_id: str) -> bool:
    """Return whether the spool has to keep this attempt's folder: its outcome is open, or its task has not ended."""
    row = tx.fetch_one(
        "SELECT a.outcome, t.state FROM attempts a JOIN tasks t ON t.id = a.task_id WHERE a.id = :id",
        {"id": attempt_id},
    )
    return row is not None and (row["outcome"] == AttemptOutcome.sending or row["state"] not in ("completed", "failed"))


def list_attempts(tx: Tx, account_id: str, task_id: str) -> list[Attempt]:
    """Return the task's attempts in the order in which they were made, whatever the clock said."""
    rows = tx.fetch_all(
        """SELECT id, task_id, account_id, claim_no, route, outcome, started, ended, detail, upstream, images,
            cost, ref, request_id, considered, failure_kind, duplicate, spool FROM attempts
        WHERE task_id = :task_id AND account_id = :account_id ORDER BY claim_no, started, id""",
        {"task_id": task_id, "account_id": account_id},
    )
    return [msgspec.convert({**row, "duplicate": bool(row["duplicate"])}, Attempt) for row in rows]


def close_open_attempts(tx: Tx, account_id: str, task_id: str) -> None:
    """Close what a dead worker left open, as the task ends without it."""
    tx.execute_nowait(
        """UPDATE attempts SET outcome = 'unknown', ended = :now
        WHERE task_id = :id AND account_id = :account_id AND outcome = 'sending'""",
        {"id": task_id, "account_id": account_id},
    )


def update_progress(tx: Tx, account_id: str, task_id: str, claim_no: int, progress: int) -> Done | LostLease:
    """Raise the progress of a running task; it never falls and never reaches 100 here."""
    changed = tx.execute(
        f"""UPDATE tasks SET progress = :progress
        WHERE id = :id AND account_id = :account_id AND claim_no = :claim_no AND {STATE} = 'running'
            AND progress < :progress""",
        {"id": task_id, "account_id": account_id, "claim_no": claim_no, "progress": min(progress, 99)},
    )
    return record_step_if_changed(tx, task_id, changed)
