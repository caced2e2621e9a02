"""Cancel a task: [ task failed, hold released, webhook ] while nothing was sent, else [ wish ].

A picture that was bought is never thrown away: what an upstream already works on ends as it ends, and nothing further
is sent. If we die after the commit it is done; before it nothing happened, and the customer asks again.
"""

from __future__ import annotations

from imagegate.domain import ids
from imagegate.domain.errors import TaskNotCancellable, TaskNotFound
from imagegate.domain.tasks import Task
from imagegate.flows.views.task import task_body
from imagegate.runtime import Runtime
from imagegate.store import tasks
from imagegate.store.cancellation import Cancelled, TooLate, UnknownTask, Wished, cancel_task


async def cancel(runtime: Runtime, task: Task) -> Task:
    """The task as it stands afterwards. TaskNotCancellable where it has ended otherwise."""
    commit_id = ids.new_id("cmt", runtime.clock())
    answer = await runtime.db.write(cancel_task, task.account_id, task.id, commit_id, task_body(runtime))
    match answer:
        case Cancelled() | Wished():
            if isinstance(answer, Wished):
                runtime.signals.unwanted.add(task.id)
            runtime.signals.task_changed(task.id)
            runtime.signals.hooks.set()
            return await runtime.db.read(tasks.find_task, task.account_id, task.id) or task
        case TooLate():
            raise TaskNotCancellable
        case UnknownTask():
            raise TaskNotFound
