"""What has been tried for a task so far, read back from its attempts and the spool.

Knows: which calls delivered, which route may not be tried again, and which call was cut off. Refuses to know: what is
tried next.
"""

from __future__ import annotations

import dataclasses

from imagegate.domain import ids
from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.domain.tasks import Attempt, Outcome, Task, Trouble
from imagegate.flows.execution.outcome import conclude_cut_off
from imagegate.flows.execution.settlement import Slice
from imagegate.runtime import Runtime
from imagegate.store.attempts import list_attempts
from imagegate.upstreams.base import Resumes

NO_ROUTE = TaskError(
    TaskErrorCode.service_unavailable, "No route can serve this request now.", reason="no_route_available"
)
UNKNOWN = TaskError(
    TaskErrorCode.unknown_error,
    "It could not be established whether an image was made.",
    reason="upstream_unknown",
)


@dataclasses.dataclass
class Story:
    """`slices`: what calls delivered. `tried` and `calls` concern the slice that is missing now.

    `cut_off`: a call that can be taken up where it was. `unclear`: the attempt whose outcome is unknown and whose work
    may be bought once more if the budget allows. `error`: what the customer reads if nothing else can be tried.
    """

    slices: list[Slice] = dataclasses.field(default_factory=list)
    tried: set[str] = dataclasses.field(default_factory=set)
    held: dict[str, int] = dataclasses.field(default_factory=dict)
    calls: int = 0
    cut_off: Attempt | None = None
    unclear: Attempt | None = None
    error: TaskError = NO_ROUTE

    @property
    def delivered(self) -> int:
        return sum(len(answer.images) for _, answer in self.slices)

    def deliver(self, piece: Slice) -> None:
        """The next slice begins with a clean sheet."""
        self.slices.append(piece)
        self.tried, self.calls, self.cut_off, self.unclear, self.error = set(), 0, None, None, NO_ROUTE

    def passed_over(self, attempt: Attempt, error: TaskError, *, throttled: bool) -> None:
        """Proven that nothing was bought. A throttled route may be tried again once it has cooled."""
        self.error = error
        if not throttled:
            self.tried.add(attempt.route)
            self.calls += 1

    def lost_sight(self, attempt: Attempt, error: TaskError) -> None:
        """Possibly bought."""
        self.tried.add(attempt.route)
        self.calls += 1
        self.unclear, self.error = attempt, error


async def recall(runtime: Runtime, task: Task) -> Story:
    """The story of a task that was just claimed. What a dead worker left open is closed, or kept to be taken up."""
    story = Story()
    for attempt in await runtime.db.read(list_attempts, task.account_id, task.id):
        match attempt.outcome:
            case Outcome.produced | Outcome.sending:
                await _recall_call(runtime, task, story, attempt)
            case Outcome.unknown:
                story.lost_sight(attempt, UNKNOWN)
            case Outcome.unavailable:
                story.passed_over(attempt, NO_ROUTE, throttled=attempt.trouble == Trouble.throttled)
            case Outcome.not_sent | Outcome.refused | Outcome.rejected:
                pass
    return story


async def _recall_call(runtime: Runtime, task: Task, story: Story, attempt: Attempt) -> None:
    answer = runtime.spool.answer(attempt.id)
    if answer is not None:
        await conclude_cut_off(runtime, task, attempt, answer)
        story.deliver((attempt, answer))
    elif attempt.outcome == Outcome.sending and _resumes(runtime, attempt):
        story.cut_off = attempt
    else:
        await conclude_cut_off(runtime, task, attempt, None)
        if _again(runtime, attempt) != Resumes.exactly:
            story.lost_sight(attempt, UNKNOWN)


def _resumes(runtime: Runtime, attempt: Attempt) -> bool:
    again = _again(runtime, attempt)
    return again == Resumes.by_key or (again == Resumes.by_ref and bool(attempt.ref))


def _again(runtime: Runtime, attempt: Attempt) -> Resumes:
    """An upstream that is not there any more cannot be asked."""
    upstream = runtime.fleet.upstreams.get(attempt.upstream)
    return upstream.resumes if upstream else Resumes.never


def new_attempt_id(runtime: Runtime) -> str:
    return ids.new_id("att", runtime.clock())
