"""Cancelling: the end of a task where nothing is being bought, a stored cancel request where something is or was."""

from __future__ import annotations

import msgspec

from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.store.deliveries import RenderWebhook
from imagegate.store.dialect import STATE
from imagegate.store.settlement import fail_task
from imagegate.store.tasks import CancelRequested, find_task
from imagegate.store.transaction import Tx

CANCELLED_ERROR = TaskError(TaskErrorCode.request_cancelled, "The task was cancelled.")


class Cancelled(msgspec.Struct, frozen=True):
    """The task is failed with `request_cancelled`, now or before; nothing was charged."""


class AlreadyFinished(msgspec.Struct, frozen=True):
    """The task has ended otherwise."""


class NoSuchTask(msgspec.Struct, frozen=True):
    """The account has no such task."""


def list_cancels_of_running(tx: Tx, owner: str) -> list[str]:
    """Return the tasks of this worker whose customers have asked to cancel them."""
    rows = tx.fetch_all(
        "SELECT id FROM tasks WHERE state = 'running' AND owner = :owner AND cancel_requested IS NOT NULL",
        {"owner": owner},
    )
    return [row["id"] for row in rows]


def cancel_task(
    tx: Tx, account_id: str, task_id: str, commit_id: str, render: RenderWebhook
) -> Cancelled | CancelRequested | AlreadyFinished | NoSuchTask:
    """Cancel the task where nothing is being bought or was, else store that its customer asked for it."""
    # This first statement locks the row: whoever else would end the task or dispatch it comes before or after.
    rows = tx.fetch_all(
        f"""UPDATE tasks SET cancel_requested = COALESCE(cancel_requested, :now),
            due = CASE WHEN state = 'queued' THEN :now ELSE due END
        WHERE id = :id AND account_id = :account_id AND {STATE} IN ('queued', 'running') RETURNING claim_no""",
        {"id": task_id, "account_id": account_id},
    )
    if not rows:
        task = find_task(tx, account_id, task_id)
        if task is None:
            return NoSuchTask()
        return Cancelled() if task.cancelled else AlreadyFinished()
    if tx.fetch_all(
        "SELECT id FROM attempts WHERE task_id = :id AND outcome IN ('sending', 'produced') LIMIT 1", {"id": task_id}
    ):
        return CancelRequested()
    fail_task(tx, account_id, task_id, rows[0]["claim_no"], CANCELLED_ERROR, commit_id, render)
    return Cancelled()
