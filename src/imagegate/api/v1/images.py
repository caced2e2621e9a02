"""POST /v1/images/generations and POST /v1/images/quotes."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from litestar import Response
from litestar.params import HeaderParameter
from msgspec import UNSET, Meta, UnsetType

from imagegate.api.client_connection import Caller
from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import ResponseHeader, post
from imagegate.api.params import IDEMPOTENCY_KEY, IdempotencyKey, preferred_wait_s
from imagegate.api.problems import wrong_base_hint
from imagegate.api.responses import REPLAYED_HEADER, replayed_headers, wait_for_task
from imagegate.api.v1.tasks import TASK_LINKS
from imagegate.api_docs.schema import (
    METADATA_BOUNDS,
    SIZE_PATTERN,
    BillingRule,
    CallbackUrl,
    Count,
    FetchUrl,
    Metadata,
    PriceVersion,
    doc,
    required,
    schema,
)
from imagegate.domain import errors, images
from imagegate.domain.accounts import Account, ApiKey, Scope
from imagegate.domain.errors import Problem
from imagegate.domain.money import Money, to_money
from imagegate.domain.prices import Charge
from imagegate.flows.prices import find_price_conflict
from imagegate.flows.quote import Quote
from imagegate.flows.submit import quote_possible, submit
from imagegate.flows.views.task import TaskView, task_view
from imagegate.runtime import Runtime
from imagegate.store.accounts import find_account
from imagegate.store.api_keys import find_key
from imagegate.store.transaction import Tx

_MODEL_ERRORS: tuple[type[Problem], ...] = (errors.ModelNotFound, errors.ModelAccessDenied)
_QUOTA_ERRORS: tuple[type[Problem], ...] = (
    errors.InsufficientQuota,
    errors.InsufficientTokenQuota,
    errors.TokenDailyQuotaExceeded,
)
REQUEST_EXAMPLE = {
    "model": "gpt-image-2",
    "prompt": "A beautiful colorful sunset over the ocean",
    "size": "16:9",
    "resolution": "2K",
    "quality": "high",
    "n": 2,
}

_OPENAI_AGENTS = ("OpenAI/", "AsyncOpenAI/")  # how the vendor's own SDKs begin theirs
MAX_HOPS = 3  # a request that more gateways have passed on goes in a circle

_Size = Annotated[str, schema(pattern=SIZE_PATTERN)]
_Tier = Annotated[str, schema(pattern="^[124][kK]$")]
_Quality = Annotated[str, schema(examples=["low", "medium", "high", "xhigh", "max", "auto"])]
_ReferenceUrls = Annotated[list[FetchUrl], schema(maxItems=16)]


class ImageRequest(images.ImageRequest, frozen=True, omit_defaults=True):
    """The body of a create or a quote. Unknown fields are ignored; null means absent."""

    # Bounds are described here and checked by the family of the model, which knows narrower ones.

    prompt: Annotated[
        Annotated[str, schema(minLength=1, maxLength=32_000)] | None,
        required("The prompt; 1 to 32,000 Unicode code points, fewer for some models"),
    ] = None
    model: Annotated[str | None, doc("A name of GET /v1/models; gpt-image-2 when absent")] = None
    size: Annotated[
        _Size | None,
        doc(
            "auto (the default), one of 15 ratios, or WxH: multiples of 16, edges up to 3840, 655,360 to 8,294,400"
            " pixels in all, at most 3:1"
        ),
    ] = None
    resolution: Annotated[
        _Tier | None, doc("1K (the default), 2K or 4K, any case; used with a ratio only. Ignored by models of one tier")
    ] = None
    quality: Annotated[
        _Quality | None, doc("low, medium (the default of most models), high, or what else the model names")
    ] = None
    n: Annotated[
        Annotated[int, schema(minimum=1, maximum=10)] | None,
        doc("How many images, 1 when absent; each that is delivered is billed"),
    ] = None
    image_urls: Annotated[
        _ReferenceUrls | None,
        doc("Up to 16 references, order kept: JPEG, PNG or WebP of at most 50 MB each, or links of uploads"),
    ] = None
    mask_url: Annotated[FetchUrl | None, doc("A PNG as large as the first reference: alpha below 255 is repainted")] = (
        None
    )
    callback_url: Annotated[
        CallbackUrl | None, doc("Where the ended task is sent, by https; its query string arrives untouched")
    ] = None
    background: Annotated[
        Annotated[str, schema(enum=["opaque", "transparent"])] | None,
        doc("opaque (the default) or transparent, which jpeg cannot be"),
    ] = None
    output_format: Annotated[
        Annotated[str, schema(enum=["png", "jpeg", "webp"])] | None, doc("png (the default), jpeg or webp")
    ] = None
    output_compression: Annotated[
        Annotated[int, schema(minimum=0, maximum=100)] | None, doc("100 when absent; for jpeg and webp, else ignored")
    ] = None
    metadata: Annotated[Metadata | None, doc(f"Notes on the task: {METADATA_BOUNDS}")] = None


class Expectation(msgspec.Struct):
    expected: Count
    maximum: Count


class LineView(msgspec.Struct):
    """One item of a quote, for all images together."""

    item: Annotated[str, doc("The billed item: text_input, image_input, image_output, image")]
    unit: Annotated[str, doc("The unit", enum=["token", "image"])]
    quantity: Expectation
    rate_nanos: Annotated[str, doc("Nanos for one unit, exact decimal", pattern=r"^(0|[1-9][0-9]*)(\.[0-9]+)?$")]
    expected: Money
    maximum: Money


class SizeView(msgspec.Struct):
    """The size that is priced."""

    requested: Annotated[str, doc("auto, a ratio, or WxH", pattern=SIZE_PATTERN)]
    resolution: Annotated[str | None, doc("The tier; null where it has no effect")]
    width: Annotated[int, doc("Pixels", minimum=1)]
    height: Annotated[int, doc("Pixels", minimum=1)]
    assumed: Annotated[bool, doc("True for auto: the model may choose another size")]


class QuoteView(msgspec.Struct, kw_only=True):
    """The price of a request. The charge never exceeds `maximum`."""

    object: Literal["image.quote"] = "image.quote"
    model: str
    billing_rule: BillingRule
    price_version: PriceVersion
    n: Annotated[int, doc("How many images", minimum=1, maximum=10)]
    size: SizeView
    quality: Annotated[str | None, doc("null where the model has none")]
    affordable: (
        Annotated[bool, doc("Whether account and key could hold the maximum now; absent without a key")] | UnsetType
    ) = UNSET
    expected: Money
    maximum: Annotated[Money, doc("The hold of a create")]
    lines: list[LineView]


@post(
    "/v1/images/generations",
    summary="Create a task; any response other than 200 means that no task and no hold exist",
    tag="images",
    description="A task is pending until it is worked on. Wait for its end with `Prefer: wait=60`, with"
    " `GET /v1/tasks/{task_id}?wait=60`, with its events, or get a webhook at `callback_url`.",
    scope=Scope.images_write,
    response_example=examples.PENDING_TASK,
    links=TASK_LINKS,
    response_headers=(
        REPLAYED_HEADER,
        ResponseHeader("Preference-Applied", {"type": "string", "pattern": "^wait=[0-9]{1,2}$"}, "With Prefer"),
    ),
    request_example=REQUEST_EXAMPLE,
    errors=(*_MODEL_ERRORS, errors.IdempotencyConflict, *_QUOTA_ERRORS, errors.RateLimitExceeded),
)
async def create_image(
    data: ImageRequest,
    runtime: Runtime,
    key: ApiKey,
    caller: Caller,
    user_agent: str,
    idempotency_key: Annotated[
        IdempotencyKey | None,
        IDEMPOTENCY_KEY,
        doc(
            "Makes a repeat safe for 48 hours: the same request is held and bought once",
            examples=["order-2026-11-22-17"],
        ),
    ] = None,
    prefer: Annotated[
        str,
        HeaderParameter(name="Prefer"),
        doc(
            "wait=n: answer when the task has ended or after n seconds, at most 60; anything else is ignored",
            examples=["wait=60"],
        ),
    ] = "",
    hops: Annotated[
        int,
        HeaderParameter(name="X-Imagegate-Hop"),
        Meta(
            ge=0,
            le=MAX_HOPS,
            description="Set by a gateway that passes the request on: how many have",
            extra={"rule": f"must be at most {MAX_HOPS}: the routes of the gateways lead in a circle"},
        ),
    ] = 0,
) -> Response[TaskView]:
    if runtime.settings.openai.openai_base_hint and _has_wrong_base(data, user_agent, prefer):
        raise errors.InvalidRequest(wrong_base_hint(runtime.origin), param="User-Agent")
    task, replayed = await submit(runtime, data, key, idempotency_key, hops)
    headers, wait_s = replayed_headers(replayed), preferred_wait_s(prefer)
    if wait_s is not None:
        headers["Preference-Applied"] = f"wait={wait_s}"
        if wait_s and not task.terminal:
            task = await wait_for_task(runtime, key.account_id, task.id, wait_s, caller, is_new=not replayed)
    return Response(task_view(runtime, task), headers=headers)


def _has_wrong_base(data: ImageRequest, user_agent: str, prefer: str) -> bool:
    """A client of OpenAI that would find no image in the answer, and be charged for it all the same."""
    return user_agent.startswith(_OPENAI_AGENTS) and data.callback_url is None and not prefer


@post(
    "/v1/images/quotes",
    summary="Price a request: expected, maximum and lines; stores nothing",
    description="Without a key it answers with public prices, for requests without references and callback_url.",
    tag="images",
    key_optional=True,
    scope=Scope.images_write,
    response_example=examples.QUOTE,
    request_example=REQUEST_EXAMPLE,
    errors=_MODEL_ERRORS,
)
async def create_quote(data: ImageRequest, runtime: Runtime, key: ApiKey | None) -> QuoteView:
    if key is None and (data.image_urls or data.mask_url is not None or data.callback_url is not None):
        raise errors.Unauthorized("A quote with references, a mask or a callback_url needs a key")
    quote = quote_possible(runtime, data, key, runtime.clock())
    conflict = await find_price_conflict(runtime, quote.price_version)
    if conflict is not None:
        raise conflict
    affordable = await _is_affordable(runtime, key, quote.maximum.total) if key is not None else UNSET
    return quote_view(quote, affordable, runtime.credits_per_usd)


async def _is_affordable(runtime: Runtime, key: ApiKey, amount: int) -> bool:
    """Whether account and key could hold the amount now."""
    found = await runtime.db.snapshot(_load_account_and_key, key.account_id, key.id)
    if found is None:
        return False
    account, current_key = found
    return account.available >= amount and current_key.can_hold(amount, runtime.clock())


def _load_account_and_key(tx: Tx, account_id: str, key_id: str) -> tuple[Account, ApiKey] | None:
    account, key = find_account(tx, account_id), find_key(tx, account_id, key_id)
    return None if account is None or key is None else (account, key)


def quote_view(quote: Quote, affordable: bool | UnsetType, rate: int) -> QuoteView:
    order, size = quote.order, quote.order.size
    return QuoteView(
        model=order.model,
        billing_rule=quote.model.billing,
        price_version=quote.price_version,
        n=order.n,
        size=SizeView(size.requested, size.resolution, size.width, size.height, size.assumed),
        quality=order.quality or None,
        affordable=affordable,
        expected=to_money(quote.expected.total, rate),
        maximum=to_money(quote.maximum.total, rate),
        lines=_line_views(quote.expected, quote.maximum, rate),
    )


def _line_views(expected: Charge, maximum: Charge, rate: int) -> list[LineView]:
    """One line per item of the maximum; an item that is only reserved for is expected at 0."""
    known = {line.item: (line.quantity, line.amount) for line in expected.lines}
    lines = []
    for line in maximum.lines:
        quantity, amount = known.get(line.item, (0, 0))
        expectation = Expectation(quantity, line.quantity)
        amounts = (to_money(amount, rate), to_money(line.amount, rate))
        lines.append(LineView(line.item, line.unit, expectation, line.rate_nanos, *amounts))
    return lines
