"""GET /v1/tasks/{id}/events: a task's changes as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from litestar import Response, get
from litestar.params import HeaderParameter
from litestar.response import Stream

from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import Operation
from imagegate.api.responses import TaskIdPath, find_owned_task
from imagegate.api_docs.schema import doc
from imagegate.domain import errors
from imagegate.domain.accounts import ApiKey, Scope
from imagegate.domain.tasks import Task
from imagegate.flows.views.task_stream import Heartbeat, TaskEvent, has_seen_end, stream_events
from imagegate.runtime import Runtime

RETRY_MS = 2000
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_MAX_DIGITS = 9


@get(
    "/v1/tasks/{task_id:str}/events",
    operation=Operation(
        summary="A task's changes as server-sent events, each once and in order",
        tag="tasks",
        description="First `retry: 2000`; then `id: <1, 2, 3…>`, `event: task` and `data: <task>` for every stored"
        " change of status or progress; `: ping` after 15 seconds of silence.",
        scope=Scope.tasks_read,
        media_type="text/event-stream",
        response_example=examples.EVENTS,
        statuses={200: "Events; the stream closes after the last", 204: "Nothing is left"},
        errors=(errors.InvalidTaskId, errors.TaskNotFound),
    ),
)
async def get_events(
    runtime: Runtime,
    key: ApiKey,
    task_id: TaskIdPath,
    last_event_id: Annotated[
        str, HeaderParameter(name="Last-Event-ID"), doc("Resume behind this event", examples=["1"])
    ] = "",
) -> Response[Any]:
    """204 where nothing is left: it stops the automatic reconnection of a client."""
    task, seen = await find_owned_task(runtime, key.account_id, task_id), _event_number(last_event_id)
    if seen and await has_seen_end(runtime, task, seen):
        return Response(b"", status_code=204)
    return Stream(_encode_events(runtime, task, seen), headers=_HEADERS, media_type="text/event-stream")


def _event_number(last_event_id: str) -> int:
    """0, before the first event, where it is absent or malformed."""
    text = last_event_id.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS else 0


async def _encode_events(runtime: Runtime, task: Task, seen: int) -> AsyncIterator[bytes]:
    yield f"retry: {RETRY_MS}\n\n".encode()
    async for one in stream_events(runtime, task, seen):
        match one:
            case TaskEvent():
                data = msgspec.json.encode(one.task)  # JSON has no line breaks of its own
                yield b"id: %d\nevent: task\ndata: %s\n\n" % (one.number, data)
            case Heartbeat():
                yield b": ping\n\n"
