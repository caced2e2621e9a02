"""A call that a thread carries out for an event loop, and how many of them are reported at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any


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
