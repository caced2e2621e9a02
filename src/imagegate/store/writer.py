"""Group commit: waiting commands share one transaction and one flush to disk."""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from imagegate.counters import DatabaseCounters
from imagegate.job import Job, resolve_all
from imagegate.store.dialect import Connection, DatabaseError, Engine
from imagegate.store.transaction import TOGETHER, Tx

# A database that does not come back within this time fails the commands that wait for it.
MAX_RETRY_S = 10.0
_RETRY_PAUSE_S = 0.05
# Before the program works through old rows: whoever waited for the commit before has the processor to answer.
_GIVE_WAY_S = 0.0005

# Commands of one batch run in this order, the same in every writer: writers that want the same rows wait for each
# other in a line, never in a circle. The rank comes first, then the name of the row.
LockKey = tuple[int, str]
BUCKET_RANK, ACCOUNT_RANK, SUBMIT_RANK = 0, 1, 2


class QueuedCommand(Job):
    """A command in the queue."""

    __slots__ = ("is_apart", "lock_key")

    def __init__(
        self, function: Callable[..., Any], args: tuple[Any, ...], lock_key: LockKey, *, is_apart: bool = False
    ) -> None:
        super().__init__(function, args)
        self.lock_key, self.is_apart = lock_key, is_apart


Inbox = queue.SimpleQueue[QueuedCommand | None]


class Writer(threading.Thread):
    """One thread, one connection. At most `max_batch` commands share a commit."""

    def __init__(self, engine: Engine, inbox: Inbox, max_batch: int, counters: DatabaseCounters) -> None:
        super().__init__(name="imagegate-writer", daemon=True)
        self._engine = engine
        self._inbox = inbox
        self._max_batch = max_batch
        self._counters = counters
        self._connection: Connection | None = None

    def run(self) -> None:
        while (first := self._inbox.get()) is not None:
            batch = [first, *self._drain()]
            if self._engine.shared:
                batch.sort(key=lambda command: command.lock_key)
            urgent, apart = [one for one in batch if not one.is_apart], [one for one in batch if one.is_apart]
            if urgent:
                self._run_batch(urgent)
                resolve_all(urgent)
            if apart:
                time.sleep(_GIVE_WAY_S)
                self._run_batch(apart)
                resolve_all(apart)
        self._disconnect()

    def _drain(self) -> Iterable[QueuedCommand]:
        for _ in range(self._max_batch - 1):
            try:
                command = self._inbox.get_nowait()
            except queue.Empty:
                return
            if command is None:  # the end, for whichever writer comes next
                self._inbox.put(None)
                return
            yield command

    def _run_batch(self, batch: list[QueuedCommand]) -> None:
        """All in one commit; where one of them fails, one by one, so that its error hurts nobody else."""
        try:
            self._commit(batch)
        except Exception as error:  # noqa: BLE001  the thread's edge: every error becomes somebody's result
            failure = self._roll_back(error)
            if failure is None or failure.is_retryable:
                self._run_individually(batch)
            else:
                batch.extend(self._drain())  # they have waited as long as these
                _fail_all(batch, failure)

    def _run_individually(self, batch: list[QueuedCommand]) -> None:
        """A database that does not come back is given up once for all who wait."""
        retry_until = time.monotonic() + MAX_RETRY_S
        for position, command in enumerate(batch):
            failure = self._run_one(command, retry_until)
            if failure is not None and time.monotonic() > retry_until:
                _fail_all(batch[position:], failure)
                return

    def _run_one(self, command: QueuedCommand, retry_until: float) -> DatabaseError | None:
        """Alone, repeated while the error says that a repeat is sound: commands are written to be repeatable."""
        while True:
            try:
                self._commit([command], is_retry=True)
            except Exception as error:  # noqa: BLE001  the thread's edge
                failure = self._roll_back(error)
                if failure is None or not failure.is_retryable or time.monotonic() > retry_until:
                    command.error = failure or error
                    return failure
                time.sleep(_RETRY_PAUSE_S)
            else:
                return None

    def _commit(self, batch: list[QueuedCommand], *, is_retry: bool = False) -> None:
        if self._connection is None:
            self._connection = self._engine.connect(readonly=False)
        began = time.perf_counter()
        self._connection.begin()
        tx = Tx(self._connection, is_retry=is_retry)
        for commands in _groups(batch):
            _run(tx, commands)
        tx.finish()
        self._connection.commit()
        self._counters.count_commit(time.perf_counter() - began)

    def _roll_back(self, error: Exception) -> DatabaseError | None:
        """Roll back and return the database's error, if it is one; a connection that may be broken is closed."""
        failure = error if isinstance(error, DatabaseError) else self._engine.translate_error(error)
        if failure is not None:
            self._counters.count_error("write")
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


def _groups(batch: list[QueuedCommand]) -> Iterator[list[QueuedCommand]]:
    """Neighbours that run together."""

    def group_of(command: QueuedCommand) -> object:
        return command.function if command.function in TOGETHER else command

    for _, commands in itertools.groupby(batch, group_of):
        yield list(commands)


def _run(tx: Tx, commands: list[QueuedCommand]) -> None:
    first = commands[0]
    if len(commands) == 1:
        first.result = first.function(tx, *first.args)
        return
    results = TOGETHER[first.function](tx, [command.args for command in commands])
    for command, result in zip(commands, results, strict=True):
        command.result = result


def _fail_all(batch: list[QueuedCommand], failure: DatabaseError) -> None:
    for command in batch:
        command.error = failure
