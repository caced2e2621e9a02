"""What can go wrong, by kind. `APIError.code` and `TaskFailedError.code` have the exact cause."""

from __future__ import annotations

import datetime
import email.utils
from collections.abc import Mapping
from typing import Any

import httpx2
import msgspec

from imagegate_client._types import Task


class ImagegateError(Exception):
    """The base of every error of this package."""

    outcome_unknown: bool = False
    """Whether the request may have been carried out all the same, because the answer to one of its tries was lost."""


class ConfigurationError(ImagegateError, ValueError):
    """The client does not know which gateway to call, or with which key."""


class ConnectionFailedError(ImagegateError, ConnectionError):
    """No whole response arrived, in spite of repeats. A create may be repeated with the same `idempotency_key`."""


class InvalidResponseError(ImagegateError):
    """The response is not what a gateway sends; perhaps something else answers at this URL."""


class APIError(ImagegateError):
    """The gateway refused a request. A create that was refused has left no task, and nothing is charged."""

    def __init__(self, status: int, error: Mapping[str, Any], retry_after: float | None = None) -> None:
        """From the parts of a response: its status, its error object, and the seconds of `Retry-After`."""
        self.status = status
        self.code = _text(error.get("code")) or str(status)
        self.message = _text(error.get("message")) or f"HTTP {status}"
        self.param = _text(error.get("param"))
        self.reason = _text(error.get("reason"))
        self.request_id = _text(error.get("request_id"))
        self.retry_after = retry_after
        self.details = dict(error)
        super().__init__(f"{self.message} ({self.code})")

    status: int
    """The HTTP status."""
    code: str
    """The code by which to decide; docs/errors.md lists them."""
    message: str
    """For people."""
    param: str | None
    """The field or header at fault, if one is."""
    reason: str | None
    """A more specific cause."""
    request_id: str | None
    """By which the operator finds the request."""
    retry_after: float | None
    """After how many seconds the gateway may accept it."""
    details: dict[str, Any]
    """The whole error object."""


class InvalidRequestError(APIError):
    """The request is wrong, and will be as long as it is the same."""


class AuthenticationError(APIError):
    """The API key is missing, unknown, disabled or expired."""


class InsufficientCreditsError(APIError):
    """The balance, or a cap of the key, does not cover the quoted maximum."""


class PermissionDeniedError(APIError):
    """The key may not do this, use this model, or be used from this address."""


class NotFoundError(APIError):
    """There is no such task, model or file, or it has expired."""


class ConflictError(APIError):
    """It contradicts what was done before."""


class RateLimitError(APIError):
    """Too many requests; `retry_after` says when to try again."""


class ServerError(APIError):
    """An error in the gateway or in front of it."""


class ServiceUnavailableError(ServerError):
    """The gateway cannot take the request now."""


class TaskFailedError(ImagegateError):
    """A task ended without images. Nothing was charged."""

    def __init__(self, task: Task) -> None:
        """From a failed task."""
        self.task = task
        self.code = task.error.code if task.error else "unknown_error"
        self.reason = task.error.reason if task.error else None
        super().__init__(f"{task.error.message if task.error else 'failed'} ({self.code})")

    task: Task
    """The failed task."""
    code: str
    """Why; docs/errors.md lists the codes."""
    reason: str | None
    """A more specific cause."""


class ContentPolicyError(TaskFailedError):
    """The prompt or an image was refused for its content (`content_policy_violation`)."""


class WaitTimeoutError(ImagegateError, TimeoutError):
    """The task did not end in the given time. It goes on, and `tasks.wait` can wait for it again."""

    def __init__(self, task: Task) -> None:
        """From the task as it was last seen."""
        self.task = task
        super().__init__(f"{task.id} is still {task.status}")

    task: Task
    """The task as it was last seen."""


class WebhookVerificationError(ImagegateError):
    """The message was not signed with this secret, was changed, or is too old."""


_BY_STATUS: dict[int, type[APIError]] = {
    401: AuthenticationError,
    402: InsufficientCreditsError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    410: NotFoundError,
    429: RateLimitError,
    503: ServiceUnavailableError,
}


def api_error(status: int, headers: Mapping[str, str], body: bytes) -> APIError:
    """The error that a response tells, in either of the API's two forms; also for one that another server wrote."""
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        answer = None
    found = answer if isinstance(answer, dict) else {}
    error = found.get("error")
    if not isinstance(error, dict):  # the files API has an envelope of its own
        error = {name: found[key] for name, key in _ENVELOPE if key in found}
    if not _text(error.get("request_id")) and (request_id := headers.get("x-request-id")):
        error = {**error, "request_id": request_id}
    kind = _BY_STATUS.get(status) or (ServerError if status >= 500 else InvalidRequestError)
    return kind(status, error, parse_retry_after(headers.get("retry-after", "")))


_ENVELOPE = (("code", "code"), ("message", "msg"), ("request_id", "request_id"))
_MAX_DIGITS = 9  # of seconds: 30 years


def parse_retry_after(text: str) -> float | None:
    """Seconds, from a number or a date; None where it is absent or malformed."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:_MAX_DIGITS] if len(text) <= _MAX_DIGITS else "9" * _MAX_DIGITS)
    try:
        moment = email.utils.parsedate_to_datetime(text)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
        return max(0.0, (aware - datetime.datetime.now(datetime.UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def is_answer_lost(failure: ImagegateError) -> bool:
    """Whether a try may have been carried out: it was sent, and what came back, if anything, is not a gateway's."""
    match failure:
        case ConnectionFailedError():
            return not isinstance(failure.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)
        case ServerError():
            return failure.code == str(failure.status)
        case _:
            return False


def task_failed(task: Task) -> TaskFailedError:
    """The error of a failed task."""
    error = TaskFailedError(task)
    return ContentPolicyError(task) if error.code == "content_policy_violation" else error


def _text(value: object) -> str | None:
    return str(value) if isinstance(value, str | int) and str(value) else None
