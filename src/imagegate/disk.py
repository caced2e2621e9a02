"""The disk's thread: work that makes files runs there in turn, and what it wrote is flushed for all of it together.

A flush costs about the same for one file as for many, as a commit does. Like a commit it is reported when it is done:
whoever waits for `run` knows that a power cut loses nothing of it.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Concatenate, Final, ParamSpec, TypeVar

from imagegate.job import Job, JobThread

P = ParamSpec("P")
T = TypeVar("T")

_MAX_BATCH: Final = 256
# From so many on, flushing the whole file system costs less than flushing them one by one.
_MANY: Final = 4
# Something else writes much to the same file system: for a while we flush our own files alone.
_SLOW_S: Final = 1.0
_PAUSE_AFTER_SLOW_S: Final = 60.0


class Unflushed:
    """What the work of one batch wrote: files by their final names, and folders in which names appeared."""

    def __init__(self) -> None:
        self.files: dict[Path, None] = {}
        self.folders: dict[Path, None] = {}

    def add_file(self, path: Path) -> None:
        self.files[path] = None

    def add_folder(self, path: Path) -> None:
        self.folders[path] = None


class DiskWriter(JobThread):
    """Its work gets the batch's Unflushed as its first argument."""

    def __init__(self) -> None:
        super().__init__("imagegate-disk", _MAX_BATCH)
        self._flusher = _Flusher()

    async def run(self, work: Callable[Concatenate[Unflushed, P], T], *args: P.args, **_: P.kwargs) -> T:
        """Run it in the thread, and wait until what it added to its Unflushed is on disk.

        OSError of the work, or of the flush: then nothing is known to be on disk.
        """
        job = Job(work, args)
        self.enqueue(job)
        result: T = await job.future
        return result

    def post(self, work: Callable[Concatenate[Unflushed, P], object], *args: P.args, **_: P.kwargs) -> None:
        """Run it some time, for nobody: what is not done when the process dies has to be repaired by a sweep."""
        job = Job(work, args)
        job.future.add_done_callback(lambda done: done.cancelled() or done.exception())
        self.enqueue(job)

    def run_batch(self, batch: list[Job]) -> None:
        unflushed = Unflushed()
        for job in batch:
            job.run(unflushed)
        try:
            self._flusher.flush(unflushed)
        except OSError as error:
            # After a failed flush the system may call the next one a success: all of the batch has failed.
            for job in batch:
                job.error = job.error or error


class _Flusher:
    def __init__(self) -> None:
        self._alone_until = 0.0

    def flush(self, unflushed: Unflushed) -> None:
        files, folders = unflushed.files, unflushed.folders
        if len(files) + len(folders) >= _MANY and _syncfs is not None and time.monotonic() >= self._alone_until:
            started = time.monotonic()
            _sync_file_systems({path.parent for path in files} | folders.keys())
            if time.monotonic() - started > _SLOW_S:
                self._alone_until = time.monotonic() + _PAUSE_AFTER_SLOW_S
            return
        # The files first, so that a name never shows a file whose content may still be lost.
        for path in (*files, *folders):
            with suppress(FileNotFoundError):  # deleted meanwhile: nobody needs it
                fsync(path)


def fsync(path: Path) -> None:
    """Flush one file, or the names in one folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _find_syncfs() -> Callable[[int], int] | None:
    """Linux from 5.8 on, which reports a failed write to whoever calls it next; before, syncfs hid it."""
    if sys.platform != "linux":
        return None
    version = [int(part) for part in re.findall(r"\d+", platform.release())[:2]]
    library = ctypes.CDLL(None, use_errno=True)
    return getattr(library, "syncfs", None) if version >= [5, 8] else None


_syncfs = _find_syncfs()


def _sync_file_systems(folders: Iterable[Path]) -> None:
    handles: dict[int, int] = {}
    try:
        for folder in folders:
            handle = os.open(folder, os.O_RDONLY)
            device = os.fstat(handle).st_dev
            if device in handles:
                os.close(handle)
            else:
                handles[device] = handle
        for handle in handles.values():
            assert _syncfs is not None
            if _syncfs(handle) != 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    finally:
        for handle in handles.values():
            os.close(handle)
