"""What every upstream is asked and what it may answer.

Knows: the five answers, how bad an unavailability is, and the seam that each protocol file fills. Refuses to know:
routing, money and the database.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

import msgspec

from imagegate.domain.errors import TaskError
from imagegate.domain.images import ImageOrder
from imagegate.domain.tasks import FailureKind
from imagegate.domain.usage import Usage
from imagegate.spool import SpooledResponse

__all__ = [
    "Call",
    "CallHooks",
    "CallOutcome",
    "FailureKind",
    "Produced",
    "ProgressHook",
    "RecoveryMode",
    "Refused",
    "Rejected",
    "Unavailable",
    "Unknown",
    "Upstream",
]

ProgressHook = Callable[[int], Awaitable[None]]
PartialImageHook = Callable[[int, Path], Awaitable[None]]


async def _ignore(*_: object) -> None:
    """Tells nobody."""


class CallHooks(msgspec.Struct, frozen=True, kw_only=True):
    """What a call may tell its task while it runs, and ask of it.

    `on_progress` takes 0 to 99. `save_ref` returns after the upstream's own id of the work is committed: from then on a
    call that was cut off is taken up again with `ref`. `cancel_requested` tells that the customer wishes no more of it.
    `on_partial_image` takes the number, from 0, and the file of an unfinished picture; the file is gone when it
    returns.
    """

    on_progress: ProgressHook = _ignore
    on_partial_image: PartialImageHook = _ignore
    save_ref: Callable[[str], Awaitable[None]] = _ignore
    cancel_requested: Callable[[], bool] = lambda: False


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt, made once. Files lie on this machine.

    `order.n` images are wanted of `model`, the upstream's own name. `expected` is the formula's usage, for upstreams
    that count by it. `customer` is an opaque name of the account that tells upstreams customers apart. `ref` is what
    `CallHooks.save_ref` was given by an earlier call of this very attempt, empty when it was never called.
    `partial_images`
    unfinished pictures are wanted on the way; an upstream that shows none may ignore it. In the mask, alpha 0 is
    repainted and alpha 255 stays: files with other values are made to fit before they come here.
    `hop` counts the gateways that the request has passed before this one.
    """

    attempt_id: str
    order: ImageOrder
    expected: Usage
    model: str = ""
    references: tuple[Path, ...] = ()
    mask: Path | None = None
    customer: str = ""
    ref: str = ""
    partial_images: int = 0
    hop: int = 0


class Produced(msgspec.Struct, frozen=True):
    """At least one image, in the spool."""

    answer: SpooledResponse


class Refused(msgspec.Struct, frozen=True):
    """Content policy: ends the task and goes nowhere else.

    Here and below `request_id` is the upstream's own name of the call, and `detail` its words, for the operator.
    """

    error: TaskError
    request_id: str = ""
    detail: str = ""


class Rejected(msgspec.Struct, frozen=True):
    """A bad request: ends the task. `unmapped` where no row of the error table fits: the operator is told."""

    error: TaskError
    request_id: str = ""
    unmapped: bool = False
    detail: str = ""


class Unavailable(msgspec.Struct, frozen=True):
    """Proven that no image exists: the next route may be tried. `detail` is for the operator.

    `error` is what the customer reads if no other route is left. `retry_after_s` of 0 means that nothing was said.
    """

    detail: str
    error: TaskError
    trouble: FailureKind = FailureKind.failing
    retry_after_s: float = 0.0
    request_id: str = ""


class Unknown(msgspec.Struct, frozen=True):
    """Possibly billed: the route's policy decides. `bad_body`: an answer came and held no readable image.

    `usage` is what such an answer reported, if anything.
    """

    detail: str
    bad_body: bool = False
    usage: Usage | None = None
    request_id: str = ""


CallOutcome = Produced | Refused | Rejected | Unavailable | Unknown


class RecoveryMode(enum.StrEnum):
    """What may be done with a call that a crash cut off.

    `never`: its outcome is unknown. `by_ref`: taken up again where an id was remembered, unknown otherwise. `by_key`:
    the same attempt id may simply be sent again, the upstream makes one purchase of it. `deterministic`: it buys
    nothing
    and makes the same bytes.
    """

    never = "never"
    by_ref = "by_ref"
    by_key = "by_key"
    deterministic = "exactly"


class Upstream(Protocol):
    """One place. `produce` never raises for anything that the other side does: every fault is an answer.

    It raises only what is ours: a full disk, and cancellation.
    """

    name: str
    recovery_mode: RecoveryMode

    async def produce(self, call: Call, hooks: CallHooks) -> CallOutcome: ...
    async def close(self) -> None: ...
