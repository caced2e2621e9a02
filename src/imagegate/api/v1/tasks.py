"""/v1/tasks: one task, its changes as server-sent events, lists of tasks, and cancelling one."""

from __future__ import annotations

import functools
from typing import Annotated, Any, Literal

import msgspec
from litestar import Response
from litestar.params import HeaderParameter, QueryParameter
from litestar.types import ASGIApp, HTTPScope, Receive, Send
from msgspec import UNSET, Meta, UnsetType

from imagegate.api.client_connection import Caller
from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import ResponseLink, get, post
from imagegate.api.pagination import CursorPage, cursor_page, decode_cursor, read_list
from imagegate.api.params import MAX_WAIT_S, PageNumber
from imagegate.api.responses import TaskIdPath, find_owned_task, wait_for_task
from imagegate.api_docs.schema import Count, Link, Number, Seconds, Status, TaskIdText, doc, required
from imagegate.domain import errors, ids
from imagegate.domain.accounts import ApiKey, Scope
from imagegate.domain.money import format_credits, json_number
from imagegate.domain.pages import Position
from imagegate.domain.tasks import Task
from imagegate.domain.time import US_PER_SECOND
from imagegate.flows.cancel import cancel
from imagegate.flows.views.task import TaskView, task_view, thumbnail_link
from imagegate.flows.views.task_detail import INCLUDE_PARTS, DetailedTask, task_detail_view
from imagegate.flows.views.task_stream import has_seen_end, stream_events
from imagegate.runtime import Runtime
from imagegate.store.queries.tasks import STATUS_SQL, TaskFilter, find_tasks, list_tasks_before, list_tasks_page

_MAX_BATCH_SIZE = 50
_NARROW = "search without q or with a status or model, and page by cursor instead of page"
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
        extra_json_schema={"examples": [1]},
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
StatusFilter = Annotated[str, QueryParameter(name="status"), doc("Only tasks in this state", enum=["", *STATUS_SQL])]
ModelFilter = Annotated[str, QueryParameter(name="model"), doc("Only tasks of this model", examples=["gpt-image-2"])]
TypeFilter = Annotated[str, QueryParameter(name="type"), doc("Only image tasks exist", enum=["", "image"])]
PromptFilter = Annotated[
    str,
    QueryParameter(name="q"),
    Meta(max_length=200, description="Only tasks whose prompt has this text", extra_json_schema={"examples": ["fox"]}),
]
TaskCursor = Annotated[
    Annotated[str, Meta(max_length=1000)] | None,
    QueryParameter(name="cursor"),
    doc("Empty at the start of a list by cursor, then next_cursor of the previous page"),
]
PageSize = Annotated[int, QueryParameter(name="page_size"), Meta(ge=1, le=100, description="Tasks on a page")]
CursorLimit = Annotated[
    Annotated[int, Meta(ge=1, le=100)] | None,
    QueryParameter(name="limit"),
    doc("With cursor: another name of page_size"),
]
_TASK_ID_LINK = {"task_id": "$response.body#/id"}
TASK_LINKS = (
    ResponseLink("get_task", "How far it is", _TASK_ID_LINK),
    ResponseLink("get_events", "Its changes as they come", _TASK_ID_LINK),
    ResponseLink("cancel_task", "End it", _TASK_ID_LINK),
    ResponseLink("batch_tasks", "Several at once", body={"task_ids": ["$response.body#/id"]}),
    ResponseLink("get_ledger", "What it cost", _TASK_ID_LINK),
)
_FIRST_TASK_LINK = {"task_id": "$response.body#/data/0/id"}


class TaskRow(msgspec.Struct, kw_only=True):
    """A task in a list."""

    id: TaskIdText
    model: str
    type: Literal["image"]
    status: Status
    progress: Annotated[int, doc("It never decreases; 100 only when completed", minimum=0, maximum=100)]
    created_at: Seconds
    has_results: bool
    result_count: Count
    credits_used: Annotated[Number, doc("Once the task has ended")] | UnsetType = UNSET
    has_error: bool
    thumbnail_url: Annotated[Link, doc("A WebP of at most 512 pixels of the first result")] | UnsetType = UNSET


class TaskPage(msgspec.Struct, kw_only=True):
    """The list by page."""

    object: Literal["list"] = "list"
    data: list[TaskRow]
    total: Count
    page: Annotated[int, doc("From 1", minimum=1)]
    page_size: Annotated[int, doc("Tasks on a page", minimum=1, maximum=100)]


class TaskList(CursorPage, kw_only=True):
    """The list by cursor."""

    data: list[TaskRow]


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


@get(
    "/v1/tasks",
    summary="Tasks, newest first, by page or by cursor",
    tag="tasks",
    scope=Scope.tasks_read,
    response_example=examples.TASKS,
    links=(ResponseLink("get_task", "The newest of them", _FIRST_TASK_LINK),),
)
async def list_tasks(
    runtime: Runtime,
    key: ApiKey,
    status: StatusFilter = "",
    model: ModelFilter = "",
    task_type: TypeFilter = "",
    page: PageNumber = 1,
    q: PromptFilter = "",
    cursor: TaskCursor = None,
    page_size: PageSize = 20,
    limit: CursorLimit = None,
) -> TaskPage | TaskList:
    # a database holds no U+0000 in its text, and so no model and no prompt of that name
    wanted = TaskFilter(status, _without_null(model), _without_null(q))
    if cursor is not None:
        before = decode_cursor(cursor, Position)
        tasks = await read_list(
            runtime, key, _NARROW, list_tasks_before, key.account_id, wanted, before, limit or page_size
        )
        return cursor_page(TaskList, tasks, lambda task: _task_row(runtime, task))
    found, total = await read_list(runtime, key, _NARROW, list_tasks_page, key.account_id, wanted, page, page_size)
    rows = [_task_row(runtime, task) for task in found]
    return TaskPage(data=rows, total=total, page=page, page_size=page_size)


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


def _without_null(text: str) -> str:
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _task_row(runtime: Runtime, task: Task) -> TaskRow:
    return TaskRow(
        id=task.id,
        model=task.order.model,
        type="image",
        status=task.status,
        progress=task.progress,
        created_at=task.created // US_PER_SECOND,
        has_results=bool(task.results),
        result_count=len(task.results),
        credits_used=json_number(format_credits(task.charge or 0, runtime.credits_per_usd)) if task.terminal else UNSET,
        has_error=task.error is not None,
        thumbnail_url=thumbnail_link(runtime, task),
    )


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
