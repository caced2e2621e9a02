"""What a failed answer means: status, code and dialect, looked up in tables.

Knows: which statuses and codes prove that no picture was made, which end a task, and which prove nothing. Refuses to
decide by the text of a message; what the customer reads never names the upstream. Sources: the official SDK's types
and the providers' documentation, read 2026-11-22.
"""

from __future__ import annotations

from collections.abc import Mapping

from imagegate.catalog.routes import Dialect
from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.http.retry_after import parse_retry_after
from imagegate.upstreams.base import FailureKind, Refused, Rejected, Unavailable, Unknown
from imagegate.upstreams.error_body import ErrorBody, read_error_body
from imagegate.upstreams.moderation import refusal_categories

Failure = Refused | Rejected | Unavailable | Unknown

NO_ROUTE_ERROR = TaskError(
    TaskErrorCode.service_unavailable, "No route can serve this request now.", reason="no_route_available"
)
THROTTLED_ERROR = TaskError(TaskErrorCode.resource_exhausted, "Every route is busy; please try again later.")

_CONTENT_POLICY_CODES = {
    "moderation_blocked",
    "content_policy_violation",
    "content_filter",
    "contentfilter",
    "responsibleaipolicyviolation",
}
_KIND_BY_CODE = {
    "billing_hard_limit_reached": FailureKind.out_of_funds,
    "billing_not_active": FailureKind.out_of_funds,
    "insufficient_quota": FailureKind.out_of_funds,
    "organization_spend_limit_exceeded": FailureKind.out_of_funds,
    "project_spend_limit_exceeded": FailureKind.out_of_funds,
    "rate_limit_exceeded": FailureKind.throttled,
    "invalid_api_key": FailureKind.bad_key,
    "model_not_found": FailureKind.no_model,
    "deploymentnotfound": FailureKind.no_model,
    # Azure says it of the whole account, whatever was asked.
    "forbidden": FailureKind.blocked,
    "unsupported_country_region_territory": FailureKind.blocked,
}
_KIND_BY_STATUS = {
    401: FailureKind.bad_key,
    402: FailureKind.out_of_funds,
    403: FailureKind.no_model,
    404: FailureKind.no_model,
    413: FailureKind.misconfigured,
    429: FailureKind.throttled,
}
# At which statuses a code is believed: a 404 is not a throttle and a 400 blocks nobody.
_KINDS_BELIEVED_AT = {
    400: {FailureKind.out_of_funds, FailureKind.bad_key, FailureKind.no_model, FailureKind.throttled},
    401: {FailureKind.bad_key},
    402: {FailureKind.out_of_funds},
    403: {FailureKind.out_of_funds, FailureKind.blocked, FailureKind.bad_key},
    404: {FailureKind.no_model},
    429: {FailureKind.out_of_funds, FailureKind.throttled},
}
_REDIRECT_STATUSES = {301, 302, 307, 308}
_AMBIGUOUS_STATUSES = {408, 409, 504, 520, 521, 522, 523, 524}
_FAILED_STATUSES = {500, 502, 503, 529}
_BAD_REQUEST_STATUSES = {400, 415, 422}
_REFUSAL_STATUSES = {400, 403, 422, 451}
_PUBLIC_PARAMETERS = {
    "prompt",
    "model",
    "n",
    "size",
    "quality",
    "background",
    "output_format",
    "output_compression",
    "mask",
}


def classify_error(
    status: int, headers: Mapping[str, str], body: bytes, dialect: Dialect, *, sent: bool = True, request_id: str = ""
) -> Failure:
    """What an answer other than 2xx means. `sent`: the whole request had left by then."""
    fault = read_error_body(body, dialect)
    answer = _judge(status, fault, dialect, parse_retry_after(headers), request_id)
    if isinstance(answer, Unknown) and not sent:
        return _unavailable(status, fault, FailureKind.failing, 0.0, request_id)
    return answer


def classify_error_object(fault: ErrorBody, dialect: Dialect, request_id: str = "") -> Failure:
    """What an error object inside a 2xx or a stream means: as if its own status had been sent with it."""
    status = fault.status or _status_of(fault)
    return _judge(status, fault, dialect, 0.0, request_id)


def _status_of(fault: ErrorBody) -> int:
    if fault.code in _CONTENT_POLICY_CODES or fault.type in ("invalid_request_error", "image_generation_user_error"):
        return 400
    trouble = _KIND_BY_CODE.get(fault.code)
    return next((status for status, believed in _KINDS_BELIEVED_AT.items() if trouble in believed), 500)


def _judge(status: int, fault: ErrorBody, dialect: Dialect, wait_s: float, request_id: str) -> Failure:
    if status in dialect.unknown_statuses:
        return _unknown(status, fault, request_id)
    if status in _REFUSAL_STATUSES and _is_content_refusal(status, fault):
        return _refused(status, fault, request_id)
    trouble = _failure_kind(status, fault, dialect)
    if trouble is not None:
        return _unavailable(status, fault, trouble, wait_s, request_id)
    if status < 400 or status >= 500 or status in _AMBIGUOUS_STATUSES:
        return _unknown(status, fault, request_id)
    return _rejected(status, fault, request_id)


def _failure_kind(status: int, fault: ErrorBody, dialect: Dialect) -> FailureKind | None:
    """Why no picture was made, where that is proven and another route may do better."""
    if status in _REDIRECT_STATUSES:
        return FailureKind.misconfigured
    if _proves_no_image(status, fault, dialect):
        return FailureKind.failing
    if status == 400 and fault.code == "unknown_parameter" and dialect.name != "openai":
        return FailureKind.misconfigured
    named = _KIND_BY_CODE.get(fault.code)
    if named in _KINDS_BELIEVED_AT.get(status, ()):
        return named
    if status == 404 and not fault.is_own_shape:
        return FailureKind.misconfigured
    return _KIND_BY_STATUS.get(status)


def _proves_no_image(status: int, fault: ErrorBody, dialect: Dialect) -> bool:
    unbilled = status in dialect.never_billed_statuses and (status >= 500 or status in _AMBIGUOUS_STATUSES)
    return unbilled or (status in _FAILED_STATUSES and fault.is_own_shape)


def _is_content_refusal(status: int, fault: ErrorBody) -> bool:
    if status == 403:
        # Here an inner code would be about the account that was blocked, not about this prompt.
        return fault.code in _CONTENT_POLICY_CODES or fault.is_flagged
    return fault.code in _CONTENT_POLICY_CODES or fault.inner_code in _CONTENT_POLICY_CODES


def _refused(status: int, fault: ErrorBody, request_id: str) -> Refused:
    named = refusal_categories(fault)
    message = "The request was refused by the content policy" + (f": {', '.join(named)}." if named else ".")
    return Refused(TaskError(TaskErrorCode.content_policy_violation, message), request_id, fault.describe(status))


def _rejected(status: int, fault: ErrorBody, request_id: str) -> Rejected:
    param = fault.param.partition("[")[0].partition(".")[0]
    if param in _PUBLIC_PARAMETERS:
        error = TaskError(TaskErrorCode.invalid_parameters, f"The value of {param} is not accepted.", param=param)
    else:
        error = TaskError(TaskErrorCode.invalid_parameters, "The parameters of this request are not accepted.")
    unmapped = status not in _BAD_REQUEST_STATUSES or not fault.is_readable
    return Rejected(error, request_id, unmapped, fault.describe(status))


def _unavailable(status: int, fault: ErrorBody, trouble: FailureKind, wait_s: float, request_id: str) -> Unavailable:
    error = THROTTLED_ERROR if trouble is FailureKind.throttled else NO_ROUTE_ERROR
    return Unavailable(fault.describe(status), error, trouble, wait_s, request_id)


def _unknown(status: int, fault: ErrorBody, request_id: str) -> Unknown:
    return Unknown(fault.describe(status), request_id=request_id)
