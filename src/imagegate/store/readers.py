"""Group reads, as writes are: queries that come while others are being read go to a thread together, and come back so.

A hop to a thread and back costs several times the look-up of a row. A query that comes alone goes at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

# One slow query holds up those behind it in its group, but after this long neither those before it nor the next group.
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


class _Group:
    """Queries that go to one thread together. `is_overdue`: it takes so long that others no longer wait for it."""

    __slots__ = ("is_overdue", "line", "queries", "timer")

    def __init__(self, line: _Line, queries: list[QueuedQuery]) -> None:
        self.line = line
        self.queries = queries
        self.is_overdue = False
        self.timer = line.loop.call_later(_MAX_HOLD_S, line.give_up, self)


class _Line:
    """The queries of one event loop. They wait while `most` groups are being read, and so form the next one."""

    def __init__(self, loop: asyncio.AbstractEventLoop, inbox: queue.SimpleQueue[_Group | None], most: int) -> None:
        self.loop = loop
        self._inbox = inbox
        self._most = most
        self._waiting: list[QueuedQuery] = []
        self._running = 0

    def add(self, query: QueuedQuery) -> None:
        self._waiting.append(query)
        if len(self._waiting) == 1 and self._running < self._most:
            self.loop.call_soon(self._send)  # after whatever else is ready now

    def _send(self) -> None:
        while self._waiting and self._running < self._most:
            size = -(-len(self._waiting) // (self._most - self._running))
            group, self._waiting = self._waiting[:size], self._waiting[size:]
            self._running += 1
            self._inbox.put(_Group(self, group))

    def give_up(self, group: _Group) -> None:
        group.is_overdue = True
        self._running -= 1
        self._send()

    def end(self, group: _Group, ended: list[QueuedQuery]) -> None:
        _resolve_all(ended)
        group.timer.cancel()
        if not group.is_overdue:
            self._running -= 1
            self._send()


class Readers:
    """Threads that call `run` for queries.

    `spread`: all of them read at the same time, because a query waits for a server; else one after the other, because
    they would only wait for each other, and a second one begins where a group takes long.
    """

    def __init__(self, run: Run, count: int, *, spread: bool) -> None:
        self._run = run
        self._count = count
        self._most = count if spread else 1
        self._inbox: queue.SimpleQueue[_Group | None] = queue.SimpleQueue()
        self._lines: dict[asyncio.AbstractEventLoop, _Line] = {}
        self._threads: list[threading.Thread] = []

    def read(self, query: Callable[..., Any], args: tuple[Any, ...], in_snapshot: bool) -> Awaitable[Any]:
        loop = asyncio.get_running_loop()
        line = self._lines.get(loop)
        if line is None:
            self._start()
            line = self._lines[loop] = _Line(loop, self._inbox, self._most)
        queued = QueuedQuery(query, args, in_snapshot, loop.create_future())
        line.add(queued)
        return queued.future

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
            loop = group.line.loop
            ended: list[QueuedQuery] = []
            began = time.monotonic()
            for query in group.queries:
                query.run(self._run)
                ended.append(query)
                if time.monotonic() - began > _MAX_HOLD_S:
                    _call(loop, _resolve_all, ended)
                    ended, began = [], time.monotonic()
            _call(loop, group.line.end, group, ended)

    def close(self) -> None:
        """Finish the queries that were sent."""
        for _ in self._threads:
            self._inbox.put(None)
        for thread in self._threads:
            thread.join()


def _call(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *args: Any) -> None:
    with contextlib.suppress(RuntimeError):  # it has been closed, and nobody waits any more
        loop.call_soon_threadsafe(function, *args)


def _resolve_all(queries: list[QueuedQuery]) -> None:
    for query in queries:
        query.resolve()
