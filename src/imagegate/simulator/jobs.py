"""Jobs that are submitted once and polled. Their state is computed from the clock, so little is stored.

With a file, jobs survive the process: it holds one JSON line for each submit and each cancel.
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
_PROCESSING_FROM = 0.1  # the share of its latency that a job spends pending


# The `rename`s keep state files of earlier versions readable.
class Job(msgspec.Struct, kw_only=True, rename={"protocol": "shape", "images": "pictures"}):
    """One job. `created`, `ready` and `cancelled` are in Unix seconds; `failure` is empty for a job that will complete.

    `fingerprint` is the request's hash: the same `key` with another one is a conflict.
    """

    id: str
    protocol: str
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
        fraction = self._fraction_done(now)
        if self.cancelled:
            return "cancelled"
        if "task-lost" in self.faults and fraction >= 0.5:
            return "lost"
        if fraction < 1:
            return "pending" if fraction < _PROCESSING_FROM else "processing"
        return "failed" if self.failure else "completed"

    def progress(self, now: float) -> int:
        return min(100, int(self._fraction_done(now) * 100))

    def _fraction_done(self, now: float) -> float:
        return 1.0 if now >= self.ready else (now - self.created) / (self.ready - self.created)


class _LogRecord(msgspec.Struct, omit_defaults=True, rename={"job": "ticket"}):
    """One line of the state file: a new job, or a cancellation."""

    job: Job | None = None
    cancelled: str = ""
    at: float = 0.0
    refunded: bool = False


class JobStore:
    """All jobs of this run, and with a file those of earlier runs. Raises ValueError for a file of another format."""

    def __init__(self, file: Path | None = None) -> None:
        self._by_id: dict[str, Job] = {}
        self._by_key: dict[tuple[str, str], Job] = {}
        self._file = file
        for record in _read_records(file):
            self._apply(record)

    def __iter__(self) -> Iterator[Job]:
        return iter(self._by_id.values())

    def get(self, job_id: str) -> Job | None:
        return self._by_id.get(job_id)

    def find(self, protocol: str, job_id: str) -> Job | None:
        found = self._by_id.get(job_id)
        return found if found and found.protocol == protocol else None

    def find_by_key(self, protocol: str, key: str) -> Job | None:
        return self._by_key.get((protocol, key)) if key else None

    def add(self, job: Job) -> None:
        self._append(_LogRecord(job=job))

    def cancel(self, job: Job, now: float, *, refunded: bool) -> None:
        self._append(_LogRecord(cancelled=job.id, at=now, refunded=refunded))

    def _append(self, record: _LogRecord) -> None:
        """Write the file first: a job that a client has seen must survive a SIGKILL."""
        if self._file is not None:
            with self._file.open("ab", buffering=0) as file:
                file.write(msgspec.json.encode(record) + b"\n")
        self._apply(record)

    def _apply(self, record: _LogRecord) -> None:
        if record.job is not None:
            self._by_id[record.job.id] = record.job
            if record.job.key:
                self._by_key[record.job.protocol, record.job.key] = record.job
        elif record.cancelled in self._by_id:
            ended = self._by_id[record.cancelled]
            ended.cancelled, ended.refunded = record.at, record.refunded


def _read_records(file: Path | None) -> Iterator[_LogRecord]:
    """A last line that a crash truncated is skipped: no client has seen that job."""
    if file is None or not file.exists():
        return
    for number, text in enumerate(file.read_bytes().split(b"\n")[:-1], 1):
        try:
            yield msgspec.json.decode(text, type=_LogRecord)
        except msgspec.DecodeError as error:
            raise ValueError(f"{file} is not a state file of a simulator; line {number}: {error}") from error
