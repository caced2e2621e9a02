"""Write down how an attempt ended: [ outcome, what it cost us, health of its route and upstream ].

Knows: what an answer says about money and health. Refuses to know: what is tried next.
"""

from __future__ import annotations

from typing import assert_never

import msgspec

from imagegate.catalog.routes import Route
from imagegate.domain import ids
from imagegate.domain.tasks import Attempt, Outcome, Task, Trouble
from imagegate.domain.usage import Usage
from imagegate.families import FAMILIES
from imagegate.flows.execution.anomalies import oddity
from imagegate.logging import log, log_error
from imagegate.pricing import charge
from imagegate.routing import circuit_breaker
from imagegate.routing.circuit_breaker import Health
from imagegate.runtime import PER_SECOND, Runtime
from imagegate.spool import SpooledAnswer
from imagegate.store.attempts import Ended, Judge, end_attempt
from imagegate.upstreams.base import Answer, Produced, Refused, Rejected, Resumes, Unavailable, Unknown


async def conclude(runtime: Runtime, task: Task, attempt: Attempt, answer: Answer) -> None:
    """[ outcome, cost, health ] of a call that was answered. The spool of a call that delivered nothing is emptied."""
    ended = _ended(runtime, task, attempt, answer)
    await _write_down(runtime, task, ended, _judge(runtime, task, attempt, answer))
    if not isinstance(answer, Produced):
        runtime.spool.discard(attempt.id)
    _tell_operator(attempt, answer, ended)


async def conclude_cut_off(runtime: Runtime, task: Task, attempt: Attempt, answer: SpooledAnswer | None) -> None:
    """The same for a call whose worker died: delivered where the spool has its answer, else unknown, or not sent where
    it bought nothing."""
    if answer is not None:
        await conclude(runtime, task, attempt, Produced(answer))
        return
    upstream = runtime.fleet.upstreams.get(attempt.upstream)
    detail = "the worker stopped in the middle"
    if upstream is not None and upstream.resumes == Resumes.exactly:
        ended = _base(runtime, attempt, Outcome.not_sent, detail=detail)
        await _write_down(runtime, task, ended, _unmoved)
        runtime.spool.discard(attempt.id)
        return
    await conclude(runtime, task, attempt, Unknown(detail))


async def _write_down(runtime: Runtime, task: Task, ended: Ended, judge: Judge) -> None:
    if await runtime.db.write(end_attempt, task.account_id, ended, judge):
        runtime.tally.count(ended.route, ended.outcome, ended.cost)


def _ended(runtime: Runtime, task: Task, attempt: Attempt, answer: Answer) -> Ended:
    match answer:
        case Produced(answer=spooled):
            cost = _cost(runtime, task, attempt, spooled)
            return _base(
                runtime,
                attempt,
                Outcome.produced,
                request_id=spooled.request_id,
                images=len(spooled.images),
                cost=cost,
                detail=oddity(runtime, task, attempt, spooled),
            )
        case Refused(error=error, request_id=request_id, detail=detail):
            return _base(runtime, attempt, Outcome.refused, detail=detail or error.message, request_id=request_id)
        case Rejected(error=error, request_id=request_id, detail=detail):
            return _base(runtime, attempt, Outcome.rejected, detail=detail or error.message, request_id=request_id)
        case Unavailable(detail=detail, trouble=trouble, request_id=request_id):
            return _base(
                runtime, attempt, Outcome.unavailable, detail=detail, request_id=request_id, trouble=str(trouble)
            )
        case Unknown(detail=detail, request_id=request_id, usage=usage):
            cost = attempt.cost if usage is None else _cost_of(runtime, task, attempt, usage)
            return _base(runtime, attempt, Outcome.unknown, detail=detail, request_id=request_id, cost=cost)
        case _:
            assert_never(answer)


def _base(
    runtime: Runtime,
    attempt: Attempt,
    outcome: Outcome,
    *,
    detail: str = "",
    request_id: str = "",
    images: int = 0,
    cost: int = 0,
    trouble: str = "",
) -> Ended:
    return Ended(
        attempt_id=attempt.id,
        route=attempt.route,
        upstream=attempt.upstream,
        outcome=outcome,
        detail=detail,
        request_id=request_id,
        images=images,
        cost=cost,
        trouble=trouble,
        commit_id=ids.new_id("cmt", runtime.clock()),
    )


def _cost(runtime: Runtime, task: Task, attempt: Attempt, spooled: SpooledAnswer) -> int:
    """What the upstream says, else its usage at the route's rates, else the formula on what it delivered."""
    if spooled.cost_nanos is not None:
        return spooled.cost_nanos
    model = runtime.book.models[task.order.row]
    pixels = [(image.width, image.height) for image in spooled.images]
    order = msgspec.structs.replace(task.order, n=len(pixels))
    usage = spooled.usage or FAMILIES[model.family].usage_of(order, model, pixels)
    return _cost_of(runtime, task, attempt, msgspec.structs.replace(usage, images=len(pixels)))


def _cost_of(runtime: Runtime, task: Task, attempt: Attempt, usage: Usage) -> int:
    route = _route(runtime, attempt)
    if route is None:
        return attempt.cost
    tier = FAMILIES[runtime.book.models[task.order.row].family].price_tier(task.order)
    return max(0, charge(usage, route.cost_price(tier)).total)


def _route(runtime: Runtime, attempt: Attempt) -> Route | None:
    """None where the operator has taken it out since."""
    return runtime.fleet.roster.routes.get(attempt.route)


def _unmoved(_: str, health: Health, __: int) -> Health:
    return health


def _judge(runtime: Runtime, task: Task, attempt: Attempt, answer: Answer) -> Judge:
    """What the answer does to the health of the upstream and of the route."""
    key = runtime.fleet.keys.get(attempt.upstream, "")
    odd = oddity(runtime, task, attempt, answer.answer) if isinstance(answer, Produced) else ""

    def judge(scope: str, health: Health, now: int) -> Health:
        match answer:
            case Produced() | Refused() | Rejected():
                better = circuit_breaker.on_success(health, now)
                return circuit_breaker.on_flag(better, odd) if odd and scope == attempt.route else better
            case Unavailable(trouble=trouble, retry_after_s=seconds):
                mine = (trouble in circuit_breaker.OF_UPSTREAM) == (scope == attempt.upstream)
                wait = int(seconds * PER_SECOND)
                felt = trouble if mine else Trouble.ours
                return circuit_breaker.on_trouble(health, felt, now, retry_after_us=wait, key=key)
            case Unknown():
                felt = Trouble.failing if scope == attempt.route else Trouble.ours
                return circuit_breaker.on_trouble(health, felt, now)

    return judge


def _tell_operator(attempt: Attempt, answer: Answer, ended: Ended) -> None:
    alarming = (
        isinstance(answer, Unavailable)
        and answer.trouble
        in {
            Trouble.unpaid,
            Trouble.blocked,
            Trouble.bad_key,
            Trouble.bad_row,
            Trouble.no_model,
        }
    ) or (isinstance(answer, Rejected) and answer.unmapped)
    write = log_error if alarming else log
    write(
        "attempt ended",
        task=attempt.task_id,
        attempt=attempt.id,
        route=attempt.route,
        outcome=str(ended.outcome),
        trouble=ended.trouble,
        detail=ended.detail,
        request_id=ended.request_id,
    )
