"""Work that is asked for once and polled for later. Its state follows from the clock, so that little need be kept.

Knows: when a ticket starts, ends and how; that a key names one purchase; a file of JSON lines that outlives the
process. Refuses to know: how a shape writes any of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from imagegate.domain.usage import Usage
from imagegate.simulator.faults import Faults
from imagegate.simulator.images import ImageSpec

State = Literal["pending", "processing", "completed", "failed", "cancelled", "lost"]
_PROCESSING_FROM = 0.1


class Job(msgspec.Struct, kw_only=True):
    """`created`, `ready` and `cancelled` in Unix seconds. `failure` is empty where pictures come of it.

    `fingerprint` is the request's hash: the same `key` with another one is a conflict.
    """

    id: str
    shape: str
    model: str
    created: float
    ready: float
    images: list[ImageSpec]
    usage: Usage
    nanos: int
    failure: str = ""
    message: str = ""
    faults: Faults = {}
    key: str = ""
    fingerprint: str = ""
    cancelled: float = 0.0
    refunded: bool = False
    polls: int = 0
    downloads: int = 0

    @property
    def billed(self) -> bool:
        return not self.failure and not self.refunded

    def state(self, now: float) -> State:
        share = self._fraction_done(now)
        if self.cancelled:
            return "cancelled"
        if "task-lost" in self.faults and share >= 0.5:
            return "lost"
        if share < 1:
            return "pending" if share < _PROCESSING_FROM else "processing"
        return "failed" if self.failure else "completed"

    def progress(self, now: float) -> int:
        return min(100, int(self._fraction_done(now) * 100))

    def _fraction_done(self, now: float) -> float:
        return 1.0 if now >= self.ready else (now - self.created) / (self.ready - self.created)


class _LogRecord(msgspec.Struct, omit_defaults=True):
    """One line of the file: a new ticket, or the end of one."""

    ticket: Job | None = None
    cancelled: str = ""
    at: float = 0.0
    refunded: bool = False


class JobStore:
    """All tickets of this run, and with a file those of earlier runs. ValueError where the file is of another kind."""

    def __init__(self, file: Path | None = None) -> None:
        self._by_id: dict[str, Job] = {}
        self._by_key: dict[tuple[str, str], Job] = {}
        self._file = file
        for line in _read_records(file):
            self._apply(line)

    def __iter__(self) -> Iterator[Job]:
        return iter(self._by_id.values())

    def get(self, ticket_id: str) -> Job | None:
        return self._by_id.get(ticket_id)

    def find(self, shape: str, ticket_id: str) -> Job | None:
        found = self._by_id.get(ticket_id)
        return found if found and found.shape == shape else None

    def find_by_key(self, shape: str, key: str) -> Job | None:
        return self._by_key.get((shape, key)) if key else None

    def add(self, ticket: Job) -> None:
        self._append(_LogRecord(ticket=ticket))

    def cancel(self, ticket: Job, now: float, *, refunded: bool) -> None:
        self._append(_LogRecord(cancelled=ticket.id, at=now, refunded=refunded))

    def _append(self, line: _LogRecord) -> None:
        """On file first: what was announced is remembered even if the process is killed."""
        if self._file is not None:
            with self._file.open("ab", buffering=0) as file:
                file.write(msgspec.json.encode(line) + b"\n")
        self._apply(line)

    def _apply(self, line: _LogRecord) -> None:
        if line.ticket is not None:
            self._by_id[line.ticket.id] = line.ticket
            if line.ticket.key:
                self._by_key[line.ticket.shape, line.ticket.key] = line.ticket
        elif line.cancelled in self._by_id:
            ended = self._by_id[line.cancelled]
            ended.cancelled, ended.refunded = line.at, line.refunded


def _read_records(file: Path | None) -> Iterator[_LogRecord]:
    """A last line that was cut off by a crash was never announced and is passed over."""
    if file is None or not file.exists():
        return
    for number, text in enumerate(file.read_bytes().split(b"\n")[:-1], 1):
        try:
            yield msgspec.json.decode(text, type=_LogRecord)
        except msgspec.DecodeError as error:
            raise ValueError(f"{file} holds no tasks of a simulator; line {number}: {error}") from error
