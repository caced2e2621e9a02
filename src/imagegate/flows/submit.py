"""Take a request in: [ idempotency key, hold, task ] in one commit, then wake a worker.

If the process dies before the commit, nothing happened; after it, the task is claimed at the next start. The client
repeats with its Idempotency-Key.
"""

from __future__ import annotations

import msgspec

from imagegate.crash_points import point
from imagegate.domain import ids
from imagegate.domain.accounts import Key, LimitScope
from imagegate.domain.errors import (
    IdempotencyConflict,
    InsufficientQuota,
    InsufficientTokenQuota,
    Problem,
    RateLimitExceeded,
    ServiceUnavailable,
    TaskNotFound,
    TokenDailyQuotaExceeded,
)
from imagegate.domain.images import ImageRequest, fingerprint
from imagegate.domain.money import credits_text, number
from imagegate.domain.tasks import Task
from imagegate.flows.disk_space import short_of_space
from imagegate.flows.execution.inputs import pin_own, unpin
from imagegate.flows.execution.route_selection import has_route
from imagegate.flows.quote import Quote, make_quote
from imagegate.runtime import PER_SECOND, Runtime
from imagegate.store import idempotency, tasks
from imagegate.store.accounts import NoCredit, TooManyUnfinished, TooMuchInFlight
from imagegate.store.idempotency import Conflict, Replayed

ENDPOINT = "POST /v1/images/generations"
_LIMITS: dict[LimitScope, type[Problem]] = {
    LimitScope.account: InsufficientQuota,
    LimitScope.key: InsufficientTokenQuota,
    LimitScope.key_daily: TokenDailyQuotaExceeded,
}


async def submit(
    runtime: Runtime, request: ImageRequest, key: Key, idempotency_key: str | None, hop: int = 0
) -> tuple[Task, bool]:
    """The task, and whether it was replayed. A Problem means: no task, no hold."""
    now = runtime.clock()
    quote = make_quote(runtime, request, key, now)
    quote = msgspec.structs.replace(quote, order=msgspec.structs.replace(quote.order, hop=hop))
    if short_of_space(runtime) and not await _is_repeat(runtime, key, idempotency_key):
        raise ServiceUnavailable("The service has no space left", reason="storage_full")
    if not await has_route(runtime, quote.order) and not await _is_repeat(runtime, key, idempotency_key):
        raise ServiceUnavailable("No route can serve this request now", reason="no_route_available")
    new = await _new_task(runtime, quote, key, now)
    use = _key_use(runtime, quote, idempotency_key)
    limit = runtime.settings.limits.unfinished_per_account
    answer = await runtime.db.write(tasks.submit_task, key.account_id, new, use, limit)
    point("submit.post_commit")
    if not isinstance(answer, tasks.Submitted):
        await unpin(runtime, new.pinned)
    match answer:
        case tasks.Submitted():
            runtime.signals.work.set()
            return tasks.fresh_task(new), False
        case Replayed(task_id=task_id):
            return await _replayed(runtime, key.account_id, task_id), True
        case Conflict():
            raise IdempotencyConflict(param="Idempotency-Key")
        case TooManyUnfinished():
            message = f"At most {limit:,} unfinished tasks per account; wait until some have ended"
            raise RateLimitExceeded(message, reason="unfinished_tasks")
        case TooMuchInFlight(remaining=remaining):
            raise _in_flight_problem(runtime, remaining, new.hold)
        case NoCredit():
            raise credit_problem(runtime, answer, new.hold)


async def _new_task(runtime: Runtime, quote: Quote, key: Key, now: int) -> tasks.NewTask:
    task_id = ids.task_id(now // PER_SECOND)
    return tasks.NewTask(
        id=task_id,
        account_id=key.account_id,
        key_id=key.id,
        order=quote.order,
        billing_rule=quote.model.billing,
        price_version=quote.price_version,
        hold=quote.maximum.total,
        created=now,
        deadline=now + int(runtime.settings.work.deadline_s * PER_SECOND),
        pinned=await pin_own(runtime, quote.order, key.account_id, task_id),
    )


async def _is_repeat(runtime: Runtime, key: Key, idempotency_key: str | None) -> bool:
    """A repeat makes nothing new, and a refusal would tell its client that there is no task."""
    if idempotency_key is None:
        return False
    return await runtime.db.read(idempotency.is_used, key.account_id, ENDPOINT, idempotency_key)


def _key_use(runtime: Runtime, quote: Quote, idempotency_key: str | None) -> tasks.KeyUse | None:
    if idempotency_key is None:
        return None
    keep = runtime.settings.limits.idempotency_hours * 3600 * PER_SECOND
    return tasks.KeyUse(ENDPOINT, idempotency_key, fingerprint(quote.order), keep)


async def _replayed(runtime: Runtime, account_id: str, task_id: str) -> Task:
    task = await runtime.db.read(tasks.find_task, account_id, task_id)
    if task is None:
        raise TaskNotFound
    return task


def _in_flight_problem(runtime: Runtime, remaining: int, needed: int) -> Problem:
    """It passes by itself: a hold is closed with its task."""
    rate = runtime.credits_per_usd
    return RateLimitExceeded(
        f"This request may cost {credits_text(needed, rate)} credits, and the unfinished tasks of this key leave"
        f" {credits_text(max(remaining, 0), rate)} of what it may have in flight; wait until some have ended",
        reason="in_flight_cost",
    )


def credit_problem(runtime: Runtime, refusal: NoCredit, needed: int) -> Problem:
    rate = runtime.credits_per_usd
    return _LIMITS[refusal.scope](
        limit_scope=str(refusal.scope),
        estimated_credits=number(credits_text(needed, rate)),
        remaining_credits=number(credits_text(max(refusal.remaining, 0), rate)),
    )
