"""Unfinished images of running tasks, handed to the streams that wait for them in this process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
from collections import defaultdict
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec


class PartialImage(msgspec.Struct, frozen=True):
    """`path` belongs to one stream, which deletes it."""

    index: int
    path: Path


class PartialImages:
    """`publish` gives each stream a file of its own: the upstream's is deleted at once, and one stream may be slow."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._streams: defaultdict[str, list[PartialImageStream]] = defaultdict(list)

    def watch(self, task_id: str) -> PartialImageStream:
        """Close it. Tasks that another process carries out show none here."""
        stream = PartialImageStream(self._streams, task_id)
        self._streams[task_id].append(stream)
        return stream

    async def publish(self, task_id: str, index: int, source: Path) -> None:
        streams = self._streams.get(task_id, ())
        for stream in list(streams):
            path = self._folder / f"partial-{secrets.token_hex(8)}"
            try:
                await asyncio.to_thread(self._give, source, path)
            except OSError:
                return  # a preview is no reason for anything to fail
            if stream.closed:
                path.unlink(missing_ok=True)
            else:
                stream.queue.put_nowait(PartialImage(index, path))

    def _give(self, source: Path, path: Path) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            os.link(source, path)
        except OSError:  # another file system
            shutil.copyfile(source, path)


class PartialImageStream:
    """What one stream is still to send."""

    def __init__(self, streams: defaultdict[str, list[PartialImageStream]], task_id: str) -> None:
        self.queue: asyncio.Queue[PartialImage] = asyncio.Queue()
        self.closed = False
        self._streams = streams
        self._task_id = task_id

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        self._streams[self._task_id].remove(self)
        if not self._streams[self._task_id]:
            del self._streams[self._task_id]
        with contextlib.suppress(asyncio.QueueEmpty):
            while True:
                self.queue.get_nowait().path.unlink(missing_ok=True)
