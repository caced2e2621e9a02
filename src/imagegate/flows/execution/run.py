"""Carries out one claimed task: choose a route, call it, keep what it delivered, go on or settle.

`[ ]` is one commit. `[ attempt: sending ]`, the call, its response in the spool, `[ outcome, cost, health ]`; again
while images are missing and another route may be tried; then `[ task done (fenced), … ]`. If the process dies before
the first commit nothing was sent; between it and the spool the outcome is unknown, or the call is resumed where its
upstream allows that; once the response is in the spool the next claim goes on from it and nothing is bought again.
"""

from __future__ import annotations

import asyncio
import contextlib

import msgspec

from imagegate.crash_points import crash_point
from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.domain.money import parse_usd
from imagegate.domain.tasks import Attempt, AttemptOutcome, Task
from imagegate.domain.time import US_PER_MS, US_PER_SECOND
from imagegate.flows.clock import MAX_REQUEUE_US, follow_clock
from imagegate.flows.execution.call import make_call
from imagegate.flows.execution.inputs import gather_inputs
from imagegate.flows.execution.outcome import close_open_attempt, record_outcome
from imagegate.flows.execution.route_selection import (
    NoRoute,
    RouteChoice,
    Wait,
    call_attempt,
    call_place,
    new_attempt,
    select_route,
)
from imagegate.flows.execution.settlement import fail_task, settle
from imagegate.flows.execution.state import Execution, ExecutionState, Inputs, Lease, Stop, load_state
from imagegate.flows.traces import trace_part
from imagegate.routing.planner import Candidate, RouteWait, WaitReason
from imagegate.runtime import Runtime
from imagegate.store import claims
from imagegate.store.attempts import add_attempt, begin_attempt, permit_repeat
from imagegate.store.cancellation import CANCELLED_ERROR
from imagegate.store.route_health import Blocked
from imagegate.store.tasks import CancelRequested, Done, LostLease, find_task

ALL_ROUTES_BUSY = TaskError(TaskErrorCode.resource_exhausted, "Every route is busy for longer than this task can wait.")
# What the customer did wrong is reported even after a cancel request.
_CUSTOMER_ERRORS = frozenset({TaskErrorCode.content_policy_violation, TaskErrorCode.invalid_parameters})
# Up to this long a task waits for a route here; for longer it returns to the queue.
_MAX_SLEEP_US = 3 * US_PER_SECOND
_MIN_SLEEP_US = 50 * US_PER_MS
_PLACE_RETRY_US = 250 * US_PER_MS
# So many calls of one task may fail without having bought anything: with growing waits, about half an hour of them.
MAX_FAILURES_PER_SLICE = 30


class Continue(msgspec.Struct, frozen=True):
    """Look again: an image arrived, or another route may be tried."""


class Released(msgspec.Struct, frozen=True):
    """The task is no longer ours: returned to the queue, or claimed by another worker."""


Step = Stop | Continue | Released


async def execute(runtime: Runtime, task: Task, lease: Lease, begun: Attempt | None = None) -> None:
    """Bring the task to its end, return it to the queue, or stop quietly where it is no longer ours.

    `begun`: its first call, which was marked as sending when the task was claimed.
    """
    if begun is not None:
        crash_point("upstream.marked")
        await _make_calls(Execution(runtime, task, lease, ExecutionState()), begun)
        return
    state, left_open = await load_state(runtime, task)
    execution = Execution(runtime, task, lease, state)
    for found in left_open:
        await close_open_attempt(execution, found)
    if execution.missing_count <= 0:
        await settle(execution)
        return
    async with contextlib.AsyncExitStack() as copies:
        match await gather_inputs(execution, copies):
            case TaskError() as error:
                await _end(execution, error)
            case Inputs() as inputs:
                execution.inputs = inputs
                await _make_calls(execution)


async def _make_calls(execution: Execution, begun: Attempt | None = None) -> None:
    step: Step = Continue() if begun is None else await _call(execution, begun)
    while True:
        match step:
            case Continue() if execution.missing_count > 0:
                step = await _next_step(execution)
            case Continue():
                await settle(execution)
                return
            case Released():
                return
            case Stop(error=error):
                await _end(execution, error)
                return


async def _end(execution: Execution, error: TaskError) -> None:
    """Completed with the images that arrived; failed with `error` where none did."""
    if execution.state.batches:
        await settle(execution)
    else:
        await fail_task(execution.runtime, execution.task, await _error_after_cancel(execution, error))


async def _error_after_cancel(execution: Execution, error: TaskError) -> TaskError:
    """Where no image arrived and the customer had asked to cancel, the task ends as cancelled."""
    if error.code in _CUSTOMER_ERRORS:
        return error
    task = await execution.runtime.db.read(find_task, execution.task.account_id, execution.task.id)
    return CANCELLED_ERROR if task is not None and task.cancel_requested is not None else error


async def _next_step(execution: Execution) -> Step:
    runtime, state = execution.runtime, execution.state
    if state.interrupted is not None:
        attempt, state.interrupted = state.interrupted, None
        runtime.wake_ups.sent_tasks.add(execution.task.id)
        return await _call(execution, attempt)
    if execution.is_cancel_requested:
        return Stop(CANCELLED_ERROR)
    if runtime.wake_ups.draining:
        return await _release(execution, runtime.clock())
    if state.unknown_count >= runtime.settings.work.max_attempts_per_slice:
        return Stop(state.error)
    if state.failure_counts.total() >= MAX_FAILURES_PER_SLICE or not _may_repeat(execution):
        return Stop(state.error)
    match await select_route(execution):
        case NoRoute(considered=considered, impossible=impossible):
            await _record_no_route(execution, considered)
            if impossible is not None:
                code = TaskErrorCode.invalid_parameters
                return Stop(TaskError(code, f"{impossible.message}.", param=impossible.param))
            return Stop(state.error)
        case Wait(waits=waits):
            return await _wait_for_route(execution, waits)
        case RouteChoice() as choice:
            return await _try_route(execution, choice)


async def _try_route(execution: Execution, choice: RouteChoice) -> Step:
    runtime, task, state = execution.runtime, execution.task, execution.state
    if not await _may_buy(execution):
        return Stop(state.error)
    # Before the attempt is marked as sending: what is marked counts as sent if we die.
    if runtime.call_limits.free(call_place(runtime, choice.route.upstream, choice.route.name)) <= 0:
        state.waits[choice.route.name] = RouteWait(runtime.clock() + _PLACE_RETRY_US, WaitReason.busy)
        return Continue()
    attempt = call_attempt(runtime, task, choice)
    execution.lease.ensure_valid()
    key = runtime.registry.key_fingerprints.get(choice.route.upstream, "")
    # Before the commit: a drain that begins during it must not cut the call off.
    runtime.wake_ups.sent_tasks.add(task.id)
    match await runtime.db.write(begin_attempt, task.account_id, attempt, runtime.boot_id, choice.route, key):
        case Done():
            crash_point("upstream.marked")
            state.waiting_since = None
            return await _call(execution, attempt)
        case Blocked(wait=wait):
            if wait is not None:
                state.waits[choice.route.name] = wait
            return Continue()
        case LostLease():
            return Released()
        case CancelRequested():
            return Stop(CANCELLED_ERROR)


def _may_repeat(execution: Execution) -> bool:
    """Whether the route of a call of unknown outcome allows that the same is bought once more."""
    earlier = execution.state.unknown_attempt
    if earlier is None:
        return True
    # Never where the operator has removed the route: its policy is gone with it.
    route = execution.runtime.registry.route_table.routes.get(earlier.route)
    return route is not None and route.on_unknown == "retry"


async def _may_buy(execution: Execution) -> bool:
    """Always, unless an earlier call may have bought the same: then once more, within the budget."""
    runtime, earlier = execution.runtime, execution.state.unknown_attempt
    if earlier is None:
        return True
    work = runtime.settings.work
    budget = parse_usd(work.repeat_usd_per_day)
    is_allowed = await runtime.db.write(
        permit_repeat, execution.task.account_id, earlier.id, budget, work.repeat_percent
    )
    if is_allowed:
        execution.state.unknown_attempt = None
    return is_allowed


async def _call(execution: Execution, attempt: Attempt) -> Step:
    outcome = await make_call(execution, attempt)
    step = await record_outcome(execution, attempt, outcome)
    execution.state.apply(attempt, step)
    return step if isinstance(step, Stop) else Continue()


async def _wait_for_route(execution: Execution, waits: tuple[RouteWait, ...]) -> Step:
    """A short wait for a place is spent here; else the task returns to the queue."""
    runtime, task, state = execution.runtime, execution.task, execution.state
    first, now = waits[0], runtime.clock()
    last_look = task.deadline
    if all(wait.reason is not WaitReason.busy for wait in waits):
        patience_us = int(runtime.settings.work.outage_patience_s * US_PER_SECOND)
        state.waiting_since = now if state.waiting_since is None else state.waiting_since
        last_look = min(task.deadline, state.waiting_since + patience_us)
    if first.until >= task.deadline or now >= last_look:
        if await _was_moved(execution):
            return await _release(execution, now, first.reason)
        are_throttled = all(wait.reason is not WaitReason.unavailable for wait in waits)
        return Stop(state.error if state.unknown_count or not are_throttled else ALL_ROUTES_BUSY)
    wait_us = first.until - now
    if first.reason is WaitReason.busy and wait_us <= _MAX_SLEEP_US:
        await asyncio.sleep(max(wait_us, _MIN_SLEEP_US) / US_PER_SECOND)
        return Continue()
    due = runtime.wake_ups.reserve_look(min(first.until, now + MAX_REQUEUE_US), last_look)
    return await _release(execution, due, first.reason)


async def _was_moved(execution: Execution) -> bool:
    """Whether the clock was set since the claim, and the deadline with it: the next claim sees the new one."""
    task, state = execution.task, execution.state
    await follow_clock(execution.runtime)
    stored = await execution.runtime.db.read(find_task, task.account_id, task.id)
    if stored is None or stored.deadline == task.deadline:
        return False
    state.waiting_since = stored.waiting_since
    return True


async def _release(execution: Execution, due: int, reason: WaitReason | None = None) -> Released:
    runtime, task = execution.runtime, execution.task
    since = None if reason is WaitReason.busy else execution.state.waiting_since
    reason_text = None if reason is None else str(reason)
    await runtime.db.write(
        claims.release_task,
        task.account_id,
        task.id,
        task.claim_no,
        due,
        since,
        reason_text,
        runtime.settings.work.spool_wait_us,
    )
    if reason_text is not None:
        # When it goes on is seen by what follows.
        trace_part(runtime, task, "wait", runtime.clock(), waiting_reason=reason_text)
    runtime.wake_ups.notify_task_moved(task.id)
    runtime.wake_ups.wake_at(due - runtime.clock())
    return Released()


async def _record_no_route(execution: Execution, considered: tuple[Candidate, ...]) -> None:
    """Where no call at all was made, the attempt log says why."""
    state = execution.state
    if state.failure_counts or state.unknown_count or state.batches:
        return
    runtime, task = execution.runtime, execution.task
    attempt = new_attempt(
        runtime,
        task,
        considered,
        route="",
        outcome=AttemptOutcome.not_sent,
        ended=runtime.clock(),
        detail="no route",
        images=0,
    )
    await runtime.db.write(add_attempt, task.account_id, attempt, runtime.boot_id)
