"""Tasks: submitted in one commit with their hold and Idempotency-Key, found again, and every change numbered."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from imagegate.crash_points import crash_point
from imagegate.domain.assets import Asset
from imagegate.domain.tasks import Task, TaskState
from imagegate.domain.time import US_PER_DAY
from imagegate.store import assets, idempotency
from imagegate.store.answers import FailedBefore, Joined, OwedAnswer, find_answer, new_row
from imagegate.store.dialect import SKIP_LOCKED, STATE, Row
from imagegate.store.holds import Holder, InFlightCapReached, InsufficientCredit, TooManyUnfinishedTasks
from imagegate.store.idempotency import IdempotencyKey, KeyConflict, Replay
from imagegate.store.task_metadata import SELECT_METADATA, SELECT_STARRED, insert_metadata
from imagegate.store.transaction import LOCKING_ACCOUNTS, Tx, run_together

SELECT_TASK = f"""SELECT id, account_id, key_id, model, state, claim_no, crashes, progress, order_body, billing_rule,
    price_version, hold, created, deadline, started, ended, lease_until, owner, charge, usage_body, usage_source,
    engine, results, error, results_expire, thumbnail_expires, first_sent, cancel_requested,
    due, waiting_since, waiting_reason, spool_wait,
    CASE WHEN state IN ('queued', 'running') AND first_sent IS NOT NULL THEN EXISTS (
        SELECT 1 FROM attempts a WHERE a.task_id = tasks.id AND a.outcome IN ('sending', 'produced')) ELSE FALSE END
    AS is_buying,
    (SELECT r.created FROM refunds r WHERE r.task_id = tasks.id) AS refunded,
    {SELECT_METADATA}, {SELECT_STARRED} FROM tasks"""

WAITING_FOR_STORAGE = "storage_unavailable"
_FIND_TASK = f"{SELECT_TASK} WHERE id = :id AND account_id = :account_id AND deleted IS NULL"


class NewTask(Task, frozen=True, kw_only=True):
    """A task to submit. The caller makes the `id`, so that a repeat finds what the first try wrote.

    `input_assets` are references whose bytes are stored already. `owed`: the answer to a request that may be a repeat.
    """

    state: TaskState = TaskState.queued
    claim_no: int = 0
    crashes: int = 0
    progress: int = 0
    input_assets: tuple[Asset, ...] = ()
    owed: OwedAnswer | None = None


class TaskSubmitted(msgspec.Struct, frozen=True):
    """Task, hold and key are written."""


class Done(msgspec.Struct, frozen=True):
    """The write was accepted."""


class CancelRequested(msgspec.Struct, frozen=True):
    """The customer asked to cancel the task: no further attempt is made. One that is with an upstream goes on."""


class LostLease(msgspec.Struct, frozen=True):
    """Another worker holds the task, or it has ended: stop quietly and discard."""


SubmitResult = (
    TaskSubmitted
    | Joined
    | FailedBefore
    | Replay
    | KeyConflict
    | InsufficientCredit
    | TooManyUnfinishedTasks
    | InFlightCapReached
)


def submit_task(
    tx: Tx, account_id: str, new: NewTask, idempotency_key: IdempotencyKey | None, max_unfinished: int
) -> SubmitResult:
    """[ idempotency key, hold, task, answer ]: all or none. `max_unfinished` bounds the account's unfinished tasks."""
    return submit_tasks(tx, [(account_id, new, idempotency_key, max_unfinished)])[0]


def submit_tasks(tx: Tx, submits: Sequence[tuple[str, NewTask, IdempotencyKey | None, int]]) -> list[SubmitResult]:
    """The same for each, as if one after the other; rows are locked, changed and inserted together."""
    holder = Holder(tx, (new.key_id for _, new, *_ in submits))
    results = [_submit(tx, holder, *one) for one in submits]
    accepted = [new for (_, new, *_), result in zip(submits, results, strict=True) if type(result) is _Accepted]
    holder.write()
    _insert_tasks(tx, holder, accepted)
    crash_point("submit.pre_commit")
    return [TaskSubmitted() if isinstance(result, _Accepted) else result for result in results]


run_together(submit_task, submit_tasks)
LOCKING_ACCOUNTS.add(submit_task)


class _Accepted(TaskSubmitted, frozen=True):
    """The hold is placed; the task is still to be inserted."""


def _submit(
    tx: Tx, holder: Holder, account_id: str, new: NewTask, idempotency_key: IdempotencyKey | None, max_unfinished: int
) -> SubmitResult:
    if tx.is_retry and find_task(tx, account_id, new.id):
        return TaskSubmitted()
    if new.owed is not None and (found := find_answer(tx, account_id, new.owed)):
        return found
    if idempotency_key is not None:
        claimed_before = idempotency.claim_key(tx, account_id, idempotency_key, new.id)
        if claimed_before is not None:
            return claimed_before
        crash_point("submit.key_inserted")
    refusal = holder.place(account_id, new.key_id, new.hold, max_unfinished)
    if refusal is not None:
        if idempotency_key is not None:
            idempotency.release_key(tx, account_id, idempotency_key)
        return refusal
    return _Accepted()


def _insert_tasks(tx: Tx, holder: Holder, tasks: Sequence[NewTask]) -> None:
    now = tx.now
    tx.insert_rows(
        "tasks",
        [
            {
                "id": new.id,
                "account_id": new.account_id,
                "key_id": new.key_id,
                "state": "queued",
                "model": new.order.model,
                "order_body": msgspec.json.encode(new.order).decode(),
                "billing_rule": new.billing_rule,
                "price_version": new.price_version,
                "hold": new.hold,
                "due": now,
                "waiting_for_slot": int(holder.has_slots(new.key_id)),
                "created": new.created,
                "deadline": new.deadline,
                "callback_url": new.order.callback_url,
            }
            for new in tasks
        ],
    )
    tx.insert_rows(
        "holds",
        [
            {
                "task_id": new.id,
                "account_id": new.account_id,
                "key_id": new.key_id,
                "amount": new.hold,
                "day": now // US_PER_DAY,
                "state": "open",
                "created": new.created,
            }
            for new in tasks
        ],
    )
    tx.insert_rows(
        "task_steps",
        [
            {"task_id": new.id, "seq": 1, "claim_no": 0, "state": "queued", "progress": 0, "at": new.created, "sent": 0}
            for new in tasks
        ],
    )
    insert_metadata(tx, [(new.id, new.account_id, new.metadata) for new in tasks])
    tx.insert_rows("answers", [new_row(new.id, new.created, new.owed) for new in tasks if new.owed])
    for new in tasks:
        for asset in new.input_assets:
            assets.add_asset(tx, asset, new.deadline, None)


def list_overdue_tasks(tx: Tx, limit: int) -> list[Task]:
    """Return unfinished tasks past their deadline."""
    rows = tx.fetch_all(
        f"{SELECT_TASK} WHERE state IN ('queued', 'running') AND deadline <= :now ORDER BY deadline LIMIT :limit",
        {"limit": limit},
    )
    return [task_from_row(row) for row in rows]


def has_unfinished_tasks(tx: Tx) -> bool:
    """Return whether any account has a task that has not ended."""
    row = tx.fetch_one("SELECT id FROM tasks WHERE state IN ('queued', 'running') ORDER BY deadline LIMIT 1")
    return row is not None


def find_task_account(tx: Tx, task_id: str) -> str | None:
    """Return the id of the task's account, for the operator alone."""
    row = tx.fetch_one("SELECT account_id FROM tasks WHERE id = :id", {"id": task_id})
    return row["account_id"] if row else None


def find_task(tx: Tx, account_id: str, task_id: str) -> Task | None:
    row = tx.fetch_one(_FIND_TASK, {"id": task_id, "account_id": account_id})
    return task_from_row(row) if row else None


def record_step_if_changed(tx: Tx, task_id: str, changed: int) -> Done | LostLease:
    if changed == 0:
        return LostLease()
    record_step(tx, task_id)
    return Done()


def record_step(tx: Tx, task_id: str) -> None:
    """Number this change of the task and log it."""
    tx.execute_nowait("UPDATE tasks SET seq = seq + 1 WHERE id = :id", {"id": task_id})
    log_step(tx, task_id)


def log_step(tx: Tx, task_id: str) -> None:
    """Log the change of a task that was numbered with it."""
    tx.execute_nowait(
        """INSERT INTO task_steps (task_id, seq, claim_no, state, progress, at, sent, waiting_reason, waiting_until)
        SELECT id, seq, claim_no, state, progress, :now, CASE WHEN first_sent IS NULL THEN 0 ELSE 1 END,
            CASE WHEN state = 'queued' OR waiting_reason = :storage THEN waiting_reason END,
            CASE WHEN waiting_reason = :storage OR (state = 'queued' AND waiting_reason IS NOT NULL) THEN due END
        FROM tasks WHERE id = :id""",
        {"id": task_id, "storage": WAITING_FOR_STORAGE},
    )


def note_storage_wait(tx: Tx, account_id: str, task_id: str, claim_no: int, next_try: int) -> bool:
    """The task waits for the storage, which is tried again by `next_try`, in UTC microseconds. Whether that is new.

    It stays with its worker; the next call, release or end of the task clears the reason.
    """
    changed = tx.execute(
        f"""UPDATE tasks SET waiting_reason = :reason, due = :next_try
        WHERE id = :id AND account_id = :account_id AND claim_no = :claim_no AND {STATE} = 'running'
            AND (waiting_reason IS NULL OR waiting_reason <> :reason)""",
        {
            "reason": WAITING_FOR_STORAGE,
            "next_try": next_try,
            "id": task_id,
            "account_id": account_id,
            "claim_no": claim_no,
        },
    )
    return isinstance(record_step_if_changed(tx, task_id, changed), Done)


def wake_waiting_tasks(tx: Tx, limit: int) -> int:
    """Make up to `limit` tasks that wait for a route due now, those that would look first; return how many."""
    # Several processes may do this at a time: each takes the rows that no other one has.
    return tx.execute(
        f"""UPDATE tasks SET due = :now WHERE id IN (
            SELECT id FROM tasks WHERE state = 'queued' AND waiting_since IS NOT NULL AND due > :now
            ORDER BY due LIMIT :limit {SKIP_LOCKED})""",
        {"limit": limit},
    )


_JSON_COLUMNS = (
    ("order", "order_body"),
    ("usage", "usage_body"),
    ("results", "results"),
    ("error", "error"),
    ("metadata", "metadata"),
)


def task_from_row(row: Row) -> Task:
    plain = {name: value for name, value in row.items() if value is not None}
    plain["is_buying"] = bool(row["is_buying"])
    parsed = {name: msgspec.json.decode(plain[column]) for name, column in _JSON_COLUMNS if column in plain}
    return msgspec.convert(plain | parsed, Task)
