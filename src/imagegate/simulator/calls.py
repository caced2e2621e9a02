"""The log of received calls, and the totals of what they would have cost.

An image counts as bought once the simulator has the whole request and decides to generate, whatever becomes of the
response.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

import msgspec

from imagegate.domain.money import format_usd

_MAX_CALLS = 20_000
BodyProgress = Literal["none", "partial", "complete"]


class Reference(msgspec.Struct, frozen=True):
    """A reference or mask as received. `width` and `height` are 0 where only its URL is known."""

    bytes: int
    sha256: str
    width: int
    height: int
    name: str = ""


class Call(msgspec.Struct, kw_only=True):
    """One call, as `GET /control/calls` shows it. `kind`: create, poll, cancel, download or models.

    `received_at` is in Unix seconds, `duration` in seconds; `prompt` is truncated to 2,000 characters. `answered`: no,
    yes, cut, reset, or gone where the caller disconnected first. `replayed`: an idempotent repeat that bought nothing.
    """

    id: str
    protocol: str = msgspec.field(name="shape")
    kind: str
    path: str
    received_at: float
    headers: dict[str, str]
    body: BodyProgress = "none"
    prompt: str = ""
    model: str = ""
    size: str = ""
    quality: str = ""
    n: int = 0
    references: list[Reference] = []
    mask: Reference | None = None
    stream: bool = False
    faults: dict[str, str] = {}
    status: int = 0
    answered: str = "no"
    duration: float = 0.0
    open: bool = True
    task_id: str = ""
    replayed: bool = False
    billed_images: int = 0
    billed_nanos: int = 0


class Totals(msgspec.Struct, kw_only=True):
    """`calls` counts create requests only; `nanos` are 1e-9 USD."""

    calls: int = 0
    purchases: int = 0
    images: int = 0
    nanos: int = 0

    @property
    def usd(self) -> str:
        return format_usd(self.nanos)


class CallLog:
    """The newest calls, and the totals of all calls."""

    def __init__(self) -> None:
        self.all: deque[Call] = deque(maxlen=_MAX_CALLS)
        self.total = Totals()
        self._count = 0

    def open(self, protocol: str, kind: str, path: str, now: float, headers: dict[str, str]) -> Call:
        self._count += 1
        call = Call(id=f"call-{self._count}", protocol=protocol, kind=kind, path=path, received_at=now, headers=headers)
        self.all.append(call)
        self.total.calls += kind == "create"
        return call

    def record_purchase(self, call: Call, images: int, nanos: int) -> None:
        call.billed_images, call.billed_nanos = images, nanos
        self.add_purchase(images, nanos)

    def add_purchase(self, images: int, nanos: int) -> None:
        """Add a purchase of this run, or of an earlier one that the state file holds."""
        self.total.purchases += 1
        self.total.images += images
        self.total.nanos += nanos

    def refund(self, images: int, nanos: int) -> None:
        """Take a purchase that was cancelled in time out of the totals. The log entry of the call stays as it is."""
        self.total.purchases -= 1
        self.total.images -= images
        self.total.nanos -= nanos

    def clear(self) -> None:
        self.all.clear()
        self.total = Totals()


def format_call(call: Call) -> str:
    """One line for the terminal."""
    faults = "+".join(f"{name}:{value}" if value else name for name, value in call.faults.items())
    asked = " ".join(filter(None, [call.protocol, call.model or call.path, call.size, call.quality, f"n={call.n}"]))
    outcome = f"{call.status or '-'} {call.answered}" + (f" [{faults}]" if faults else "")
    bill = "replayed, nothing" if call.replayed else f"{call.billed_images} bought for ${format_usd(call.billed_nanos)}"
    return f"{call.id} {asked} -> {outcome} in {call.duration:.2f}s, {bill}"
