"""The one table of HTTP statuses, and the bodies of error responses."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException
from msgspec import UNSET, UnsetType

from imagegate.api_docs.schema import Number, RequestIdText, doc
from imagegate.blobs import StorageUnavailable
from imagegate.domain import errors
from imagegate.domain.accounts import LimitScope
from imagegate.domain.errors import NotFound, Problem
from imagegate.logging import log_error
from imagegate.store.dialect import DatabaseError, DatabaseUnusable, DiskFull, QueryTimeout

INVALID, AUTH, QUOTA = "invalid_request_error", "authentication_error", "insufficient_quota"
RATE, SERVER = "rate_limit_error", "api_error"
DEFAULT_RETRY_AFTER_S = 5

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
    errors.AccountClosed: (409, INVALID),
    errors.TaskNotCancellable: (409, INVALID),
    errors.TaskNotDeletable: (409, INVALID),
    errors.TaskNotRefundable: (409, INVALID),
    errors.ResultExpired: (410, INVALID),
    errors.FileTooLarge: (400, INVALID),
    errors.FileTypeNotAllowed: (400, INVALID),
    errors.FileQuotaExceeded: (400, INVALID),
    errors.FileNotFetched: (400, INVALID),
    errors.StorageFailed: (500, SERVER),
    errors.RateLimitExceeded: (429, RATE),
    errors.InternalError: (500, SERVER),
    errors.ServiceUnavailable: (503, SERVER),
}


FILES_PATH, OPENAI_PATH = "/api/v1/files", "/openai/v1"
# The vendor's SDKs wait for what they are told, up to this long; above it some give up.
_MAX_OPENAI_RETRY_AFTER_S = 60
# What the files API gives as `code` in place of the status.
FILE_CODES: dict[type[Problem], int] = {
    errors.FileTooLarge: 40001,
    errors.FileTypeNotAllowed: 40002,
    errors.FileQuotaExceeded: 40003,
    errors.FileNotFetched: 40004,
    errors.StorageFailed: 50001,
}


class ErrorBody(msgspec.Struct, kw_only=True):
    """Why a request was refused; programs decide by `code`."""

    code: Annotated[str, doc("Stable", pattern="^[a-z_]+$")]
    message: Annotated[str, doc("For people; may change", minLength=1)]
    type: Annotated[str, doc("The class of the error", enum=[INVALID, AUTH, QUOTA, RATE, SERVER])]
    param: Annotated[str, doc("The one input at fault: a field path or a header")] | UnsetType = UNSET
    reason: Annotated[str, doc("A finer cause; more may come", pattern="^[a-z_]+$")] | UnsetType = UNSET
    fallback_suggestion: Annotated[str, doc("What to try instead")] | UnsetType = UNSET
    limit_scope: Annotated[str, doc("With 402: whose limit", enum=[*LimitScope])] | UnsetType = UNSET
    estimated_credits: Annotated[Number, doc("With 402: the maximum of the request")] | UnsetType = UNSET
    remaining_credits: Annotated[Number, doc("With 402: what that limit leaves")] | UnsetType = UNSET
    request_id: RequestIdText


class OpenAIErrorBody(ErrorBody, kw_only=True):
    """The same on the OpenAI surface, where `param` is always there."""

    param: str | None = None  # type: ignore[assignment]


class ErrorResponse(msgspec.Struct):
    error: ErrorBody


class FileErrorResponse(msgspec.Struct, kw_only=True):
    """An error in the envelope of the files API."""

    success: Literal[False] = False
    code: Annotated[int, doc("The status, or a finer number of this API")]
    msg: Annotated[str, doc("For people; may change", minLength=1)]
    request_id: RequestIdText


def problem_response(problem: Problem, request_id: str, path: str) -> Response[bytes]:
    """The error in the shape of the API that `path` belongs to."""
    status, _ = STATUS[type(problem)]
    headers = dict(problem.headers)
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if status in (429, 503):
        headers.setdefault("Retry-After", str(DEFAULT_RETRY_AFTER_S))
    if status == 429 and problem.reason:  # without a reason it is the request limit, which sets more headers
        headers["RateLimit"] = f'"{problem.reason}";r=0;t={headers["Retry-After"]}'
    if is_openai_path(path):
        if status == 409:
            headers["x-should-retry"] = "false"  # its SDKs repeat a 409 otherwise
        if headers.get("Retry-After", "").isdigit():
            headers["Retry-After"] = str(min(int(headers["Retry-After"]), _MAX_OPENAI_RETRY_AFTER_S))
    return Response(
        msgspec.json.encode(problem_body(problem, request_id, path)),
        status_code=status,
        headers=headers,
        media_type="application/json",
    )


def problem_body(problem: Problem, request_id: str, path: str) -> ErrorResponse | FileErrorResponse:
    status, kind = STATUS[type(problem)]
    if path == FILES_PATH or path.startswith(f"{FILES_PATH}/"):
        code = FILE_CODES.get(type(problem), status)
        return FileErrorResponse(code=code, msg=problem.message, request_id=request_id)
    in_openai = is_openai_path(path)
    body = (OpenAIErrorBody if in_openai else ErrorBody)(
        code=problem.code,
        message=problem.message,
        type=kind,
        param=problem.param or (None if in_openai else UNSET),  # type: ignore[arg-type]
        reason=problem.reason or UNSET,
        request_id=request_id,
        **problem.extra,
    )
    return ErrorResponse(body)


def is_openai_path(path: str) -> bool:
    return path == OPENAI_PATH or path.startswith(f"{OPENAI_PATH}/")


def to_problem(error: Exception, request_id: str) -> Problem:
    """The problem that an exception is to the caller; an unexpected one is logged and becomes 500."""
    match error:
        case Problem():
            return error
        case DiskFull():
            return errors.ServiceUnavailable("The service has no space left", reason="storage_full")
        case QueryTimeout():
            return errors.ServiceUnavailable("This list took too long: ask for fewer rows", reason="list_too_slow")
        case DatabaseError() | DatabaseUnusable():
            log_error("database_unavailable", error=str(error), request_id=request_id)
            return errors.ServiceUnavailable()
        case StorageUnavailable():
            log_error("storage_unavailable", error=str(error), request_id=request_id)
            return errors.ServiceUnavailable(
                "Images cannot be stored or read at the moment, please try again later", reason="storage_unavailable"
            )
        case HTTPException(status_code=404):
            return errors.NotFound()
        case HTTPException(status_code=405):
            return errors.MethodNotAllowed(headers=error.headers)
        case HTTPException(status_code=413):
            return errors.RequestTooLarge()
        case HTTPException(status_code=status) if 400 <= status < 500:
            return errors.InvalidRequest()
    log_error("request_failed", exc_info=error, request_id=request_id)
    return errors.InternalError()


def handle_exception(request: Request[Any, Any, Any], error: Exception, origin: str) -> Response[bytes]:
    path, request_id = request.scope["path"], request.scope["state"]["request_id"]
    problem = to_problem(error, request_id)
    if type(problem) is NotFound and problem.message == NotFound.default_message:
        problem = _unknown_path(path, origin)
    return problem_response(problem, request_id, path)


def _unknown_path(path: str, origin: str) -> NotFound:
    """What a client of OpenAI was probably looking for."""
    if path == "/v1/images/edits":
        return NotFound(wrong_base_hint(origin))
    if is_openai_path(path) and path.removeprefix(f"{OPENAI_PATH}/").startswith(("chat", "responses", "completions")):
        return NotFound("Only images are made here: there are no responses, chat or completions")
    return NotFound()


def wrong_base_hint(origin: str) -> str:
    return f"For clients of OpenAI the base URL is {origin}{OPENAI_PATH}"
