"""GET /v1/tasks: an account's tasks, newest first, with search and filters."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from litestar.params import QueryParameter
from msgspec import Meta

from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import ResponseLink, get
from imagegate.api.pagination import CursorPage, cursor_page, decode_cursor, read_list
from imagegate.api.params import PageNumber
from imagegate.api_docs.schema import Count, doc
from imagegate.domain.accounts import ApiKey, Scope
from imagegate.domain.errors import InvalidRequest
from imagegate.domain.metadata import KEY_PATTERN, MAX_VALUE_CHARS
from imagegate.domain.pages import Position
from imagegate.domain.time import US_PER_SECOND
from imagegate.flows.views.task_row import TaskRow, task_row
from imagegate.runtime import Runtime
from imagegate.store.queries.task_candidates import MAX_NUMBERED
from imagegate.store.queries.task_filter import STATUS_SQL, TaskFilter
from imagegate.store.queries.tasks import list_tasks_before, list_tasks_page

NARROW = "search without q or with a status or model, and page by cursor instead of page"
_MAX_SECONDS = 2**32
StatusFilter = Annotated[str, QueryParameter(name="status"), doc("Only tasks in this state", enum=["", *STATUS_SQL])]
ModelFilter = Annotated[str, QueryParameter(name="model"), doc("Only tasks of this model", examples=["gpt-image-2"])]
TypeFilter = Annotated[str, QueryParameter(name="type"), doc("Only image tasks exist", enum=["", "image"])]
PromptFilter = Annotated[
    str,
    QueryParameter(name="q"),
    Meta(
        max_length=200,
        description="Only tasks whose prompt has all these words, in any order and case",
        extra_json_schema={"examples": ["fox"]},
    ),
]
ReferencesFilter = Annotated[
    str,
    QueryParameter(name="references"),
    doc("Only tasks with references, or only those without", enum=["", "true", "false"]),
]
StarredFilter = Annotated[
    str,
    QueryParameter(name="starred"),
    doc('Only tasks whose metadata say `starred`: `"true"`, or only others', enum=["", "true", "false"]),
]
TagFilter = Annotated[
    str,
    QueryParameter(name="tag"),
    Meta(
        max_length=MAX_VALUE_CHARS,
        description="Only tasks whose metadata has this among its `tags`, a list with commas",
        extra_json_schema={"examples": ["logo"]},
    ),
]
MetadataFilter = Annotated[
    str,
    QueryParameter(name="metadata"),
    Meta(
        pattern=f"^$|{KEY_PATTERN[:-1]}:",
        max_length=MAX_VALUE_CHARS + 65,
        description="Only tasks with this metadata: a key, a colon and the value",
        extra_json_schema={"examples": ["order:17"]},
        extra={"rule": "must be a key, a colon and its value"},
    ),
]
CreatedAfter = Annotated[
    Annotated[int, Meta(ge=0, le=_MAX_SECONDS)] | None,
    QueryParameter(name="created_after"),
    doc("Only tasks created at or after this moment, Unix seconds"),
]
CreatedBefore = Annotated[
    Annotated[int, Meta(ge=0, le=_MAX_SECONDS)] | None,
    QueryParameter(name="created_before"),
    doc("Only tasks created before this moment, Unix seconds"),
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


class TaskPage(msgspec.Struct, kw_only=True):
    """The list by page."""

    object: Literal["list"] = "list"
    data: list[TaskRow]
    total: Annotated[Count, doc(f"At most {MAX_NUMBERED}")]
    page: Annotated[int, doc("From 1", minimum=1)]
    page_size: Annotated[int, doc("Tasks on a page", minimum=1, maximum=100)]
    total_capped: Annotated[bool, doc("There are more than `total`, or may be: `cursor` reads on")]


class TaskList(CursorPage, kw_only=True):
    """The list by cursor."""

    data: list[TaskRow]


@get(
    "/v1/tasks",
    summary="Tasks, newest first, by page or by cursor",
    tag="tasks",
    scope=Scope.tasks_read,
    response_example=examples.TASKS,
    links=(ResponseLink("get_task", "The newest of them", {"task_id": "$response.body#/data/0/id"}),),
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
    references: ReferencesFilter = "",
    starred: StarredFilter = "",
    tag: TagFilter = "",
    metadata: MetadataFilter = "",
    created_after: CreatedAfter = None,
    created_before: CreatedBefore = None,
) -> TaskPage | TaskList:
    wanted = task_filter(
        account_id=key.account_id,
        status=status,
        model=model,
        q=q,
        references=references,
        starred=starred,
        tag=tag,
        metadata=metadata,
        created_after=created_after,
        created_before=created_before,
    )
    if cursor is not None:
        before = decode_cursor(cursor, Position)
        found = await read_list(runtime, key, NARROW, list_tasks_before, wanted, before, limit or page_size)
        return cursor_page(TaskList, found, lambda task: task_row(runtime, task))
    if (page - 1) * page_size >= MAX_NUMBERED:
        raise _page_too_far()
    numbered = await read_list(runtime, key, NARROW, list_tasks_page, wanted, page, page_size)
    if page > 1 and not numbered.tasks and numbered.is_capped:
        raise _page_too_far()
    return TaskPage(
        data=[task_row(runtime, task) for task in numbered.tasks],
        total=numbered.total,
        page=page,
        page_size=page_size,
        total_capped=numbered.is_capped,
    )


def _page_too_far() -> InvalidRequest:
    message = f"page is too large: only the first {MAX_NUMBERED} tasks of a list are numbered, cursor reads on"
    return InvalidRequest(message, param="page")


def task_filter(
    *,
    account_id: str = "",
    status: str,
    model: str,
    q: str,
    references: str,
    starred: str,
    tag: str,
    metadata: str,
    created_after: int | None,
    created_before: int | None,
) -> TaskFilter:
    """The filter that the parameters of a list ask for."""
    return TaskFilter(
        account_id=account_id,
        status=status,
        model=_without_null(model),
        q=_without_null(q),
        references=_yes_or_no(references),
        starred=_yes_or_no(starred),
        tag=_without_null(tag),
        metadata=_key_and_value(metadata),
        created_after=_microseconds(created_after),
        created_before=_microseconds(created_before),
    )


def _without_null(text: str) -> str:
    """A database holds no U+0000 in its text, and so no model and no prompt of that name."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _yes_or_no(text: str) -> bool | None:
    return None if text == "" else text == "true"


def _key_and_value(text: str) -> tuple[str, str] | None:
    key, colon, value = _without_null(text).partition(":")
    return (key, value) if colon else None


def _microseconds(seconds: int | None) -> int | None:
    return None if seconds is None else seconds * US_PER_SECOND
