"""Carry out one claimed task: choose a route, call it, keep what it made, go on or settle.

`[ ]` is one commit. `[ attempt: sending ]`, the call, its answer in the spool, `[ outcome, cost, health ]`; again while
images are missing and another route may be tried; then `[ task done (fenced), … ]`. If we die before the mark nothing
was sent; between mark and spool the outcome is unknown, or the call is taken up where its upstream allows; once the
spool is complete the next claim goes on from it and nothing is bought again.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import assert_never

import msgspec

from imagegate.crash_points import point
from imagegate.domain import ids
from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.domain.money import nanos_of_usd
from imagegate.domain.tasks import Attempt, Outcome, Task, Trouble
from imagegate.flows.execution.call import make_call
from imagegate.flows.execution.inputs import BadInput, Inputs, gather_inputs
from imagegate.flows.execution.lease import Lease
from imagegate.flows.execution.outcome import conclude
from imagegate.flows.execution.route_selection import Chosen, Later, Nothing, choose
from imagegate.flows.execution.settlement import settle
from imagegate.flows.execution.state import UNKNOWN, Story, new_attempt_id, recall
from imagegate.flows.views.task import task_body
from imagegate.routing.planner import Considered
from imagegate.runtime import PER_SECOND, Runtime
from imagegate.store import claims, settlement
from imagegate.store.attempts import Unwanted, add_unsent, begin_attempt, permit_repeat
from imagegate.store.cancellation import CANCELLED
from imagegate.store.route_health import Gate, Held
from imagegate.store.tasks import Done, LostLease, find_task
from imagegate.upstreams.base import Answer, Produced, Refused, Rejected, Unavailable, Unknown

FAULT = TaskError(TaskErrorCode.service_error, "The service failed to carry this task out.")
EXHAUSTED = TaskError(TaskErrorCode.resource_exhausted, "Every route is busy beyond this task's deadline.")
NO_CONTENT = TaskError(
    TaskErrorCode.generation_failed_no_content,
    "An answer came without a readable image.",
    reason="upstream_invalid_response",
)
# What the caller did wrong is told even to one who has given up.
_CALLERS = frozenset({TaskErrorCode.content_policy_violation, TaskErrorCode.invalid_parameters})
_IN_PLACE_US = 3 * PER_SECOND
_LONGEST_WAIT_US = 60 * PER_SECOND


class Stop(msgspec.Struct, frozen=True):
    """No further call. What was delivered is settled; where nothing was, the task fails with `error`."""

    error: TaskError


class GoOn(msgspec.Struct, frozen=True):
    """Look again: an image arrived, or another route may be tried."""


class Gone(msgspec.Struct, frozen=True):
    """The task is no longer in our hands: handed back, or another's."""


Step = Stop | GoOn | Gone


async def execute(runtime: Runtime, task: Task, lease: Lease) -> None:
    """Bring the task to its end, hand it back for later, or stop quietly where it is no longer ours."""
    story = await recall(runtime, task)
    if story.delivered >= task.order.n:
        await settle(runtime, task, story.slices, lease)
        return
    match await gather_inputs(runtime, task):
        case BadInput(error=error):
            await _end(runtime, task, story, lease, error)
        case Inputs() as inputs:
            await _buy(runtime, task, inputs, story, lease)


async def _buy(runtime: Runtime, task: Task, inputs: Inputs, story: Story, lease: Lease) -> None:
    while story.delivered < task.order.n:
        match await _next_step(runtime, task, inputs, story, lease):
            case GoOn():
                continue
            case Gone():
                return
            case Stop(error=error):
                await _end(runtime, task, story, lease, error)
                return
    await settle(runtime, task, story.slices, lease)


async def _end(runtime: Runtime, task: Task, story: Story, lease: Lease, error: TaskError) -> None:
    """Some delivered and some not: completed with what came."""
    if story.slices:
        await settle(runtime, task, story.slices, lease)
    else:
        await fail(runtime, task, await _unless_unwanted(runtime, task, error))


async def _unless_unwanted(runtime: Runtime, task: Task, error: TaskError) -> TaskError:
    """Where no image came and the customer wanted none any more, that is the end which was asked for."""
    if error.code in _CALLERS:
        return error
    now = await runtime.db.read(find_task, task.account_id, task.id)
    return CANCELLED if now is not None and now.cancel_wished is not None else error


async def _next_step(runtime: Runtime, task: Task, inputs: Inputs, story: Story, lease: Lease) -> Step:
    if story.cut_off is not None:
        attempt, story.cut_off = story.cut_off, None
        return await _call(runtime, task, inputs, story, attempt)
    if story.calls >= runtime.settings.work.tries_per_slice:
        return Stop(story.error)
    wanted = task.order.n - story.delivered
    match await choose(runtime, task, wanted, _largest(inputs.references), story.tried, story.held):
        case Nothing(considered=considered):
            await _log_nothing(runtime, task, story, considered)
            return Stop(story.error)
        case Later(until=until):
            return await _wait(runtime, task, until)
        case Chosen() as chosen:
            return await _try(runtime, task, inputs, story, lease, chosen)


async def _try(runtime: Runtime, task: Task, inputs: Inputs, story: Story, lease: Lease, chosen: Chosen) -> Step:
    if not await _may_buy(runtime, task, story):
        return Stop(story.error)
    attempt = _new_attempt(runtime, task, chosen)
    lease.must_be_sure()
    gate = _gate(runtime, chosen)
    match await runtime.db.write(begin_attempt, task.account_id, attempt, runtime.boot_id, gate):
        case Done():
            point("upstream.marked")
            return await _call(runtime, task, inputs, story, attempt)
        case Held(until=until):
            story.held[chosen.route.name] = until
            return GoOn()
        case LostLease():
            return Gone()
        case Unwanted():
            return Stop(CANCELLED)


async def _may_buy(runtime: Runtime, task: Task, story: Story) -> bool:
    """Always, unless an earlier call may have bought the same: then once more, by policy and within the budget."""
    if story.unclear is None:
        return True
    if not _may_repeat(runtime, story.unclear):
        return False
    work = runtime.settings.work
    budget = nanos_of_usd(work.repeat_usd_per_day)
    allowed = await runtime.db.write(permit_repeat, task.account_id, story.unclear.id, budget, work.repeat_percent)
    if allowed:
        story.unclear = None
    return allowed


async def _call(runtime: Runtime, task: Task, inputs: Inputs, story: Story, attempt: Attempt) -> Step:
    answer = await make_call(runtime, task, attempt, inputs, story.delivered)
    await conclude(runtime, task, attempt, answer)
    return _after(story, attempt, answer)


def _after(story: Story, attempt: Attempt, answer: Answer) -> Step:
    match answer:
        case Produced(answer=spooled):
            story.deliver((attempt, spooled))
            return GoOn()
        case Refused(error=error) | Rejected(error=error):
            return Stop(error)
        case Unavailable(error=error, trouble=trouble):
            story.passed_over(attempt, error, throttled=trouble == Trouble.throttled)
            return GoOn()
        case Unknown(bad_body=bad_body):
            story.lost_sight(attempt, NO_CONTENT if bad_body else UNKNOWN)
            return GoOn()
        case _:
            assert_never(answer)


def _may_repeat(runtime: Runtime, attempt: Attempt) -> bool:
    """By the policy of the route, and never where the operator has taken the route out."""
    route = runtime.fleet.roster.routes.get(attempt.route)
    return route is not None and route.on_unknown == "retry"


async def _wait(runtime: Runtime, task: Task, until: int) -> Step:
    """A short wait is spent here; for a longer one the task goes back to the queue and its place is free."""
    wait_us = until - runtime.clock()
    if until >= task.deadline:
        return Stop(EXHAUSTED)
    if wait_us <= _IN_PLACE_US and not runtime.signals.closing:
        await asyncio.sleep(max(wait_us, 50_000) / PER_SECOND)
        return GoOn()
    await runtime.db.write(claims.hand_back, task.account_id, task.id, task.claim_no, min(wait_us, _LONGEST_WAIT_US))
    return Gone()


def _new_attempt(runtime: Runtime, task: Task, chosen: Chosen) -> Attempt:
    return Attempt(
        id=new_attempt_id(runtime),
        task_id=task.id,
        account_id=task.account_id,
        claim_no=task.claim_no,
        route=chosen.route.name,
        upstream=chosen.route.upstream,
        outcome=Outcome.sending,
        started=runtime.clock(),
        images=chosen.order.n,
        cost=chosen.cost,
        considered=_log_of(chosen.considered),
    )


async def _log_nothing(runtime: Runtime, task: Task, story: Story, considered: tuple[Considered, ...]) -> None:
    """Where no call at all was made, the attempt log says why."""
    if story.tried or story.slices:
        return
    now = runtime.clock()
    attempt = Attempt(
        id=new_attempt_id(runtime),
        task_id=task.id,
        account_id=task.account_id,
        claim_no=task.claim_no,
        route="",
        outcome=Outcome.not_sent,
        started=now,
        ended=now,
        detail="no route",
        images=0,
        considered=_log_of(considered),
    )
    await runtime.db.write(add_unsent, task.account_id, attempt, runtime.boot_id)


def _log_of(considered: tuple[Considered, ...]) -> str:
    return msgspec.json.encode(considered).decode()


def _gate(runtime: Runtime, chosen: Chosen) -> Gate:
    route = chosen.route
    return Gate(
        route=route.name,
        upstream=route.upstream,
        key=runtime.fleet.keys.get(route.upstream, ""),
        concurrency=route.concurrency,
        rate_per_min=route.rate_per_min,
        images=chosen.order.n,
    )


def _largest(references: tuple[Path, ...]) -> int:
    return max((path.stat().st_size for path in references), default=0)


async def fail(runtime: Runtime, task: Task, error: TaskError) -> None:
    """[ task failed, hold released, webhook ]; nothing happens where the task is no longer ours."""
    commit_id = ids.new_id("cmt", runtime.clock())
    await runtime.db.write(
        settlement.fail_task, task.account_id, task.id, task.claim_no, error, commit_id, task_body(runtime)
    )
    runtime.signals.task_ended(task.id)
