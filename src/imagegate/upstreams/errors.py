"""What a failed answer means: status, code and dialect, looked up in tables.

Knows: which statuses and codes prove that no picture was made, which end a task, and which prove nothing. Refuses to
decide by the text of a message; what the customer reads never names the upstream. Sources: the official SDK's types
and the providers' documentation, read 2026-11-22.
"""

from __future__ import annotations

from collections.abc import Mapping

from imagegate.catalog.routes import Dialect
from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.http.retry_after import retry_after
from imagegate.upstreams.base import Refused, Rejected, Trouble, Unavailable, Unknown
from imagegate.upstreams.error_body import Fault, read_fault
from imagegate.upstreams.moderation import categories

Failure = Refused | Rejected | Unavailable | Unknown

UNAVAILABLE = TaskError(
    TaskErrorCode.service_unavailable, "No route can serve this request now.", reason="no_route_available"
)
THROTTLED = TaskError(TaskErrorCode.resource_exhausted, "Every route is busy; please try again later.")

_REFUSING = {
    "moderation_blocked",
    "content_policy_violation",
    "content_filter",
    "contentfilter",
    "responsibleaipolicyviolation",
}
_TROUBLE_BY_CODE = {
    "billing_hard_limit_reached": Trouble.unpaid,
    "billing_not_active": Trouble.unpaid,
    "insufficient_quota": Trouble.unpaid,
    "organization_spend_limit_exceeded": Trouble.unpaid,
    "project_spend_limit_exceeded": Trouble.unpaid,
    "rate_limit_exceeded": Trouble.throttled,
    "invalid_api_key": Trouble.bad_key,
    "model_not_found": Trouble.no_model,
    "deploymentnotfound": Trouble.no_model,
    # Azure says it of the whole account, whatever was asked.
    "forbidden": Trouble.blocked,
    "unsupported_country_region_territory": Trouble.blocked,
}
_TROUBLE_BY_STATUS = {
    401: Trouble.bad_key,
    402: Trouble.unpaid,
    403: Trouble.no_model,
    404: Trouble.no_model,
    413: Trouble.bad_row,
    429: Trouble.throttled,
}
# At which statuses a code is believed: a 404 is not a throttle and a 400 blocks nobody.
_CODES_AT = {
    400: {Trouble.unpaid, Trouble.bad_key, Trouble.no_model, Trouble.throttled},
    401: {Trouble.bad_key},
    402: {Trouble.unpaid},
    403: {Trouble.unpaid, Trouble.blocked, Trouble.bad_key},
    404: {Trouble.no_model},
    429: {Trouble.unpaid, Trouble.throttled},
}
_MOVED = {301, 302, 307, 308}
_AFTERWARDS = {408, 409, 504, 520, 521, 522, 523, 524}
_SAID_SO = {500, 502, 503, 529}
_BAD_REQUEST = {400, 415, 422}
_REFUSABLE = {400, 403, 422, 451}
_OUR_WORDS = {
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


def judge(
    status: int, headers: Mapping[str, str], body: bytes, dialect: Dialect, *, sent: bool = True, request_id: str = ""
) -> Failure:
    """What an answer other than 2xx means. `sent`: the whole request had left by then."""
    fault = read_fault(body, dialect)
    answer = _judge(status, fault, dialect, retry_after(headers), request_id)
    if isinstance(answer, Unknown) and not sent:
        return _unavailable(status, fault, Trouble.failing, 0.0, request_id)
    return answer


def judge_fault(fault: Fault, dialect: Dialect, request_id: str = "") -> Failure:
    """What an error object inside a 2xx or a stream means: as if its own status had been sent with it."""
    status = fault.status or _status_of(fault)
    return _judge(status, fault, dialect, 0.0, request_id)


def _status_of(fault: Fault) -> int:
    if fault.code in _REFUSING or fault.type in ("invalid_request_error", "image_generation_user_error"):
        return 400
    trouble = _TROUBLE_BY_CODE.get(fault.code)
    return next((status for status, believed in _CODES_AT.items() if trouble in believed), 500)


def _judge(status: int, fault: Fault, dialect: Dialect, wait_s: float, request_id: str) -> Failure:
    if status in dialect.unknown_statuses:
        return _unknown(status, fault, request_id)
    if status in _REFUSABLE and _refuses(status, fault):
        return _refused(status, fault, request_id)
    trouble = _trouble(status, fault, dialect)
    if trouble is not None:
        return _unavailable(status, fault, trouble, wait_s, request_id)
    if status < 400 or status >= 500 or status in _AFTERWARDS:
        return _unknown(status, fault, request_id)
    return _rejected(status, fault, request_id)


def _trouble(status: int, fault: Fault, dialect: Dialect) -> Trouble | None:
    """Why no picture was made, where that is proven and another route may do better."""
    if status in _MOVED:
        return Trouble.bad_row
    if _made_nothing(status, fault, dialect):
        return Trouble.failing
    if status == 400 and fault.code == "unknown_parameter" and dialect.name != "openai":
        return Trouble.bad_row
    named = _TROUBLE_BY_CODE.get(fault.code)
    if named in _CODES_AT.get(status, ()):
        return named
    if status == 404 and not fault.proves:
        return Trouble.bad_row
    return _TROUBLE_BY_STATUS.get(status)


def _made_nothing(status: int, fault: Fault, dialect: Dialect) -> bool:
    unbilled = status in dialect.never_billed_statuses and (status >= 500 or status in _AFTERWARDS)
    return unbilled or (status in _SAID_SO and fault.proves)


def _refuses(status: int, fault: Fault) -> bool:
    if status == 403:
        # Here an inner code would be about the account that was blocked, not about this prompt.
        return fault.code in _REFUSING or fault.flagged
    return fault.code in _REFUSING or fault.inner_code in _REFUSING


def _refused(status: int, fault: Fault, request_id: str) -> Refused:
    named = categories(fault)
    message = "The request was refused by the content policy" + (f": {', '.join(named)}." if named else ".")
    return Refused(TaskError(TaskErrorCode.content_policy_violation, message), request_id, fault.told(status))


def _rejected(status: int, fault: Fault, request_id: str) -> Rejected:
    param = fault.param.partition("[")[0].partition(".")[0]
    if param in _OUR_WORDS:
        error = TaskError(TaskErrorCode.invalid_parameters, f"The value of {param} is not accepted.", param=param)
    else:
        error = TaskError(TaskErrorCode.invalid_parameters, "The parameters of this request are not accepted.")
    unmapped = status not in _BAD_REQUEST or not fault.readable
    return Rejected(error, request_id, unmapped, fault.told(status))


def _unavailable(status: int, fault: Fault, trouble: Trouble, wait_s: float, request_id: str) -> Unavailable:
    error = THROTTLED if trouble is Trouble.throttled else UNAVAILABLE
    return Unavailable(fault.told(status), error, trouble, wait_s, request_id)


def _unknown(status: int, fault: Fault, request_id: str) -> Unknown:
    return Unknown(fault.told(status), request_id=request_id)
