"""What a failed response means: its status and its error code, looked up in tables, never the text of a message.

Sources: the official SDK's types and the providers' documentation, read 2026-11-22; docs/spec/upstreams.md has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
from msgspec import UNSET

from imagegate.catalog.routes import Dialect
from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.domain.tasks import FailureKind
from imagegate.http.client import HttpResponse, NoResponse
from imagegate.upstreams.base import Refused, Rejected, Unavailable, Unknown
from imagegate.upstreams.error_body import CONTENT_POLICY_CODES, ErrorBody, read_error_body
from imagegate.upstreams.moderation import refusal_categories

NO_ROUTE_FOR_NOW = TaskError(
    TaskErrorCode.service_unavailable,
    "No route can serve this request now; please try again later.",
    reason="no_route_available",
)
NO_ROUTE = TaskError(
    TaskErrorCode.service_unavailable,
    "Every route that could serve this request waits for the operator of this gateway; please try again later.",
    reason="no_route_available",
)

Failure = Refused | Rejected | Unavailable | Unknown

HOP_HEADER: Final = "X-Imagegate-Hop"
_KIND_BY_CODE: Final = {
    "billing_hard_limit_reached": FailureKind.out_of_funds,
    "billing_not_active": FailureKind.out_of_funds,
    "insufficient_quota": FailureKind.out_of_funds,
    "insufficient_token_quota": FailureKind.out_of_funds,
    "organization_spend_limit_exceeded": FailureKind.out_of_funds,
    "project_spend_limit_exceeded": FailureKind.out_of_funds,
    "quota_exceeded": FailureKind.out_of_funds,
    "token_daily_quota_exceeded": FailureKind.out_of_funds,
    "rate_limit_exceeded": FailureKind.throttled,
    "invalid_api_key": FailureKind.bad_key,
    "permission_denied": FailureKind.bad_key,
    "unauthorized": FailureKind.bad_key,
    "deploymentnotfound": FailureKind.no_model,
    "model_access_denied": FailureKind.no_model,
    "model_not_found": FailureKind.no_model,
    # Azure's word for a blocked account, whatever was asked.
    "forbidden": FailureKind.blocked,
    "ip_restricted": FailureKind.blocked,
    "unsupported_country_region_territory": FailureKind.blocked,
}
# At which statuses a code is believed: a 404 is not a throttle and a 400 blocks nobody.
_KINDS_BELIEVED_AT: Final = {
    400: {FailureKind.out_of_funds, FailureKind.bad_key, FailureKind.no_model, FailureKind.throttled},
    401: {FailureKind.bad_key},
    402: {FailureKind.out_of_funds},
    403: {FailureKind.out_of_funds, FailureKind.blocked, FailureKind.bad_key, FailureKind.no_model},
    404: {FailureKind.no_model},
    429: {FailureKind.out_of_funds, FailureKind.throttled},
}
_KIND_BY_STATUS: Final = {
    **dict.fromkeys((301, 302, 307, 308, 405, 413), FailureKind.misconfigured),
    401: FailureKind.bad_key,
    402: FailureKind.out_of_funds,
    403: FailureKind.blocked,
    404: FailureKind.no_model,
    429: FailureKind.throttled,
}
# Something may have been made before these: a timeout or a conflict after the request was accepted.
_AMBIGUOUS_STATUSES: Final = frozenset({408, 409, 504, 520, 521, 522, 523, 524})
# With the server's own error object these say that it failed; without, an intermediary may have spoken.
_FAILED_STATUSES: Final = frozenset({500, 502, 503, 529})
_BAD_REQUEST_STATUSES: Final = frozenset({400, 415, 422})
_REFUSAL_STATUSES: Final = frozenset({400, 403, 422, 451})
_PUBLIC_PARAMETERS: Final = frozenset(
    {"prompt", "model", "n", "size", "quality", "background", "output_format", "output_compression", "mask"}
)


class ErrorTable(msgspec.Struct, frozen=True, kw_only=True):
    """Where a protocol departs from the common table. Each departure stands with its reason.

    `kind_by_status` goes before the common one. `any_shape_proves`: any error object proves that the server itself
    answered, else only the dialect's. `forwards_messages`: the customer may read the upstream's messages.
    """

    kind_by_status: Mapping[int, FailureKind] = {}
    any_shape_proves: bool = True
    forwards_messages: bool = True


# 403: OpenAI says "organization must be verified to use the model"; what blocks the account has a code of its own.
# Behind this protocol stand many servers and proxies, hence the stricter proof; their messages name the vendor.
OPENAI_ERRORS: Final = ErrorTable(
    kind_by_status={403: FailureKind.no_model}, any_shape_proves=False, forwards_messages=False
)
# Of every upstream that accepts a job and is polled.
JOB_ERRORS: Final = ErrorTable()


def classify_error(response: HttpResponse, table: ErrorTable, dialect: Dialect) -> Failure:
    """What a response other than 2xx means."""
    error = read_error_body(response.body, dialect)
    failure = _classify(response.status, error, table, dialect, response.retry_after_s, response.request_id)
    if isinstance(failure, Unknown) and not response.request_sent:
        failure = unavailable(FailureKind.failing, failure.detail, request_id=response.request_id)
    return msgspec.structs.replace(failure, http_status=response.status)


def classify_error_object(error: ErrorBody, table: ErrorTable, dialect: Dialect, request_id: str = "") -> Failure:
    """What an error object inside a 2xx or an event stream means: as if its own status had been sent with it."""
    return _classify(error.status or _implied_status(error), error, table, dialect, 0.0, request_id)


def _implied_status(error: ErrorBody) -> int:
    if error.code in CONTENT_POLICY_CODES or error.type in ("invalid_request_error", "image_generation_user_error"):
        return 400
    kind = _KIND_BY_CODE.get(error.code)
    return next((status for status, believed in _KINDS_BELIEVED_AT.items() if kind in believed), 500)


def _classify(
    status: int, error: ErrorBody, table: ErrorTable, dialect: Dialect, retry_after_s: float, request_id: str
) -> Failure:
    detail = error.describe(status)
    if status in dialect.unknown_statuses:
        return Unknown(detail, request_id=request_id)
    if status in _REFUSAL_STATUSES and _is_content_refusal(status, error):
        message = error.message if table.forwards_messages else ""
        return refused(message or _refusal_message(error), request_id, detail)
    kind = _failure_kind(status, error, table, dialect)
    if kind is not None:
        return unavailable(kind, detail, retry_after_s, request_id)
    if status < 400 or status >= 500 or status in _AMBIGUOUS_STATUSES:
        return Unknown(detail, request_id=request_id)
    rejection = rejected(error.message if table.forwards_messages else "", request_id, param=_public_parameter(error))
    unmapped = status not in _BAD_REQUEST_STATUSES or not error.is_readable
    return msgspec.structs.replace(rejection, unmapped=unmapped, detail=detail)


def _failure_kind(status: int, error: ErrorBody, table: ErrorTable, dialect: Dialect) -> FailureKind | None:
    """Why no image was made, where that is proven and another route may do better."""
    if _proves_no_image(status, error, table, dialect):
        return FailureKind.failing
    if status == 400 and _is_our_fault(error, dialect):
        return FailureKind.misconfigured
    named = _KIND_BY_CODE.get(error.code)
    if named in _KINDS_BELIEVED_AT.get(status, ()):
        return named
    if status == 404 and not _is_authoritative(error, table):
        # Not the API's own 404: the address is wrong.
        return FailureKind.misconfigured
    return table.kind_by_status.get(status) or _KIND_BY_STATUS.get(status)


def _proves_no_image(status: int, error: ErrorBody, table: ErrorTable, dialect: Dialect) -> bool:
    never_billed = status in dialect.never_billed_statuses and (status >= 500 or status in _AMBIGUOUS_STATUSES)
    return never_billed or (status in _FAILED_STATUSES and _is_authoritative(error, table))


def _is_authoritative(error: ErrorBody, table: ErrorTable) -> bool:
    return error.is_readable if table.any_shape_proves else error.is_own_shape


def _is_our_fault(error: ErrorBody, dialect: Dialect) -> bool:
    """A parameter that the dialect should not have sent, or routes that lead in a circle."""
    return error.param == HOP_HEADER or (error.code == "unknown_parameter" and dialect.name != "openai")


def _is_content_refusal(status: int, error: ErrorBody) -> bool:
    if status == 403:
        # Here an inner code would be about the account that was blocked, not about this prompt.
        return error.code in CONTENT_POLICY_CODES or error.is_flagged
    return error.code in CONTENT_POLICY_CODES or error.inner_code in CONTENT_POLICY_CODES


def _refusal_message(error: ErrorBody) -> str:
    categories = refusal_categories(error)
    return f"The request was refused by the content policy: {', '.join(categories)}." if categories else ""


def _public_parameter(error: ErrorBody) -> str:
    """The parameter of our own API that the error is about, if any."""
    name = error.param.partition("[")[0].partition(".")[0]
    return name if name in _PUBLIC_PARAMETERS else ""


def refused(message: str = "", request_id: str = "", detail: str = "") -> Refused:
    text = message or "The request was refused by the content policy."
    return Refused(TaskError(TaskErrorCode.content_policy_violation, text), request_id, detail)


def rejected(
    message: str = "", request_id: str = "", *, param: str = "", code: TaskErrorCode = TaskErrorCode.invalid_parameters
) -> Rejected:
    """An empty `message` becomes one that names `param`, where there is one."""
    default = f"The value of {param} is not accepted." if param else "The parameters of this request are not accepted."
    return Rejected(TaskError(code, message or default, param=param or UNSET), request_id)


def unavailable(kind: FailureKind, detail: str, retry_after_s: float = 0.0, request_id: str = "") -> Unavailable:
    """What the customer reads tells nothing of the operator's accounts."""
    return Unavailable(detail, public_error(kind), kind, retry_after_s, request_id)


def public_error(kind: FailureKind) -> TaskError:
    if kind is FailureKind.throttled:
        return TaskError(TaskErrorCode.resource_exhausted, "Every route is busy; please try again later.")
    return NO_ROUTE_FOR_NOW if kind in (FailureKind.failing, FailureKind.internal) else NO_ROUTE


def no_response_outcome(error: NoResponse, request_id: str = "") -> Unavailable | Unknown:
    """What is not proven to have stayed here may have been bought."""
    if not error.request_sent:
        return unavailable(FailureKind.failing, f"not sent: {error}")
    return Unknown(str(error), bad_body=error.response_truncated, request_id=request_id)


def cancelled(by_customer: bool, detail: str, request_id: str = "") -> Unavailable:
    """It ended without an image because it was cancelled: by the customer, or by us at the deadline."""
    if by_customer:
        error = TaskError(TaskErrorCode.request_cancelled, "The request was cancelled.")
        return Unavailable(detail, error, FailureKind.internal, request_id=request_id)
    error = TaskError(TaskErrorCode.generation_timeout, "The image was not finished in time.")
    return Unavailable(detail, error, FailureKind.failing, request_id=request_id)
