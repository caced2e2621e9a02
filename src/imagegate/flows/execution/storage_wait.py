"""A task whose images or references the storage does not take now: it stays with its worker, whose disk has them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from imagegate.blobs import StorageUnavailable
from imagegate.domain.tasks import Task
from imagegate.domain.time import US_PER_SECOND
from imagegate.flows.views.task import STORAGE_RETRY_US
from imagegate.logging import log_warning
from imagegate.runtime import Runtime
from imagegate.store.tasks import note_storage_wait

_MIN_PAUSE_S, _MAX_PAUSE_S = 0.1, STORAGE_RETRY_US / US_PER_SECOND


class StorageWait:
    """The waits of one task. Its lease is renewed meanwhile like that of any other."""

    def __init__(self, runtime: Runtime, task: Task) -> None:
        self._runtime = runtime
        self._task = task
        self._pause_s = _MIN_PAUSE_S

    async def wait(self, error: StorageUnavailable) -> None:
        """Until the storage may work again. The same error where this process is about to end."""
        runtime, task = self._runtime, self._task
        # A drain waits for calls that were sent, not for a storage that may be away for hours.
        runtime.wake_ups.sent_tasks.discard(task.id)
        if runtime.wake_ups.draining:
            raise error
        next_try = runtime.clock() + STORAGE_RETRY_US
        if await runtime.db.write(note_storage_wait, task.account_id, task.id, task.claim_no, next_try):
            log_warning("task_waiting_for_storage", task=task.id, error=str(error))
            runtime.wake_ups.notify_task_moved(task.id)
        runtime.waiting_for_storage.add(task.id)
        try:
            await self._pause(error)
        finally:
            runtime.waiting_for_storage.discard(task.id)
        if runtime.wake_ups.draining:
            raise error

    async def _pause(self, error: StorageUnavailable) -> None:
        async def pause() -> None:
            if error.was_tried:  # the storage may refuse this blob alone, and take all others
                await asyncio.sleep(self._pause_s)
                self._pause_s = min(2 * self._pause_s, _MAX_PAUSE_S)
            await error.outage.wait()

        waits = [asyncio.ensure_future(pause()), asyncio.ensure_future(self._runtime.wake_ups.drain_requested.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()
            await asyncio.gather(*waits, return_exceptions=True)


async def when_stored(runtime: Runtime, task: Task, store: Callable[[], Awaitable[None]]) -> None:
    """Repeat `store` until the storage takes it: what it stores cost money or time to get."""
    waiting = StorageWait(runtime, task)
    while True:
        try:
            await store()
        except StorageUnavailable as error:
            await waiting.wait(error)
        else:
            return
