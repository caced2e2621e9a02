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

from imagegate.crash_points import crash_point
from imagegate.domain import ids
from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.domain.money import parse_usd
from imagegate.domain.tasks import Attempt, AttemptOutcome, FailureKind, Task
from imagegate.domain.time import US_PER_MINUTE, US_PER_SECOND
from imagegate.flows.execution.call import make_call
from imagegate.flows.execution.inputs import Inputs, InvalidInput, gather_inputs
from imagegate.flows.execution.lease import Lease
from imagegate.flows.execution.outcome import record_outcome
from imagegate.flows.execution.route_selection import NoRoute, RetryAt, RouteChoice, select_route
from imagegate.flows.execution.settlement import settle
from imagegate.flows.execution.state import OUTCOME_UNKNOWN, ExecutionState, load_state, new_attempt_id
from imagegate.flows.views.task import task_encoder
from imagegate.routing.planner import Candidate
from imagegate.runtime import Runtime
from imagegate.store import claims, settlement
from imagegate.store.attempts import CancelRequested, add_unsent_attempt, begin_attempt, permit_repeat
from imagegate.store.cancellation import CANCELLED_ERROR
from imagegate.store.route_health import Blocked, DispatchLimits
from imagegate.store.tasks import Done, LostLease, find_task
from imagegate.upstreams.base import CallOutcome, Produced, Refused, Rejected, Unavailable, Unknown

SERVICE_ERROR = TaskError(TaskErrorCode.service_error, "The service failed to carry this task out.")
ALL_ROUTES_BUSY = TaskError(TaskErrorCode.resource_exhausted, "Every route is busy beyond this task's deadline.")
NO_READABLE_IMAGE = TaskError(
    TaskErrorCode.generation_failed_no_content,
    "An answer came without a readable image.",
    reason="upstream_invalid_response",
)
# What the caller did wrong is told even to one who has given up.
_CALLER_ERRORS = frozenset({TaskErrorCode.content_policy_violation, TaskErrorCode.invalid_parameters})
_MAX_SLEEP_US = 3 * US_PER_SECOND
_MAX_REQUEUE_US = US_PER_MINUTE


class Stop(msgspec.Struct, frozen=True):
    """No further call. What was delivered is settled; where nothing was, the task fails with `error`."""

    error: TaskError


class Continue(msgspec.Struct, frozen=True):
    """Look again: an image arrived, or another route may be tried."""


class Released(msgspec.Struct, frozen=True):
    """The task is no longer in our hands: handed back, or another's."""


Step = Stop | Continue | Released


async def execute(runtime: Runtime, task: Task, lease: Lease) -> None:
    """Bring the task to its end, hand it back for later, or stop quietly where it is no longer ours."""
    story = await load_state(runtime, task)
    if story.delivered_count >= task.order.n:
        await settle(runtime, task, story.batches, lease)
        return
    match await gather_inputs(runtime, task):
        case InvalidInput(error=error):
            await _finish_with_error(runtime, task, story, lease, error)
        case Inputs() as inputs:
            await _run_calls(runtime, task, inputs, story, lease)


async def _run_calls(runtime: Runtime, task: Task, inputs: Inputs, story: ExecutionState, lease: Lease) -> None:
    while story.delivered_count < task.order.n:
        match await _next_step(runtime, task, inputs, story, lease):
            case Continue():
                continue
            case Released():
                return
            case Stop(error=error):
                await _finish_with_error(runtime, task, story, lease, error)
                return
    await settle(runtime, task, story.batches, lease)


async def _finish_with_error(
    runtime: Runtime, task: Task, story: ExecutionState, lease: Lease, error: TaskError
) -> None:
    """Some delivered and some not: completed with what came."""
    if story.batches:
        await settle(runtime, task, story.batches, lease)
    else:
        await fail_task(runtime, task, await _cancelled_or(runtime, task, error))


async def _cancelled_or(runtime: Runtime, task: Task, error: TaskError) -> TaskError:
    """Where no image came and the customer wanted none any more, that is the end which was asked for."""
    if error.code in _CALLER_ERRORS:
        return error
    now = await runtime.db.read(find_task, task.account_id, task.id)
    return CANCELLED_ERROR if now is not None and now.cancel_wished is not None else error


async def _next_step(runtime: Runtime, task: Task, inputs: Inputs, story: ExecutionState, lease: Lease) -> Step:
    if story.interrupted is not None:
        attempt, story.interrupted = story.interrupted, None
        return await _run_call(runtime, task, inputs, story, attempt)
    if story.call_count >= runtime.settings.work.tries_per_slice:
        return Stop(story.error)
    wanted = task.order.n - story.delivered_count
    match await select_route(
        runtime, task, wanted, _largest_bytes(inputs.references), story.tried_routes, story.blocked_until
    ):
        case NoRoute(considered=considered):
            await _record_no_route(runtime, task, story, considered)
            return Stop(story.error)
        case RetryAt(until=until):
            return await _wait_for_route(runtime, task, until)
        case RouteChoice() as chosen:
            return await _try_route(runtime, task, inputs, story, lease, chosen)


async def _try_route(
    runtime: Runtime, task: Task, inputs: Inputs, story: ExecutionState, lease: Lease, chosen: RouteChoice
) -> Step:
    if not await _may_call(runtime, task, story):
        return Stop(story.error)
    attempt = _new_attempt(runtime, task, chosen)
    lease.ensure_valid()
    gate = _dispatch_limits(runtime, chosen)
    match await runtime.db.write(begin_attempt, task.account_id, attempt, runtime.boot_id, gate):
        case Done():
            crash_point("upstream.marked")
            return await _run_call(runtime, task, inputs, story, attempt)
        case Blocked(until=until):
            story.blocked_until[chosen.route.name] = until
            return Continue()
        case LostLease():
            return Released()
        case CancelRequested():
            return Stop(CANCELLED_ERROR)


async def _may_call(runtime: Runtime, task: Task, story: ExecutionState) -> bool:
    """Always, unless an earlier call may have bought the same: then once more, by policy and within the budget."""
    if story.unknown_attempt is None:
        return True
    if not _is_repeat_allowed(runtime, story.unknown_attempt):
        return False
    work = runtime.settings.work
    budget = parse_usd(work.repeat_usd_per_day)
    allowed = await runtime.db.write(
        permit_repeat, task.account_id, story.unknown_attempt.id, budget, work.repeat_percent
    )
    if allowed:
        story.unknown_attempt = None
    return allowed


async def _run_call(runtime: Runtime, task: Task, inputs: Inputs, story: ExecutionState, attempt: Attempt) -> Step:
    answer = await make_call(runtime, task, attempt, inputs, story.delivered_count)
    await record_outcome(runtime, task, attempt, answer)
    return _apply_outcome(story, attempt, answer)


def _apply_outcome(story: ExecutionState, attempt: Attempt, answer: CallOutcome) -> Step:
    match answer:
        case Produced(answer=spooled):
            story.add_batch((attempt, spooled))
            return Continue()
        case Refused(error=error) | Rejected(error=error):
            return Stop(error)
        case Unavailable(error=error, trouble=trouble):
            story.mark_unavailable(attempt, error, throttled=trouble == FailureKind.throttled)
            return Continue()
        case Unknown(bad_body=bad_body):
            story.mark_unknown(attempt, NO_READABLE_IMAGE if bad_body else OUTCOME_UNKNOWN)
            return Continue()
        case _:
            assert_never(answer)


def _is_repeat_allowed(runtime: Runtime, attempt: Attempt) -> bool:
    """By the policy of the route, and never where the operator has taken the route out."""
    route = runtime.registry.route_table.routes.get(attempt.route)
    return route is not None and route.on_unknown == "retry"


async def _wait_for_route(runtime: Runtime, task: Task, until: int) -> Step:
    """A short wait is spent here; for a longer one the task goes back to the queue and its place is free."""
    wait_us = until - runtime.clock()
    if until >= task.deadline:
        return Stop(ALL_ROUTES_BUSY)
    if wait_us <= _MAX_SLEEP_US and not runtime.wake_ups.closing:
        await asyncio.sleep(max(wait_us, 50_000) / US_PER_SECOND)
        return Continue()
    await runtime.db.write(claims.release_task, task.account_id, task.id, task.claim_no, min(wait_us, _MAX_REQUEUE_US))
    return Released()


def _new_attempt(runtime: Runtime, task: Task, chosen: RouteChoice) -> Attempt:
    return Attempt(
        id=new_attempt_id(runtime),
        task_id=task.id,
        account_id=task.account_id,
        claim_no=task.claim_no,
        route=chosen.route.name,
        upstream=chosen.route.upstream,
        outcome=AttemptOutcome.sending,
        started=runtime.clock(),
        images=chosen.order.n,
        cost=chosen.cost,
        considered=_encode_considered(chosen.considered),
    )


async def _record_no_route(
    runtime: Runtime, task: Task, story: ExecutionState, considered: tuple[Candidate, ...]
) -> None:
    """Where no call at all was made, the attempt log says why."""
    if story.tried_routes or story.batches:
        return
    now = runtime.clock()
    attempt = Attempt(
        id=new_attempt_id(runtime),
        task_id=task.id,
        account_id=task.account_id,
        claim_no=task.claim_no,
        route="",
        outcome=AttemptOutcome.not_sent,
        started=now,
        ended=now,
        detail="no route",
        images=0,
        considered=_encode_considered(considered),
    )
    await runtime.db.write(add_unsent_attempt, task.account_id, attempt, runtime.boot_id)


def _encode_considered(considered: tuple[Candidate, ...]) -> str:
    return msgspec.json.encode(considered).decode()


def _dispatch_limits(runtime: Runtime, chosen: RouteChoice) -> DispatchLimits:
    route = chosen.route
    return DispatchLimits(
        route=route.name,
        upstream=route.upstream,
        key_fingerprint=runtime.registry.key_fingerprints.get(route.upstream, ""),
        concurrency=route.concurrency,
        rate_per_min=route.rate_per_min,
        images=chosen.order.n,
    )


def _largest_bytes(references: tuple[Path, ...]) -> int:
    return max((path.stat().st_size for path in references), default=0)


async def fail_task(runtime: Runtime, task: Task, error: TaskError) -> None:
    """[ task failed, hold released, webhook ]; nothing happens where the task is no longer ours."""
    commit_id = ids.new_id("cmt", runtime.clock())
    await runtime.db.write(
        settlement.fail_task, task.account_id, task.id, task.claim_no, error, commit_id, task_encoder(runtime)
    )
    runtime.wake_ups.notify_task_ended(task.id)
