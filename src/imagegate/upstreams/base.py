"""What every upstream is asked, what it may answer, and what it is built from."""

from __future__ import annotations

import enum
import os
import ssl
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Protocol

import msgspec
from aiohttp.abc import AbstractResolver

from imagegate.catalog.routes import Dialect, UpstreamConfig
from imagegate.domain.errors import TaskError
from imagegate.domain.images import ImageOrder
from imagegate.domain.tasks import FailureKind
from imagegate.domain.usage import Usage
from imagegate.http.client import Download, DownloadFailed
from imagegate.http.resolver import DnsResolver
from imagegate.job import JobThread
from imagegate.spool import Spool, SpooledResponse

ProgressHook = Callable[[int], Awaitable[None]]
PartialImageHook = Callable[[int, Path], Awaitable[None]]

# URL, target file and the most bytes. Nothing that the other side does raises; a full disk does.
Fetch = Callable[[str, Path, int], Awaitable[Download | DownloadFailed]]

# A signed https link to our own copy of a reference, valid beyond the task's deadline.
MakeLink = Callable[[Path], str]


async def _ignore(*_: object) -> None:
    pass


class CallHooks(msgspec.Struct, frozen=True, kw_only=True):
    """How a running call reports to its task and asks about it.

    `on_progress` takes 0 to 99. `on_partial_image` takes a number, from 0, and a file that is deleted when it returns.
    `save_ref` returns once the reference to the upstream's own job is committed: from then on a call that is cut off is
    resumed with `Call.ref`. `cancel_requested` tells whether the customer has asked to cancel.
    """

    on_progress: ProgressHook = _ignore
    on_partial_image: PartialImageHook = _ignore
    save_ref: Callable[[str], Awaitable[None]] = _ignore
    cancel_requested: Callable[[], bool] = lambda: False


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to buy the images of one order. All files are local.

    `model` is the upstream's own name. `expected` is the formula's usage, for upstreams that report none. `customer` is
    an opaque name of the account, by which upstreams tell customers apart. `ref` is what an earlier call of the same
    attempt passed to `CallHooks.save_ref`, empty if it did not. `partial_images` is how many unfinished images are
    wanted; an upstream that has none may ignore it. In the mask, alpha 0 is repainted and alpha 255 stays; there are no
    values between. `hop` counts the gateways that the request has passed before this one.
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
    """Refused by the content policy: ends the task; no other route is tried.

    Here and below `request_id` is the upstream's own name of the call, `detail` is for the operator, and `http_status`
    that of the response, 0 where there was none or it says nothing.
    """

    error: TaskError
    request_id: str = ""
    detail: str = ""
    http_status: int = 0


class Rejected(msgspec.Struct, frozen=True):
    """A bad request: ends the task. `unmapped`: no row of the error table fits, which the operator should know."""

    error: TaskError
    request_id: str = ""
    unmapped: bool = False
    detail: str = ""
    http_status: int = 0


class Unavailable(msgspec.Struct, frozen=True):
    """No image was made, and that is proven: the next route may be tried.

    `error` is what the customer reads if no other route is left. A `retry_after_s` of 0 means that none was given.
    """

    detail: str
    error: TaskError
    failure_kind: FailureKind = FailureKind.failing
    retry_after_s: float = 0.0
    request_id: str = ""
    http_status: int = 0


class Unknown(msgspec.Struct, frozen=True):
    """Possibly billed: the route's policy decides. `bad_body`: a response came, without a readable image.

    `usage` is what such a response reported, if anything.
    """

    detail: str
    bad_body: bool = False
    usage: Usage | None = None
    request_id: str = ""
    http_status: int = 0


Outcome = Produced | Refused | Rejected | Unavailable | Unknown


class RecoveryMode(enum.StrEnum):
    """What may be done with a call that a crash cut off.

    `never`: its outcome is unknown. `by_ref`: resumed where a reference was saved, unknown otherwise. `by_key`: sent
    again with the same attempt id, which the upstream bills once. `deterministic`: made again; it costs nothing and
    makes the same bytes.
    """

    never = "never"
    by_ref = "by_ref"
    by_key = "by_key"
    deterministic = "deterministic"


class Upstream(Protocol):
    """`produce` raises nothing that the other side causes, only our own faults (a full disk) and cancellation."""

    name: str
    recovery_mode: RecoveryMode

    async def produce(self, call: Call, hooks: CallHooks) -> Outcome: ...
    async def close(self) -> None: ...


class RetrySchedule(msgspec.Struct, frozen=True):
    """Waits between attempts of a download: doubled from `min_delay_s` up to `max_delay_s`, `max_total_s` in all."""

    min_delay_s: float = 1.0
    max_delay_s: float = 8.0
    max_total_s: float = 60.0


class PollSchedule(msgspec.Struct, frozen=True):
    """Waits between polls: `poll_interval_s` while the job is unfinished, the backoff's after failed polls.

    One request lasts `request_timeout_s` at most, unless it is a long poll.
    """

    poll_interval_s: float = 3.0
    min_backoff_s: float = 1.0
    max_backoff_s: float = 15.0
    request_timeout_s: float = 30.0


class UpstreamDeps(msgspec.Struct, frozen=True, kw_only=True):
    """What upstreams are built from. `decoder` reads responses with images in them into files: not the loop, which a
    slow disk would stall. `fetch` takes an upstream's base URL and downloads results for it, `link` makes
    links to references, `env` holds keys. `painters` of 0 means one painter process per core. `resolver` is never
    asked for names that customers give."""

    spool: Spool
    fetch: Callable[[str], Fetch]
    link: MakeLink
    env: Mapping[str, str] = os.environ
    painters: int = 0
    resolver: AbstractResolver = msgspec.field(default_factory=DnsResolver)
    tls: ssl.SSLContext | None = None
    # Few in a row: while they are decoded, the memory of what they were read from is not free.
    decoder: JobThread = msgspec.field(default_factory=lambda: JobThread("imagegate-decoder", max_batch=8))
    poll_schedule: PollSchedule = PollSchedule()
    download_retry: RetrySchedule = RetrySchedule()


# How an upstream of one protocol is built; the last is its key, empty for an upstream without one.
Adapter = Callable[[UpstreamConfig, Dialect, UpstreamDeps, str], Upstream]
