"""The end of a failed task as an error of this surface."""

from __future__ import annotations

import msgspec
from litestar import Response

from imagegate.api.problems import DEFAULT_RETRY_AFTER_S, INVALID, SERVER, ErrorResponse, OpenAIErrorBody
from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.domain.tasks import Task

_USER_ERROR = "image_generation_user_error"
_SAFETY_SYSTEM = "Your request was rejected as a result of the safety system"
_UNAVAILABLE = (TaskErrorCode.resource_exhausted, TaskErrorCode.service_unavailable)
_STATUS: dict[TaskErrorCode, int] = {
    TaskErrorCode.content_policy_violation: 400,
    TaskErrorCode.invalid_parameters: 400,
    TaskErrorCode.image_processing_error: 400,
    TaskErrorCode.image_dimension_mismatch: 400,
    TaskErrorCode.request_cancelled: 400,
    TaskErrorCode.generation_timeout: 504,
    **dict.fromkeys(_UNAVAILABLE, 503),
}
# The names of the inputs in the contract, and here.
_FIELDS = (("image_urls", "image"), ("mask_url", "mask"))


def rename_inputs(text: str) -> str:
    """A text or a field path with the names that clients of this surface know."""
    for name, ours in _FIELDS:
        text = text.replace(name, ours)
    return text


def failure_body(error: TaskError, request_id: str) -> ErrorResponse:
    message, kind = rename_inputs(error.message), INVALID if _status(error) == 400 else SERVER
    if error.code == TaskErrorCode.content_policy_violation:
        kind = _USER_ERROR
        message = message if message.startswith(_SAFETY_SYSTEM) else f"{_SAFETY_SYSTEM}. {message}"
    return ErrorResponse(
        OpenAIErrorBody(
            code=str(error.code),
            message=message,
            type=kind,
            param=rename_inputs(error.param) if isinstance(error.param, str) else None,
            reason=error.reason,
            request_id=request_id,
        )
    )


def failure_response(task: Task, request_id: str, *, may_be_bought: bool) -> Response[bytes]:
    """Where nothing was bought the client's own repeat is welcome; elsewhere it would only be told the same."""
    assert task.error is not None
    status = _status(task.error)
    headers = {}
    if may_be_bought:
        headers["x-should-retry"] = "false"
    elif status == 503:
        headers["Retry-After"] = str(DEFAULT_RETRY_AFTER_S)
    body = msgspec.json.encode(failure_body(task.error, request_id))
    return Response(body, status_code=status, headers=headers, media_type="application/json")


def _status(error: TaskError) -> int:
    return _STATUS.get(error.code, 500)
