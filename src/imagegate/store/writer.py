"""Group commit: waiting commands share one transaction and one flush to disk.

Knows: how commands are taken, run, committed once and answered; what is done when one of them, the commit or the
connection fails. Refuses to know: SQL, and which engine it writes to.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from imagegate.store.engines import Connection, DatabaseError, Engine
from imagegate.store.transaction import Tx

MAX_RETRY_S = 10.0
_RETRY_PAUSE_S = 0.05


class QueuedCommand:
    """A command in the queue, and where its answer goes."""

    __slots__ = ("answer", "args", "command", "error", "future", "loop")

    def __init__(self, command: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.command = command
        self.args = args
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[Any] = self.loop.create_future()
        self.answer: Any = None
        self.error: BaseException | None = None

    @property
    def order(self) -> str:
        """Commands name the account that they touch first: writers that meet lock in the same order."""
        return str(self.args[0]) if self.args else ""

    def resolve(self) -> None:
        if self.future.cancelled():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.answer)


class Writer(threading.Thread):
    """One thread, one connection. `batch` bounds how many commands share a commit."""

    def __init__(self, engine: Engine, inbox: queue.SimpleQueue[QueuedCommand | None], batch: int) -> None:
        super().__init__(name="imagegate-writer", daemon=True)
        self._engine = engine
        self._inbox = inbox
        self._batch = batch
        self._connection: Connection | None = None

    def run(self) -> None:
        while (first := self._inbox.get()) is not None:
            commands = [first, *self._drain()]
            if self._engine.shared:
                commands.sort(key=lambda waiting: waiting.order)
            self._run_batch(commands)
            _resolve_batch(commands)
        self._disconnect()

    def _drain(self) -> Iterable[QueuedCommand]:
        for _ in range(self._batch - 1):
            try:
                waiting = self._inbox.get_nowait()
            except queue.Empty:
                return
            if waiting is None:
                self._inbox.put(None)
                return
            yield waiting

    def _run_batch(self, commands: list[QueuedCommand]) -> None:
        """All in one commit; where one of them fails, one by one, so that its fault hurts nobody else."""
        try:
            self._commit(commands)
        except Exception as error:  # noqa: BLE001  the thread's edge: every error becomes somebody's answer
            failure = self._roll_back(error)
            if failure is None or failure.is_retryable:
                self._run_individually(commands)
            else:
                commands.extend(self._drain())  # they have waited as long as these
                _fail_all(commands, failure)

    def _run_individually(self, commands: list[QueuedCommand]) -> None:
        """A database that does not come back is given up once for all who wait."""
        retry_until = time.monotonic() + MAX_RETRY_S
        for position, waiting in enumerate(commands):
            failure = self._run_one(waiting, retry_until)
            if failure is not None and time.monotonic() > retry_until:
                _fail_all(commands[position:], failure)
                return

    def _run_one(self, waiting: QueuedCommand, retry_until: float) -> DatabaseError | None:
        """Alone, repeated while the failure says that a repeat is sound: commands are made to be repeatable."""
        while True:
            try:
                self._commit([waiting], is_retry=True)
            except Exception as error:  # noqa: BLE001  the thread's edge
                failure = self._roll_back(error)
                if failure is None or not failure.is_retryable or time.monotonic() > retry_until:
                    waiting.error = failure or error
                    return failure
                time.sleep(_RETRY_PAUSE_S)
            else:
                return None

    def _commit(self, commands: list[QueuedCommand], *, is_retry: bool = False) -> None:
        if self._connection is None:
            self._connection = self._engine.connect(readonly=False)
        self._connection.begin()
        tx = Tx(self._connection, is_retry=is_retry)
        for waiting in commands:
            waiting.answer = waiting.command(tx, *waiting.args)
        self._connection.commit()

    def _roll_back(self, error: Exception) -> DatabaseError | None:
        """Roll back; a connection that may be broken is left behind."""
        failure = error if isinstance(error, DatabaseError) else self._engine.translate_error(error)
        if self._connection is None:
            return failure
        if failure is not None and failure.is_retryable:
            self._disconnect()
            return failure
        try:
            self._connection.rollback()
        except Exception:  # noqa: BLE001  the first error is the one that matters
            self._disconnect()
        return failure

    def _disconnect(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.close()


def _fail_all(commands: list[QueuedCommand], failure: DatabaseError) -> None:
    for waiting in commands:
        waiting.error = failure


def _resolve_batch(commands: list[QueuedCommand]) -> None:
    """One wake-up of the event loop for the whole batch."""
    by_loop: dict[asyncio.AbstractEventLoop, list[QueuedCommand]] = {}
    for waiting in commands:
        by_loop.setdefault(waiting.loop, []).append(waiting)
    for loop, resolved in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_resolve_all, resolved)


def _resolve_all(commands: list[QueuedCommand]) -> None:
    for waiting in commands:
        waiting.resolve()
