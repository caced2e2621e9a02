"""Waits for a task to end without polling the database."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from imagegate.domain.tasks import Task
from imagegate.domain.time import US_PER_SECOND
from imagegate.logging import log_warning
from imagegate.runtime import Runtime
from imagegate.store.answers import LIVE_US, renew_answers
from imagegate.store.dialect import DatabaseError
from imagegate.store.queries.tasks import find_moved_tasks

_RENEWED_TOGETHER = 256


async def wait_until_terminal(
    runtime: Runtime, task_id: str, load: Callable[[], Awaitable[Task]], timeout_s: float
) -> Task:
    """The task when it has ended, or as it is after `timeout_s`. One read at first, and one per change.

    Nothing of the task is held meanwhile: thousands may wait.
    """
    loop = asyncio.get_running_loop()
    ends, is_late = loop.time() + timeout_s, False
    while True:
        with runtime.wake_ups.watch_task(task_id, only_end=True) as watch:
            task = await load()
            if task.terminal or is_late or runtime.wake_ups.waits_ended:
                return task
            del task
            timer = loop.call_at(ends, watch.wake)
            try:
                await watch.wait()
            finally:
                timer.cancel()
            is_late = not watch.changed


async def follow_other_processes(runtime: Runtime) -> None:
    """Where other processes carry out tasks too, their changes wake nobody here: look every `poll_s`, for all who wait
    at once."""
    while True:
        await asyncio.sleep(runtime.settings.work.poll_s)
        if watched := runtime.wake_ups.watched_tasks():
            try:
                moved = await runtime.db.read_report(find_moved_tasks, watched)
            except DatabaseError as error:
                log_warning("waits_not_followed", error=str(error))
                continue
            for task_id in moved:
                runtime.wake_ups.notify_task_changed(task_id)


async def renew_live_answers(runtime: Runtime) -> None:
    """Where other processes serve too, they take a task for lost that no connection of theirs waits for: tell them of
    ours, for as long as this process lives."""
    while True:
        await asyncio.sleep(LIVE_US / US_PER_SECOND / 3)
        waited_for = runtime.live_answers.task_ids()
        try:
            for start in range(0, len(waited_for), _RENEWED_TOGETHER):
                await runtime.db.write(renew_answers, runtime.boot_id, waited_for[start : start + _RENEWED_TOGETHER])
        except DatabaseError as error:
            log_warning("answers_not_renewed", error=str(error))
