"""What every upstream is asked and what it may answer.

Knows: the five answers and the seam that each protocol file fills. Refuses to know: routing, money and the database.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

import msgspec

from imagegate.domain.errors import TaskError
from imagegate.domain.images import ImageOrder
from imagegate.domain.usage import Usage
from imagegate.spool import SpooledAnswer

Progress = Callable[[int], Awaitable[None]]


class Call(msgspec.Struct, frozen=True):
    """One attempt. `expected` is the formula's usage, for upstreams that count by it."""

    attempt_id: str
    order: ImageOrder
    expected: Usage
    references: tuple[Path, ...] = ()
    mask: Path | None = None


class Produced(msgspec.Struct, frozen=True):
    """At least one image, in the spool."""

    answer: SpooledAnswer


class Refused(msgspec.Struct, frozen=True):
    """Content policy: ends the task and goes nowhere else."""

    error: TaskError


class Rejected(msgspec.Struct, frozen=True):
    """A bad request: ends the task."""

    error: TaskError


class Unavailable(msgspec.Struct, frozen=True):
    """Proven that no image exists: the next route may be tried."""

    detail: str
    error: TaskError


class Unknown(msgspec.Struct, frozen=True):
    """Possibly billed: the route's policy decides."""

    detail: str


Answer = Produced | Refused | Rejected | Unavailable | Unknown


class Upstream(Protocol):
    """`repeats_exactly`: a call that was cut off costs nothing and may simply be made again."""

    name: str
    repeats_exactly: bool
    typical_s: float

    async def produce(self, call: Call, progress: Progress) -> Answer: ...
    async def close(self) -> None: ...
