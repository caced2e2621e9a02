"""The history of one task: every stored change of what its customer sees, numbered for the event stream.

Knows: which stored steps a customer can tell apart. Refuses to know: how an event is written.
"""

from __future__ import annotations

import msgspec

from imagegate.domain.tasks import Task, TaskState, public_status
from imagegate.domain.time import US_PER_SECOND
from imagegate.store.tasks import find_task
from imagegate.store.transaction import Tx


class TaskChange(msgspec.Struct, frozen=True):
    """Change number `number`, from 1: the task had this state, claim number and progress from `at` on."""

    number: int
    state: TaskState
    claim_no: int
    progress: int
    at: int

    @property
    def status(self) -> str:
        return public_status(self.state, self.claim_no)


def load_history(tx: Tx, account_id: str, task_id: str) -> tuple[Task, list[TaskChange]] | None:
    """The task and its changes so far. Ask for it in a snapshot: both must be of one moment."""
    task = find_task(tx, account_id, task_id)
    if task is None:
        return None
    rows = tx.fetch_all("SELECT state, claim_no, progress, at FROM steps WHERE task_id = :id ORDER BY seq", id=task_id)
    changes: list[TaskChange] = []
    for row in rows:
        change = TaskChange(len(changes) + 1, TaskState(row["state"]), row["claim_no"], row["progress"], row["at"])
        if not changes or _is_distinct(changes[-1], change):
            changes.append(change)
    return task, changes


def _is_distinct(last: TaskChange, change: TaskChange) -> bool:
    """Another status, or progress that is a second younger. It depends on what came before alone: every server, now
    or later, gives a change the same number."""
    if change.status != last.status:
        return True
    return change.progress != last.progress and change.at - last.at >= US_PER_SECOND
