"""One task being carried out: its lease, what its calls have delivered, and what may still be tried.

`load_state` rebuilds this from the attempts and the spool after a claim. It only reads; attempts that a dead worker
left open are returned, for `outcome.close_open_attempt`.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
import zlib
from collections import Counter
from pathlib import Path
from typing import assert_never

import msgspec

from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.domain.tasks import Attempt, AttemptOutcome, FailureKind, Task
from imagegate.domain.time import US_PER_SECOND
from imagegate.logging import log_error
from imagegate.routing.planner import RouteWait, WaitReason
from imagegate.runtime import Runtime
from imagegate.spool import SpoolDamaged, SpooledResponse
from imagegate.store.attempts import AttemptEnd, list_attempts
from imagegate.store.dialect import DatabaseError
from imagegate.upstreams.base import RecoveryMode
from imagegate.upstreams.errors import NO_ROUTE, public_error

OUTCOME_UNKNOWN = TaskError(
    TaskErrorCode.unknown_error, "It could not be established whether an image was made.", reason="upstream_unknown"
)

# How long one task leaves a route alone after calls of it that failed: doubled with each.
_CLOCK_SLACK_US = US_PER_SECOND  # clocks of several machines differ
MIN_BACKOFF_US, MAX_BACKOFF_US = 1 * US_PER_SECOND, 60 * US_PER_SECOND

ImageBatch = tuple[Attempt, SpooledResponse]
"""One call that delivered: its attempt and its images in the spool."""


class Delivered(msgspec.Struct, frozen=True):
    """At least one image is in the spool."""

    response: SpooledResponse


class Stop(msgspec.Struct, frozen=True):
    """No further call. What was delivered is settled; if nothing was, the task fails with `error`."""

    error: TaskError


class RouteUnavailable(msgspec.Struct, frozen=True):
    """Proven that nothing was bought: another route may be tried, and this one later if the cause ends by itself."""

    error: TaskError
    failure_kind: FailureKind
    ended: int


class MaybeBought(msgspec.Struct, frozen=True):
    """An image may have been bought and is lost: the policy of the route decides whether it is bought again."""

    error: TaskError
    ended: int


NextStep = Delivered | Stop | RouteUnavailable | MaybeBought


class Inputs(msgspec.Struct, frozen=True):
    """Checked local files, references in the customer's order."""

    references: tuple[Path, ...] = ()
    mask: Path | None = None


class OpenAttempt(msgspec.Struct, frozen=True):
    """An attempt whose worker died before its outcome was recorded; `response` where the spool has it."""

    attempt: Attempt
    response: SpooledResponse | None


class Lease:
    """A worker's timed right to one task, as the worker itself judges it, without asking the database.

    Measured by this process's monotonic clock: clocks of other machines do not matter.
    """

    def __init__(self, lease_s: float) -> None:
        self._lease_s = lease_s
        self._renewed = time.monotonic()

    def renew_from(self, renewed: Lease) -> None:
        """The lease runs from the moment the renewal was asked for, not from when it was answered."""
        self._renewed = renewed._renewed

    def ensure_valid(self) -> None:
        """Call it before anything that cannot be undone.

        DatabaseError where no renewal succeeded for three quarters of the lease: the task waits until one does, or
        until the lease turns out to be lost. The last quarter leaves time for the step itself.
        """
        if time.monotonic() - self._renewed >= 0.75 * self._lease_s:
            raise DatabaseError("the lease could not be renewed in time", is_retryable=True)


@dataclasses.dataclass
class ExecutionState:
    """`batches`: what calls delivered. The other fields concern the images that are still missing.

    `excluded_routes` may not be tried again, `waits` is when a route may be, by name. `failure_counts` counts the calls
    of a route that are proven to have bought nothing, `unknown_count` those of unknown outcome. `waiting_since`: no
    route could be called since then, in UTC microseconds. `interrupted` is an attempt that can be resumed,
    `unknown_attempt` one that ended at `unknown_at`, may have bought and may be repeated once if the budget allows.
    `error` is what the customer gets if nothing else can be tried.
    """

    batches: list[ImageBatch] = dataclasses.field(default_factory=list)
    excluded_routes: set[str] = dataclasses.field(default_factory=set)
    waits: dict[str, RouteWait] = dataclasses.field(default_factory=dict)
    failure_counts: Counter[str] = dataclasses.field(default_factory=Counter)
    unknown_count: int = 0
    waiting_since: int | None = None
    interrupted: Attempt | None = None
    unknown_attempt: Attempt | None = None
    unknown_at: int = 0
    error: TaskError = NO_ROUTE

    @property
    def delivered_count(self) -> int:
        return sum(len(response.images) for _, response in self.batches)

    def apply(self, attempt: Attempt, step: NextStep) -> None:
        """Take the result of one call into account."""
        match step:
            case Delivered(response=response):
                # Every route may be tried again for the next images.
                self.batches.append((attempt, response))
                self.excluded_routes, self.waits, self.failure_counts = set(), {}, Counter()
                self.unknown_count, self.unknown_attempt, self.unknown_at = 0, None, 0
                self.waiting_since, self.interrupted, self.error = None, None, NO_ROUTE
            case RouteUnavailable(error=error, failure_kind=kind, ended=ended):
                # That an image may have been made stays the more important thing to say.
                self.error = self.error if self.unknown_count else error
                self.failure_counts[attempt.route] += 1
                # Another code says what became of this task there, not that the route is out of order.
                is_down = kind is FailureKind.failing and error.code == TaskErrorCode.service_unavailable
                if is_down or kind is FailureKind.throttled:
                    self.waits[attempt.route] = self._backoff(attempt, kind, ended)
                else:
                    self.excluded_routes.add(attempt.route)
            case MaybeBought(error=error, ended=ended):
                self.unknown_count += 1
                self.unknown_attempt, self.unknown_at, self.error = attempt, ended, error
            case Stop(error=error):
                self.error = error
            case _:
                assert_never(step)

    def _backoff(self, attempt: Attempt, kind: FailureKind, ended: int) -> RouteWait:
        """Jitter only shortens the wait: a promise of when work flows again holds. The same in every process."""
        wait_us = min(MIN_BACKOFF_US << min(self.failure_counts[attempt.route] - 1, 16), MAX_BACKOFF_US)
        jitter = zlib.crc32(attempt.id.encode()) / 2**32
        reason = WaitReason.throttled if kind is FailureKind.throttled else WaitReason.unavailable
        return RouteWait(ended + int(wait_us * (1 - jitter / 2)), reason)


@dataclasses.dataclass
class Execution:
    """A claimed task, the lease on it, and how far it has come.

    `unrecorded`: the attempt that delivered the last image, whose outcome is to be recorded with the settlement. Until
    then its row says `sending`, and if the process dies the next claim finds the response in the spool.
    """

    runtime: Runtime
    task: Task
    lease: Lease
    state: ExecutionState
    inputs: Inputs = Inputs()  # noqa: RUF009  frozen
    unrecorded: AttemptEnd | None = None

    @property
    def is_cancel_requested(self) -> bool:
        return self.task.cancel_requested is not None or self.task.id in self.runtime.wake_ups.cancel_requested

    @property
    def missing_count(self) -> int:
        return self.task.order.n - self.state.delivered_count


async def load_state(runtime: Runtime, task: Task) -> tuple[ExecutionState, list[OpenAttempt]]:
    """The state of a task that was just claimed, and the attempts that its last worker left open."""
    state, left_open = ExecutionState(waiting_since=task.waiting_since), []
    for attempt in await runtime.db.read(list_attempts, task.account_id, task.id):
        is_open = attempt.outcome == AttemptOutcome.sending
        response = await _read_spool(runtime, attempt) if is_open or attempt.outcome == "produced" else None
        if is_open and response is None and _can_resume(runtime, attempt):
            state.interrupted = attempt
            continue
        if is_open:
            left_open.append(OpenAttempt(attempt, response))
        step = _recorded_step(runtime, attempt, response)
        if step is not None:
            state.apply(attempt, step)
    return state, left_open


async def _read_spool(runtime: Runtime, attempt: Attempt) -> SpooledResponse | None:
    """None also where the spool is damaged: nobody can tell any more what was bought, so the outcome is unknown."""
    try:
        return await asyncio.to_thread(runtime.spool.read_response, attempt.id)
    except SpoolDamaged as error:
        log_error("spool_damaged", task=attempt.task_id, attempt=attempt.id, error=str(error))
        return None


def _recorded_step(runtime: Runtime, attempt: Attempt, response: SpooledResponse | None) -> NextStep | None:
    """What an attempt of an earlier claim came to; None where it does not matter any more."""
    match attempt.outcome:
        case AttemptOutcome.produced | AttemptOutcome.sending:
            if response is not None:
                return Delivered(response)
            # A deterministic upstream buys nothing: the same images are simply generated again.
            is_free = recovery_mode(runtime, attempt) == RecoveryMode.deterministic
            return None if is_free else MaybeBought(OUTCOME_UNKNOWN, runtime.clock())
        case AttemptOutcome.unknown:
            return MaybeBought(OUTCOME_UNKNOWN, _ended(runtime, attempt))
        case AttemptOutcome.unavailable:
            kind = FailureKind(attempt.failure_kind or FailureKind.failing)
            return RouteUnavailable(public_error(kind), kind, _ended(runtime, attempt))
        case AttemptOutcome.not_sent | AttemptOutcome.refused | AttemptOutcome.rejected:
            return None
        case _:
            assert_never(attempt.outcome)


def _ended(runtime: Runtime, attempt: Attempt) -> int:
    """0 where that is in the future, because the clock was set back since: the wait that began then is over."""
    ended = attempt.ended or 0
    return ended if ended <= runtime.clock() + _CLOCK_SLACK_US else 0


def _can_resume(runtime: Runtime, attempt: Attempt) -> bool:
    mode = recovery_mode(runtime, attempt)
    return mode == RecoveryMode.by_key or (mode == RecoveryMode.by_ref and bool(attempt.ref))


def recovery_mode(runtime: Runtime, attempt: Attempt) -> RecoveryMode:
    """`never` where the operator has removed the upstream since: it cannot be asked."""
    upstream = runtime.registry.upstreams.get(attempt.upstream)
    return upstream.recovery_mode if upstream else RecoveryMode.never
