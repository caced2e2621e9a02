"""The local spool: what an upstream gave us, safe on disk before anything else is done with it.

One folder per attempt; image files first, then `answer.json` by rename. The answer's presence is the proof that the
attempt produced: a crash after it never buys again. Refuses to know: storage, the database and money.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import msgspec

from imagegate.crash_points import point
from imagegate.domain.usage import Usage, UsageSource

_ANSWER = "answer.json"


class SpooledImage(msgspec.Struct, frozen=True):
    """One image file of the folder; `sha256` in hex."""

    name: str
    media_type: str
    width: int
    height: int
    bytes: int
    sha256: str


class SpooledAnswer(msgspec.Struct, frozen=True):
    """Everything that settling needs. `usage` is None where the upstream did not count.

    `request_id` is the upstream's own name of the call; `cost_nanos` what it says that the call cost us. `partials`
    unfinished pictures came on the way, which reported usage includes and a formula does not. `quality` is the one that
    the upstream says it used, in our words; empty where it says nothing.
    """

    images: tuple[SpooledImage, ...]
    usage: Usage | None
    usage_source: UsageSource
    engine: str | None = None
    request_id: str = ""
    cost_nanos: int | None = None
    partials: int = 0
    quality: str = ""


class Spool:
    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(mode=0o700, parents=True, exist_ok=True)

    def folder(self, attempt_id: str) -> Path:
        """The attempt's own folder. What a worker left in it that died in the middle lies there still."""
        path = self._root / attempt_id
        path.mkdir(mode=0o700, exist_ok=True)
        return path

    def path(self, attempt_id: str, name: str) -> Path:
        return self._root / attempt_id / name

    def finish(self, attempt_id: str, answer: SpooledAnswer) -> None:
        """Make the answer durable: after this returns, a power cut loses nothing."""
        folder = self._root / attempt_id
        draft = folder / f"{_ANSWER}.part"
        with draft.open("wb") as file:
            file.write(msgspec.json.encode(answer))
            file.flush()
            os.fsync(file.fileno())
        draft.rename(folder / _ANSWER)
        sync_folder(folder)
        sync_folder(self._root)
        point("spool.fsynced")

    def answer(self, attempt_id: str) -> SpooledAnswer | None:
        """What the attempt produced, or None where it was cut off before."""
        try:
            return msgspec.json.decode((self._root / attempt_id / _ANSWER).read_bytes(), type=SpooledAnswer)
        except FileNotFoundError:
            return None

    def discard(self, attempt_id: str) -> None:
        shutil.rmtree(self._root / attempt_id, ignore_errors=True)

    def attempts(self) -> list[str]:
        return [entry.name for entry in self._root.iterdir()]


def seal(path: Path) -> tuple[int, str]:
    """Flush a finished file to disk; its size and its SHA-256."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
        os.fsync(file.fileno())
    return path.stat().st_size, digest.hexdigest()


def flush(path: Path) -> None:
    """Flush a finished file to disk, where its size and its digest are known already."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
