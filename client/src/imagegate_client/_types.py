"""What the API answers, as types. Fields that a newer gateway adds are ignored."""

from __future__ import annotations

import os
from decimal import Decimal
from typing import IO, Any, TypeAlias, TypedDict

import msgspec


class _Model(msgspec.Struct, frozen=True, kw_only=True):
    """Immutable; exact amounts are `Decimal`, moments are Unix seconds."""


class Money(_Model, frozen=True, kw_only=True):
    """One amount in three exact units."""

    credits: Decimal
    """In credits."""
    usd: Decimal
    """In US dollars."""
    nanos: int
    """In billionths of a dollar, the unit in which the gateway counts."""


class QuoteSize(_Model, frozen=True, kw_only=True):
    """The size that is priced."""

    requested: str
    """As given in the request."""
    resolution: str | None = None
    """The tier; None where it has no effect."""
    width: int
    """In pixels."""
    height: int
    """In pixels."""
    assumed: bool = False
    """True for `auto`: the model may choose another size."""


class QuoteQuantity(_Model, frozen=True, kw_only=True):
    """How many units of an item."""

    expected: int
    """What the request will probably use."""
    maximum: int
    """What it can use at most."""


class QuoteLine(_Model, frozen=True, kw_only=True):
    """One item of a quote, for all images together."""

    item: str
    """What is billed, such as `image_output`."""
    unit: str
    """`token` or `image`."""
    quantity: QuoteQuantity
    """How many of them."""
    rate_nanos: Decimal
    """The price of one unit in nanos."""
    expected: Money
    """The expected part of the price."""
    maximum: Money
    """The maximum part of the price."""


class Quote(_Model, frozen=True, kw_only=True):
    """The price of a request before it is made. The charge never exceeds `maximum`."""

    model: str
    """The model that was priced."""
    billing_rule: str
    """`per_token` or `per_call`."""
    price_version: str
    """Which price list was used."""
    n: int
    """How many images."""
    size: QuoteSize
    """The size that was priced."""
    quality: str | None = None
    """None where the model has none."""
    affordable: bool
    """Whether account and key could pay the maximum now."""
    expected: Money
    """What it will probably cost."""
    maximum: Money
    """What it can cost at most: this is reserved while the task runs."""
    lines: tuple[QuoteLine, ...] = ()
    """The items of the price."""


class Waiting(_Model, frozen=True, kw_only=True):
    """Why a task is not being worked on."""

    reason: str
    """For example `upstream_busy`."""
    next_attempt_at: int
    """When it is tried again, at the latest."""


class TaskInfo(_Model, frozen=True, kw_only=True):
    """What can be done with a task, and how long it may take."""

    can_cancel: bool = False
    """Whether cancelling it now is free."""
    estimated_time: int | None = None
    """Estimated seconds remaining; None once it has ended."""
    waiting: Waiting | None = None
    """Set while no upstream takes the task."""


class Cost(_Model, frozen=True, kw_only=True):
    """A charge in two units."""

    credits: Decimal
    """In credits."""
    usd: Decimal
    """In US dollars."""


class Tokens(_Model, frozen=True, kw_only=True):
    """The tokens that a task was billed for."""

    text_input: int = 0
    """Of the prompt."""
    text_cached_input: int = 0
    """Of the prompt, from a cache."""
    image_input: int = 0
    """Of references and the mask."""
    image_cached_input: int = 0
    """Of references and the mask, from a cache."""
    image_output: int = 0
    """Of the images that were made."""


class Usage(_Model, frozen=True, kw_only=True):
    """What a task reserves and costs."""

    billing_rule: str
    """`per_token` or `per_call`."""
    credits_reserved: Decimal
    """The quoted maximum, reserved until the task ends."""
    credits_used: Decimal | None = None
    """The charge; None until the task has ended, 0 where it failed."""
    cost: Cost | None = None
    """The same charge in credits and dollars."""
    tokens: Tokens | None = None
    """What was billed, where it is billed by token."""
    source: str | None = None
    """Where the figures come from: `upstream`, `estimated` or `formula`."""
    price_version: str | None = None
    """Which price list was used."""


class TaskError(_Model, frozen=True, kw_only=True):
    """Why a task failed. It costs nothing."""

    code: str
    """One of a closed set, such as `content_policy_violation`."""
    message: str
    """For people."""
    param: str | None = None
    """The field at fault, if one is."""
    reason: str | None = None
    """A more specific cause."""


class TaskOutput(_Model, frozen=True, kw_only=True):
    """One image of a task, with `include=["outputs"]`."""

    result_id: str
    """Its index in `results`."""
    image_url: str
    """The link to the image."""
    thumbnail_url: str | None = None
    """The link to a small WebP of it."""
    width: int
    """Its real width in pixels."""
    height: int
    """Its real height in pixels."""
    mime_type: str
    """The type of its bytes."""
    bytes: int
    """The size of the file."""
    quality: str | None = None
    """The quality used, where the upstream reports it."""


class TaskAttempt(_Model, frozen=True, kw_only=True):
    """One try of a task, with `include=["attempts"]`."""

    attempt: int
    """From 1."""
    started: int
    """When it began."""
    duration: float | None = None
    """In seconds; None while it runs."""
    outcome: str
    """How it ended."""
    charged: bool
    """Whether its images were charged."""


class Task(_Model, frozen=True, kw_only=True):
    """A request for images, and what became of it."""

    id: str
    """Keep it: with it the images can be fetched for 24 hours."""
    created: int
    """When it was created."""
    model: str
    """The model as named in the request."""
    status: str
    """`pending`, `processing`, `completed` or `failed`."""
    progress: int
    """0 to 100; it never decreases."""
    results: tuple[str, ...] = ()
    """Once completed: links to the images. They need no key and work for 24 hours."""
    task_info: TaskInfo = TaskInfo()
    """What can be done with it, and how long it may take."""
    usage: Usage
    """What it reserves and costs."""
    error: TaskError | None = None
    """Why it failed."""
    duration: float | None = None
    """Seconds from its creation to its end."""
    results_expire_at: int | None = None
    """When the links end."""
    engine: str | None = None
    """`embedded` where no upstream made the images."""
    notice: str | None = None
    """What kind of engine that is."""
    test: bool = False
    """Whether it is the example in a test webhook: no such task exists."""
    metadata: dict[str, str] = {}
    """What was noted on it: see `tasks.update`."""
    request: dict[str, Any] | None = None
    """The validated request, with `include=["request"]`."""
    result_data: tuple[TaskOutput, ...] = ()
    """Its images in detail, with `include=["outputs"]`."""
    attempts: tuple[TaskAttempt, ...] = ()
    """Its attempts, with `include=["attempts"]`."""

    @property
    def ended(self) -> bool:
        """Whether nothing about it will change any more."""
        return self.status in ("completed", "failed")


class OutputSummary(_Model, frozen=True, kw_only=True):
    """One image of a task in a list."""

    width: int
    """Its real width in pixels."""
    height: int
    """Its real height in pixels."""
    mime_type: str
    """The type of its bytes."""
    thumbnail_url: str | None = None
    """The link to a small WebP of it."""


class TaskSummary(_Model, frozen=True, kw_only=True):
    """A task in a list."""

    id: str
    """Its id, for `tasks.get`."""
    model: str
    """The model as named in the request."""
    status: str
    """`pending`, `processing`, `completed` or `failed`."""
    progress: int
    """0 to 100."""
    created_at: int
    """When it was created."""
    result_count: int = 0
    """How many images it has."""
    credits_used: Decimal | None = None
    """The charge; None until the task has ended."""
    has_error: bool = False
    """Whether it failed."""
    thumbnail_url: str | None = None
    """The link to a small WebP of its first image."""
    prompt: str = ""
    """Its first 300 characters."""
    size: str = ""
    """As requested: `auto`, a ratio, or `WxH`."""
    resolution: str | None = None
    """The tier; None where it has no effect."""
    quality: str | None = None
    """None where the model has none."""
    n: int = 1
    """How many images were ordered."""
    references: int = 0
    """How many references it has."""
    has_mask: bool = False
    """Whether it has a mask."""
    outputs: tuple[OutputSummary, ...] = ()
    """Its images."""
    results_expire_at: int | None = None
    """When the links to its images end."""
    cost: Cost | None = None
    """The charge; None until the task has ended."""
    error: TaskError | None = None
    """Why it failed."""
    metadata: dict[str, str] = {}
    """What was noted on it."""


class TaskList(_Model, frozen=True, kw_only=True):
    """A page of tasks, newest first."""

    data: tuple[TaskSummary, ...]
    """The tasks of this page; there may be none though there is another page."""
    has_more: bool = False
    """Whether there is another page."""
    next_cursor: str | None = None
    """The `cursor` of the next page."""


class TaskEvent(_Model, frozen=True, kw_only=True):
    """A change of a task."""

    number: int
    """1, 2, 3 …; events after it are sent with `last_event_id`."""
    task: Task
    """The task as it was then."""


class File(_Model, frozen=True, kw_only=True):
    """An uploaded file, usable as a reference or mask for 72 hours."""

    file_id: str
    """Its id."""
    file_name: str
    """Its name at the gateway."""
    file_size: int
    """In bytes."""
    mime_type: str
    """By its content."""
    file_url: str
    """The link that works in `image_urls` and `mask_url`. Whoever has it can open the file."""
    expires_at: str
    """When it ends, RFC 3339."""


class ExactBalance(_Model, frozen=True, kw_only=True):
    """Amounts that are not rounded."""

    remaining: Money
    """What is left."""


class AccountCredits(_Model, frozen=True, kw_only=True):
    """The account. Numbers are rounded to 6 decimals."""

    remaining_credits: Decimal
    """What new tasks can use."""
    used_credits: Decimal
    """What was charged so far."""
    reserved_credits: Decimal
    """Reserved for tasks that have not ended."""
    exact: ExactBalance
    """What is left, exactly."""


class KeyCredits(_Model, frozen=True, kw_only=True):
    """The API key that asked. Numbers are rounded to 6 decimals."""

    remaining_credits: Decimal
    """What this key can still use: the account's where the key has no cap."""
    unlimited_credits: bool
    """Whether the key has no cap of its own."""
    used_credits: Decimal
    """What was charged to it so far."""
    daily_limit_credits: Decimal | None = None
    """Its cap for a day, if it has one."""
    daily_used_credits: Decimal | None = None
    """What it used of that today (UTC)."""


class Credits(_Model, frozen=True, kw_only=True):
    """What account and key have left."""

    account: AccountCredits = msgspec.field(name="user")
    """The account that pays."""
    key: KeyCredits = msgspec.field(name="token")
    """The API key that asked."""


class TaskFilters(TypedDict, total=False):
    """Which tasks a list is of; all that are given must hold."""

    q: str
    """Words that all occur in the prompt, in any order and case."""
    status: str
    """`pending`, `processing`, `completed`, `failed` or `cancelled`."""
    model: str
    """The model as named in the request."""
    references: bool
    """Whether it has references."""
    starred: bool
    """Whether its metadata says `starred`: `"true"`."""
    tag: str
    """One of the `tags` of its metadata, a list with commas."""
    metadata: tuple[str, str]
    """A key of its metadata and the value."""
    created_after: int
    """Created at or after this moment, Unix seconds."""
    created_before: int
    """Created before this moment, Unix seconds."""


class ImageOptions(TypedDict, total=False):
    """What can be asked for besides the prompt. What is left out is the model's default."""

    model: str
    """Such as `gpt-image-2`."""
    size: str
    """`auto`, a ratio such as `16:9`, or `WxH` in pixels."""
    resolution: str
    """`1K`, `2K` or `4K`, together with a ratio."""
    quality: str
    """`low`, `medium`, `high`, or what else the model has."""
    n: int
    """How many images; each that is delivered is charged."""
    background: str
    """`opaque` or `transparent`."""
    output_format: str
    """`png`, `jpeg` or `webp`."""
    output_compression: int
    """0 to 100, for jpeg and webp."""
    image_urls: list[str]
    """References by URL. `images.edit` takes local files too."""
    mask_url: str
    """A PNG with alpha by URL. `images.edit` takes local files too."""
    callback_url: str
    """Where the ended task is sent: see `webhooks.verify`."""
    metadata: dict[str, str]
    """Notes on the task, at most 16, which it shows again; `tasks.list` finds tasks by them."""


ImageSource: TypeAlias = str | os.PathLike[str] | bytes | IO[bytes] | File
"""An image to work from: a URL, the id of an upload (`file_…`), a path, the bytes, an open file, or an upload."""
