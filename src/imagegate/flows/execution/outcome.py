"""What the outcome of a call means: for the attempt's row, the health of its route, the operator, and the next step.

`effects_of` is the only place where an outcome is interpreted.
"""

from __future__ import annotations

from typing import Any, assert_never

import msgspec

from imagegate.domain import ids
from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.domain.tasks import Attempt, AttemptOutcome, FailureKind, Task
from imagegate.domain.time import US_PER_SECOND
from imagegate.domain.usage import Usage
from imagegate.families import FAMILIES
from imagegate.flows.execution.billing import formula_usage, is_plausible
from imagegate.flows.execution.prompt_quotes import cut_quotes
from imagegate.flows.execution.route_selection import call_place
from imagegate.flows.execution.state import (
    OUTCOME_UNKNOWN,
    Delivered,
    Execution,
    MaybeBought,
    NextStep,
    OpenAttempt,
    RouteUnavailable,
    Stop,
    recovery_mode,
)
from imagegate.flows.traces import trace_attempt
from imagegate.logging import log, log_error, log_warning
from imagegate.pricing import compute_charge
from imagegate.routing import circuit_breaker
from imagegate.routing.circuit_breaker import UPSTREAM_WIDE_FAILURES, Health
from imagegate.runtime import Runtime
from imagegate.spool import SpooledResponse
from imagegate.store.attempts import AttemptEnd, AttemptEnded, EndedBefore, HealthUpdate, end_attempt
from imagegate.upstreams.base import Outcome, Produced, RecoveryMode, Refused, Rejected, Unavailable, Unknown

NO_READABLE_IMAGE = TaskError(
    TaskErrorCode.generation_failed_no_content,
    "The upstream's response contained no readable image.",
    reason="upstream_invalid_response",
)
# The route does not come back until the operator pays, unblocks or changes something.
_NEEDS_OPERATOR = UPSTREAM_WIDE_FAILURES | {FailureKind.misconfigured, FailureKind.no_model}
_MAX_TOKEN_DEVIATION = 0.02


class OutcomeEffects(msgspec.Struct, frozen=True):
    """Everything that follows from one outcome."""

    result: Attempt
    update_health: HealthUpdate
    next_step: NextStep
    needs_operator: bool = False


async def record_outcome(
    execution: Execution, attempt: Attempt, outcome: Outcome, update_health: HealthUpdate | None = None
) -> NextStep:
    """[ outcome, cost, health ]; then the spool of a call that delivered nothing is emptied.

    `update_health` replaces what the outcome would do to the health of its route.
    """
    effects = effects_of(execution, attempt, outcome)
    result = effects.result
    if not isinstance(outcome, Produced):  # whose detail is our own words
        detail = cut_quotes(result.detail or "", execution.task.order.prompt)
        result = msgspec.structs.replace(result, detail=detail)
    end = _end_of(execution, result, update_health or effects.update_health)
    if isinstance(outcome, Produced) and _is_last(execution, outcome.answer):
        execution.unrecorded = end
    else:
        await record_end(execution, end)
    if not isinstance(outcome, Produced):
        execution.runtime.spool.discard(attempt.id)
    _log_attempt(attempt, msgspec.structs.replace(effects, result=result))
    usage = outcome.answer.usage if isinstance(outcome, Produced) else None
    http_status = 0 if isinstance(outcome, Produced) else outcome.http_status
    trace_attempt(execution.runtime, execution.task, result, usage=usage, http_status=http_status)
    return effects.next_step


def _is_last(execution: Execution, response: SpooledResponse) -> bool:
    """Whether the settlement follows at once: with what is transcoded first, health and places would wait for that."""
    is_converted = any(image.media_type != f"image/{execution.task.order.output_format}" for image in response.images)
    return len(response.images) >= execution.missing_count and not is_converted


async def close_open_attempt(execution: Execution, found: OpenAttempt) -> None:
    """Record an attempt whose worker died: delivered where the spool has its response, else unknown, or not sent where
    it bought nothing."""
    attempt, detail = found.attempt, "the worker stopped during the call"
    if found.response is not None:
        await record_outcome(execution, attempt, Produced(found.response))
    elif recovery_mode(execution.runtime, attempt) == RecoveryMode.deterministic:
        result = _result(attempt, AttemptOutcome.not_sent, detail)
        await record_end(execution, _end_of(execution, result, _keep_health))
        execution.runtime.spool.discard(attempt.id)
        trace_attempt(execution.runtime, execution.task, result)
    else:
        await record_outcome(execution, attempt, Unknown(detail), _keep_health)


def _end_of(execution: Execution, ended: Attempt, update_health: HealthUpdate) -> AttemptEnd:
    return AttemptEnd(ended, ids.new_id("cmt", execution.runtime.clock()), update_health)


async def record_end(execution: Execution, end: AttemptEnd) -> None:
    count_end(execution.runtime, end, await execution.runtime.db.write(end_attempt, execution.task.account_id, end))


def count_end(runtime: Runtime, end: AttemptEnd, recorded: AttemptEnded | EndedBefore | None) -> None:
    """After the commit."""
    ended = end.attempt
    match recorded:
        case AttemptEnded(ended_break=ended_break):
            call_s = max(0, runtime.clock() - ended.started) / US_PER_SECOND
            runtime.counters.count_call(ended.route, ended.outcome, ended.cost, call_s)
            place = call_place(runtime, ended.upstream, ended.route)
            runtime.call_limits.learn(place, ended.outcome, ended.failure_kind, ended.started, now=runtime.clock())
            if ended_break:
                runtime.wake_ups.routes_back.set()
        case EndedBefore() | None:  # no call is counted twice
            pass


def effects_of(execution: Execution, attempt: Attempt, outcome: Outcome) -> OutcomeEffects:
    match outcome:
        case Produced(answer=response):
            anomalies = describe_anomalies(execution.runtime, execution.task, attempt, response)
            cost, images = _cost_of_response(execution, attempt, response), len(response.images)
            ended = AttemptOutcome.produced
            result = _result(attempt, ended, anomalies, response.request_id, images=images, cost=cost)
            return OutcomeEffects(result, _on_response(attempt, anomalies), Delivered(response))
        case Refused(error=error, detail=detail) | Rejected(error=error, detail=detail):
            ended = AttemptOutcome.refused if isinstance(outcome, Refused) else AttemptOutcome.rejected
            result = _result(attempt, ended, detail or error.message, outcome.request_id)
            is_unmapped = isinstance(outcome, Rejected) and outcome.unmapped
            return OutcomeEffects(result, _on_response(attempt), Stop(error), is_unmapped)
        case Unavailable(error=error, detail=detail, failure_kind=kind, request_id=request_id):
            ended = AttemptOutcome.unavailable
            result = _result(attempt, ended, detail, request_id, failure_kind=str(kind))
            step = RouteUnavailable(error, kind, execution.runtime.clock())
            return OutcomeEffects(result, _on_unavailable(execution, attempt, outcome), step, kind in _NEEDS_OPERATOR)
        case Unknown(detail=detail, request_id=request_id, bad_body=bad_body, usage=usage):
            cost = attempt.cost if usage is None else _cost_of_usage(execution, attempt, usage)
            ended = AttemptOutcome.unknown
            result = _result(attempt, ended, detail, request_id, cost=cost)
            error = NO_READABLE_IMAGE if bad_body else OUTCOME_UNKNOWN
            maybe = MaybeBought(error, execution.runtime.clock())
            return OutcomeEffects(result, _on_failure(attempt, attempt.route, FailureKind.failing), maybe)
        case _:
            assert_never(outcome)


def _result(attempt: Attempt, outcome: AttemptOutcome, detail: str, request_id: str = "", **came: Any) -> Attempt:
    """The attempt as it ended: what was asked of it and expected gives way to what came."""
    fields = {"images": 0, "cost": 0} | came
    return msgspec.structs.replace(attempt, outcome=outcome, detail=detail, request_id=request_id, **fields)


def _on_response(attempt: Attempt, anomalies: str = "") -> HealthUpdate:
    """The route and the upstream work, even where they refuse this request."""

    def update(scope: str, health: Health, now: int) -> Health:
        recovered = circuit_breaker.on_success(health, attempt.started, now)
        has_anomaly = anomalies and scope == attempt.route
        return circuit_breaker.on_anomaly(recovered, anomalies) if has_anomaly else recovered

    return update


def _on_unavailable(execution: Execution, attempt: Attempt, outcome: Unavailable) -> HealthUpdate:
    """Counts against the upstream where all its routes are concerned, else against the route."""
    key = execution.runtime.registry.key_fingerprints.get(attempt.upstream, "")
    concerned = attempt.upstream if outcome.failure_kind in UPSTREAM_WIDE_FAILURES else attempt.route
    return _on_failure(attempt, concerned, outcome.failure_kind, int(outcome.retry_after_s * US_PER_SECOND), key)


def _keep_health(_scope: str, health: Health, _now: int) -> Health:
    """Our own end says nothing about a route; if the call was a trial, another may be one."""
    return circuit_breaker.end_trial(health)


def _on_failure(
    attempt: Attempt, concerned: str, failure: FailureKind, retry_after_us: int = 0, key: str = ""
) -> HealthUpdate:
    def update(scope: str, health: Health, now: int) -> Health:
        kind = failure if scope == concerned else FailureKind.internal
        return circuit_breaker.on_failure(health, kind, attempt.started, now, retry_after_us=retry_after_us, key=key)

    return update


def _cost_of_response(execution: Execution, attempt: Attempt, response: SpooledResponse) -> int:
    """Nanos: what the upstream says, else its usage at the route's rates, else the formula on what it delivered."""
    if response.cost_nanos is not None:
        return response.cost_nanos
    order = execution.task.order
    usage = response.usage or formula_usage(order, execution.runtime.catalog.models[order.row], response)
    return _cost_of_usage(execution, attempt, msgspec.structs.replace(usage, images=len(response.images)))


def _cost_of_usage(execution: Execution, attempt: Attempt, usage: Usage) -> int:
    """Nanos at the route's rates; what was expected where the operator has removed the route since."""
    runtime, order = execution.runtime, execution.task.order
    route = runtime.registry.route_table.routes.get(attempt.route)
    if route is None:
        return attempt.cost
    tier = FAMILIES[runtime.catalog.models[order.row].family].price_tier(order)
    return max(0, compute_charge(usage, route.price_for_tier(tier)).total)


def describe_anomalies(runtime: Runtime, task: Task, attempt: Attempt, response: SpooledResponse) -> str:
    """Another size, another type, fewer images or usage off the formula; empty where everything is as requested.

    Such a response is delivered and billed by what it is. The text is kept with the attempt and counted against the
    route, for the operator.
    """
    found = [
        _size_anomaly(task, response),
        _type_anomaly(task, response),
        _count_anomaly(attempt, response),
        _usage_anomaly(runtime, task, response),
    ]
    return "; ".join(text for text in found if text)


def _size_anomaly(task: Task, response: SpooledResponse) -> str:
    size = task.order.size
    other = [image for image in response.images if (image.width, image.height) != (size.width, size.height)]
    if size.assumed or not other:
        return ""
    return f"size {other[0].width}x{other[0].height} instead of {size.width}x{size.height}"


def _type_anomaly(task: Task, response: SpooledResponse) -> str:
    requested = f"image/{task.order.output_format}"
    other = [image.media_type for image in response.images if image.media_type != requested]
    return f"{other[0]} instead of {requested}" if other else ""


def _count_anomaly(attempt: Attempt, response: SpooledResponse) -> str:
    missing = attempt.images - len(response.images)
    return f"{len(response.images)} of {attempt.images} images" if missing > 0 else ""


def _usage_anomaly(runtime: Runtime, task: Task, response: SpooledResponse) -> str:
    model, reported = runtime.catalog.models[task.order.row], response.usage
    if reported is None or model.billing != "per_token":
        return ""
    if not is_plausible(reported, model):
        return "usage is absurd"
    expected = formula_usage(task.order, model, response).image_output
    ratio = reported.image_output / max(expected, 1)
    if abs(ratio - 1) <= _MAX_TOKEN_DEVIATION:
        return ""
    return f"output tokens {reported.image_output} where the formula says {expected}"


def _log_attempt(attempt: Attempt, effects: OutcomeEffects) -> None:
    result = effects.result
    delivered_or_stopped = isinstance(effects.next_step, Delivered | Stop)
    write = log_error if effects.needs_operator else log if delivered_or_stopped else log_warning
    write(
        "attempt_ended",
        task=attempt.task_id,
        attempt=attempt.id,
        route=attempt.route,
        outcome=str(result.outcome),
        failure=result.failure_kind,
        detail=result.detail,
        request_id=result.request_id,
    )
