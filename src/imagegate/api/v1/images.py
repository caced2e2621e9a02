"""POST /v1/images/generations and POST /v1/images/quotes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, post

from imagegate.api.auth import require_scope
from imagegate.api.body import read_json
from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import Operation, described, header, response_header
from imagegate.api.responses import (
    IDEMPOTENCY_KEY_PATTERN,
    REPLAYED_HEADER,
    idempotency_key,
    json_response,
    preferred_wait,
    task_response,
    wait_for_task,
)
from imagegate.api.v1.tasks import TASK_LINKS
from imagegate.domain import errors
from imagegate.domain.accounts import ApiKey, Scope
from imagegate.domain.errors import InvalidRequest, Problem
from imagegate.domain.fields import BillingRule, Count, PriceVersion, doc
from imagegate.domain.images import SIZE_PATTERN, ImageRequest
from imagegate.domain.money import Money, to_money
from imagegate.domain.prices import Charge
from imagegate.flows.quote import Quote, make_quote
from imagegate.flows.submit import submit
from imagegate.flows.views.task import TaskView
from imagegate.runtime import Runtime
from imagegate.store.accounts import load_balance

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

MAX_HOPS = 3


class Expectation(msgspec.Struct):
    expected: Count
    maximum: Count


class LineView(msgspec.Struct):
    """One item of a quote, for all images together."""

    item: Annotated[str, doc("What is counted: text_input, image_input, image_output, image")]
    unit: Annotated[str, doc("What one is", enum=["token", "image"])]
    quantity: Expectation
    rate_nanos: Annotated[str, doc("Nanos for one unit, exact decimal", pattern=r"^(0|[1-9][0-9]*)(\.[0-9]+)?$")]
    expected: Money
    maximum: Money


class SizeView(msgspec.Struct):
    """The pixels that are priced."""

    requested: Annotated[str, doc("auto, a ratio, or WxH", pattern=SIZE_PATTERN)]
    resolution: Annotated[str | None, doc("The tier; null where it has no effect")]
    width: Annotated[int, doc("Pixels", minimum=1)]
    height: Annotated[int, doc("Pixels", minimum=1)]
    assumed: Annotated[bool, doc("True for auto: the model may choose others")]


class QuoteView(msgspec.Struct, kw_only=True):
    """What a request would cost. The bill never exceeds `maximum`."""

    object: Literal["image.quote"] = "image.quote"
    model: str
    billing_rule: BillingRule
    price_version: PriceVersion
    n: Annotated[int, doc("How many images", minimum=1, maximum=10)]
    size: SizeView
    quality: Annotated[str | None, doc("null where the model has none")]
    affordable: Annotated[bool, doc("Whether account and key could hold the maximum now")]
    expected: Money
    maximum: Annotated[Money, doc("What a create would hold")]
    lines: list[LineView]


def read_hop_count(request: Request[Any, Any, Any]) -> int:
    """How many gateways have passed it on. InvalidRequest beyond three: it goes in a circle."""
    header_value = request.headers.get("x-imagegate-hop", "0")
    if not (
        header_value.isascii() and header_value.isdigit() and len(header_value) <= 3 and int(header_value) <= MAX_HOPS
    ):
        raise InvalidRequest(
            f"The request has passed more than {MAX_HOPS} gateways: their routes lead in a circle",
            param="X-Imagegate-Hop",
        )
    return int(header_value)


@post(
    "/v1/images/generations",
    status_code=200,
    opt=described(
        Operation(
            summary="Make a task: any answer but 200 means that there is no task and no hold",
            tag="images",
            description="A task is pending until it is worked on. Wait for its end with `Prefer: wait=60`, with"
            " `GET /v1/tasks/{task_id}?wait=60`, with its events, or be told by `callback_url`.",
            scope=Scope.images_write,
            request_type=ImageRequest,
            response_type=TaskView,
            response_example=examples.PENDING_TASK,
            links=TASK_LINKS,
            response_headers=(
                REPLAYED_HEADER,
                response_header(
                    "Preference-Applied", {"type": "string", "pattern": "^wait=[0-9]{1,2}$"}, "With Prefer"
                ),
            ),
            request_example=REQUEST_EXAMPLE,
            parameters=(
                header(
                    "Idempotency-Key",
                    {
                        "type": "string",
                        "pattern": f"^{IDEMPOTENCY_KEY_PATTERN.pattern}$",
                        "examples": ["order-2026-11-22-17"],
                    },
                    "Makes a repeat safe for 48 hours: the same request is held and bought once",
                ),
                header(
                    "Prefer",
                    {"type": "string", "examples": ["wait=60"]},
                    "wait=n: answer when the task has ended or after n seconds, at most 60; anything else is ignored",
                ),
            ),
            errors=(*_MODEL_ERRORS, errors.IdempotencyConflict, *_QUOTA_ERRORS, errors.RateLimitExceeded),
        )
    ),
)
async def create_image(request: Request[Any, Any, Any], runtime: Runtime, key: ApiKey) -> Response[bytes]:
    require_scope(key, Scope.images_write)
    once = idempotency_key(request)
    body = await read_json(request, ImageRequest, runtime.settings.server)
    task, replayed = await submit(runtime, body, key, once, read_hop_count(request))
    headers = {"Idempotency-Replayed": "true"} if replayed else {}
    seconds = preferred_wait(request)
    if seconds is not None:
        headers["Preference-Applied"] = f"wait={seconds}"
        task = await wait_for_task(runtime, task, seconds)
    return task_response(runtime, task, headers)


@post(
    "/v1/images/quotes",
    status_code=200,
    opt=described(
        Operation(
            summary="Price a request: expected, maximum and lines; stores nothing",
            tag="images",
            scope=Scope.images_write,
            request_type=ImageRequest,
            response_type=QuoteView,
            response_example=examples.QUOTE,
            request_example=REQUEST_EXAMPLE,
            errors=_MODEL_ERRORS,
        )
    ),
)
async def create_quote(request: Request[Any, Any, Any], runtime: Runtime, key: ApiKey) -> Response[bytes]:
    require_scope(key, Scope.images_write)
    body = await read_json(request, ImageRequest, runtime.settings.server)
    quote = make_quote(runtime, body, key, runtime.clock())
    affordable = await _is_affordable(runtime, key, quote.maximum.total)
    return json_response(quote_view(quote, affordable, runtime.credits_per_usd))


async def _is_affordable(runtime: Runtime, key: ApiKey, amount: int) -> bool:
    """What a create would say now: the account and the key's own limits."""
    found = await runtime.db.snapshot(load_balance, key.account_id, key.id)
    if found is None:
        return False
    account, current_key, _ = found
    return account.available >= amount and current_key.can_hold(amount, runtime.clock())


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
        expected=to_money(quote.expected.total, rate),
        maximum=to_money(quote.maximum.total, rate),
        lines=_line_views(quote.expected, quote.maximum, rate),
    )


def _line_views(expected: Charge, maximum: Charge, rate: int) -> list[LineView]:
    """One line per item of the maximum; an item that is only reserved for is expected at 0."""
    expected_lines = {line.item: line for line in expected.lines}
    lines = []
    for maximum_line in maximum.lines:
        line = expected_lines.get(maximum_line.item)
        quantity = Expectation(line.quantity if line else 0, maximum_line.quantity)
        amount = to_money(line.amount if line else 0, rate)
        lines.append(
            LineView(
                maximum_line.item,
                maximum_line.unit,
                quantity,
                maximum_line.rate_nanos,
                amount,
                to_money(maximum_line.amount, rate),
            )
        )
    return lines
