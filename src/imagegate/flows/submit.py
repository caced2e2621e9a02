"""Accepts a request: [ idempotency key, hold, task, answer owed ] in one commit, then a worker is woken.

If the process dies before the commit, nothing happened; after it, the task is claimed at the next start. The client
repeats with its Idempotency-Key; on the OpenAI surface without one too, and finds the task by the answer that is owed.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from imagegate.crash_points import crash_point
from imagegate.domain import errors, ids
from imagegate.domain.accounts import ApiKey, LimitScope
from imagegate.domain.images import ImageRequest, request_fingerprint
from imagegate.domain.money import format_credits, json_number
from imagegate.domain.tasks import Task
from imagegate.domain.time import US_PER_HOUR, US_PER_SECOND
from imagegate.flows.disk_space import is_disk_full
from imagegate.flows.execution.inputs import ReceivedFile, delete_pinned, pin_local_inputs
from imagegate.flows.execution.route_selection import find_refusal, has_route
from imagegate.flows.prices import find_price_conflict
from imagegate.flows.quote import Quote, make_quote
from imagegate.runtime import Runtime
from imagegate.store import idempotency, tasks
from imagegate.store.accounts import count_unfinished
from imagegate.store.answers import MAX_UNFINISHED_US, FailedBefore, Joined, OwedAnswer, find_answer
from imagegate.store.holds import InFlightCapReached, InsufficientCredit, TooManyUnfinishedTasks
from imagegate.store.idempotency import KeyConflict, Replay
from imagegate.upstreams.errors import NO_ROUTE

ENDPOINT = "POST /v1/images/generations"
_QUOTA_PROBLEMS: dict[LimitScope, type[errors.Problem]] = {
    LimitScope.account: errors.InsufficientQuota,
    LimitScope.key: errors.InsufficientTokenQuota,
    LimitScope.key_daily: errors.TokenDailyQuotaExceeded,
}


def _ensure_undamaged(runtime: Runtime) -> None:
    if runtime.wake_ups.database_damage:
        raise errors.ServiceUnavailable("The database is damaged", reason="database_damaged")


async def submit(
    runtime: Runtime, request: ImageRequest, key: ApiKey, idempotency_key: str | None, hop: int = 0
) -> tuple[Task, bool]:
    """The task, and whether it is a replay. A Problem means that there is no task and no hold."""
    now = runtime.clock()
    quote = make_quote(runtime, request, key, now)
    if hop:
        quote = msgspec.structs.replace(quote, order=msgspec.structs.replace(quote.order, hop=hop))
    metadata = request.metadata or {}
    use = idempotency_use(runtime, ENDPOINT, idempotency_key, request_fingerprint(quote.order, metadata))
    submitted = await submit_quote(runtime, quote, key, now, use, metadata=metadata)
    return submitted.task, submitted.how is Submission.replayed


def quote_possible(runtime: Runtime, request: ImageRequest, key: ApiKey | None, now_us: int) -> Quote:
    """The quote of what a create would accept, now or once its routes work again."""
    quote = make_quote(runtime, request, key, now_us)
    if refusal := find_refusal(runtime, quote.order):
        raise refusal
    return quote


class Submission(enum.Enum):
    """What became of a request: a task of its own, or an earlier one."""

    created = "created"
    replayed = "replayed"
    joined = "joined"
    failed_before = "failed_before"


class Submitted(msgspec.Struct, frozen=True):
    task: Task
    how: Submission


async def submit_quote(
    runtime: Runtime,
    quote: Quote,
    key: ApiKey,
    now: int,
    use: idempotency.IdempotencyKey | None,
    *,
    received: Mapping[str, ReceivedFile] = MappingProxyType({}),
    owed: OwedAnswer | None = None,
    metadata: Mapping[str, str] = MappingProxyType({}),
) -> Submitted:
    """The same for a request that was quoted at `now`; `received` as in `pin_local_inputs`."""
    _ensure_undamaged(runtime)
    unfinished = await runtime.unfinished_total.get(lambda: runtime.db.read(count_unfinished))
    shortage = await _find_shortage(runtime, quote, unfinished.count)
    if shortage is not None and not await _is_replay(runtime, key, use):
        found = await runtime.db.write(find_answer, key.account_id, owed) if owed else None
        if found is None:
            raise shortage
        return await _submitted_before(runtime, key.account_id, found)
    if runtime.tracing is not None and (trace := runtime.tracing.traceparent()):
        quote = msgspec.structs.replace(quote, order=msgspec.structs.replace(quote.order, trace=trace))
    new = await _new_task(runtime, quote, key, now, received)
    if metadata:
        new = msgspec.structs.replace(new, metadata=dict(metadata))
    if owed is not None:
        new = msgspec.structs.replace(new, owed=owed)
        owed.live.wait_for(new.id)
    limit = runtime.settings.limits.unfinished_per_account
    result = await runtime.db.write(tasks.submit_task, key.account_id, new, use, limit)
    crash_point("submit.post_commit")
    if not isinstance(result, tasks.TaskSubmitted):
        await delete_pinned(runtime, new.input_assets)
    match result:
        case tasks.TaskSubmitted():
            unfinished.count += 1
            runtime.wake_ups.notify_tasks_due()
            _name_task(runtime, new.id)
            return Submitted(new, Submission.created)
        case Replay() | Joined() | FailedBefore():
            return await _submitted_before(runtime, key.account_id, result)
        case _:
            raise _refusal(runtime, result, new.hold)


def _refusal(
    runtime: Runtime,
    result: KeyConflict | TooManyUnfinishedTasks | InFlightCapReached | InsufficientCredit,
    needed: int,
) -> errors.Problem:
    match result:
        case KeyConflict():
            return errors.IdempotencyConflict(param="Idempotency-Key")
        case TooManyUnfinishedTasks():
            limit = runtime.settings.limits.unfinished_per_account
            message = f"At most {limit:,} unfinished tasks per account; wait until some have ended"
            return errors.RateLimitExceeded(message, reason="unfinished_tasks")
        case InFlightCapReached(remaining=remaining):
            return _in_flight_problem(runtime, remaining, needed)
        case InsufficientCredit():
            return quota_problem(runtime, result, needed)


_HOW = {Replay: Submission.replayed, Joined: Submission.joined, FailedBefore: Submission.failed_before}


async def _submitted_before(runtime: Runtime, account_id: str, found: Replay | Joined | FailedBefore) -> Submitted:
    task = await runtime.db.read(tasks.find_task, account_id, found.task_id)
    if task is None:
        raise errors.TaskNotFound
    _name_task(runtime, task.id)
    return Submitted(task, _HOW[type(found)])


def _name_task(runtime: Runtime, task_id: str) -> None:
    if runtime.tracing is not None:
        runtime.tracing.name_task(task_id)


def answers_kept_us(runtime: Runtime) -> int:
    """How old a task can be whose answer a request may still be owed."""
    return int(runtime.settings.work.deadline_s * US_PER_SECOND) + MAX_UNFINISHED_US


async def _find_shortage(runtime: Runtime, quote: Quote, unfinished: int) -> errors.Problem | None:
    """Why no task is created now. What no route will ever do is among it: a repeat still finds its task."""
    if refusal := find_refusal(runtime, quote.order):
        return refusal
    if is_disk_full(runtime):
        return errors.ServiceUnavailable("The service has no space left", reason="storage_full")
    if unfinished >= runtime.settings.limits.unfinished_total:
        return errors.ServiceUnavailable("Too many tasks are waiting", reason="queue_full")
    if not await has_route(runtime, quote.order):
        return errors.ServiceUnavailable(NO_ROUTE.message.rstrip("."), reason="no_route_available")
    return await find_price_conflict(runtime, quote.price_version)


async def _new_task(
    runtime: Runtime, quote: Quote, key: ApiKey, now: int, received: Mapping[str, ReceivedFile]
) -> tasks.NewTask:
    task_id = ids.new_task_id(now // US_PER_SECOND)
    return tasks.NewTask(
        id=task_id,
        account_id=key.account_id,
        key_id=key.id,
        order=quote.order,
        billing_rule=quote.model.billing,
        price_version=quote.price_version,
        hold=quote.maximum.total,
        created=now,
        deadline=now + int(runtime.settings.work.deadline_s * US_PER_SECOND),
        input_assets=await pin_local_inputs(runtime, quote.order, key.account_id, task_id, received),
    )


async def _is_replay(runtime: Runtime, key: ApiKey, use: idempotency.IdempotencyKey | None) -> bool:
    """A replay creates nothing, so a shortage is no reason to refuse it: that would say that there is no task."""
    return use is not None and await runtime.db.read(idempotency.is_key_used, key.account_id, use.endpoint, use.key)


def idempotency_use(
    runtime: Runtime, endpoint: str, idempotency_key: str | None, fingerprint: str
) -> idempotency.IdempotencyKey | None:
    if idempotency_key is None:
        return None
    keep = runtime.settings.limits.idempotency_hours * US_PER_HOUR
    return idempotency.IdempotencyKey(endpoint, idempotency_key, fingerprint, keep)


def _in_flight_problem(runtime: Runtime, remaining: int, needed: int) -> errors.Problem:
    """Passes by itself: each hold is closed with its task."""
    rate = runtime.credits_per_usd
    return errors.RateLimitExceeded(
        f"This request may cost {format_credits(needed, rate)} credits, and the unfinished tasks of this key leave"
        f" {format_credits(max(remaining, 0), rate)} of what it may have in flight; wait until some have ended",
        reason="in_flight_cost",
    )


def quota_problem(runtime: Runtime, refusal: InsufficientCredit, needed: int) -> errors.Problem:
    rate = runtime.credits_per_usd
    return _QUOTA_PROBLEMS[refusal.scope](
        limit_scope=str(refusal.scope),
        estimated_credits=json_number(format_credits(needed, rate)),
        remaining_credits=json_number(format_credits(max(refusal.remaining, 0), rate)),
    )
