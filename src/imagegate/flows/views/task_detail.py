"""The optional parts of a task, by `include`: the request, its outputs and its attempts.

Names and costs of upstreams are not for customers and never appear here.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from imagegate.api_docs.schema import SIZE_PATTERN, Link, MediaType, Number, Seconds, doc, schema
from imagegate.domain.tasks import Attempt, AttemptOutcome, Task
from imagegate.domain.time import US_PER_SECOND
from imagegate.flows.views.task import TaskView, duration_s, result_links, thumbnail_link, view_as
from imagegate.runtime import Runtime
from imagegate.store.attempts import list_attempts

INCLUDE_PARTS = ("request", "outputs", "attempts")


class RequestView(msgspec.Struct, frozen=True, kw_only=True):
    """The validated request with all defaults filled in."""

    model: str
    prompt: str
    size: Annotated[str, doc("auto, a ratio, or WxH", pattern=SIZE_PATTERN)]
    resolution: Annotated[str | None, doc("The tier; null where it has no effect")]
    quality: Annotated[str | None, doc("null where the model has none")]
    n: Annotated[int, doc("How many images", minimum=1, maximum=10)]
    image_urls: tuple[str, ...]
    mask_url: str | None
    callback_url: str | None
    background: Annotated[str, schema(enum=["opaque", "transparent"])]
    output_format: Annotated[str, schema(enum=["png", "jpeg", "webp"])]
    output_compression: Annotated[int, schema(minimum=0, maximum=100)]


class OutputView(msgspec.Struct, frozen=True, kw_only=True):
    result_id: Annotated[str, doc("Index in `results`", pattern="^[0-9]$")]
    image_url: Link
    thumbnail_url: Annotated[Link, doc("A WebP of at most 512 pixels")] | UnsetType = UNSET
    width: Annotated[int, doc("Actual pixels", minimum=1)]
    height: Annotated[int, doc("Actual pixels", minimum=1)]
    mime_type: MediaType
    bytes: Annotated[int, doc("Size of the file", minimum=1)]
    quality: Annotated[str, doc("The quality used, where the upstream reports it")] | UnsetType = UNSET


class AttemptView(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt of one route."""

    attempt: Annotated[int, doc("From 1", minimum=1)]
    started: Seconds
    duration: Annotated[Number | None, doc("Seconds; null while it runs")]
    outcome: Annotated[str, doc("How it ended", enum=[*AttemptOutcome])]
    charged: bool


class DetailedTask(TaskView, frozen=True, kw_only=True):
    """The task object, followed by the parts that were asked for."""

    request: RequestView | UnsetType = UNSET
    result_data: list[OutputView] | UnsetType = UNSET
    attempts: list[AttemptView] | UnsetType = UNSET


async def task_detail_view(runtime: Runtime, task: Task, include: AbstractSet[str]) -> DetailedTask:
    view = view_as(DetailedTask, runtime, task)
    if not include:
        return view
    attempts = await runtime.db.read(list_attempts, task.account_id, task.id) if "attempts" in include else []
    return msgspec.structs.replace(
        view,
        request=_request(task) if "request" in include else UNSET,
        result_data=_outputs(runtime, task) if "outputs" in include and task.results else UNSET,
        attempts=_attempts(task, attempts) if "attempts" in include else UNSET,
    )


def _request(task: Task) -> RequestView:
    order = task.order
    shown = {"size": order.size.requested, "resolution": order.size.resolution, "quality": order.quality or None}
    return msgspec.convert(msgspec.structs.asdict(order) | shown, RequestView)


def _outputs(runtime: Runtime, task: Task) -> list[OutputView]:
    return [
        OutputView(
            result_id=str(image.index),
            image_url=link,
            thumbnail_url=thumbnail_link(runtime, task, image.index),
            width=image.width,
            height=image.height,
            mime_type=image.media_type,
            bytes=image.bytes,
            quality=image.quality or UNSET,
        )
        for image, link in zip(task.results, result_links(runtime, task), strict=True)
    ]


def _attempts(task: Task, attempts: list[Attempt]) -> list[AttemptView]:
    """Only attempts that delivered are charged, and only when the task was."""
    return [
        AttemptView(
            attempt=number,
            started=one.started // US_PER_SECOND,
            duration=None if one.ended is None else duration_s(one.started, one.ended),
            outcome=str(one.outcome),
            charged=bool(task.charge) and one.outcome == AttemptOutcome.produced,
        )
        for number, one in enumerate(attempts, 1)
    ]
