"""Wait for a task to end, without asking the database in a loop."""

from __future__ import annotations

import asyncio

from imagegate.domain.tasks import Task
from imagegate.runtime import Runtime
from imagegate.store.tasks import find_task


async def until_terminal(runtime: Runtime, task: Task, seconds: float) -> Task:
    """The task when it has ended, or as it stands after `seconds`. One look per change, and one at the end.

    Where other processes carry tasks out too, nobody here is told: then it looks as often as the queue is looked at.
    """
    rest = runtime.settings.work.poll_s if runtime.db.engine.shared else None
    try:
        async with asyncio.timeout(seconds):
            while True:
                with runtime.signals.watching(task.id) as changed:
                    task = await _look(runtime, task)
                    if task.terminal or runtime.signals.closing:
                        return task
                    await asyncio.wait([changed], timeout=rest)
    except TimeoutError:
        return await _look(runtime, task)


async def _look(runtime: Runtime, task: Task) -> Task:
    return await runtime.db.read(find_task, task.account_id, task.id) or task
