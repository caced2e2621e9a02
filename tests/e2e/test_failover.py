"""Cheapest first, and on only where it is proven that nothing was bought: the real program before two simulators."""

from __future__ import annotations

import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.support.routed_gateway import RoutedGateway, route_config, upstream_config
from tests.support.simulator import Simulator

CHEAP, DEAR = "gpt-image-2@cheap", "gpt-image-2@dear"


class TwoRoutes:
    """Two upstreams behind one gateway; the cheap one follows a script of faults."""

    def __init__(self, gateway: RoutedGateway, cheap: Simulator, dear: Simulator) -> None:
        self.gateway, self.cheap, self.dear = gateway, cheap, dear
        self.admin = gateway.client(gateway.new_key("operator", "1", "--scope", "admin"))

    def begin(self, *steps: Any) -> None:
        """Reset the counts of the simulators and the health of the routes."""
        for sim in (self.cheap, self.dear):
            sim.reset()
        for name in ("cheap", "dear", CHEAP, DEAR):
            self.admin.post("/v1/admin/routes/reset", json={"name": name}).raise_for_status()
        self.cheap.script(*steps)

    def cost(self, task: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = self.admin.get(f"/v1/admin/tasks/{task['id']}").raise_for_status().json()
        return found

    def routes(self) -> dict[str, dict[str, Any]]:
        listed = self.admin.get("/v1/admin/routes").raise_for_status().json()["data"]
        return {one["name"]: one for one in listed}


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoRoutes]:
    data = tmp_path_factory.mktemp("front") / "data"
    with Simulator() as cheap, Simulator() as dear:
        rows = [
            upstream_config("cheap", f"{cheap.url}/v1", timeout_s=20),
            upstream_config("dear", f"{dear.url}/v1", timeout_s=20),
            route_config("cheap", "0.001"),
            route_config("dear", "0.002"),
        ]
        with RoutedGateway(data, *rows, env={"IMAGEGATE_REPEAT_USD_PER_DAY": "100"}) as gateway:
            front = TwoRoutes(gateway, cheap, dear)
            yield front
            front.admin.close()
            gateway.check()


def charged(task: dict[str, Any]) -> Decimal:
    return Decimal(str(task["usage"]["cost"]["usd"]))


def attempts(front: TwoRoutes, task: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one["route"], one["outcome"]) for one in front.cost(task)["attempts"]]


# What each breaks: the key, the account, the model at this upstream, the configuration, the route, and a throttle.
BREAKS = ["401", "402", "403-blocked", "404-model", "redirect-307", "500-json", "429:300"]


@pytest.mark.parametrize("fault", BREAKS)
@pytest.mark.parametrize(
    ("door", "name"),
    [
        pytest.param("API", CHEAP, marks=pytest.mark.gate),
        ("API", "cheap"),
        pytest.param("command line", CHEAP, marks=pytest.mark.gate),
    ],
)
def test_a_reset_of_what_was_broken_lets_the_next_call_pass(front: TwoRoutes, fault: str, door: str, name: str) -> None:
    """By the name of the route or of its upstream, whichever of them is what is broken."""
    front.begin(*[fault] * (5 if fault == "500-json" else 1))
    while front.routes()[CHEAP]["state"] == "healthy":
        assert front.gateway.create()["status"] == "completed"
    front.cheap.script()
    if door == "API":
        front.admin.post("/v1/admin/routes/reset", json={"name": name}).raise_for_status()
    else:
        done = front.gateway.run("upstreams", "reset", name, "--config", str(front.gateway.file))
        assert f"{name} was reset" in done.stdout
    assert front.routes()[CHEAP]["state"] == "healthy"
    before = front.cheap.total["images"]
    assert front.gateway.create()["status"] == "completed"
    assert front.cheap.total["images"] == before + 1


def test_a_reset_of_what_is_not_there_says_so(front: TwoRoutes) -> None:
    assert front.admin.post("/v1/admin/routes/reset", json={"name": "nobody"}).status_code == 404
    done = front.gateway.run("upstreams", "reset", "nobody", "--config", str(front.gateway.file), check=False)
    assert done.returncode == 2
    assert "known: cheap, dear" in done.stderr


def test_a_healthy_cheap_route_makes_it_alone(front: TwoRoutes) -> None:
    front.begin()
    task = front.gateway.create()
    assert task["status"] == "completed"
    assert "engine" not in task
    assert task["usage"]["source"] == "upstream"
    assert (front.cheap.total["images"], front.dear.total["images"]) == (1, 0)
    image = httpx.get(task["results"][0], timeout=60)
    assert image.headers["content-type"] == "image/png"
    cost = front.cost(task)
    assert [(one["outcome"], one["cost"]["usd"]) for one in cost["attempts"]] == [("produced", "0.001")]
    assert cost["attempts"][0]["request_id"]
    assert Decimal(cost["margin"]["usd"]) == charged(task) - Decimal("0.001")


PROOFS = [
    "401",
    "402",
    "403-blocked",
    "403-unverified",
    "404-model",
    "413",
    "429:30",
    "429-spent",
    "400-unpaid",
    "500-json",
    "503-json",
    "redirect-307",
    "error-in-200",
]


@pytest.mark.parametrize("fault", PROOFS)
def test_what_is_proven_unmade_goes_to_the_next_cheapest(front: TwoRoutes, fault: str) -> None:
    front.begin(fault)
    task = front.gateway.create()
    assert task["status"] == "completed", task
    assert (front.cheap.total["images"], front.dear.total["images"]) == (0, 1)
    assert attempts(front, task) == [(CHEAP, "unavailable"), (DEAR, "produced")]
    assert front.cost(task)["waste"]["nanos"] == "0"
    assert charged(task) == charged(front.gateway.create())


def test_a_refused_connection_goes_to_the_next_cheapest(front: TwoRoutes) -> None:
    front.begin()
    front.cheap.control("POST", "/control/refuse?seconds=1")
    task = front.gateway.create()
    assert attempts(front, task) == [(CHEAP, "unavailable"), (DEAR, "produced")]
    assert front.dear.total["images"] == 1
    front.cheap.wait_until_reachable()


@pytest.mark.parametrize(
    "fault", ["html-200", "truncated", "bad-base64", "empty-data", "reset-after-send", "504", "5xx-html"]
)
def test_an_unknown_outcome_is_repeated_once_and_counted(front: TwoRoutes, fault: str) -> None:
    front.begin(fault)
    before = sum(one["possible_duplicates"] for one in front.routes().values())
    task = front.gateway.create()
    assert task["status"] == "completed", task
    assert (front.cheap.total["images"], front.dear.total["images"]) == (1, 1)
    assert attempts(front, task) == [(CHEAP, "unknown"), (DEAR, "produced")]
    assert [one["possible_duplicate"] for one in front.cost(task)["attempts"]] == [True, False]
    assert sum(one["possible_duplicates"] for one in front.routes().values()) == before + 1
    assert charged(task) == Decimal("0.005292") + charged_text(task)


def charged_text(task: dict[str, Any]) -> Decimal:
    return Decimal(task["usage"]["tokens"]["text_input"]) * Decimal("0.0000045")


def test_two_unknown_outcomes_end_the_task_and_cost_its_customer_nothing(front: TwoRoutes) -> None:
    front.begin("html-200")
    front.dear.script("html-200")
    task = front.gateway.create()
    assert task["status"] == "failed"
    assert task["error"]["code"] == "generation_failed_no_content"
    assert task["error"]["reason"] == "upstream_invalid_response"
    assert charged(task) == 0
    assert (front.cheap.total["images"], front.dear.total["images"]) == (1, 1)


def test_a_refusal_is_final(front: TwoRoutes) -> None:
    for fault in ("moderation-refusal", "azure-content-filter"):
        front.begin(fault)
        task = front.gateway.create()
        assert task["status"] == "failed"
        assert task["error"]["code"] == "content_policy_violation"
        assert charged(task) == 0
        assert (len(front.cheap.calls()), len(front.dear.calls())) == (1, 0)


def test_another_size_is_delivered_as_it_is_and_flagged(front: TwoRoutes) -> None:
    front.begin("wrong-pixels")
    task = front.gateway.create()
    assert task["status"] == "completed"
    with front.gateway.client() as http:
        shown = http.get(f"/v1/tasks/{task['id']}", params={"include": "outputs"}).json()
    assert (shown["result_data"][0]["width"], shown["result_data"][0]["height"]) == (512, 512)
    assert front.routes()[CHEAP]["last_flag"].startswith("size 512x512 instead of 1024x1024")
    assert (front.cheap.total["images"], front.dear.total["images"]) == (1, 0)


def test_usage_that_cannot_be_true_is_replaced_by_the_formula(front: TwoRoutes) -> None:
    for fault in ("usage-missing", "usage-zero", "usage-negative"):
        front.begin(fault)
        task = front.gateway.create()
        assert task["usage"]["source"] == "estimated"
        assert charged(task) == Decimal("0.005292") + charged_text(task)


def test_usage_beyond_the_hold_is_the_operators_loss(front: TwoRoutes) -> None:
    front.begin("usage-huge")
    task = front.gateway.create()
    assert task["status"] == "completed"
    assert task["usage"]["credits_used"] == task["usage"]["credits_reserved"]


def test_fewer_images_are_topped_up_by_another_call(front: TwoRoutes) -> None:
    front.begin("fewer-images")
    task = front.gateway.create(n=3)
    assert len(task["results"]) == 3
    assert (front.cheap.total["images"], front.dear.total["images"]) == (3, 0)


def test_several_images_are_one_call_and_one_charge(front: TwoRoutes) -> None:
    front.begin()
    task = front.gateway.create(n=4)
    assert len(task["results"]) == 4
    assert len(front.cheap.calls()) == 1
    assert task["usage"]["tokens"]["image_output"] == 4 * 196


def test_customers_see_their_attempts_without_names_and_costs(front: TwoRoutes) -> None:
    front.begin("500-json")
    task = front.gateway.create()
    with front.gateway.client() as http:
        text = http.get(f"/v1/tasks/{task['id']}", params={"include": "attempts"}).text
    assert '"outcome":"unavailable"' in text
    assert "cheap" not in text
    assert "0.001" not in text


def test_a_broken_route_is_left_alone(front: TwoRoutes) -> None:
    front.begin({"fault": "500-json", "times": 5})
    for _ in range(5):
        assert front.gateway.create()["status"] == "completed"
    assert front.routes()[CHEAP]["state"] == "broken"
    calls = len(front.cheap.calls())
    assert front.gateway.create()["status"] == "completed"
    assert len(front.cheap.calls()) == calls


def test_s10_2_service_unavailable_then_no_task_and_no_hold(front: TwoRoutes) -> None:
    front.begin("402")
    front.dear.script("402")
    first = front.gateway.create()
    assert first["status"] == "failed"
    assert first["error"]["code"] == "service_unavailable"
    with front.gateway.client() as http:
        held = http.get("/v1/credits").json()["data"]["user"]["reserved_credits"]
        _until_refused(http)
        assert http.get("/v1/credits").json()["data"]["user"]["reserved_credits"] == held == 0
        status = http.get("/v1/status").json()
    assert status["object"] == "status"


def _until_refused(http: httpx.Client) -> None:
    """Submits read health that may be a second old."""
    give_up = time.monotonic() + 10
    while time.monotonic() < give_up:
        answer = http.post("/v1/images/generations", json={"prompt": "logo"}, headers={"Prefer": "wait=5"})
        if answer.status_code == 503:
            error = answer.json()["error"]
            assert error["reason"] == "no_route_available"
            assert "waits for the operator of this gateway; please try again later" in error["message"]
            assert not {"cheap", "dear"} & set(error["message"].split())
            assert answer.headers["retry-after"]
            return
    raise AssertionError("never refused")
