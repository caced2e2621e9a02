"""Write down how an attempt ended: [ outcome, what it cost us, health of its route and upstream ].

Knows: what an answer says about money and health. Refuses to know: what is tried next.
"""

from __future__ import annotations

from typing import assert_never

import msgspec

from imagegate.catalog.routes import Route
from imagegate.domain import ids
from imagegate.domain.tasks import Attempt, AttemptOutcome, FailureKind, Task
from imagegate.domain.time import US_PER_SECOND
from imagegate.domain.usage import Usage
from imagegate.families import FAMILIES
from imagegate.flows.execution.anomalies import describe_anomalies
from imagegate.logging import log, log_error
from imagegate.pricing import compute_charge
from imagegate.routing import circuit_breaker
from imagegate.routing.circuit_breaker import Health
from imagegate.runtime import Runtime
from imagegate.spool import SpooledResponse
from imagegate.store.attempts import AttemptResult, HealthUpdate, end_attempt
from imagegate.upstreams.base import CallOutcome, Produced, RecoveryMode, Refused, Rejected, Unavailable, Unknown


async def record_outcome(runtime: Runtime, task: Task, attempt: Attempt, answer: CallOutcome) -> None:
    """[ outcome, cost, health ] of a call that was answered. The spool of a call that delivered nothing is emptied."""
    ended = _attempt_end(runtime, task, attempt, answer)
    await _end_attempt(runtime, task, ended, _health_update(runtime, task, attempt, answer))
    if not isinstance(answer, Produced):
        runtime.spool.discard(attempt.id)
    _log_attempt(attempt, answer, ended)


async def record_interrupted(runtime: Runtime, task: Task, attempt: Attempt, answer: SpooledResponse | None) -> None:
    """The same for a call whose worker died: delivered where the spool has its answer, else unknown, or not sent where
    it bought nothing."""
    if answer is not None:
        await record_outcome(runtime, task, attempt, Produced(answer))
        return
    upstream = runtime.registry.upstreams.get(attempt.upstream)
    detail = "the worker stopped in the middle"
    if upstream is not None and upstream.recovery_mode == RecoveryMode.deterministic:
        ended = _build_end(runtime, attempt, AttemptOutcome.not_sent, detail=detail)
        await _end_attempt(runtime, task, ended, _keep_health)
        runtime.spool.discard(attempt.id)
        return
    await record_outcome(runtime, task, attempt, Unknown(detail))


async def _end_attempt(runtime: Runtime, task: Task, ended: AttemptResult, judge: HealthUpdate) -> None:
    if await runtime.db.write(end_attempt, task.account_id, ended, judge):
        runtime.call_counters.count(ended.route, ended.outcome, ended.cost)


def _attempt_end(runtime: Runtime, task: Task, attempt: Attempt, answer: CallOutcome) -> AttemptResult:
    match answer:
        case Produced(answer=spooled):
            cost = _cost(runtime, task, attempt, spooled)
            return _build_end(
                runtime,
                attempt,
                AttemptOutcome.produced,
                request_id=spooled.request_id,
                images=len(spooled.images),
                cost=cost,
                detail=describe_anomalies(runtime, task, attempt, spooled),
            )
        case Refused(error=error, request_id=request_id, detail=detail):
            return _build_end(
                runtime, attempt, AttemptOutcome.refused, detail=detail or error.message, request_id=request_id
            )
        case Rejected(error=error, request_id=request_id, detail=detail):
            return _build_end(
                runtime, attempt, AttemptOutcome.rejected, detail=detail or error.message, request_id=request_id
            )
        case Unavailable(detail=detail, trouble=trouble, request_id=request_id):
            return _build_end(
                runtime, attempt, AttemptOutcome.unavailable, detail=detail, request_id=request_id, trouble=str(trouble)
            )
        case Unknown(detail=detail, request_id=request_id, usage=usage):
            cost = attempt.cost if usage is None else _cost_of_usage(runtime, task, attempt, usage)
            return _build_end(runtime, attempt, AttemptOutcome.unknown, detail=detail, request_id=request_id, cost=cost)
        case _:
            assert_never(answer)


def _build_end(
    runtime: Runtime,
    attempt: Attempt,
    outcome: AttemptOutcome,
    *,
    detail: str = "",
    request_id: str = "",
    images: int = 0,
    cost: int = 0,
    trouble: str = "",
) -> AttemptResult:
    return AttemptResult(
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


def _cost(runtime: Runtime, task: Task, attempt: Attempt, spooled: SpooledResponse) -> int:
    """What the upstream says, else its usage at the route's rates, else the formula on what it delivered."""
    if spooled.cost_nanos is not None:
        return spooled.cost_nanos
    model = runtime.catalog.models[task.order.row]
    pixels = [(image.width, image.height) for image in spooled.images]
    order = msgspec.structs.replace(task.order, n=len(pixels))
    usage = spooled.usage or FAMILIES[model.family].usage_from_pixels(order, model, pixels)
    return _cost_of_usage(runtime, task, attempt, msgspec.structs.replace(usage, images=len(pixels)))


def _cost_of_usage(runtime: Runtime, task: Task, attempt: Attempt, usage: Usage) -> int:
    route = _route(runtime, attempt)
    if route is None:
        return attempt.cost
    tier = FAMILIES[runtime.catalog.models[task.order.row].family].price_tier(task.order)
    return max(0, compute_charge(usage, route.price_for_tier(tier)).total)


def _route(runtime: Runtime, attempt: Attempt) -> Route | None:
    """None where the operator has taken it out since."""
    return runtime.registry.route_table.routes.get(attempt.route)


def _keep_health(_: str, health: Health, __: int) -> Health:
    return health


def _health_update(runtime: Runtime, task: Task, attempt: Attempt, answer: CallOutcome) -> HealthUpdate:
    """What the answer does to the health of the upstream and of the route."""
    key = runtime.registry.key_fingerprints.get(attempt.upstream, "")
    anomalies = describe_anomalies(runtime, task, attempt, answer.answer) if isinstance(answer, Produced) else ""

    def update(scope: str, health: Health, now: int) -> Health:
        match answer:
            case Produced() | Refused() | Rejected():
                recovered = circuit_breaker.on_success(health, now)
                return (
                    circuit_breaker.on_anomaly(recovered, anomalies)
                    if anomalies and scope == attempt.route
                    else recovered
                )
            case Unavailable(trouble=trouble, retry_after_s=seconds):
                mine = (trouble in circuit_breaker.UPSTREAM_WIDE_FAILURES) == (scope == attempt.upstream)
                wait = int(seconds * US_PER_SECOND)
                trouble_here = trouble if mine else FailureKind.internal
                return circuit_breaker.on_failure(health, trouble_here, now, retry_after_us=wait, key=key)
            case Unknown():
                trouble_here = FailureKind.failing if scope == attempt.route else FailureKind.internal
                return circuit_breaker.on_failure(health, trouble_here, now)

    return update


def _log_attempt(attempt: Attempt, answer: CallOutcome, ended: AttemptResult) -> None:
    needs_operator = (
        isinstance(answer, Unavailable)
        and answer.trouble
        in {
            FailureKind.out_of_funds,
            FailureKind.blocked,
            FailureKind.bad_key,
            FailureKind.misconfigured,
            FailureKind.no_model,
        }
    ) or (isinstance(answer, Rejected) and answer.unmapped)
    write = log_error if needs_operator else log
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
