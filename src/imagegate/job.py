"""Calls that a thread carries out for event loops, several in a row, reported together.

A hop to a thread and back costs more than most of the work that is done there. Under load the next calls wait while
the thread is at work, so that they share the wake-ups of both sides.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Job:
    """A call in the queue of a thread, and where its result goes. Create it in the loop that waits for it."""

    __slots__ = ("args", "error", "function", "future", "loop", "result")

    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.function = function
        self.args = args
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self, *first: Any) -> None:
        """From the thread; `first` come before the arguments."""
        try:
            self.result = self.function(*first, *self.args)
        except Exception as error:  # noqa: BLE001  the thread's edge: every error becomes somebody's result
            self.error = error

    def resolve(self) -> None:
        if self.future.cancelled():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


def resolve_all(jobs: Iterable[Job]) -> None:
    """From the thread: wake each event loop once for all of its jobs."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Job]] = {}
    for job in jobs:
        by_loop.setdefault(job.loop, []).append(job)
    for loop, own in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_resolve, own)


def _resolve(jobs: list[Job]) -> None:
    for job in jobs:
        job.resolve()


class JobThread:
    """One thread, started at its first job. What comes meanwhile waits, and up to `max_batch` are carried out in a row.

    `close` finishes what waits.
    """

    def __init__(self, name: str, max_batch: int) -> None:
        self._name = name
        self._max_batch = max_batch
        self._inbox: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    async def call(self, function: Callable[P, T], *args: P.args, **_: P.kwargs) -> T:
        """Run it in the thread. It runs to its end, and is waited for, also where the caller is cancelled."""
        job = Job(function, args)
        self.enqueue(job)
        try:
            result: T = await asyncio.shield(job.future)
        except asyncio.CancelledError:
            await asyncio.wait([job.future])
            raise
        return result

    def enqueue(self, job: Job) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        self._inbox.put(job)

    def close(self) -> None:
        if self._thread is not None:
            self._inbox.put(None)
            self._thread.join()
            self._thread = None

    def run_batch(self, batch: list[Job]) -> None:
        for job in batch:
            job.run()

    def _run(self) -> None:
        while (first := self._inbox.get()) is not None:
            batch, is_last = [first], False
            with suppress(queue.Empty):
                while len(batch) < self._max_batch:
                    job = self._inbox.get_nowait()
                    if job is None:
                        is_last = True
                        break
                    batch.append(job)
            self.run_batch(batch)
            resolve_all(batch)
            if is_last:
                return
