"""What has been tried for a task so far, read back from its attempts and the spool.

Knows: which calls delivered, which route may not be tried again, and which call was cut off. Refuses to know: what is
tried next.
"""

from __future__ import annotations

import dataclasses

from imagegate.domain import ids
from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.domain.tasks import Attempt, AttemptOutcome, FailureKind, Task
from imagegate.flows.execution.outcome import record_interrupted
from imagegate.flows.execution.settlement import ImageBatch
from imagegate.runtime import Runtime
from imagegate.store.attempts import list_attempts
from imagegate.upstreams.base import RecoveryMode

NO_ROUTE = TaskError(
    TaskErrorCode.service_unavailable, "No route can serve this request now.", reason="no_route_available"
)
OUTCOME_UNKNOWN = TaskError(
    TaskErrorCode.unknown_error,
    "It could not be established whether an image was made.",
    reason="upstream_unknown",
)


@dataclasses.dataclass
class ExecutionState:
    """`batches`: what calls delivered. `tried_routes` and `call_count` concern the slice that is missing now.

    `interrupted`: a call that can be taken up where it was. `unknown_attempt`: the attempt whose outcome is unknown
    and whose work
    may be bought once more if the budget allows. `error`: what the customer reads if nothing else can be tried.
    """

    batches: list[ImageBatch] = dataclasses.field(default_factory=list)
    tried_routes: set[str] = dataclasses.field(default_factory=set)
    blocked_until: dict[str, int] = dataclasses.field(default_factory=dict)
    call_count: int = 0
    interrupted: Attempt | None = None
    unknown_attempt: Attempt | None = None
    error: TaskError = NO_ROUTE

    @property
    def delivered_count(self) -> int:
        return sum(len(answer.images) for _, answer in self.batches)

    def add_batch(self, batch: ImageBatch) -> None:
        """The next slice begins with a clean sheet."""
        self.batches.append(batch)
        self.tried_routes, self.call_count, self.interrupted, self.unknown_attempt, self.error = (
            set(),
            0,
            None,
            None,
            NO_ROUTE,
        )

    def mark_unavailable(self, attempt: Attempt, error: TaskError, *, throttled: bool) -> None:
        """Proven that nothing was bought. A throttled route may be tried again once it has cooled."""
        self.error = error
        if not throttled:
            self.tried_routes.add(attempt.route)
            self.call_count += 1

    def mark_unknown(self, attempt: Attempt, error: TaskError) -> None:
        """Possibly bought."""
        self.tried_routes.add(attempt.route)
        self.call_count += 1
        self.unknown_attempt, self.error = attempt, error


async def load_state(runtime: Runtime, task: Task) -> ExecutionState:
    """The story of a task that was just claimed. What a dead worker left open is closed, or kept to be taken up."""
    state = ExecutionState()
    for attempt in await runtime.db.read(list_attempts, task.account_id, task.id):
        match attempt.outcome:
            case AttemptOutcome.produced | AttemptOutcome.sending:
                await _load_call(runtime, task, state, attempt)
            case AttemptOutcome.unknown:
                state.mark_unknown(attempt, OUTCOME_UNKNOWN)
            case AttemptOutcome.unavailable:
                state.mark_unavailable(attempt, NO_ROUTE, throttled=attempt.trouble == FailureKind.throttled)
            case AttemptOutcome.not_sent | AttemptOutcome.refused | AttemptOutcome.rejected:
                pass
    return state


async def _load_call(runtime: Runtime, task: Task, state: ExecutionState, attempt: Attempt) -> None:
    answer = runtime.spool.read_response(attempt.id)
    if answer is not None:
        await record_interrupted(runtime, task, attempt, answer)
        state.add_batch((attempt, answer))
    elif attempt.outcome == AttemptOutcome.sending and _can_resume(runtime, attempt):
        state.interrupted = attempt
    else:
        await record_interrupted(runtime, task, attempt, None)
        if _recovery_mode(runtime, attempt) != RecoveryMode.deterministic:
            state.mark_unknown(attempt, OUTCOME_UNKNOWN)


def _can_resume(runtime: Runtime, attempt: Attempt) -> bool:
    again = _recovery_mode(runtime, attempt)
    return again == RecoveryMode.by_key or (again == RecoveryMode.by_ref and bool(attempt.ref))


def _recovery_mode(runtime: Runtime, attempt: Attempt) -> RecoveryMode:
    """An upstream that is not there any more cannot be asked."""
    upstream = runtime.registry.upstreams.get(attempt.upstream)
    return upstream.recovery_mode if upstream else RecoveryMode.never


def new_attempt_id(runtime: Runtime) -> str:
    return ids.new_id("att", runtime.clock())
