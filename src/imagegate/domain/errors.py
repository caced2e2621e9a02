"""Everything that can be wrong, by code: one class each. The HTTP status of each stands in `api/problems.py` alone.

A `Problem` is raised and refuses a request; a `TaskError` is a value and ends a task.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, UnsetType


class Problem(Exception):
    """A request that is refused. `param` names the one input at fault, as a field path or a header."""

    code: ClassVar[str]
    default_message: ClassVar[str]

    def __init__(
        self,
        message: str = "",
        *,
        param: str | None = None,
        reason: str | None = None,
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(message or self.default_message)
        self.message = message or self.default_message
        self.param = param
        self.reason = reason
        self.headers = headers or {}
        self.extra = extra


class InvalidRequest(Problem):
    code = "invalid_request"
    default_message = "Invalid request parameters"


class InvalidTaskId(Problem):
    code = "invalid_task_id"
    default_message = "Invalid task ID format, must start with 'task-unified-'"


class Unauthorized(Problem):
    code = "unauthorized"
    default_message = "Invalid or expired token"


class InsufficientQuota(Problem):
    code = "insufficient_quota"
    default_message = "Insufficient quota. Please top up your account."


class InsufficientTokenQuota(Problem):
    code = "insufficient_token_quota"
    default_message = "Insufficient quota of this key. Raise its limit or use another key."


class TokenDailyQuotaExceeded(Problem):
    code = "token_daily_quota_exceeded"
    default_message = "The daily limit of this key is reached."


class ModelAccessDenied(Problem):
    code = "model_access_denied"
    default_message = "Token does not have access to model"


class PermissionDenied(Problem):
    code = "permission_denied"
    default_message = "This key lacks the permission for this call"


class IpRestricted(Problem):
    code = "ip_restricted"
    default_message = "This key does not work from this address"


class InvalidSignature(Problem):
    code = "invalid_signature"
    default_message = "The signature of this link is not valid"


class TaskNotFound(Problem):
    code = "task_not_found"
    default_message = "The requested task could not be found"


class ModelNotFound(Problem):
    code = "model_not_found"
    default_message = "The requested model could not be found"


class NotFound(Problem):
    code = "not_found"
    default_message = "Not found"


class MethodNotAllowed(Problem):
    code = "method_not_allowed"
    default_message = "This method is not allowed here"


class RangeNotSatisfiable(Problem):
    code = "invalid_request"
    default_message = "The range lies outside of the file"


class RequestTooLarge(Problem):
    code = "request_too_large"
    default_message = "The request body is over 1 MiB"


class UnsupportedMediaType(Problem):
    code = "unsupported_media_type"
    default_message = "The body must be application/json in UTF-8"


class IdempotencyConflict(Problem):
    code = "idempotency_conflict"
    default_message = "This Idempotency-Key was used with another request body"


class AccountClosed(Problem):
    code = "account_closed"
    default_message = "This account is closed"


class TaskNotDeletable(Problem):
    code = "task_not_deletable"
    default_message = "Only a task that has ended can be deleted; cancel it first"


class TaskNotCancellable(Problem):
    code = "task_not_cancellable"
    default_message = "This task has already ended"


class TaskNotRefundable(Problem):
    code = "task_not_refundable"
    default_message = "This task was not charged, so there is nothing to refund"


class ResultExpired(Problem):
    code = "result_expired"
    default_message = "This result has expired; results are kept for 24 hours"


class FileTooLarge(Problem):
    code = "file_too_large"
    default_message = "The file is too large"


class FileTypeNotAllowed(Problem):
    code = "file_type_not_allowed"
    default_message = "The file must be a JPEG, PNG, WebP or GIF image"


class FileQuotaExceeded(Problem):
    code = "file_quota_exceeded"
    default_message = "File limit reached; delete some files first"


class FileNotFetched(Problem):
    code = "file_not_fetched"
    default_message = "The file could not be fetched from its URL"


class StorageFailed(Problem):
    code = "storage_failed"
    default_message = "The file could not be stored"


class RateLimitExceeded(Problem):
    code = "rate_limit_exceeded"
    default_message = "Too many requests, please try again later"


class InternalError(Problem):
    code = "internal_error"
    default_message = "Internal server error"


class ServiceUnavailable(Problem):
    code = "service_unavailable"
    default_message = "The service is temporarily unavailable, please try again later"


class TaskErrorCode(enum.StrEnum):
    """Why a task failed. The set is closed; `TaskError.reason` gives a finer cause."""

    content_policy_violation = "content_policy_violation"
    invalid_parameters = "invalid_parameters"
    image_processing_error = "image_processing_error"
    image_dimension_mismatch = "image_dimension_mismatch"
    request_cancelled = "request_cancelled"
    generation_failed_no_content = "generation_failed_no_content"
    generation_timeout = "generation_timeout"
    resource_exhausted = "resource_exhausted"
    quota_exceeded = "quota_exceeded"
    service_unavailable = "service_unavailable"
    service_error = "service_error"
    unknown_error = "unknown_error"
    resource_not_found = "resource_not_found"


class TaskError(msgspec.Struct, frozen=True):
    """The end of a failed task, as the customer reads it."""

    code: TaskErrorCode
    message: str
    type: Literal["task_error"] = "task_error"
    param: str | UnsetType = UNSET
    reason: str | UnsetType = UNSET
    fallback_suggestion: str | UnsetType = UNSET
