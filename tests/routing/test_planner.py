"""Cheapest first among the capable and healthy, for this very request."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.catalog.catalog import CatalogError
from imagegate.catalog.load import load_catalog
from imagegate.catalog.routes import CostPerMillion, Route, RouteConfig, RouteTable, UpstreamConfig, load_dialects
from imagegate.domain.images import ImageOrder, ImageRequest
from imagegate.domain.tasks import FailureKind
from imagegate.families import FAMILIES
from imagegate.routing.circuit_breaker import Health, on_failure
from imagegate.routing.planner import (
    Impossible,
    RouteHistory,
    RouteRequest,
    RouteWait,
    WaitReason,
    find_impossible,
    plan_routes,
    route_cost,
    unsupported_reason,
)

NOW = 1_795_000_000_000_000
CATALOG = load_catalog()
MODEL = CATALOG.models["gpt-image-2"]
FAMILY = FAMILIES["gpt_image"]
LIST_COST = CostPerMillion(
    image_output="30", image_input="8", image_cached_input="2", text_input="5", text_cached_input="1.25"
)


def route_table(*routes: RouteConfig, **override: object) -> RouteTable:
    names = sorted({route.upstream for route in routes})
    rows = [UpstreamConfig(name=name, protocol="openai", base_url="http://x", override=override) for name in names]
    return RouteTable(rows, routes, list(CATALOG.models))


def route_request(**fields: object) -> RouteRequest:
    order = FAMILY.build_order(ImageRequest(prompt="a fox", **fields), MODEL, None, "2048x2048")  # type: ignore[arg-type]
    return RouteRequest(order=order, usage=FAMILY.expected_usage(order, MODEL), tier=FAMILY.price_tier(order))


THREE_ROUTES = route_table(
    RouteConfig(model="gpt-image-2", upstream="tokens", cost_per_million=LIST_COST),
    RouteConfig(model="gpt-image-2", upstream="flat", cost_per_image="0.03"),
    RouteConfig(model="gpt-image-2", upstream="tiers", cost_per_image={"1K": "0.01", "2K": "0.05", "4K": "0.2"}),
)


@given(
    size=st.sampled_from(["1:1", "16:9", "3:1", "2048x2048", "auto"]),
    tier=st.sampled_from(["1K", "2K", "4K"]),
    quality=st.sampled_from(["low", "medium", "high"]),
    n=st.integers(1, 10),
)
def test_every_request_goes_to_the_cheapest_route(size: str, tier: str, quality: str, n: int) -> None:
    request = route_request(size=size, resolution=tier, quality=quality, n=n)
    routes = THREE_ROUTES.for_model("gpt-image-2")
    planned = plan_routes(routes, {}, {}, request, RouteHistory(), NOW)
    costs = [route_cost(route, request) for route in planned.choices]
    assert costs == sorted(costs)
    assert len(costs) == 3
    assert costs[0] == min(route_cost(route, request) for route in routes)


REFERENCES = {"image_urls": ["https://a.example/1.png"] * 3}


@pytest.mark.parametrize(
    ("routes", "fields", "param", "message"),
    [
        (
            [{"sizes": ("1:1", "3:2")}, {"sizes": ("2:3", "1:1")}],
            {"size": "1024x1024"},
            "size",
            "size must be one of 1:1, 3:2, 2:3: no route of this gateway can generate 1024x1024",
        ),
        (
            [{"qualities": ("low",)}, {"qualities": ("medium",)}],
            {"quality": "high"},
            "quality",
            "quality must be one of low, medium: no route of this gateway can generate high",
        ),
        (
            [{"max_refs": 1}, {"max_refs": 2}],
            REFERENCES,
            "image_urls",
            "image_urls may hold at most 2 URLs: no route of this gateway takes more references",
        ),
        (
            [{"max_refs": 0}],
            REFERENCES,
            "image_urls",
            "image_urls cannot be used with this model: no route of this gateway takes references",
        ),
        (
            [{"mask": False}],
            {**REFERENCES, "mask_url": "https://a.example/m.png"},
            "mask_url",
            "mask_url cannot be used with this model: no route of this gateway takes a mask",
        ),
        (
            [{"transparent": False}],
            {"background": "transparent"},
            "background",
            "background must be opaque: no route of this gateway can make transparent images",
        ),
        # The route that lacks least is the one whose customer has least to change.
        (
            [{"transparent": False, "sizes": ("1:1",), "max_refs": 0}, {"sizes": ("2:3",)}],
            {**REFERENCES, "background": "transparent", "size": "16:9"},
            "size",
            "size must be one of 2:3: no route of this gateway can generate 16:9",
        ),
    ],
)
def test_what_no_route_will_ever_do_is_told_by_what_the_routes_can(
    routes: list[dict[str, Any]], fields: dict[str, object], param: str, message: str
) -> None:
    rows = [
        RouteConfig(model="gpt-image-2", upstream=f"u{number}", cost_per_image="0.01", **limits)
        for number, limits in enumerate(routes)
    ]
    found = find_impossible(route_table(*rows).for_model("gpt-image-2"), route_request(**fields))
    assert found == Impossible(param, message)
    able = RouteConfig(model="gpt-image-2", upstream="able", cost_per_image="9")
    assert find_impossible(route_table(*rows, able).for_model("gpt-image-2"), route_request(**fields)) is None


def test_the_order_of_the_routes_turns_with_the_request() -> None:
    routes = THREE_ROUTES.for_model("gpt-image-2")
    cheapest = {
        plan_routes(routes, {}, {}, route_request(size="1:1", resolution=tier, quality=quality), RouteHistory(), NOW)
        .choices[0]
        .upstream
        for tier in ("1K", "2K", "4K")
        for quality in ("low", "medium", "high")
    }
    assert cheapest == {"tokens", "flat", "tiers"}


@pytest.mark.parametrize(
    ("override", "fields", "why"),
    [
        ({"max_refs": 1}, {"image_urls": ["https://a.example/1.png"] * 2}, "takes at most 1 references"),
        ({"edits": "none"}, {"image_urls": ["https://a.example/1.png"]}, "takes at most 0 references"),
        ({"mask": False}, {"image_urls": ["https://a.example/1"], "mask_url": "https://a.example/m"}, "takes no mask"),
        ({"transparent": False}, {"background": "transparent"}, "cannot make transparent images"),
        ({"sizes": ["1024x1024"]}, {"size": "16:9"}, "lacks the size"),
    ],
)
def test_a_route_that_cannot_do_it_is_passed_over(
    override: dict[str, object], fields: dict[str, object], why: str
) -> None:
    row = RouteConfig(model="gpt-image-2", upstream="a", cost_per_image="0.01")
    one = route_table(row, **override).for_model("gpt-image-2")[0]
    assert unsupported_reason(one, route_request(**fields)) == why
    assert unsupported_reason(one, route_request(size="1024x1024")) == ""


def test_the_plan_says_why_routes_were_skipped() -> None:
    routes = THREE_ROUTES.for_model("gpt-image-2")
    broken = {"tokens": on_failure(Health(), FailureKind.out_of_funds, NOW, NOW)}
    wait = RouteWait(NOW + 500_000, WaitReason.busy)
    history = RouteHistory({"gpt-image-2@tiers"}, {"gpt-image-2@flat": wait})
    planned = plan_routes(routes, broken, {}, route_request(size="1:1"), history, NOW)
    assert planned.choices == ()
    assert planned.waits == (wait,)
    assert {one.route: one.skipped for one in planned.considered} == {
        "gpt-image-2@tokens": "the operator's account there is out of funds",
        "gpt-image-2@flat": "at the limit of concurrent calls or images per minute",
        "gpt-image-2@tiers": "tried before",
    }


def test_a_rate_limited_route_is_waited_for_only_where_no_other_can_serve() -> None:
    routes = THREE_ROUTES.for_model("gpt-image-2")
    rate_limited = {
        "gpt-image-2@tiers": on_failure(Health(), FailureKind.throttled, NOW, NOW, retry_after_us=4_000_000)
    }
    planned = plan_routes(routes, rate_limited, {}, route_request(size="1:1", quality="high"), RouteHistory(), NOW)
    assert [route.upstream for route in planned.choices] == ["flat", "tokens"]
    assert planned.waits == (RouteWait(NOW + 4_000_000, WaitReason.throttled),)


def test_what_ends_by_itself_is_waited_for_and_what_needs_a_person_is_not() -> None:
    routes = THREE_ROUTES.for_model("gpt-image-2")
    failing = Health()
    for _ in range(5):
        failing = on_failure(failing, FailureKind.failing, NOW, NOW)
    needs_person = {
        "gpt-image-2@tokens": on_failure(Health(), FailureKind.no_model, NOW, NOW),
        "flat": on_failure(Health(), FailureKind.bad_key, NOW, NOW, key=""),
        "gpt-image-2@tiers": on_failure(Health(), FailureKind.misconfigured, NOW, NOW),
    }
    request = route_request(size="1:1")
    keys = {"flat": "unknown"}
    plan = plan_routes(routes, needs_person, keys, request, RouteHistory(), NOW)
    assert (plan.choices, plan.waits) == ((), ())
    # A route that fails for now is no use where its whole upstream needs a person.
    plan = plan_routes(routes, needs_person | {"gpt-image-2@flat": failing}, keys, request, RouteHistory(), NOW)
    assert plan.waits == ()
    plan = plan_routes(routes, needs_person | {"gpt-image-2@tokens": failing}, keys, request, RouteHistory(), NOW)
    assert plan.waits == (RouteWait(failing.open_until, WaitReason.unavailable),)


def test_the_route_of_an_unknown_outcome_is_called_again_once_it_has_completed_a_call() -> None:
    [route] = route_table(RouteConfig(model="gpt-image-2", upstream="a", cost_per_image="0.01")).for_model(
        "gpt-image-2"
    )
    history = RouteHistory(unknown_route=route.name, unknown_at=NOW)
    plan = plan_routes([route], {}, {}, route_request(), history, NOW + 1)
    assert plan.choices == ()
    assert [wait.reason for wait in plan.waits] == [WaitReason.unavailable]
    plan = plan_routes([route], {route.name: Health(completed_at=NOW + 1)}, {}, route_request(), history, NOW + 2)
    assert plan.choices == (route,)


def test_trials_go_first_to_tasks_that_would_not_buy_twice() -> None:
    [route] = route_table(RouteConfig(model="gpt-image-2", upstream="a", cost_per_image="0.01")).for_model(
        "gpt-image-2"
    )
    half_open = {route.name: Health(times_opened=1, open_until=NOW, reason="failing")}
    assert plan_routes([route], half_open, {}, route_request(), RouteHistory(), NOW).choices == (route,)
    later = plan_routes([route], half_open, {}, route_request(), RouteHistory(unknown_at=NOW - 1), NOW)
    assert later.choices == ()
    then = later.waits[0].until
    again = plan_routes([route], half_open, {}, route_request(), RouteHistory(unknown_at=NOW - 1), then)
    assert again.choices == (route,)


@pytest.mark.parametrize(
    ("rows", "routes", "message"),
    [
        ([], [RouteConfig(model="gpt-image-2", upstream="a", cost_per_image="1")], "there is no upstream 'a'"),
        (["a"], [RouteConfig(model="dall-e-3", upstream="a", cost_per_image="1")], "there is no model 'dall-e-3'"),
        (["a"], [RouteConfig(model="gpt-image-2", upstream="a")], "its cost is missing"),
        (["a"], [RouteConfig(model="gpt-image-2", upstream="a", cost_per_image="-1")], "not a plain amount"),
        (
            ["a"],
            [RouteConfig(model="gpt-image-2", upstream="a", cost_per_image="1", cost_per_million=LIST_COST)],
            "not both",
        ),
        (["a", "a"], [], "2 have this name"),
    ],
)
def test_rows_that_do_not_fit_together_are_refused(rows: list[str], routes: list[RouteConfig], message: str) -> None:
    upstreams = [UpstreamConfig(name=name, protocol="openai") for name in rows]
    with pytest.raises(CatalogError, match=message):
        RouteTable(upstreams, routes, list(CATALOG.models))


def test_an_unknown_dialect_and_a_wrong_override_are_named() -> None:
    for row in (
        UpstreamConfig(name="a", protocol="openai", dialect="nobody"),
        UpstreamConfig(name="a", protocol="openai", override={"max_n": "many"}),
    ):
        with pytest.raises(CatalogError, match=r"\[\[upstream\]\] 'a'"):
            RouteTable([row], [], [])


def test_every_shipped_dialect_reads() -> None:
    assert {"openai", "azure", "azure-dated", "sd-server", "localai", "vllm-omni", "sglang", "generic"} <= set(
        load_dialects()
    )


def test_costs_are_exact() -> None:
    route: Route = THREE_ROUTES.routes["gpt-image-2@tokens"]
    usage = msgspec.structs.replace(route_request(size="1:1").usage, text_input=0, image_output=1_000_000)
    order: ImageOrder = route_request().order
    assert route_cost(route, RouteRequest(order=order, usage=usage, tier="1K")) == 30_000_000_000
