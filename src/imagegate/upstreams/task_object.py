"""The task object of the task API, read leniently: only its id, its status and its results must be right."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Raw

from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.domain.money import NANOS_PER_USD
from imagegate.domain.tasks import FailureKind
from imagegate.domain.usage import Usage, UsageSource
from imagegate.http.client import HttpResponse
from imagegate.upstreams.base import Outcome, Unknown
from imagegate.upstreams.errors import cancelled, refused, rejected, unavailable
from imagegate.upstreams.polling import JobResult, Pending, PollResult, decode_or_none
from imagegate.upstreams.usage import MAX_TOKENS

EMBEDDED: Final = "embedded"
_MAX_COST_USD: Final = Decimal(10**9)
_REFERENCE_UNREACHABLE: Final = "reference_unreachable"

Tokens = Annotated[int, Meta(ge=0, le=MAX_TOKENS)]


class TaskObject(msgspec.Struct, frozen=True):
    """What is raw is read apart: another shape, or a number too large, must not cost the images or the end."""

    id: str = ""
    status: str = ""
    progress: Raw = Raw()
    results: list[str] | None = None
    usage: Raw = Raw()
    error: Raw = Raw()
    engine: Raw = Raw()


class _Failure(msgspec.Struct, frozen=True):
    code: str = ""
    message: str = ""
    reason: str = ""


class _UsageObject(msgspec.Struct, frozen=True):
    cost: Raw = Raw()
    tokens: Raw = Raw()
    source: Raw = Raw()


class _Cost(msgspec.Struct, frozen=True):
    """`usd` is read as the decimal text that it is, never through a float."""

    usd: Decimal | None = None


class _Tokens(msgspec.Struct, frozen=True):
    text_input: Tokens = 0
    text_cached_input: Tokens = 0
    image_input: Tokens = 0
    image_cached_input: Tokens = 0
    image_output: Tokens = 0


def read_result(task: TaskObject, response: HttpResponse, cancelled_by_customer: bool) -> PollResult:
    match task.status:
        case "completed":
            return _job_result(task, response)
        case "failed":
            failure = decode_or_none(task.error, _Failure) or _Failure()
            return _failed_outcome(failure, task.id or response.request_id, cancelled_by_customer)
        case _:
            return Pending(int(min(max(decode_or_none(task.progress, float) or 0.0, 0), 99)))


def _job_result(task: TaskObject, response: HttpResponse) -> PollResult:
    reported = decode_or_none(task.usage, _UsageObject) or _UsageObject()
    usage, source = _read_usage(reported, len(task.results or ()))
    request_id = task.id or response.request_id
    if not task.results:
        return Unknown("completed without results", True, usage, request_id)
    engine = EMBEDDED if decode_or_none(task.engine, str) == EMBEDDED else None
    return JobResult(
        urls=tuple(task.results),
        usage=usage,
        usage_source=UsageSource.formula if engine and usage else source,
        cost_nanos=_cost_nanos(reported),
        engine=engine,
        request_id=request_id,
    )


def _read_usage(reported: _UsageObject, images: int) -> tuple[Usage | None, UsageSource]:
    """What the other side estimated stays an estimate."""
    tokens = decode_or_none(reported.tokens, _Tokens)
    if tokens is None:
        return None, UsageSource.estimated
    is_estimate = decode_or_none(reported.source, str) == UsageSource.estimated
    source = UsageSource.estimated if is_estimate else UsageSource.upstream
    return Usage(images=images, **msgspec.structs.asdict(tokens)), source


def _cost_nanos(reported: _UsageObject) -> int | None:
    """A fraction of a nano is rounded up."""
    cost = decode_or_none(reported.cost, _Cost)
    if cost is None or cost.usd is None or not cost.usd.is_finite() or not 0 <= cost.usd < _MAX_COST_USD:
        return None
    return int((cost.usd * NANOS_PER_USD).to_integral_value(ROUND_CEILING))


_CALLER_ERRORS: Final = ("invalid_parameters", "image_processing_error", "image_dimension_mismatch")
_KIND_BY_CODE: Final = {"resource_exhausted": FailureKind.throttled, "quota_exceeded": FailureKind.out_of_funds}
# What our customer reads of these too, if no other route is left.
_FORWARDED_CODES: Final = frozenset({"generation_failed_no_content", "generation_timeout", "service_error"})


def _failed_outcome(failure: _Failure, request_id: str, cancelled_by_customer: bool) -> Outcome:
    """A failed task is never charged: whatever is not the caller's fault may be tried elsewhere."""
    detail = f"task failed: {failure.code} {failure.reason} {failure.message}"
    if failure.code == TaskErrorCode.content_policy_violation:
        return refused(failure.message, request_id, detail)
    if failure.reason == _REFERENCE_UNREACHABLE:
        return unavailable(FailureKind.internal, f"could not read our link: {detail}", request_id=request_id)
    if failure.code in _CALLER_ERRORS:
        return rejected(failure.message, request_id, code=TaskErrorCode(failure.code))
    if failure.code == TaskErrorCode.request_cancelled:
        return cancelled(cancelled_by_customer, detail, request_id)
    kind = _KIND_BY_CODE.get(failure.code, FailureKind.failing)
    outcome = unavailable(kind, detail, request_id=request_id)
    if failure.code not in _FORWARDED_CODES:
        return outcome
    error = TaskError(TaskErrorCode(failure.code), "The upstream failed to make the image.")
    return msgspec.structs.replace(outcome, error=error)
