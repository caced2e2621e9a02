"""The cap: what is reserved, what is given back, what stays counted."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from imagegate.mcp.arguments import ImageArguments
from imagegate.mcp.budget import Budget, CapReachedError, Hold
from imagegate.mcp.tools import Caller, ImageTools, call_safely
from imagegate_client import AsyncClient
from tests.mcp.helpers import text_of

MONEY = {"credits": "3", "usd": "0.03", "nanos": "30000000"}
QUOTE = {
    "model": "m", "billing_rule": "per_call", "price_version": "1", "n": 1, "affordable": True,
    "size": {"requested": "1:1", "width": 1, "height": 1}, "expected": MONEY, "maximum": MONEY,
}  # fmt: skip


def test_a_cap_is_reached_exactly() -> None:
    budget = Budget(Decimal(10))
    first = budget.reserve(Decimal(7))
    with pytest.raises(CapReachedError, match=r"the cap is 10 credits.*3 are left.*up to 3\.1"):
        budget.reserve(Decimal("3.1"))
    budget.reserve(Decimal(3))
    assert budget.left == 0
    first.settle(Decimal("6.5"))
    assert budget.left == Decimal("0.5")
    first.settle(Decimal("6.5"))
    assert budget.left == Decimal("0.5"), "a second settlement changes nothing"


def test_a_price_that_changed_is_counted_as_the_gateway_holds_it() -> None:
    budget = Budget(Decimal(10))
    hold = budget.reserve(Decimal(5))
    hold.correct(Decimal(6))
    assert budget.left == 4
    hold.settle(Decimal(2))
    assert budget.left == 8


def test_without_a_cap_nothing_is_refused() -> None:
    budget = Budget(None)
    budget.reserve(Decimal(10**9))
    assert budget.left is None


def test_no_two_calls_count_on_the_same_credits() -> None:
    budget = Budget(Decimal(50))

    def reserve(_: int) -> Hold | None:
        try:
            return budget.reserve(Decimal(1))
        except CapReachedError:
            return None

    with ThreadPoolExecutor(8) as threads:
        taken = [one for one in threads.map(reserve, range(400)) if one]
    assert len(taken) == 50
    assert budget.left == 0


@pytest.mark.parametrize(
    ("fate", "left"),
    [
        (httpx2.ReadError("reset"), 7),
        (httpx2.Response(504, text="<html>"), 7),
        (httpx2.ConnectError("refused"), 10),
        (httpx2.Response(402, json={"error": {"code": "insufficient_quota", "message": "no"}}), 10),
        (httpx2.Response(503, json={"error": {"code": "service_unavailable", "message": "no"}}), 10),
    ],
)
async def test_a_create_of_unknown_outcome_stays_counted(fate: httpx2.Response | Exception, left: int) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/quotes"):
            return httpx2.Response(200, json=QUOTE)
        if isinstance(fate, Exception):
            raise fate
        return fate

    async def report(*_: Any) -> None: ...

    http = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    async with AsyncClient("http://gateway.test", "key", max_retries=0, http_client=http) as client:
        budget, tools = Budget(Decimal(10)), ImageTools()
        caller = Caller(client, budget, report, "2025-06-18")
        result = await call_safely(lambda: tools.generate_image(caller, ImageArguments(prompt="x")))
        await tools.close()
    assert result.is_error
    assert budget.left == left
    assert ("stays counted" in text_of(result)) == (left == 7)
