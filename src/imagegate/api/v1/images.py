"""POST /v1/images/generations and POST /v1/images/quotes."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response, post

from imagegate.api.answers import IDEMPOTENCY_KEY, idempotency_key, json_answer, preferred_wait, task_answer, waited
from imagegate.api.auth import need
from imagegate.api.body import read_json
from imagegate.api.operations import Operation, described, header
from imagegate.domain import errors
from imagegate.domain.credit import Key, Scope
from imagegate.domain.errors import Problem
from imagegate.domain.images import ImageRequest
from imagegate.domain.money import Money, money
from imagegate.domain.prices import Charge
from imagegate.flows.quote import Quote, make_quote
from imagegate.flows.submit import submit
from imagegate.flows.view import TaskView
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


class Expectation(msgspec.Struct):
    expected: int
    maximum: int


class LineView(msgspec.Struct):
    item: str
    unit: str
    quantity: Expectation
    rate_nanos: str
    expected: Money
    maximum: Money


class SizeView(msgspec.Struct):
    requested: str
    resolution: str | None
    width: int
    height: int
    assumed: bool


class QuoteView(msgspec.Struct, kw_only=True):
    object: str = "image.quote"
    model: str
    billing_rule: str
    price_version: str
    n: int
    size: SizeView
    quality: str | None
    affordable: bool
    expected: Money
    maximum: Money
    lines: list[LineView]


@post(
    "/v1/images/generations",
    status_code=200,
    opt=described(
        Operation(
            summary="Make a task: any answer but 200 means that there is no task and no hold",
            tag="images",
            takes=ImageRequest,
            answer=TaskView,
            example=EXAMPLE,
            parameters=(
                header(
                    "Idempotency-Key",
                    {"type": "string", "pattern": f"^{IDEMPOTENCY_KEY.pattern}$"},
                    "Makes a repeat safe",
                ),
                header(
                    "Prefer", {"type": "string", "examples": ["wait=60"]}, "wait=n answers at the end, or after n s"
                ),
            ),
            errors=(*_REFUSALS, errors.IdempotencyConflict, *_NO_CREDIT),
        )
    ),
)
async def create_image(request: Request[Any, Any, Any], runtime: Runtime, key: Key) -> Response[bytes]:
    need(key, Scope.images_write)
    once = idempotency_key(request)
    body = await read_json(request, ImageRequest, runtime.settings.server)
    task, replayed = await submit(runtime, body, key, once)
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
            takes=ImageRequest,
            answer=QuoteView,
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
