"""The public task object: one serializer for every place that shows a task, fields in wire order."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from imagegate.api_docs.schema import (
    BillingRule,
    Count,
    Link,
    MetadataView,
    Number,
    PriceVersion,
    Seconds,
    Status,
    TaskIdText,
    doc,
)
from imagegate.domain.errors import TaskError
from imagegate.domain.money import format_credits, format_decimal, format_usd, json_number
from imagegate.domain.tasks import Task, TaskState
from imagegate.domain.time import US_PER_DAY, US_PER_MS, US_PER_SECOND
from imagegate.domain.usage import UsageSource
from imagegate.routing.planner import WaitReason
from imagegate.runtime import Runtime
from imagegate.security.signing import THUMBNAIL_EXTENSION, sign_result_link
from imagegate.upstreams.embedded import NAME as EMBEDDED
from imagegate.upstreams.embedded import NOTICE

_ZERO = json_number("0")
# Seconds per image: measured with gpt-image-2 by quality, and an upper bound for the embedded engine.
_TYPICAL_S = {"low": 10.0, "medium": 48.0, "high": 126.0}
_EMBEDDED_TYPICAL_S = 2.0
_STARRED_LINK_US = 7 * US_PER_DAY
# The longest time between two tries of a storage that is away.
STORAGE_RETRY_US = 5 * US_PER_SECOND


class Waiting(msgspec.Struct, frozen=True):
    reason: Annotated[str, doc("Why no upstream takes the task now, or nothing can be stored", enum=[*WaitReason])]
    next_attempt_at: Annotated[Seconds, doc("When the next attempt is made, at the latest")]


class TaskInfo(msgspec.Struct, frozen=True):
    can_cancel: Annotated[bool, doc("True while no upstream works on it and none has delivered: cancelling is free")]
    estimated_time: (
        Annotated[int, doc("Estimated seconds remaining; absent once the task has ended", minimum=1)] | UnsetType
    ) = UNSET
    waiting: (
        Annotated[Waiting, doc("Present while the task waits for an upstream or for the storage of images")] | UnsetType
    ) = UNSET


class Cost(msgspec.Struct, frozen=True):
    credits: Number
    usd: Number


class Tokens(msgspec.Struct, frozen=True):
    text_input: Count
    text_cached_input: Count
    image_input: Count
    image_cached_input: Count
    image_output: Count


class UsageView(msgspec.Struct, frozen=True, kw_only=True):
    billing_rule: BillingRule
    credits_reserved: Annotated[Number, doc("The hold: the quoted maximum; it does not change")]
    credits_used: Annotated[Number, doc("The charge; once the task has ended")] | UnsetType = UNSET
    cost: Cost | UnsetType = UNSET
    tokens: Tokens | UnsetType = UNSET
    source: Annotated[str, doc("Where the usage comes from", enum=[*UsageSource])] | UnsetType = UNSET
    price_version: PriceVersion | UnsetType = UNSET
    user_group: str = "default"


class BillingView(msgspec.Struct, frozen=True, kw_only=True):
    refund_scope: Literal["account_balance"] = "account_balance"
    charge_status: Annotated[str, doc("State of the hold", enum=["reserved", "charged", "released", "unknown"])]
    refund_status: Annotated[
        str, doc("State of the release or refund", enum=["not_required", "pending", "completed", "failed", "unknown"])
    ]
    reserved_credits: Number
    charged_credits: Number
    refunded_credits: Number
    refunded_at: Seconds | None


class TaskView(msgspec.Struct, frozen=True, kw_only=True):
    """A task. The response for an ended task does not change any more, but for its metadata."""

    created: Seconds
    id: TaskIdText
    model: Annotated[str, doc("The model name as given in the request")]
    object: Literal["image.generation.task"] = "image.generation.task"
    progress: Annotated[int, doc("Never decreases; 100 only when completed", minimum=0, maximum=100)]
    results: Annotated[list[Link], doc("Links that need no key and are valid for 24 hours", minItems=1)] | UnsetType = (
        UNSET
    )
    status: Status
    task_info: TaskInfo
    type: Literal["image"] = "image"
    usage: UsageView
    billing: BillingView
    error: TaskError | UnsetType = UNSET
    duration: Annotated[Number, doc("Seconds from creation to end")] | UnsetType = UNSET
    results_expire_at: Seconds | UnsetType = UNSET
    engine: Annotated[str, doc("Only for the embedded engine")] | UnsetType = UNSET
    notice: Annotated[str, doc("What kind of engine it is")] | UnsetType = UNSET
    test: Annotated[bool, doc("true in a test webhook, whose task does not exist; else absent")] | UnsetType = UNSET
    metadata: MetadataView | UnsetType = UNSET


View = TypeVar("View", bound=TaskView)


def task_view(runtime: Runtime, task: Task, at: int | None = None) -> TaskView:
    """`at`: the time from which remaining seconds are estimated, UTC microseconds; now by default."""
    return view_as(TaskView, runtime, task, at)


def view_as(kind: type[View], runtime: Runtime, task: Task, at: int | None = None) -> View:
    """The same as another type, which adds optional fields."""
    embedded = task.engine == EMBEDDED
    return kind(
        created=task.created // US_PER_SECOND,
        id=task.id,
        model=task.order.model,
        progress=task.progress,
        results=result_links(runtime, task) if task.results else UNSET,
        status=task.status,
        task_info=_task_info(runtime, task, runtime.clock() if at is None else at),
        usage=_usage(task, runtime.credits_per_usd),
        billing=_billing(task, runtime.credits_per_usd),
        error=task.error or UNSET,
        duration=UNSET if task.ended is None else duration_s(task.created, task.ended),
        results_expire_at=task.results_expire // US_PER_SECOND if task.results_expire else UNSET,
        engine=EMBEDDED if embedded else UNSET,
        notice=NOTICE if embedded else UNSET,
        metadata=metadata_view(task),
    )


def metadata_view(task: Task) -> dict[str, str] | UnsetType:
    """In the order of the keys, which is the same on every engine."""
    return dict(sorted(task.metadata.items())) if task.metadata else UNSET


def task_encoder(runtime: Runtime) -> Callable[[Task], bytes]:
    """Encodes a webhook body: the same bytes that a query is answered with at that moment."""
    return lambda task: msgspec.json.encode(task_view(runtime, task))


def result_links(runtime: Runtime, task: Task) -> list[str]:
    """The same strings in every response while the secret is the same."""
    exp = (task.results_expire or 0) // US_PER_SECOND
    return [_sign(runtime, task.id, image.index, image.ext, exp) for image in task.results]


def thumbnail_link(runtime: Runtime, task: Task, index: int = 0) -> str | UnsetType:
    """The link to a result's thumbnail, whether it is drawn yet or not.

    UNSET without one and once it has expired, because a dead link shows nothing.
    """
    expires, now = task.thumbnail_expires, runtime.clock()
    if expires is None or index not in task.thumbnail_positions:
        return UNSET
    if task.starred_since is not None and task.starred_since < expires:
        # The thumbnail stays; a link of it changes once a week, so that browsers need not ask for it again.
        expires = max(expires, (now // _STARRED_LINK_US + 2) * _STARRED_LINK_US)
    if expires <= now:
        return UNSET
    return _sign(runtime, task.id, index, THUMBNAIL_EXTENSION, expires // US_PER_SECOND)


def _sign(runtime: Runtime, task_id: str, index: int, ext: str, exp: int) -> str:
    keyring = runtime.keyring
    return sign_result_link(runtime.origin, keyring.derive_key("links"), task_id, index, ext, exp, keyring.key_id)


def _task_info(runtime: Runtime, task: Task, now: int) -> TaskInfo:
    if task.terminal:
        return TaskInfo(can_cancel=False)
    typical = (
        _TYPICAL_S.get(task.order.quality, 60.0)
        if runtime.registry.route_table.has_real_upstream
        else _EMBEDDED_TYPICAL_S
    )
    elapsed = (now - task.created) / US_PER_SECOND
    # A worker keeps what waits for the storage: its spool has the images.
    is_waiting = task.waiting_reason is not None and (
        task.state is TaskState.queued or task.waiting_reason == WaitReason.storage
    )
    return TaskInfo(
        can_cancel=task.cancellable,
        estimated_time=max(1, round(typical * task.order.n - elapsed)),
        waiting=Waiting(task.waiting_reason or "", _next_attempt(task, now) // US_PER_SECOND) if is_waiting else UNSET,
    )


def _next_attempt(task: Task, now: int) -> int:
    """The storage is tried again and again, and nothing is written for it each time."""
    is_storage = task.waiting_reason == WaitReason.storage
    return max(task.due, now + STORAGE_RETRY_US) if is_storage else task.due


def _usage(task: Task, rate: int) -> UsageView:
    if not task.terminal:
        return _open_usage(task.billing_rule, task.hold, rate)
    used = json_number(format_credits(task.charge or 0, rate))
    usd = json_number(format_usd(task.charge or 0))
    usage = task.usage
    return UsageView(
        billing_rule=task.billing_rule,
        credits_reserved=json_number(format_credits(task.hold, rate)),
        credits_used=used,
        cost=Cost(used, usd),
        tokens=msgspec.convert(usage, Tokens, from_attributes=True) if usage else UNSET,
        source=str(task.usage_source) if usage else UNSET,
        price_version=task.price_version if usage else UNSET,
    )


@functools.lru_cache(maxsize=1000)
def _open_usage(billing_rule: str, hold: int, rate: int) -> UsageView:
    return UsageView(billing_rule=billing_rule, credits_reserved=json_number(format_credits(hold, rate)))


def _billing(task: Task, rate: int) -> BillingView:
    if not task.terminal:
        return _open_billing(task.hold, rate)
    reserved = json_number(format_credits(task.hold, rate))
    charged = json_number(format_credits(task.charge or 0, rate))
    if task.refunded is not None:
        statuses, refunded, at = ("charged", "completed"), charged, task.refunded // US_PER_SECOND
    elif task.error is None:
        statuses, refunded, at = ("charged", "not_required"), _ZERO, None
    else:
        statuses, refunded, at = ("released", "completed"), reserved, (task.ended or 0) // US_PER_SECOND
    return BillingView(
        charge_status=statuses[0],
        refund_status=statuses[1],
        reserved_credits=reserved,
        charged_credits=charged,
        refunded_credits=refunded,
        refunded_at=at,
    )


@functools.lru_cache(maxsize=1000)
def _open_billing(hold: int, rate: int) -> BillingView:
    return BillingView(
        charge_status="reserved",
        refund_status="not_required",
        reserved_credits=json_number(format_credits(hold, rate)),
        charged_credits=_ZERO,
        refunded_credits=_ZERO,
        refunded_at=None,
    )


def duration_s(started: int, ended: int) -> Number:
    """Seconds between two moments in microseconds, to the millisecond; 0 where the clock stepped back in between."""
    return json_number(format_decimal(max(0, ended - started) // US_PER_MS, 3))
