"""Draws thumbnails that nobody has looked at yet: while the gateway is idle, or before their results are deleted."""

from __future__ import annotations

import asyncio
import contextlib
import time

from imagegate.domain.time import US_PER_HOUR
from imagegate.flows.disk_space import is_disk_full
from imagegate.flows.thumbnails import draw_undrawn
from imagegate.runtime import Runtime
from imagegate.store.tasks import has_unfinished_tasks
from imagegate.workers.loop import run_periodically

# Long enough that pauses between a customer's requests do not count as idle, and a started process has more to do.
IDLE_S = 10.0
# Of the sweep's interval: every 5 s.
_POLLS_PER_SWEEP = 12
# Few, so that new work ends the drawing soon.
_BATCH_SIZE = 8
# In the last quarter of its time (six of 24 hours) a result is next, however busy the gateway is.
_LAST_PART = 4


class ThumbnailWorker:
    """One per process. Call `start`, then `stop` once."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._stop = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None

    async def start(self) -> None:
        poll_s = self._runtime.settings.work.sweep_s / _POLLS_PER_SWEEP
        self._loop = asyncio.create_task(run_periodically("thumbnails", poll_s, self.draw_due, self._stop))

    async def stop(self) -> None:
        """At once: what is cut off is drawn again."""
        if self._loop is not None:
            self._loop.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._loop

    async def draw_due(self) -> None:
        """Draw what is next, batch by batch, until nothing is or the gateway has other work."""
        while not self._runtime.wake_ups.draining and await draw_undrawn(
            self._runtime, await self._horizon(), _BATCH_SIZE
        ):
            pass

    async def _horizon(self) -> int:
        """Results that are deleted before this moment are next, UTC microseconds."""
        keep_us = self._runtime.settings.storage.result_hours * US_PER_HOUR
        return self._runtime.clock() + (keep_us if await self._is_idle() else keep_us // _LAST_PART)

    async def _is_idle(self) -> bool:
        runtime = self._runtime
        if time.monotonic() - runtime.wake_ups.last_ended < IDLE_S or runtime.image_pool.busy:
            return False
        return not is_disk_full(runtime) and not await runtime.db.read(has_unfinished_tasks)
