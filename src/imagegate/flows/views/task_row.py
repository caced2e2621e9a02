"""A task in a list: enough for a tile of a gallery and a row of a table, without asking for the task itself."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from imagegate.api_docs.schema import (
    SIZE_PATTERN,
    AccountIdText,
    Count,
    Link,
    MediaType,
    MetadataView,
    Number,
    Seconds,
    Status,
    TaskIdText,
    doc,
)
from imagegate.domain.money import format_credits, format_usd, json_number
from imagegate.domain.tasks import Task
from imagegate.domain.time import US_PER_SECOND
from imagegate.flows.views.task import Cost, metadata_view, thumbnail_link
from imagegate.runtime import Runtime
from imagegate.store.accounts import find_account
from imagegate.store.tasks import find_task, find_task_account

MAX_PROMPT_CHARS = 300


class RowOutput(msgspec.Struct, frozen=True, kw_only=True):
    """One delivered image."""

    width: Annotated[int, doc("Actual pixels", minimum=1)]
    height: Annotated[int, doc("Actual pixels", minimum=1)]
    mime_type: MediaType
    thumbnail_url: Annotated[Link, doc("A WebP of at most 512 pixels")] | UnsetType = UNSET


class RowError(msgspec.Struct, frozen=True):
    """Why it failed."""

    code: str
    message: str


class TaskRow(msgspec.Struct, frozen=True, kw_only=True):
    """A task in a list."""

    id: TaskIdText
    model: str
    type: Literal["image"] = "image"
    status: Status
    progress: Annotated[int, doc("It never decreases; 100 only when completed", minimum=0, maximum=100)]
    created_at: Seconds
    has_results: bool
    result_count: Count
    credits_used: Annotated[Number, doc("Once the task has ended")] | UnsetType = UNSET
    has_error: bool
    thumbnail_url: Annotated[Link, doc("A WebP of at most 512 pixels of the first result")] | UnsetType = UNSET
    prompt: Annotated[str, doc(f"The first {MAX_PROMPT_CHARS} code points", maxLength=MAX_PROMPT_CHARS)]
    size: Annotated[str, doc("As requested: auto, a ratio, or WxH", pattern=SIZE_PATTERN)]
    resolution: Annotated[str | None, doc("The tier; null where it has no effect")]
    quality: Annotated[str | None, doc("null where the model has none")]
    n: Annotated[int, doc("How many images were ordered", minimum=1, maximum=10)]
    references: Annotated[int, doc("How many references", minimum=0, maximum=16)]
    has_mask: bool
    outputs: Annotated[list[RowOutput], doc("One for each result, in their order")]
    results_expire_at: Annotated[Seconds, doc("When the originals end")] | UnsetType = UNSET
    cost: Annotated[Cost, doc("Once the task has ended")] | UnsetType = UNSET
    error: Annotated[RowError, doc("Only where it failed")] | UnsetType = UNSET
    metadata: MetadataView | UnsetType = UNSET


class AccountTaskRow(TaskRow, frozen=True, kw_only=True):
    """A task in a list of all accounts."""

    account_id: AccountIdText
    account_name: str


Row = TypeVar("Row", bound=TaskRow)


def task_row(runtime: Runtime, task: Task) -> TaskRow:
    return row_as(TaskRow, runtime, task)


async def account_task_row(runtime: Runtime, task_id: str) -> AccountTaskRow | None:
    """The row of a task of any account; None where there is no such task."""
    account_id = await runtime.db.read(find_task_account, task_id)
    if account_id is None:
        return None
    task, account = (
        await runtime.db.read(find_task, account_id, task_id),
        await runtime.db.read(find_account, account_id),
    )
    if task is None or account is None:
        return None
    return row_as(AccountTaskRow, runtime, task, account_id=account_id, account_name=account.name)


def row_as(kind: type[Row], runtime: Runtime, task: Task, **more: Any) -> Row:
    """The row as another type, with what that has more."""
    order, cost = task.order, _cost(runtime, task)
    return kind(
        id=task.id,
        model=order.model,
        status=task.status,
        progress=task.progress,
        created_at=task.created // US_PER_SECOND,
        has_results=bool(task.results),
        result_count=len(task.results),
        credits_used=cost.credits if cost else UNSET,
        has_error=task.error is not None,
        thumbnail_url=thumbnail_link(runtime, task),
        prompt=order.prompt[:MAX_PROMPT_CHARS],
        size=order.size.requested,
        resolution=order.size.resolution,
        quality=order.quality or None,
        n=order.n,
        references=len(order.image_urls),
        has_mask=order.has_mask,
        outputs=[
            RowOutput(
                width=image.width,
                height=image.height,
                mime_type=image.media_type,
                thumbnail_url=thumbnail_link(runtime, task, image.index),
            )
            for image in task.results
        ],
        results_expire_at=task.results_expire // US_PER_SECOND if task.results_expire else UNSET,
        cost=cost or UNSET,
        error=RowError(task.error.code, task.error.message) if task.error else UNSET,
        metadata=metadata_view(task),
        **more,
    )


def _cost(runtime: Runtime, task: Task) -> Cost | None:
    if not task.terminal:
        return None
    charge = task.charge or 0
    return Cost(json_number(format_credits(charge, runtime.credits_per_usd)), json_number(format_usd(charge)))
