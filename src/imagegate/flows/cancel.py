"""Cancels a task: [ task failed, hold released, webhook ] while nothing was sent, else [ cancel requested ].

A purchased image is never thrown away: a call that an upstream already works on is left to end, and no further call is
made.
"""

from __future__ import annotations

from imagegate.domain import ids
from imagegate.domain.errors import TaskNotCancellable, TaskNotFound
from imagegate.domain.tasks import Task
from imagegate.flows.task_end import count_task_end
from imagegate.flows.views.task import task_encoder
from imagegate.runtime import Runtime
from imagegate.store import tasks
from imagegate.store.cancellation import AlreadyFinished, Cancelled, NoSuchTask, cancel_task
from imagegate.store.tasks import CancelRequested


async def cancel(runtime: Runtime, task: Task) -> Task:
    """The task as it stands afterwards. TaskNotCancellable where it has ended otherwise."""
    commit_id = ids.new_id("cmt", runtime.clock())
    result = await runtime.db.write(cancel_task, task.account_id, task.id, commit_id, task_encoder(runtime))
    match result:
        case Cancelled() | CancelRequested():
            if isinstance(result, CancelRequested):
                runtime.wake_ups.notify_cancel_requested(task.id)
            runtime.wake_ups.notify_task_changed(task.id)
            runtime.wake_ups.notify_webhooks_due()
            found = await runtime.db.read(tasks.find_task, task.account_id, task.id) or task
            if found.error is not None and not task.terminal:
                count_task_end(runtime, found, error=found.error.code)
            if found.terminal and not found.cancelled:  # before its worker heard of it
                raise TaskNotCancellable
            return found
        case AlreadyFinished():
            raise TaskNotCancellable
        case NoSuchTask():
            raise TaskNotFound
