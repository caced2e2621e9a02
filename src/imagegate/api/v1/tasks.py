"""GET /v1/tasks/{id}, GET /v1/tasks and POST /v1/tasks/batch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, get, post
from msgspec import UNSET, UnsetType

from imagegate.api.auth import require_scope
from imagegate.api.body import read_json
from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import Operation, ResponseLink, described, path, query
from imagegate.api.responses import (
    decode_cursor,
    encode_cursor,
    find_owned_task,
    json_response,
    task_response,
    wait_for_task,
    wait_seconds,
    whole_number,
)
from imagegate.domain import errors, ids
from imagegate.domain.accounts import ApiKey, Scope
from imagegate.domain.errors import InvalidRequest
from imagegate.domain.fields import (
    Count,
    HasMore,
    Link,
    NextCursor,
    Number,
    Seconds,
    Status,
    TaskIdText,
    doc,
    required,
    schema,
)
from imagegate.domain.money import format_credits, json_number
from imagegate.domain.pages import Position
from imagegate.domain.tasks import Task, public_status
from imagegate.domain.time import US_PER_SECOND
from imagegate.flows.views.task import TaskView, task_view, thumbnail_link
from imagegate.flows.views.task_detail import INCLUDE_PARTS, DetailedTask, task_detail_view
from imagegate.runtime import Runtime
from imagegate.store.queries.tasks import STATUS_SQL, TaskFilter, find_tasks, list_tasks_before, list_tasks_page

_MAX_BATCH_SIZE, _MAX_SEARCH_LENGTH = 50, 200
TASK_ID = path(
    "task_id",
    {"type": "string", "pattern": f"^{ids.TASK_ID_RE.pattern}$", "examples": [examples.TASK_ID]},
    "The id of a task of this account",
)
WAIT = query(
    "wait",
    {"type": "integer", "minimum": 0, "default": 0, "examples": [1]},
    "Answer when the task has ended, or after this many seconds; above 60 counts as 60",
)
_TASK_ID_LINK = {"task_id": "$response.body#/id"}
TASK_LINKS = (
    ResponseLink("get_task", "How far it is", _TASK_ID_LINK),
    ResponseLink("get_events", "Its changes as they come", _TASK_ID_LINK),
    ResponseLink("cancel_task", "End it", _TASK_ID_LINK),
    ResponseLink("batch_tasks", "Several at once", body={"task_ids": ["$response.body#/id"]}),
    ResponseLink("get_ledger", "What it cost", _TASK_ID_LINK),
)
_FIRST_TASK_LINK = {"task_id": "$response.body#/data/0/id"}
_LIST_PARAMETERS = (
    query("status", {"type": "string", "enum": list(STATUS_SQL)}, "Only tasks in this state"),
    query("model", {"type": "string", "examples": ["gpt-image-2"]}, "Only tasks of this model"),
    query("type", {"type": "string", "enum": ["image"]}, "Only image tasks exist"),
    query("page", {"type": "integer", "minimum": 1, "maximum": 1_000_000, "default": 1}, "From 1"),
    query(
        "q",
        {"type": "string", "maxLength": _MAX_SEARCH_LENGTH, "examples": ["fox"]},
        "Only tasks whose prompt has this text",
    ),
    query(
        "cursor",
        {"type": "string", "maxLength": 1000},
        "Empty to begin, then next_cursor: a list without an end of pages",
    ),
    query("page_size", {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}, "Tasks on a page"),
    query("limit", {"type": "integer", "minimum": 1, "maximum": 100}, "With cursor: another name of page_size"),
)


class TaskRow(msgspec.Struct, kw_only=True):
    """A task in a list."""

    id: TaskIdText
    model: str
    type: Literal["image"]
    status: Status
    progress: Annotated[int, doc("It never falls; 100 only when completed", minimum=0, maximum=100)]
    created_at: Seconds
    has_results: bool
    result_count: Count
    credits_used: Annotated[Number, doc("Once the task has ended")] | UnsetType = UNSET
    has_error: bool
    thumbnail_url: Annotated[Link, doc("A WebP of at most 1024 pixels of the first result")] | UnsetType = UNSET


class TaskPage(msgspec.Struct, kw_only=True):
    """The list by page."""

    object: Literal["list"] = "list"
    data: list[TaskRow]
    total: Count
    page: Annotated[int, doc("From 1", minimum=1)]
    page_size: Annotated[int, doc("Tasks on a page", minimum=1, maximum=100)]


class TaskList(msgspec.Struct, kw_only=True):
    """The list by cursor."""

    object: Literal["list"] = "list"
    data: list[TaskRow]
    has_more: HasMore
    next_cursor: NextCursor


class BatchRequest(msgspec.Struct):
    """Unknown and malformed ids are left out of the answer."""

    task_ids: Annotated[
        Annotated[list[str], schema(minItems=1, maxItems=_MAX_BATCH_SIZE)] | None, required("Up to 50 ids of tasks")
    ] = None


class BatchResponse(msgspec.Struct):
    code: Literal[200]
    data: list[TaskView]


@get(
    "/v1/tasks/{task_id:str}",
    opt=described(
        Operation(
            summary="One task",
            tag="tasks",
            scope=Scope.tasks_read,
            response_type=DetailedTask,
            response_example=examples.COMPLETED_TASK,
            parameters=(
                TASK_ID,
                WAIT,
                query(
                    "include",
                    {
                        "type": "string",
                        "pattern": f"^(({'|'.join(INCLUDE_PARTS)})(,({'|'.join(INCLUDE_PARTS)})){{0,5}})?$",
                        "examples": ["request,outputs,attempts"],
                    },
                    "What to tell beside the task; a comma list of request, outputs and attempts",
                ),
            ),
            errors=(errors.InvalidTaskId, errors.TaskNotFound),
        )
    ),
)
async def get_task(request: Request[Any, Any, Any], runtime: Runtime, key: ApiKey, task_id: str) -> Response[bytes]:
    require_scope(key, Scope.tasks_read)
    seconds, parts = wait_seconds(request), _included_parts(request)
    task = await find_owned_task(runtime, key.account_id, task_id)
    task = await wait_for_task(runtime, task, seconds)
    return json_response(await task_detail_view(runtime, task, parts)) if parts else task_response(runtime, task)


@get(
    "/v1/tasks",
    opt=described(
        Operation(
            summary="Tasks, newest first, by page or by cursor",
            tag="tasks",
            scope=Scope.tasks_read,
            response_type=(TaskPage, TaskList),
            response_example=examples.TASKS,
            links=(ResponseLink("get_task", "The newest of them", _FIRST_TASK_LINK),),
            parameters=_LIST_PARAMETERS,
        )
    ),
)
async def list_tasks(request: Request[Any, Any, Any], runtime: Runtime, key: ApiKey) -> Response[bytes]:
    require_scope(key, Scope.tasks_read)
    page = whole_number(request, "page", 1, 1, 1_000_000)
    page_size = whole_number(request, "page_size", 20, 1, 100)
    if "cursor" in request.query_params:
        return await _list_by_cursor(request, runtime, key, page_size)
    found, total = await runtime.db.read(list_tasks_page, key.account_id, _filter(request), page, page_size)
    rows = [_task_row(runtime, task) for task in found]
    return json_response(TaskPage(data=rows, total=total, page=page, page_size=page_size))


async def _list_by_cursor(
    request: Request[Any, Any, Any], runtime: Runtime, key: ApiKey, page_size: int
) -> Response[bytes]:
    """The list for who reads it to its end: `cursor` empty, then each answer's `next_cursor`."""
    limit, before = whole_number(request, "limit", page_size, 1, 100), decode_cursor(request, Position)
    page = await runtime.db.read(list_tasks_before, key.account_id, _filter(request), before, limit)
    data = [_task_row(runtime, task) for task in page.rows]
    return json_response(TaskList(data=data, has_more=page.has_more, next_cursor=encode_cursor(page.next_position)))


@post(
    "/v1/tasks/batch",
    status_code=200,
    opt=described(
        Operation(
            summary="Up to 50 tasks by id, in the order asked",
            tag="tasks",
            request_type=BatchRequest,
            scope=Scope.tasks_read,
            response_type=BatchResponse,
            request_example={"task_ids": [examples.TASK_ID]},
            response_example=examples.BATCH,
        )
    ),
)
async def batch_tasks(request: Request[Any, Any, Any], runtime: Runtime, key: ApiKey) -> Response[bytes]:
    require_scope(key, Scope.tasks_read)
    body = await read_json(request, BatchRequest, runtime.settings.server)
    wanted = list(dict.fromkeys(body.task_ids or []))
    if not 1 <= len(body.task_ids or []) <= _MAX_BATCH_SIZE:
        raise InvalidRequest(f"task_ids must hold 1 to {_MAX_BATCH_SIZE} task ids", param="task_ids")
    known = [task_id for task_id in wanted if ids.TASK_ID_RE.fullmatch(task_id)]
    found = await runtime.db.read(find_tasks, key.account_id, known)
    return json_response(BatchResponse(200, [task_view(runtime, task) for task in found]))


def _filter(request: Request[Any, Any, Any]) -> TaskFilter:
    status = request.query_params.get("status", "")
    kind = request.query_params.get("type", "") or "image"
    if status and status not in STATUS_SQL:
        raise InvalidRequest(f"status must be one of {', '.join(STATUS_SQL)}", param="status")
    if kind != "image":
        raise InvalidRequest("type must be image", param="type")
    q = request.query_params.get("q", "")
    if len(q) > _MAX_SEARCH_LENGTH:
        raise InvalidRequest(f"q may have at most {_MAX_SEARCH_LENGTH} characters", param="q")
    # a database has no U+0000 in its text, and so no model and no prompt of that name
    return TaskFilter(status, _without_null(request.query_params.get("model", "")), _without_null(q))


def _without_null(text: str) -> str:
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _included_parts(request: Request[Any, Any, Any]) -> frozenset[str]:
    wanted = frozenset(filter(None, request.query_params.get("include", "").split(",")))
    if not wanted <= set(INCLUDE_PARTS):
        raise InvalidRequest(f"include must list some of {', '.join(INCLUDE_PARTS)}", param="include")
    return wanted


def _task_row(runtime: Runtime, task: Task) -> TaskRow:
    return TaskRow(
        id=task.id,
        model=task.order.model,
        type="image",
        status=public_status(task.state, task.claim_no),
        progress=task.progress,
        created_at=task.created // US_PER_SECOND,
        has_results=bool(task.results),
        result_count=len(task.results),
        credits_used=json_number(format_credits(task.charge or 0, runtime.credits_per_usd)) if task.terminal else UNSET,
        has_error=task.error is not None,
        thumbnail_url=thumbnail_link(runtime, task),
    )
