"""POST /v1/images/generations and POST /v1/images/quotes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, post

from imagegate.api.auth import need
from imagegate.api.body import read_json
from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import Operation, answered, described, header
from imagegate.api.responses import (
    IDEMPOTENCY_KEY,
    REPLAYED,
    idempotency_key,
    json_answer,
    preferred_wait,
    task_answer,
    waited,
)
from imagegate.api.v1.tasks import FOLLOW
from imagegate.domain import errors
from imagegate.domain.accounts import Key, Scope
from imagegate.domain.errors import InvalidRequest, Problem
from imagegate.domain.fields import BillingRule, Count, PriceVersion, said
from imagegate.domain.images import SIZE_PATTERN, ImageRequest
from imagegate.domain.money import Money, money
from imagegate.domain.prices import Charge
from imagegate.flows.quote import Quote, make_quote
from imagegate.flows.submit import submit
from imagegate.flows.views.task import TaskView
from imagegate.runtime import Runtime
from imagegate.store.accounts import balance_of

_REFUSALS: tuple[type[Problem], ...] = (errors.ModelNotFound, errors.ModelAccessDenied)
_NO_CREDIT: tuple[type[Problem], ...] = (
    errors.InsufficientQuota,
    errors.InsufficientTokenQuota,
    errors.TokenDailyQuotaExceeded,
)
EXAMPLE = {
    "model": "gpt-image-2",
    "prompt": "A beautiful colorful sunset over the ocean",
    "size": "16:9",
    "resolution": "2K",
    "quality": "high",
    "n": 2,
}

MOST_HOPS = 3


class Expectation(msgspec.Struct):
    expected: Count
    maximum: Count


class LineView(msgspec.Struct):
    """One item of a quote, for all images together."""

    item: Annotated[str, said("What is counted: text_input, image_input, image_output, image")]
    unit: Annotated[str, said("What one is", enum=["token", "image"])]
    quantity: Expectation
    rate_nanos: Annotated[str, said("Nanos for one unit, exact decimal", pattern=r"^(0|[1-9][0-9]*)(\.[0-9]+)?$")]
    expected: Money
    maximum: Money


class SizeView(msgspec.Struct):
    """The pixels that are priced."""

    requested: Annotated[str, said("auto, a ratio, or WxH", pattern=SIZE_PATTERN)]
    resolution: Annotated[str | None, said("The tier; null where it has no effect")]
    width: Annotated[int, said("Pixels", minimum=1)]
    height: Annotated[int, said("Pixels", minimum=1)]
    assumed: Annotated[bool, said("True for auto: the model may choose others")]


class QuoteView(msgspec.Struct, kw_only=True):
    """What a request would cost. The bill never exceeds `maximum`."""

    object: Literal["image.quote"] = "image.quote"
    model: str
    billing_rule: BillingRule
    price_version: PriceVersion
    n: Annotated[int, said("How many images", minimum=1, maximum=10)]
    size: SizeView
    quality: Annotated[str | None, said("null where the model has none")]
    affordable: Annotated[bool, said("Whether account and key could hold the maximum now")]
    expected: Money
    maximum: Annotated[Money, said("What a create would hold")]
    lines: list[LineView]


def hops(request: Request[Any, Any, Any]) -> int:
    """How many gateways have passed it on. InvalidRequest beyond three: it goes in a circle."""
    told = request.headers.get("x-imagegate-hop", "0")
    if not (told.isascii() and told.isdigit() and len(told) <= 3 and int(told) <= MOST_HOPS):
        raise InvalidRequest(
            f"The request has passed more than {MOST_HOPS} gateways: their routes lead in a circle",
            param="X-Imagegate-Hop",
        )
    return int(told)


@post(
    "/v1/images/generations",
    status_code=200,
    opt=described(
        Operation(
            summary="Make a task: any answer but 200 means that there is no task and no hold",
            tag="images",
            about="A task is pending until it is worked on. Wait for its end with `Prefer: wait=60`, with"
            " `GET /v1/tasks/{task_id}?wait=60`, with its events, or be told by `callback_url`.",
            scope=Scope.images_write,
            takes=ImageRequest,
            answer=TaskView,
            gives=examples.PENDING,
            follow=FOLLOW,
            headers=(
                REPLAYED,
                answered("Preference-Applied", {"type": "string", "pattern": "^wait=[0-9]{1,2}$"}, "With Prefer"),
            ),
            example=EXAMPLE,
            parameters=(
                header(
                    "Idempotency-Key",
                    {"type": "string", "pattern": f"^{IDEMPOTENCY_KEY.pattern}$", "examples": ["order-2026-11-22-17"]},
                    "Makes a repeat safe for 48 hours: the same request is held and bought once",
                ),
                header(
                    "Prefer",
                    {"type": "string", "examples": ["wait=60"]},
                    "wait=n: answer when the task has ended or after n seconds, at most 60; anything else is ignored",
                ),
            ),
            errors=(*_REFUSALS, errors.IdempotencyConflict, *_NO_CREDIT, errors.RateLimitExceeded),
        )
    ),
)
async def create_image(request: Request[Any, Any, Any], runtime: Runtime, key: Key) -> Response[bytes]:
    need(key, Scope.images_write)
    once = idempotency_key(request)
    body = await read_json(request, ImageRequest, runtime.settings.server)
    task, replayed = await submit(runtime, body, key, once, hops(request))
    headers = {"Idempotency-Replayed": "true"} if replayed else {}
    seconds = preferred_wait(request)
    if seconds is not None:
        headers["Preference-Applied"] = f"wait={seconds}"
        task = await waited(runtime, task, seconds)
    return task_answer(runtime, task, headers)


@post(
    "/v1/images/quotes",
    status_code=200,
    opt=described(
        Operation(
            summary="Price a request: expected, maximum and lines; stores nothing",
            tag="images",
            scope=Scope.images_write,
            takes=ImageRequest,
            answer=QuoteView,
            gives=examples.QUOTE,
            example=EXAMPLE,
            errors=_REFUSALS,
        )
    ),
)
async def create_quote(request: Request[Any, Any, Any], runtime: Runtime, key: Key) -> Response[bytes]:
    need(key, Scope.images_write)
    body = await read_json(request, ImageRequest, runtime.settings.server)
    quote = make_quote(runtime, body, key, runtime.clock())
    affordable = await _affordable(runtime, key, quote.maximum.total)
    return json_answer(quote_view(quote, affordable, runtime.credits_per_usd))


async def _affordable(runtime: Runtime, key: Key, amount: int) -> bool:
    """What a create would say now: the account and the key's own limits."""
    found = await runtime.db.snapshot(balance_of, key.account_id, key.id)
    if found is None:
        return False
    account, fresh, _ = found
    return account.available >= amount and fresh.allows(amount, runtime.clock())


def quote_view(quote: Quote, affordable: bool, rate: int) -> QuoteView:
    order, size = quote.order, quote.order.size
    return QuoteView(
        model=order.model,
        billing_rule=quote.model.billing,
        price_version=quote.price_version,
        n=order.n,
        size=SizeView(size.requested, size.resolution, size.width, size.height, size.assumed),
        quality=order.quality or None,
        affordable=affordable,
        expected=money(quote.expected.total, rate),
        maximum=money(quote.maximum.total, rate),
        lines=_lines(quote.expected, quote.maximum, rate),
    )


def _lines(expected: Charge, maximum: Charge, rate: int) -> list[LineView]:
    """One line per item of the maximum; an item that is only reserved for is expected at 0."""
    usual = {line.item: line for line in expected.lines}
    lines = []
    for most in maximum.lines:
        line = usual.get(most.item)
        quantity = Expectation(line.quantity if line else 0, most.quantity)
        amount = money(line.amount if line else 0, rate)
        lines.append(LineView(most.item, most.unit, quantity, most.rate_nanos, amount, money(most.amount, rate)))
    return lines
