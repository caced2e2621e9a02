"""Small things that every resource answers with."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, TypeVar

import msgspec
from litestar import Request, Response

from imagegate.api.openapi.operation import response_header
from imagegate.domain import ids
from imagegate.domain.errors import InvalidRequest, InvalidTaskId, TaskNotFound
from imagegate.domain.tasks import Task
from imagegate.flows.views.task import task_view
from imagegate.flows.wait import wait_until_terminal
from imagegate.runtime import Runtime
from imagegate.store.tasks import find_task

T = TypeVar("T", bound=msgspec.Struct)

MAX_WAIT_S = 60
_MAX_CURSOR_LENGTH = 1000
REPLAYED_HEADER = response_header(
    "Idempotency-Replayed", {"enum": ["true"]}, "Where this answer is that of an earlier request"
)
IDEMPOTENCY_KEY_PATTERN = re.compile(r"[\x21-\x7e]{1,255}")
_PREFER_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*([0-9]+)(?=$|[,;\s])", re.IGNORECASE)


def json_response(value: Any, headers: dict[str, str] | None = None) -> Response[bytes]:
    """Compact JSON, 200."""
    return Response(msgspec.json.encode(value), headers=headers, media_type="application/json", status_code=200)


def task_response(runtime: Runtime, task: Task, headers: dict[str, str] | None = None) -> Response[bytes]:
    return json_response(task_view(runtime, task), headers)


def preferred_wait(request: Request[Any, Any, Any]) -> int | None:
    """`Prefer: wait=n` in seconds, at most 60; malformed is as good as absent."""
    found = _PREFER_WAIT.search(request.headers.get("prefer", ""))
    return _seconds(found[1]) if found else None


def whole_number(request: Request[Any, Any, Any], name: str, default: int, least: int, most: int) -> int:
    """A query parameter between `least` and `most`."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and least <= int(text) <= most):
        raise InvalidRequest(f"{name} must be a whole number from {least} to {most}", param=name)
    return int(text)


def encode_cursor(position: msgspec.Struct | None) -> str | None:
    """Where the next page of a list begins, as text that only this gateway reads; None where no page follows."""
    if position is None:
        return None
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")


def decode_cursor(request: Request[Any, Any, Any], kind: type[T]) -> T | None:
    """The query parameter `decode_cursor`; None where a list begins."""
    text = request.query_params.get("cursor", "")
    if not text:
        return None
    try:
        raw = base64.b64decode(text[:_MAX_CURSOR_LENGTH] + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        position = msgspec.json.decode(raw, type=kind)
    except (binascii.Error, msgspec.DecodeError, ValueError) as error:
        raise InvalidRequest("cursor must be the next_cursor of an earlier answer", param="cursor") from error
    if not all(_is_comparable(getattr(position, name)) for name in position.__struct_fields__):
        raise InvalidRequest("cursor must be the next_cursor of an earlier answer", param="cursor")
    return position


def _is_comparable(value: Any) -> bool:
    """What both databases can compare with."""
    return -(2**62) < value < 2**62 if isinstance(value, int) else "\0" not in str(value)


def idempotency_key(request: Request[Any, Any, Any]) -> str | None:
    value = request.headers.get("idempotency-key")
    if value is not None and not IDEMPOTENCY_KEY_PATTERN.fullmatch(value):
        raise InvalidRequest("Idempotency-Key must be 1 to 255 visible ASCII characters", param="Idempotency-Key")
    return value


def wait_seconds(request: Request[Any, Any, Any]) -> int:
    """The query parameter `wait`: 0 to 60, more counts as 60."""
    text = request.query_params.get("wait", "0")
    if not (text.isascii() and text.isdigit()):
        raise InvalidRequest("wait must be a whole number of seconds; above 60 counts as 60", param="wait")
    return _seconds(text)


def _seconds(digits: str) -> int:
    return MAX_WAIT_S if len(digits.lstrip("0")) > 2 else min(int(digits), MAX_WAIT_S)


async def find_owned_task(runtime: Runtime, account_id: str, task_id: str) -> Task:
    """The account's own task; another account's is as unknown as one that never was."""
    if not task_id.startswith(ids.TASK_PREFIX):
        raise InvalidTaskId(param="task_id")
    task = await runtime.db.read(find_task, account_id, task_id) if ids.TASK_ID_RE.fullmatch(task_id) else None
    if task is None:
        raise TaskNotFound
    return task


async def wait_for_task(runtime: Runtime, task: Task, seconds: int) -> Task:
    return task if task.terminal or seconds == 0 else await wait_until_terminal(runtime, task, seconds)
