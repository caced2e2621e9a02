"""Cancelling: an end where nothing was sent, a stored wish where something was.

Knows: which of the two a task allows, decided on its locked row. Refuses to know: what an upstream makes of a wish.
"""

from __future__ import annotations

import msgspec

from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.store.deliveries import RenderWebhook
from imagegate.store.settlement import fail_task
from imagegate.store.tasks import UNFINISHED_STATES, find_task
from imagegate.store.transaction import Tx

CANCELLED_ERROR = TaskError(TaskErrorCode.request_cancelled, "The task was cancelled.")


class Cancelled(msgspec.Struct, frozen=True):
    """The task is failed with `request_cancelled`, now or before; nothing was charged."""


class CancelRequested(msgspec.Struct, frozen=True):
    """A request is with an upstream: the wish is stored, no further one will be made."""


class AlreadyFinished(msgspec.Struct, frozen=True):
    """The task has ended otherwise."""


class NoSuchTask(msgspec.Struct, frozen=True):
    """The account has no such task."""


def cancel_task(
    tx: Tx, account_id: str, task_id: str, commit_id: str, render: RenderWebhook
) -> Cancelled | CancelRequested | AlreadyFinished | NoSuchTask:
    """The first statement takes the row: whoever else would end the task or send for it comes before or after."""
    rows = tx.fetch_all(
        f"""UPDATE tasks SET cancel_wished = COALESCE(cancel_wished, :now)
        WHERE id = :id AND account_id = :account_id AND state IN {UNFINISHED_STATES} RETURNING claim_no, sent""",
        now=tx.now,
        id=task_id,
        account_id=account_id,
    )
    if not rows:
        return _finished_result(tx, account_id, task_id)
    if rows[0]["sent"] is not None:
        return CancelRequested()
    fail_task(tx, account_id, task_id, rows[0]["claim_no"], CANCELLED_ERROR, commit_id, render)
    return Cancelled()


def _finished_result(tx: Tx, account_id: str, task_id: str) -> Cancelled | AlreadyFinished | NoSuchTask:
    task = find_task(tx, account_id, task_id)
    if task is None:
        return NoSuchTask()
    return Cancelled() if task.cancelled else AlreadyFinished()
