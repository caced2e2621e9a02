"""A task: one acknowledged image request, from its hold to its end."""

from __future__ import annotations

import enum

import msgspec

from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.domain.images import ImageOrder
from imagegate.domain.money import Nanos
from imagegate.domain.usage import Usage, UsageSource


class TaskState(enum.StrEnum):
    queued = "queued"
    running = "running"
    completed = "completed"
    failed = "failed"


TERMINAL_STATES = frozenset({TaskState.completed, TaskState.failed})

ALLOWED_STEPS = frozenset(
    {
        (TaskState.queued, TaskState.running),
        (TaskState.running, TaskState.queued),
        (TaskState.running, TaskState.completed),
        (TaskState.queued, TaskState.failed),
        (TaskState.running, TaskState.failed),
    }
)


class AttemptOutcome(enum.StrEnum):
    """How one attempt ended. `sending` is the dispatch mark, committed before the first byte leaves."""

    sending = "sending"
    not_sent = "not_sent"
    refused = "refused"
    rejected = "rejected"
    unavailable = "unavailable"
    unknown = "unknown"
    produced = "produced"


class FailureKind(enum.StrEnum):
    """Why an upstream was unavailable, and so what the next call may expect.

    `throttled` holds calls back for a while. `failing` counts towards the circuit breaker. `no_model` and
    `misconfigured` (the operator's configuration does not fit) close the route. `out_of_funds`, `blocked` (by the
    vendor) and `bad_key` concern the whole upstream. `internal` is a fault of ours and says nothing about it. The
    values are those that databases hold.
    """

    throttled = "throttled"
    failing = "failing"
    no_model = "no_model"
    out_of_funds = "unpaid"
    blocked = "blocked"
    bad_key = "bad_key"
    misconfigured = "bad_row"
    internal = "ours"


class ImageResult(msgspec.Struct, frozen=True):
    """One delivered image as stored with the task; its bytes are an asset. `quality` is empty where it is not known.

    `thumbnail`: it has one, or will have one at the first look. Tasks of earlier versions have none but that of their
    first image, and do not say so here.
    """

    index: int
    ext: str
    media_type: str
    width: int
    height: int
    bytes: int
    quality: str = ""
    thumbnail: bool = False


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """The row. Times are UTC microseconds, `hold` and `charge` nanos; `claim_no` is the fencing token of its worker.

    `first_sent` is when the first attempt was marked sending, `is_buying` whether a call is under way or has delivered,
    `cancel_requested` when its customer first asked to cancel it. A worker looks at a queued task at `due`; it waits
    for a route since `waiting_since`, if at all.
    `thumbnail_expires` is None where it has no thumbnails. `refunded` is when an operator gave the charge back.
    `starred_since` is when its metadata began to say that it is starred, None where they do not.
    """

    id: str
    account_id: str
    key_id: str
    state: TaskState
    claim_no: int
    crashes: int
    progress: int
    order: ImageOrder
    billing_rule: str
    price_version: str
    hold: Nanos
    created: int
    deadline: int
    started: int | None = None
    ended: int | None = None
    lease_until: int | None = None
    owner: str | None = None
    charge: Nanos | None = None
    usage: Usage | None = None
    usage_source: UsageSource | None = None
    engine: str | None = None
    results: tuple[ImageResult, ...] = ()
    error: TaskError | None = None
    results_expire: int | None = None
    thumbnail_expires: int | None = None
    first_sent: int | None = None
    cancel_requested: int | None = None
    refunded: int | None = None
    due: int = 0
    waiting_since: int | None = None
    waiting_reason: str | None = None
    is_buying: bool = False
    metadata: dict[str, str] = {}
    starred_since: int | None = None

    @property
    def thumbnail_positions(self) -> frozenset[int]:
        """The images that have a thumbnail, drawn or not, while `thumbnail_expires` has not passed."""
        if self.thumbnail_expires is None:
            return frozenset()
        return frozenset(image.index for image in self.results if image.thumbnail) or frozenset({0})

    @property
    def cancellable(self) -> bool:
        """Whether cancelling ends it for certain: nothing is being bought, and nothing was."""
        return not self.terminal and not self.is_buying

    @property
    def status(self) -> str:
        return public_status(self.state, is_sent=self.first_sent is not None)

    @property
    def terminal(self) -> bool:
        return self.state in TERMINAL_STATES

    @property
    def cancelled(self) -> bool:
        return self.error is not None and self.error.code == TaskErrorCode.request_cancelled


def public_status(state: TaskState, *, is_sent: bool) -> str:
    """`pending` until a first call is sent, then `processing`, `completed` or `failed`.

    Work that waits again stays `processing`: status never moves back.
    """
    if state in TERMINAL_STATES:
        return state.value
    return "processing" if is_sent else "pending"


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try of one route within one claim.

    `images` were asked of it, or arrived once it produced; `cost` in nanos is expected, or what it came to. `ref` is
    the upstream's own id of the work, `request_id` its name of the call. `considered` is the plan that chose the
    route, as JSON. `duplicate`: its outcome is unknown and the work was bought once more. `spool` is the id of the
    folder that what it delivers is safe in, None where no other process need wait for that.
    """

    id: str
    task_id: str
    account_id: str
    claim_no: int
    route: str
    outcome: AttemptOutcome
    started: int
    ended: int | None = None
    detail: str | None = None
    upstream: str = ""
    images: int = 1
    cost: int = 0
    ref: str = ""
    request_id: str = ""
    considered: str = ""
    failure_kind: str = ""
    duplicate: bool = False
    spool: str | None = None
