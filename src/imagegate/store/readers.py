"""Group reads: queries that are asked in the same turn of the event loop go to one thread together, and come back so.

A hop to a thread and back costs several times the look-up of a row. Alone a query has a thread at once, as before.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

# Results are given back after this long even where more of the group are to be read: one slow query holds up those
# behind it, but not those before it.
_MAX_HOLD_S = 0.002

Run = Callable[[Callable[..., Any], tuple[Any, ...], bool], Any]


class QueuedQuery:
    """A query in the queue, and where its result goes."""

    __slots__ = ("args", "error", "future", "in_snapshot", "query", "result")

    def __init__(
        self, query: Callable[..., Any], args: tuple[Any, ...], in_snapshot: bool, future: asyncio.Future[Any]
    ) -> None:
        self.query = query
        self.args = args
        self.in_snapshot = in_snapshot
        self.future = future
        self.result: Any = None
        self.error: Exception | None = None

    def run(self, run: Run) -> None:
        if self.future.cancelled():
            return
        try:
            self.result = run(self.query, self.args, self.in_snapshot)
        except Exception as error:  # noqa: BLE001  the thread's edge: every error becomes somebody's result
            self.error = error

    def resolve(self) -> None:
        if self.future.cancelled():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


Group = tuple[asyncio.AbstractEventLoop, list[QueuedQuery]]


class Readers:
    """Threads that call `run` for queries. `spread`: a group is divided between them, because a query waits for a
    server; else one thread reads it, because they would wait for each other."""

    def __init__(self, run: Run, count: int, *, spread: bool) -> None:
        self._run = run
        self._count = count
        self._spread = spread
        self._inbox: queue.SimpleQueue[Group | None] = queue.SimpleQueue()
        self._pending: dict[asyncio.AbstractEventLoop, list[QueuedQuery]] = {}
        self._threads: list[threading.Thread] = []

    def read(self, query: Callable[..., Any], args: tuple[Any, ...], in_snapshot: bool) -> Awaitable[Any]:
        loop = asyncio.get_running_loop()
        queued = QueuedQuery(query, args, in_snapshot, loop.create_future())
        group = self._pending.get(loop)
        if group is None:
            self._pending[loop] = [queued]
            loop.call_soon(self._send, loop)  # after whatever else is ready now
        else:
            group.append(queued)
        return queued.future

    def _send(self, loop: asyncio.AbstractEventLoop) -> None:
        self._start()
        group = self._pending.pop(loop)
        size = -(-len(group) // self._count) if self._spread else len(group)
        for start in range(0, len(group), size):
            self._inbox.put((loop, group[start : start + size]))

    def _start(self) -> None:
        if not self._threads:
            self._threads = [
                threading.Thread(target=self._work, name=f"imagegate-reader-{number}", daemon=True)
                for number in range(self._count)
            ]
            for thread in self._threads:
                thread.start()

    def _work(self) -> None:
        while (group := self._inbox.get()) is not None:
            loop, queries = group
            ended: list[QueuedQuery] = []
            began = time.monotonic()
            for query in queries:
                query.run(self._run)
                ended.append(query)
                if time.monotonic() - began > _MAX_HOLD_S:
                    _resolve(loop, ended)
                    ended, began = [], time.monotonic()
            _resolve(loop, ended)

    def close(self) -> None:
        """Finish the queries that wait."""
        for _ in self._threads:
            self._inbox.put(None)
        for thread in self._threads:
            thread.join()


def _resolve(loop: asyncio.AbstractEventLoop, queries: list[QueuedQuery]) -> None:
    """Wake the event loop once for all of them."""
    if queries:
        with contextlib.suppress(RuntimeError):  # it has been closed, and nobody waits any more
            loop.call_soon_threadsafe(_resolve_all, queries)


def _resolve_all(queries: list[QueuedQuery]) -> None:
    for query in queries:
        query.resolve()
