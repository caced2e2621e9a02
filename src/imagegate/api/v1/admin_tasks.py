"""GET /v1/admin/tasks: the tasks of all accounts, for keys with the scope `admin`."""

from __future__ import annotations

from typing import Annotated

from litestar.params import QueryParameter
from msgspec import Meta

from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import get
from imagegate.api.pagination import CursorPage, cursor_page, decode_cursor, read_list
from imagegate.api.params import Cursor
from imagegate.api.v1.task_lists import (
    CreatedAfter,
    CreatedBefore,
    MetadataFilter,
    ModelFilter,
    PromptFilter,
    ReferencesFilter,
    StarredFilter,
    StatusFilter,
    TagFilter,
    task_filter,
)
from imagegate.domain.accounts import ApiKey, Scope
from imagegate.domain.pages import Position
from imagegate.flows.views.task_row import AccountTaskRow, row_as
from imagegate.runtime import Runtime
from imagegate.store.queries.tasks import AccountTask, list_account_tasks_before

_NARROW = "give an account, a status or a model, or search without q"
AccountFilter = Annotated[
    str,
    QueryParameter(name="account"),
    Meta(max_length=200, description="Only tasks of the account with this id or name"),
]
TaskLimit = Annotated[int, QueryParameter(name="limit"), Meta(ge=1, le=100, description="Tasks on a page")]


class AccountTaskPage(CursorPage, kw_only=True):
    data: list[AccountTaskRow]


@get(
    "/v1/admin/tasks",
    summary="Tasks of all accounts, newest first",
    tag="admin",
    scope=Scope.admin,
    response_example=examples.ACCOUNT_TASKS,
)
async def list_account_tasks(
    runtime: Runtime,
    key: ApiKey,
    account: AccountFilter = "",
    limit: TaskLimit = 50,
    cursor: Cursor = "",
    q: PromptFilter = "",
    status: StatusFilter = "",
    model: ModelFilter = "",
    references: ReferencesFilter = "",
    starred: StarredFilter = "",
    tag: TagFilter = "",
    metadata: MetadataFilter = "",
    created_after: CreatedAfter = None,
    created_before: CreatedBefore = None,
) -> AccountTaskPage:
    wanted = task_filter(
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
    page = await read_list(
        runtime,
        key,
        _NARROW,
        list_account_tasks_before,
        account.replace("\0", " "),
        wanted,
        decode_cursor(cursor, Position),
        limit,
    )

    def view(one: AccountTask) -> AccountTaskRow:
        return row_as(AccountTaskRow, runtime, one.task, account_id=one.task.account_id, account_name=one.account_name)

    return cursor_page(AccountTaskPage, page, view)
