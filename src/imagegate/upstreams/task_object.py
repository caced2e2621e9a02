"""The task object of the compatible API, read with patience: only its id and status must be right.

Knows: what its fields mean for us. Refuses to know: how it is asked for.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from typing import TypeVar

import msgspec
from msgspec import Raw

from imagegate.domain.errors import TaskErrorCode
from imagegate.domain.money import NANOS_PER_USD
from imagegate.domain.usage import Usage, UsageSource
from imagegate.upstreams.base import CallOutcome, FailureKind, Unavailable, Unknown
from imagegate.upstreams.polling import JobResult, Pending, PollResult, Reply
from imagegate.upstreams.verdicts import UNREADABLE, refused, rejected, stopped, unavailable

T = TypeVar("T")
EMBEDDED = "embedded"
_MAX_COST_USD = Decimal(10**9)
_REFERENCE_UNREACHABLE = "reference_unreachable"


class Cost(msgspec.Struct, frozen=True):
    """`usd` is read as the decimal text that it is, never through a float."""

    usd: Decimal | None = None


class Failure(msgspec.Struct, frozen=True):
    code: str = ""
    message: str = ""
    reason: str = ""


class TaskObject(msgspec.Struct, frozen=True):
    """`usage` and `error` are read apart: a shape that is not ours must not cost us the pictures, or the end."""

    id: str = ""
    status: str = ""
    progress: float | None = None
    results: list[str] | None = None
    usage: Raw = Raw()
    error: Raw = Raw()
    engine: str | None = None


class _UsageObject(msgspec.Struct, frozen=True):
    cost: Raw = Raw()
    tokens: Raw = Raw()
    source: str = ""


class _Tokens(msgspec.Struct, frozen=True):
    text_input: int = 0
    text_cached_input: int = 0
    image_input: int = 0
    image_cached_input: int = 0
    image_output: int = 0


def read_task(body: bytes) -> TaskObject | None:
    """None where the answer is no task."""
    return _decode_or_none(body, TaskObject)


def poll_result(task: TaskObject, reply: Reply, wanted: bool) -> PollResult:
    """`wanted`: whether the customer still wishes for it."""
    match task.status:
        case "completed":
            return _job_result(task, reply)
        case "failed":
            return _failed_outcome(
                _decode_or_none(task.error, Failure) or Failure(), task.id or reply.request_id, wanted
            )
        case _:
            return Pending(int(min(max(task.progress or 0, 0), 99)))


def _job_result(task: TaskObject, reply: Reply) -> PollResult:
    reported = _decode_or_none(task.usage, _UsageObject) or _UsageObject()
    usage, source = _usage(reported, len(task.results or ()))
    request_id = task.id or reply.request_id
    if not task.results:
        return Unknown("completed without results", True, usage, request_id)
    engine = EMBEDDED if task.engine == EMBEDDED else None
    return JobResult(
        urls=tuple(task.results),
        usage=usage,
        source=UsageSource.formula if engine and usage else source,
        cost_nanos=_cost(reported),
        engine=engine,
        request_id=request_id,
    )


def _usage(reported: _UsageObject, images: int) -> tuple[Usage | None, UsageSource]:
    """What they estimated stays an estimate."""
    tokens = _decode_or_none(reported.tokens, _Tokens)
    if tokens is None:
        return None, UsageSource.estimated
    source = UsageSource.estimated if reported.source == UsageSource.estimated else UsageSource.upstream
    return Usage(images=images, **msgspec.structs.asdict(tokens)), source


def _cost(reported: _UsageObject) -> int | None:
    """Nanos, a fraction of one rounded up."""
    cost = _decode_or_none(reported.cost, Cost)
    if cost is None or cost.usd is None or not cost.usd.is_finite() or not 0 <= cost.usd < _MAX_COST_USD:
        return None
    return int((cost.usd * NANOS_PER_USD).to_integral_value(ROUND_CEILING))


_CALLER_ERRORS = {
    code.value: code
    for code in (
        TaskErrorCode.invalid_parameters,
        TaskErrorCode.image_processing_error,
        TaskErrorCode.image_dimension_mismatch,
    )
}
_KIND_BY_CODE = {"resource_exhausted": FailureKind.throttled, "quota_exceeded": FailureKind.out_of_funds}
_FORWARDED_CODES = {"generation_failed_no_content", "generation_timeout", "service_error"}


def _failed_outcome(failure: Failure, request_id: str, wanted: bool) -> CallOutcome:
    """A failed task is never charged: whatever is not the caller's fault may be tried elsewhere."""
    detail = f"task failed: {failure.code} {failure.reason} {failure.message}"
    if failure.code == TaskErrorCode.content_policy_violation:
        return refused(failure.message, request_id)
    if failure.reason == _REFERENCE_UNREACHABLE:
        return unavailable(FailureKind.internal, f"they could not read our link: {detail}")
    if failure.code in _CALLER_ERRORS:
        return rejected(_CALLER_ERRORS[failure.code], failure.message, request_id)
    if failure.code == TaskErrorCode.request_cancelled:
        return stopped(wanted, detail)
    return _unavailable_outcome(failure, detail)


def _unavailable_outcome(failure: Failure, detail: str) -> Unavailable:
    answer = unavailable(_KIND_BY_CODE.get(failure.code, FailureKind.failing), detail)
    if failure.code not in _FORWARDED_CODES:
        return answer
    error = msgspec.structs.replace(answer.error, code=TaskErrorCode(failure.code))
    return msgspec.structs.replace(answer, error=error)


def _decode_or_none(raw: bytes | Raw, kind: type[T]) -> T | None:
    """None where the JSON is missing, broken or of another shape."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except UNREADABLE:
        return None
