"""/v1/tasks: one task, its changes as server-sent events, several by id, its metadata, and cancelling one."""

from __future__ import annotations

import functools
from typing import Annotated, Any, Literal

import msgspec
from litestar import Response
from litestar.params import HeaderParameter, QueryParameter
from litestar.types import ASGIApp, HTTPScope, Receive, Send
from msgspec import Meta

from imagegate.api.client_connection import Caller
from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import ResponseLink, delete, get, patch, post
from imagegate.api.params import MAX_WAIT_S
from imagegate.api.responses import TaskIdPath, find_owned_task, wait_for_task
from imagegate.api_docs.schema import METADATA_BOUNDS, MetadataValue, TaskIdText, doc, required
from imagegate.domain import errors, ids
from imagegate.domain.accounts import ApiKey, Scope
from imagegate.domain.audit import Actor
from imagegate.domain.tasks import Task
from imagegate.flows import deletion
from imagegate.flows.cancel import cancel
from imagegate.flows.views.task import TaskView, task_view
from imagegate.flows.views.task_detail import INCLUDE_PARTS, DetailedTask, task_detail_view
from imagegate.flows.views.task_stream import has_seen_end, stream_events
from imagegate.runtime import Runtime
from imagegate.store.queries.tasks import find_tasks
from imagegate.store.task_metadata import MetadataChanged, MetadataRefused, NoSuchTask, change_metadata

_MAX_BATCH_SIZE = 50
RETRY_MS = 2000
_EVENT_HEADERS = [
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
    (b"content-type", b"text/event-stream; charset=utf-8"),
]
_MAX_EVENT_DIGITS = 9
_PARTS = f"({'|'.join(INCLUDE_PARTS)})"

WaitSeconds = Annotated[
    int,
    QueryParameter(name="wait"),
    Meta(
        ge=0,
        description="Answer when the task has ended, or after this many seconds; above 60 counts as 60",
        extra_json_schema={"examples": [60]},
        extra={"rule": "must be a whole number of seconds; above 60 counts as 60"},
    ),
]
Include = Annotated[
    str,
    QueryParameter(name="include"),
    Meta(
        pattern=f"^({_PARTS}?,)*{_PARTS}?$",
        description="More about the task: a comma list of request, outputs and attempts",
        extra_json_schema={"examples": ["request,outputs,attempts"]},
        extra={"rule": f"must list some of {', '.join(INCLUDE_PARTS)}"},
    ),
]
_TASK_ID_LINK = {"task_id": "$response.body#/id"}
TASK_LINKS = (
    ResponseLink("get_task", "How far it is", _TASK_ID_LINK),
    ResponseLink("get_events", "Its changes as they come", _TASK_ID_LINK),
    ResponseLink("cancel_task", "End it", _TASK_ID_LINK),
    ResponseLink("batch_tasks", "Several at once", body={"task_ids": ["$response.body#/id"]}),
    ResponseLink("get_ledger", "What it cost", _TASK_ID_LINK),
)


class MetadataBody(msgspec.Struct):
    """What changes; the rest stays."""

    metadata: Annotated[
        dict[str, MetadataValue | None] | None,
        required(f"Keys to set, or with null to remove; then there must be {METADATA_BOUNDS}"),
    ] = None


class DeletedTask(msgspec.Struct, kw_only=True):
    id: TaskIdText
    object: Literal["image.generation.task"] = "image.generation.task"
    deleted: Literal[True] = True


class BatchRequest(msgspec.Struct):
    """Unknown and malformed ids are omitted."""

    task_ids: Annotated[
        Annotated[list[str], Meta(min_length=1, max_length=_MAX_BATCH_SIZE)] | None, required("Up to 50 ids of tasks")
    ] = None


class BatchResponse(msgspec.Struct):
    code: Literal[200]
    data: list[TaskView]


@get(
    "/v1/tasks/{task_id:str}",
    summary="One task",
    tag="tasks",
    scope=Scope.tasks_read,
    response_example=examples.COMPLETED_TASK,
    errors=(errors.InvalidTaskId, errors.TaskNotFound),
)
async def get_task(
    runtime: Runtime, key: ApiKey, caller: Caller, task_id: TaskIdPath, wait: WaitSeconds = 0, include: Include = ""
) -> DetailedTask:
    parts = frozenset(filter(None, include.split(",")))
    task = await wait_for_task(runtime, key.account_id, task_id, min(wait, MAX_WAIT_S), caller)
    return await task_detail_view(runtime, task, parts)


@get(
    "/v1/tasks/{task_id:str}/events",
    summary="A task's changes as server-sent events, each once and in order",
    tag="tasks",
    description="First `retry: 2000`; then `id: <1, 2, 3…>`, `event: task` and `data: <task>` for every stored"
    " change of status or progress; `: ping` after 15 seconds of silence.",
    scope=Scope.tasks_read,
    media_type="text/event-stream",
    response_example=examples.EVENTS,
    statuses={200: "Events; the stream closes after the last", 204: "Nothing is left"},
    errors=(errors.InvalidTaskId, errors.TaskNotFound),
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
    most = runtime.settings.limits.event_streams_per_key
    if runtime.event_streams[key.id] >= most:
        raise errors.RateLimitExceeded(f"This key may have {most:,} event streams open", reason="event_streams")
    return EventStream(runtime, key.id, task, seen)


@patch(
    "/v1/tasks/{task_id:str}",
    summary="Change a task's metadata, at any time",
    description="Keys are set, or removed by null; others stay. It makes no event and sends no webhook."
    ' `starred`: `"true"` keeps the task and its thumbnails; `tags` is a list with commas, such as `"logo,spring"`.',
    tag="tasks",
    scope=Scope.images_write,
    request_example={"metadata": {"order": "17", "draft": None}},
    response_example=examples.NOTED_TASK,
    errors=(errors.InvalidTaskId, errors.TaskNotFound),
)
async def update_task(data: MetadataBody, runtime: Runtime, key: ApiKey, task_id: TaskIdPath) -> TaskView:
    if data.metadata is None:
        raise errors.InvalidRequest("metadata is required", param="metadata")
    await find_owned_task(runtime, key.account_id, task_id)
    match await runtime.db.write(change_metadata, key.account_id, task_id, data.metadata):
        case MetadataRefused(fault=fault):
            raise errors.InvalidRequest(fault, param="metadata")
        case NoSuchTask():
            raise errors.TaskNotFound
        case MetadataChanged():
            return task_view(runtime, await find_owned_task(runtime, key.account_id, task_id))


@post(
    "/v1/tasks/batch",
    summary="Up to 50 tasks by id, in the requested order",
    tag="tasks",
    scope=Scope.tasks_read,
    request_example={"task_ids": [examples.TASK_ID]},
    response_example=examples.BATCH,
)
async def batch_tasks(data: BatchRequest, runtime: Runtime, key: ApiKey) -> BatchResponse:
    if data.task_ids is None:
        raise errors.InvalidRequest("task_ids is required", param="task_ids")
    known = [task_id for task_id in dict.fromkeys(data.task_ids) if ids.TASK_ID_RE.fullmatch(task_id)]
    found = await runtime.db.read(find_tasks, key.account_id, known)
    return BatchResponse(200, [task_view(runtime, task) for task in found])


@post(
    "/v1/tasks/{task_id:str}/cancel",
    summary="Cancel: free before anything was sent, afterwards as it ends",
    tag="tasks",
    scope=Scope.images_write,
    response_example=examples.CANCELLED_TASK,
    links=(TASK_LINKS[0],),
    errors=(errors.InvalidTaskId, errors.TaskNotFound, errors.TaskNotCancellable),
)
async def cancel_task(runtime: Runtime, key: ApiKey, task_id: TaskIdPath) -> TaskView:
    task = await find_owned_task(runtime, key.account_id, task_id)
    return task_view(runtime, await cancel(runtime, task))


@delete(
    "/v1/tasks/{task_id:str}",
    summary="Delete an ended task with its images, prompt and metadata; its charge stays in the ledger",
    description="At once and for good: its links answer 410, the task 404, and its Idempotency-Key is free again.",
    tag="tasks",
    scope=Scope.images_write,
    response_example=examples.DELETED_TASK,
    errors=(errors.InvalidTaskId, errors.TaskNotFound, errors.TaskNotDeletable),
)
async def delete_task(runtime: Runtime, key: ApiKey, actor: Actor, task_id: TaskIdPath) -> DeletedTask:
    task = await find_owned_task(runtime, key.account_id, task_id)
    await deletion.delete_task(runtime, key.account_id, task.id, actor)
    return DeletedTask(id=task.id)


def _event_number(last_event_id: str) -> int:
    """0, before the first event, where it is absent or malformed."""
    text = last_event_id.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MAX_EVENT_DIGITS else 0


class EventStream(Response[Any]):
    """Sends the changes of a task. It ends with the client's connection."""

    def __init__(self, runtime: Runtime, key_id: str, task: Task, seen: int) -> None:
        super().__init__(None)
        self._start = (runtime, key_id, task.account_id, task.id, seen)

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIApp:  # type: ignore[override]
        return functools.partial(_send_events, *self._start)


async def _send_events(
    runtime: Runtime, key_id: str, account_id: str, task_id: str, seen: int, scope: HTTPScope, _: Receive, send: Send
) -> None:
    runtime.event_streams[key_id] += 1
    try:
        await send({"type": "http.response.start", "status": 200, "headers": _EVENT_HEADERS})
        if scope["state"].get("head_only"):
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        await _send_part(send, f"retry: {RETRY_MS}\n\n".encode())
        with Caller(scope):
            async for one in stream_events(runtime, account_id, task_id, seen, functools.partial(_ping, send)):
                data = msgspec.json.encode(one.task)  # JSON has no line breaks of its own
                await _send_part(send, b"id: %d\nevent: task\ndata: %s\n\n" % (one.number, data))
                del data, one  # not held until the next one
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    finally:
        runtime.event_streams[key_id] -= 1
        if runtime.event_streams[key_id] == 0:
            del runtime.event_streams[key_id]


def _ping(send: Send) -> None:
    """Send a ping if that waits for nothing: a client that does not read needs no sign of life."""
    sending = _send_part(send, b": ping\n\n")
    try:
        sending.send(None)
    except StopIteration:
        return
    sending.close()


async def _send_part(send: Send, part: bytes) -> None:
    await send({"type": "http.response.body", "body": part, "more_body": True})
