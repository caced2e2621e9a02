"""The one table of HTTP statuses, and the one shape of an error answer."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException
from msgspec import UNSET, UnsetType

from imagegate.domain import errors
from imagegate.domain.errors import Problem
from imagegate.store.engines import StoreFailure, StoreFull
from imagegate.telemetry import log_error

INVALID, AUTH, QUOTA = "invalid_request_error", "authentication_error", "insufficient_quota"
RATE, SERVER = "rate_limit_error", "api_error"
RETRY_AFTER_S = 5

STATUS: dict[type[Problem], tuple[int, str]] = {
    errors.InvalidRequest: (400, INVALID),
    errors.InvalidTaskId: (400, INVALID),
    errors.Unauthorized: (401, AUTH),
    errors.InsufficientQuota: (402, QUOTA),
    errors.InsufficientTokenQuota: (402, QUOTA),
    errors.TokenDailyQuotaExceeded: (402, QUOTA),
    errors.ModelAccessDenied: (403, INVALID),
    errors.PermissionDenied: (403, INVALID),
    errors.IpRestricted: (403, INVALID),
    errors.InvalidSignature: (403, INVALID),
    errors.TaskNotFound: (404, INVALID),
    errors.ModelNotFound: (404, INVALID),
    errors.NotFound: (404, INVALID),
    errors.MethodNotAllowed: (405, INVALID),
    errors.RangeNotSatisfiable: (416, INVALID),
    errors.RequestTooLarge: (413, INVALID),
    errors.UnsupportedMediaType: (415, INVALID),
    errors.IdempotencyConflict: (409, INVALID),
    errors.ResultExpired: (410, INVALID),
    errors.RateLimitExceeded: (429, RATE),
    errors.InternalError: (500, SERVER),
    errors.ServiceUnavailable: (503, SERVER),
}


class ErrorBody(msgspec.Struct, kw_only=True):
    code: str
    message: str
    type: str
    param: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    fallback_suggestion: str | UnsetType = UNSET
    limit_scope: str | UnsetType = UNSET
    estimated_credits: msgspec.Raw | UnsetType = UNSET
    remaining_credits: msgspec.Raw | UnsetType = UNSET
    request_id: str


class ErrorAnswer(msgspec.Struct):
    error: ErrorBody


def problem_response(problem: Problem, request_id: str) -> Response[bytes]:
    status, kind = STATUS[type(problem)]
    body = ErrorBody(
        code=problem.code,
        message=problem.message,
        type=kind,
        param=problem.param or UNSET,
        reason=problem.reason or UNSET,
        request_id=request_id,
        **problem.extra,
    )
    headers = dict(problem.headers)
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if status in (429, 503):
        headers.setdefault("Retry-After", str(RETRY_AFTER_S))
    return Response(
        msgspec.json.encode(ErrorAnswer(body)),
        status_code=status,
        headers=headers,
        media_type="application/json",
    )


def problem_of(error: Exception) -> Problem:
    """What an exception means to a caller; what means nothing is our fault and is logged."""
    match error:
        case Problem():
            return error
        case StoreFull():
            return errors.ServiceUnavailable("The service has no space left", reason="storage_full")
        case StoreFailure():
            log_error("the database refused", error=str(error))
            return errors.ServiceUnavailable()
        case HTTPException(status_code=404):
            return errors.NotFound()
        case HTTPException(status_code=405):
            return errors.MethodNotAllowed(headers=error.headers)
        case HTTPException(status_code=413):
            return errors.RequestTooLarge()
        case HTTPException(status_code=status) if 400 <= status < 500:
            return errors.InvalidRequest()
    log_error("unexpected error", exc_info=error)
    return errors.InternalError()


def answer_error(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    return problem_response(problem_of(error), request.scope["state"]["request_id"])
