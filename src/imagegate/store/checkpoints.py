"""Bringing SQLite's log into its database beside what is committed meanwhile, and beginning the log again."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

import apsw

from imagegate.concurrency import yield_to_others

# SQLite itself would do it within the commit that reaches 1,000, which then waits for these pages and two flushes. The
# fewer, the less is in the way of a commit's own flush, and the more often a page is copied that changes all the time.
_PAGES = 250
# To begin the log again nobody may be reading or writing it: for how long at most no snapshot begins, how long the next
# commit waits for those that end meanwhile, how long others go on if that was too short, and how often all that is.
_CLOSED_S, _READERS_S, _PAUSE_S, _WAIT_EVERY_S = 0.2, 0.003, 0.01, 6.0
_LOOK_S = 0.0003
_COMMIT_S = 0.05  # for the next commit; while old tasks are purged, one comes each 10 ms


class LogGate:
    """Who may begin to read the log, for all connections of the process to a file."""

    def __init__(self) -> None:
        self._may_read = threading.Event()
        self._may_read.set()
        self._until = 0.0

    def wait_to_read(self) -> None:
        if not self._may_read.is_set():
            self._may_read.wait(max(0.0, self._until - time.monotonic()))

    @contextlib.contextmanager
    def without_snapshots(self) -> Iterator[None]:
        self._until = time.monotonic() + _CLOSED_S
        self._may_read.clear()
        try:
            yield
        finally:
            self._may_read.set()

    @property
    def is_overdue(self) -> bool:
        """Whether somebody reads for longer than others should wait."""
        return time.monotonic() > self._until


class Checkpointer:
    """A thread with the connection `db`, for one that writes. It begins when the log first is long enough.

    The log begins by itself when all of it is in the database and nobody reads it. Of commits and readers that come one
    after the other there is always one in between, so past `kept_bytes` no snapshot begins, and the thread that commits
    does the rest between two commits: this one has to wait for the processor.
    """

    def __init__(self, db: apsw.Connection, log_bytes: Callable[[], int], kept_bytes: int, gate: LogGate) -> None:
        self._db, self._log_bytes, self._kept_bytes, self._gate = db, log_bytes, kept_bytes, gate
        self._db.set_busy_handler(self._must_wait)
        self._lock = threading.Lock()  # whose turn with the connection it is
        self._due, self._restart_due, self._restart_tried = threading.Event(), threading.Event(), threading.Event()
        self._copied = 0  # pages of the log
        self._is_closed = self._has_restarted = False
        self._next_wait = self._readers_until = 0.0
        self._thread: threading.Thread | None = None

    def note_commit(self, pages: int) -> None:
        """After which the log has so many pages."""
        if pages < self._copied:
            self._copied = 0  # it has begun again
        if pages - self._copied >= _PAGES and not self._due.is_set():
            self._due.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="imagegate-checkpoints", daemon=True)
                self._thread.start()

    def close(self) -> None:
        self._is_closed = True
        self._due.set()
        if self._thread is not None:
            self._thread.join()
        self._db.close()

    def _run(self) -> None:
        # Copying thousands of pages a second is work for the processor too: without this one commit in ten waits for
        # its turn there, for 2 ms.
        yield_to_others()
        while self._due.wait() and not self._is_closed:
            self._due.clear()
            self._copied = self._try("PASSIVE") or 0
            if time.monotonic() > self._next_wait and self._log_bytes() > self._kept_bytes:
                self._begin_again()

    def _begin_again(self) -> None:
        self._has_restarted = False
        with self._gate.without_snapshots():
            while True:
                self._try("PASSIVE")  # so that little is left for the commit that waits for the rest
                self._restart_tried.clear()
                self._restart_due.set()
                if not self._restart_tried.wait(_COMMIT_S):  # nobody commits
                    self._restart_due.clear()
                    self._has_restarted = self._try("RESTART") is not None
                if self._has_restarted or self._gate.is_overdue:
                    break
                time.sleep(_PAUSE_S)
        self._next_wait = time.monotonic() + _WAIT_EVERY_S

    def restart_if_due(self) -> None:
        """Between two commits, from their thread."""
        if self._restart_due.is_set():
            self._restart_due.clear()
            self._has_restarted = self._try("RESTART") is not None
            self._restart_tried.set()

    def _try(self, mode: str) -> int | None:
        """Return how many pages of the log are in the database; None where others were in the way.

        A disk that is full or broken is told by the next commit. What is not copied stays in the log.
        """
        with self._lock, contextlib.suppress(apsw.Error):
            self._readers_until = 0.0
            is_busy, _, copied = next(self._db.execute(f"PRAGMA wal_checkpoint({mode})"))
            return None if is_busy else int(copied)
        return None

    def _must_wait(self, _: int) -> bool:
        """Called while somebody reads what was in the log before, for a moment."""
        time.sleep(_LOOK_S)
        now = time.monotonic()
        self._readers_until = self._readers_until or now + _READERS_S
        return now < self._readers_until
