"""Waits for a task to end without polling the database."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from imagegate.domain.tasks import Task
from imagegate.runtime import Runtime


async def wait_until_terminal(
    runtime: Runtime, task_id: str, load: Callable[[], Awaitable[Task]], timeout_s: float, *, is_new: bool = False
) -> Task:
    """The task when it has ended, or as it is after `timeout_s`. One read at first, and one per change.

    `is_new`: the caller has just created it, and has not given way to anything since: the first read can tell nothing.
    Another process may have ended it meanwhile, and have told so before anybody waited here.
    Nothing of the task is held meanwhile: thousands may wait.
    """
    loop = asyncio.get_running_loop()
    is_new = is_new and not runtime.db.engine.shared
    ends, is_late = loop.time() + timeout_s, False
    while True:
        with runtime.wake_ups.watch_task(task_id, only_end=True) as watch:
            if not is_new or runtime.wake_ups.waits_ended:
                task = await load()
                if task.terminal or is_late or runtime.wake_ups.waits_ended:
                    return task
                del task
            is_new = False
            timer = loop.call_at(ends, watch.wake)
            try:
                await watch.wait()
            finally:
                timer.cancel()
            is_late = not watch.changed
