"""What a process does in the background that serves and leaves tasks, sweeps and webhooks to other processes."""

from __future__ import annotations

import asyncio

from imagegate.flows.clock import follow_clock
from imagegate.flows.maintenance import look_after_process, wake_waiting
from imagegate.runtime import Runtime
from imagegate.workers.loop import CLOCK_LOOK_S, run_periodically


class ServingWorker:
    """One per process. Call `start`, then `stop` once."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._stop = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        runtime, sweep_s = self._runtime, self._runtime.settings.work.sweep_s
        loops = [
            run_periodically("process", sweep_s, lambda: look_after_process(runtime), self._stop),
            # A route is reset here, by an operator: the tasks that wait for it need not wait for their next look.
            run_periodically("waiting", 3600, lambda: wake_waiting(runtime), self._stop, runtime.wake_ups.routes_back),
            run_periodically("clock", CLOCK_LOOK_S, lambda: follow_clock(runtime), self._stop),
        ]
        self._loops = [asyncio.create_task(loop) for loop in loops]

    async def stop(self) -> None:
        self._stop.set()
        await asyncio.gather(*self._loops)
