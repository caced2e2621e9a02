"""What the refusal of a submit means, by status and code and never by its text.

Knows: the table of outcomes, and the shapes that error bodies have. Refuses to know: how the request was sent, and
answers that accept it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from imagegate.catalog.routes import Dialect
from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.upstreams.base import CallOutcome, FailureKind, Refused, Rejected, Unavailable, Unknown
from imagegate.upstreams.polling import Lost, NotSent, Reply, Wire

REFUSED_CODES = frozenset(
    {"content_policy_violation", "moderation_blocked", "contentFilter", "content_filter", "content_moderated"}
)
UNPAID_CODES = frozenset(
    {
        "insufficient_quota",
        "insufficient_token_quota",
        "token_daily_quota_exceeded",
        "quota_exceeded",
        "billing_hard_limit_reached",
        "billing_not_active",
    }
)
NO_MODEL_CODES = frozenset({"model_not_found", "model_access_denied", "DeploymentNotFound"})
BAD_KEY_CODES = frozenset({"unauthorized", "invalid_api_key", "permission_denied"})

_BY_STATUS = {
    301: FailureKind.misconfigured,
    302: FailureKind.misconfigured,
    307: FailureKind.misconfigured,
    308: FailureKind.misconfigured,
    401: FailureKind.bad_key,
    402: FailureKind.out_of_funds,
    403: FailureKind.blocked,
    404: FailureKind.no_model,
    405: FailureKind.misconfigured,
    413: FailureKind.misconfigured,
    429: FailureKind.throttled,
}
_BY_CODE = {
    **dict.fromkeys(UNPAID_CODES, FailureKind.out_of_funds),
    **dict.fromkeys(NO_MODEL_CODES, FailureKind.no_model),
    **dict.fromkeys(BAD_KEY_CODES, FailureKind.bad_key),
}
_FAILED = frozenset({500, 502, 503, 529})
_AMBIGUOUS = frozenset({303, 408, 409})
_BAD_REQUEST = frozenset({400, 415, 422})
_MESSAGE_MOST = 1000

HOP = "X-Imagegate-Hop"
POLICY = "The request was refused by the content policy."
PARAMETERS = "The upstream refuses these parameters."


T = TypeVar("T")
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Words(msgspec.Struct, frozen=True):
    """What an error body says. `said` is false where it is no error object at all."""

    said: bool = False
    code: str = ""
    message: str = ""
    param: str = ""


def words_of(body: bytes) -> Words:
    """`{"error": {code, message}}`, `{"error": "..."}`, `{"detail": "..."}` and `{"detail": [{type, msg}]}`."""
    try:
        found = msgspec.json.decode(body)
    except UNREADABLE:
        return Words()
    inner = found.get("error") or found.get("detail") if isinstance(found, dict) else None
    if isinstance(inner, list):
        inner = _gravest(inner)
    if isinstance(inner, dict):
        code, message = inner.get("code") or inner.get("type"), inner.get("message") or inner.get("msg")
        return Words(True, _text(code), _text(message), _text(inner.get("param")))
    if isinstance(inner, str):
        return Words(True, _text(found.get("error_type")), _text(inner))
    return Words()


def _gravest(details: list[Any]) -> Any:
    """Of several complaints the one about content, else the first."""
    refused = [one for one in details if isinstance(one, dict) and one.get("type") in REFUSED_CODES]
    return next(iter(refused or details), None)


def _text(value: Any) -> str:
    return str(value)[:_MESSAGE_MOST] if value is not None else ""


async def submit_once(
    wire: Wire, url: str, body: bytes, headers: Mapping[str, str], dialect: Dialect, ticket: type[T]
) -> T | CallOutcome:
    """The ticket that the other side gave for the request, or what took its place. Never sent twice."""
    match await wire.submit(url, body, headers):
        case NotSent(detail=detail):
            return unavailable(FailureKind.failing, f"not sent: {detail}")
        case Lost(detail=detail):
            return Unknown(detail)
        case Reply(status=status, body=content) as reply if 200 <= status < 300:
            try:
                return msgspec.json.decode(content, type=ticket)
            except UNREADABLE as error:
                return Unknown(f"accepted without a readable id: {error}", True, request_id=reply.request_id)
        case Reply() as reply:
            return judge(reply, dialect)


def judge(reply: Reply, dialect: Dialect) -> CallOutcome:
    """The outcome of a submit that was not accepted."""
    status, words = reply.status, words_of(reply.body)
    detail = f"status {status} {words.code} {words.message}".strip()
    if status in dialect.unknown_statuses:
        return Unknown(detail, request_id=reply.request_id)
    if words.code in REFUSED_CODES and status < 500:
        return refused(words.message, reply.request_id)
    if trouble := _trouble(status, words, dialect):
        return unavailable(trouble, detail, reply)
    if status in _AMBIGUOUS or not 400 <= status < 500:
        return Unknown(detail, bad_body=200 <= status < 300, request_id=reply.request_id)
    return rejected(TaskErrorCode.invalid_parameters, words.message, reply.request_id, status not in _BAD_REQUEST)


def _trouble(status: int, words: Words, dialect: Dialect) -> FailureKind | None:
    """None where the status is no proof that nothing was made."""
    if status in dialect.never_billed_statuses or (status in _FAILED and words.said):
        return FailureKind.failing
    if status == 400 and words.param == HOP:  # routes lead in a circle: the operator's fault, not the caller's
        return FailureKind.misconfigured
    if 400 <= status < 500 and words.code in _BY_CODE and status not in _AMBIGUOUS:
        return _BY_CODE[words.code]
    return _BY_STATUS.get(status)


def refused(message: str, request_id: str = "") -> Refused:
    return Refused(TaskError(TaskErrorCode.content_policy_violation, message or POLICY), request_id)


def rejected(code: TaskErrorCode, message: str, request_id: str = "", unmapped: bool = False) -> Rejected:
    return Rejected(TaskError(code, message or PARAMETERS), request_id, unmapped)


def unavailable(trouble: FailureKind, detail: str, reply: Reply | None = None) -> Unavailable:
    """What the customer reads says nothing of the operator's accounts."""
    return Unavailable(
        detail,
        for_customer(trouble),
        trouble,
        reply.retry_after_s if reply else 0.0,
        reply.request_id if reply else "",
    )


def for_customer(trouble: FailureKind) -> TaskError:
    match trouble:
        case FailureKind.throttled:
            return TaskError(TaskErrorCode.resource_exhausted, "Every route is busy; please try again later.")
        case FailureKind.failing:
            return TaskError(TaskErrorCode.service_unavailable, "The upstream failed to make the image.")
        case _:
            return TaskError(
                TaskErrorCode.service_unavailable,
                "No route can serve this request now.",
                reason="no_route_available",
            )


def stopped(wanted: bool, detail: str) -> Unavailable:
    """It ended without a picture because it was told to: by its customer, or by us at the deadline."""
    if wanted:
        late = TaskError(TaskErrorCode.generation_timeout, "The image was not finished in time.")
        return Unavailable(detail, late, FailureKind.failing)
    gone = TaskError(TaskErrorCode.request_cancelled, "The request was cancelled.")
    return Unavailable(detail, gone, FailureKind.internal)
