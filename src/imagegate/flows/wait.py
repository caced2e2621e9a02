"""Waits for a task to end without polling the database."""

from __future__ import annotations

import asyncio

from imagegate.domain.tasks import Task
from imagegate.runtime import Runtime
from imagegate.store.tasks import find_task


async def wait_until_terminal(runtime: Runtime, task: Task, timeout_s: float) -> Task:
    """The task when it has ended, or as it is after `timeout_s`. One read per change, and one at the end.

    Where other processes carry out tasks too, their changes wake nobody here: then the task is read every `poll_s`.
    """
    poll_s = runtime.settings.work.poll_s if runtime.db.engine.shared else None
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                with runtime.wake_ups.watch_task(task.id) as changed:
                    task = await _reload(runtime, task)
                    if task.terminal or runtime.wake_ups.waits_ended:
                        return task
                    await asyncio.wait([changed], timeout=poll_s)
    except TimeoutError:
        return await _reload(runtime, task)


async def _reload(runtime: Runtime, task: Task) -> Task:
    return await runtime.db.read(find_task, task.account_id, task.id) or task
