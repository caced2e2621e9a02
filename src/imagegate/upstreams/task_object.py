"""The task object of the task API, read leniently: only its status and its results must be right."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from typing import Any, Final

import msgspec

from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.domain.money import NANOS_PER_USD
from imagegate.domain.tasks import FailureKind
from imagegate.domain.usage import Usage, UsageSource
from imagegate.http.client import HttpResponse
from imagegate.upstreams.base import Outcome, Unknown
from imagegate.upstreams.errors import cancelled, refused, rejected, unavailable
from imagegate.upstreams.polling import JobResult, Pending, PollResult
from imagegate.upstreams.response_fields import (
    count_field,
    image_urls_field,
    object_field,
    percent_field,
    status_field,
    text_field,
)
from imagegate.upstreams.usage import MAX_TOKENS

EMBEDDED: Final = "embedded"
_MAX_COST_USD: Final = Decimal(10**9)
_REFERENCE_UNREACHABLE: Final = "reference_unreachable"

_TOKENS: Final = ("text_input", "text_cached_input", "image_input", "image_cached_input", "image_output")


class _Failure(msgspec.Struct, frozen=True):
    code: str = ""
    message: str = ""
    reason: str = ""


def read_result(task: dict[str, Any], response: HttpResponse, cancelled_by_customer: bool) -> PollResult:
    request_id = text_field(task.get("id")) or response.request_id
    match status_field(task.get("status")):
        case "completed":
            return _job_result(task, request_id)
        case "failed":
            return _failed_outcome(_read_failure(task.get("error")), request_id, cancelled_by_customer)
        case _:
            return Pending(percent_field(task.get("progress")))


def _read_failure(error: Any) -> _Failure:
    if isinstance(error, str):
        return _Failure(message=error)
    return _Failure(*(text_field(object_field(error).get(name)) for name in _Failure.__struct_fields__))


def _job_result(task: dict[str, Any], request_id: str) -> PollResult:
    reported, urls = object_field(task.get("usage")), image_urls_field(task.get("results"))
    usage, source = _read_usage(reported, len(urls))
    if not urls:
        return Unknown("completed without results", True, usage, request_id)
    engine = EMBEDDED if task.get("engine") == EMBEDDED else None
    return JobResult(
        urls=urls,
        usage=usage,
        usage_source=UsageSource.formula if engine and usage else source,
        cost_nanos=_cost_nanos(reported),
        engine=engine,
        request_id=request_id,
    )


def _read_usage(reported: dict[str, Any], images: int) -> tuple[Usage | None, UsageSource]:
    """What the other side estimated stays an estimate. One unreadable count makes the others worthless."""
    tokens = object_field(reported.get("tokens"))
    counts = {name: count_field(tokens.get(name, 0), MAX_TOKENS) for name in _TOKENS}
    if not tokens or None in counts.values():
        return None, UsageSource.estimated
    is_estimate = reported.get("source") == UsageSource.estimated
    source = UsageSource.estimated if is_estimate else UsageSource.upstream
    return Usage(images=images, **{name: count or 0 for name, count in counts.items()}), source


def _cost_nanos(reported: dict[str, Any]) -> int | None:
    """A fraction of a nano is rounded up. The amount is read as the decimal text that it is, never through a float."""
    usd = object_field(reported.get("cost")).get("usd")
    try:
        usd = usd if isinstance(usd, Decimal) else Decimal(text_field(usd))
    except ArithmeticError:
        return None
    if not usd.is_finite() or not 0 <= usd < _MAX_COST_USD:
        return None
    return int((usd * NANOS_PER_USD).to_integral_value(ROUND_CEILING))


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
