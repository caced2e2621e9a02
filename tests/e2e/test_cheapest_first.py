"""The cheapest route, for each request: three routes whose order depends on size and quality, with outages.

Every choice is computed again from public figures and compared with the route that got the request.
"""

from __future__ import annotations

import concurrent.futures
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from tests.support.routed_gateway import RoutedGateway, route_config, upstream_config
from tests.support.simulator import Simulator

Tell = Callable[[str, object], None]
NAMES = ("tiers", "flat", "tokens")
TIERS = {"1K": Decimal("0.02"), "2K": Decimal("0.05"), "4K": Decimal("0.09")}
FLAT = Decimal("0.045")
PER_TOKEN = {"image_output": Decimal("0.00003"), "text_input": Decimal("0.000005")}
# `flat` makes no 4K, whatever the quality; `tiers` nothing in low.
SIZES = ("1:1", "16:9", "2:3", "1360x768", "2048x2048")
ENV = {"IMAGEGATE_THUMBNAIL_DAYS": "0", "IMAGEGATE_LOG_LEVEL": "warning", "IMAGEGATE_WORKERS": "16"}
ROW = "gpt-image-2@"
# The test notices an outage and its end a moment before or after the gateway does.
SLACK_S = 1.0


class Outage(msgspec.Struct):
    """When the script kept one route broken, and from when its breaker was open; Unix seconds."""

    name: str
    started: float
    detected: float = 0.0
    ended: float = 0.0


class RouteSet:
    """The three routes, each with a simulator of its own."""

    def __init__(self, gateway: RoutedGateway, sims: dict[str, Simulator]) -> None:
        self.gateway, self.sims = gateway, sims
        self.admin = gateway.client(gateway.new_key("operator", "1", "--scope", "admin"))
        self.outages: list[Outage] = []

    def routes(self) -> dict[str, dict[str, Any]]:
        return {one["name"]: one for one in self.admin.get("/v1/admin/routes").json()["data"]}


@contextmanager
def open_route_set(folder: Path) -> Iterator[RouteSet]:
    with Simulator() as one, Simulator() as two, Simulator() as three:
        sims = dict(zip(NAMES, (one, two, three), strict=True))
        rows = [upstream_config(name, f"{sim.url}/v1") for name, sim in sims.items()]
        rows += [
            route_config("tiers", {tier: str(usd) for tier, usd in TIERS.items()}, qualities=["medium", "high"]),
            route_config("flat", str(FLAT), sizes=[*SIZES]),
            route_config("tokens"),
        ]
        with RoutedGateway(folder / "data", *rows, env=ENV) as gateway:
            trade = RouteSet(gateway, sims)
            yield trade
            trade.admin.close()
            gateway.check()


def random_request(dice: random.Random) -> dict[str, Any]:
    asked = {"prompt": "a fox" * dice.randrange(1, 9), "quality": dice.choice(("low", "medium", "high"))}
    size = dice.choice((*SIZES, "3:1", "3840x2160"))
    tier = {"resolution": dice.choice(("1K", "2K", "4K"))} if ":" in size else {}
    return {**asked, "size": size, **tier}


def cost(name: str, quote: dict[str, Any]) -> Decimal:
    """What this request costs on a route, computed from its configuration and the public quote."""
    if name == "flat":
        return FLAT
    if name == "tokens":
        return sum((line["quantity"]["expected"] * PER_TOKEN[line["item"]] for line in quote["lines"]), Decimal())
    return TIERS[tier_of(quote)]


def tier_of(quote: dict[str, Any]) -> str:
    size = quote["size"]
    if ":" in size["requested"]:
        return str(size["resolution"])
    area = size["width"] * size["height"]
    return "1K" if area <= 1_700_000 else "2K" if area <= 4_400_000 else "4K"


def can_serve(name: str, quote: dict[str, Any]) -> bool:
    if name == "tiers":
        return bool(quote["quality"] != "low")
    pixels = f"{quote['size']['width']}x{quote['size']['height']}"
    return name == "tokens" or quote["size"]["requested"] in SIZES or pixels in SIZES


def run_requests(route_set: RouteSet, seed: int, requests: int, side_by_side: int) -> dict[str, int]:
    """Send random requests while a script causes outages; returns counts of the routes taken and of the checks made."""
    stop = threading.Event()
    script = threading.Thread(target=inject_outages, args=(route_set, random.Random(seed + 1), stop), daemon=True)
    dice = random.Random(seed)
    asked = [random_request(dice) for _ in range(requests)]
    script.start()
    try:
        with concurrent.futures.ThreadPoolExecutor(side_by_side) as clients:
            tasks = list(clients.map(lambda request: create(route_set.gateway, request), asked))
    finally:
        stop.set()
        script.join()
    return check_all(route_set, asked, tasks)


def create(gateway: RoutedGateway, request: dict[str, Any]) -> dict[str, Any]:
    """The ended task; where no route could take the request, the refusal and its time."""
    with gateway.client() as http:
        answer = http.post("/v1/images/generations", json=request, headers={"Prefer": "wait=60"})
    if answer.status_code == 503:
        return {"status": "refused", "at": time.time(), **answer.json()}
    task: dict[str, Any] = answer.raise_for_status().json()
    return task


def inject_outages(route_set: RouteSet, dice: random.Random, stop: threading.Event) -> None:
    with httpx.Client(
        base_url=route_set.gateway.url, headers=route_set.admin.headers, trust_env=False, verify=False, timeout=60
    ) as admin:
        while not stop.wait(dice.uniform(0.3, 1.5)):
            outage = Outage(dice.choice(NAMES), time.time())
            route_set.outages.append(outage)
            route_set.sims[outage.name].script({"fault": "500-json", "times": 100_000})
            known_by = time.time() + 3
            while time.time() < known_by and not stop.is_set():
                states = {one["name"]: one["state"] for one in admin.get("/v1/admin/routes").json()["data"]}
                if states[ROW + outage.name] == "broken":
                    outage.detected = time.time()
                    stop.wait(dice.uniform(0.5, 3))
                    break
                time.sleep(0.05)
            route_set.sims[outage.name].script()
            time.sleep(SLACK_S)  # calls that met the fault end, and are forgiven too
            admin.post("/v1/admin/routes/reset", json={"name": ROW + outage.name}).raise_for_status()
            outage.ended = time.time()


def check_all(route_set: RouteSet, asked: list[dict[str, Any]], tasks: list[dict[str, Any]]) -> dict[str, int]:
    arrived = {
        call["headers"]["x-client-request-id"]: (name, call["billed_images"])
        for name, sim in route_set.sims.items()
        for call in sim.calls()
    }
    counts = dict.fromkeys((*NAMES, "failed over", "passed over a broken one", "refused"), 0)
    with route_set.gateway.client() as http:
        for request, task in zip(asked, tasks, strict=True):
            quote = http.post("/v1/images/quotes", json=request).raise_for_status().json()
            if task["status"] == "refused":
                assert task["error"]["reason"] == "no_route_available"
                assert all_had_outages(route_set, quote, task["at"], []), (quote, task)
                counts["refused"] += 1
                continue
            found = route_set.admin.get(f"/v1/admin/tasks/{task['id']}").raise_for_status().json()
            check_attempt(route_set, quote, task, found["attempts"], arrived, counts)
    assert not arrived, "somebody called without writing it down"
    return counts


def check_attempt(
    route_set: RouteSet,
    quote: dict[str, Any],
    task: dict[str, Any],
    attempts: list[dict[str, Any]],
    arrived: dict[str, tuple[str, int]],
    counts: dict[str, int],
) -> None:
    tried: list[str] = []
    for attempt in attempts:
        name = attempt["route"].removeprefix(ROW)
        if attempt["outcome"] != "not_sent":
            assert arrived.pop(attempt["id"]) == (name, int(attempt["outcome"] == "produced"))
            assert name == cheapest_available(route_set, quote, attempt, tried), (quote, attempt)
        tried.append(name)
    counts["failed over"] += len(attempts) > 1
    counts["passed over a broken one"] += "failing" in {one["skipped"] for one in attempts[0]["considered"]}
    if task["status"] == "completed":
        assert attempts[-1]["outcome"] == "produced"
        counts[tried[-1]] += 1
    else:
        assert task["error"]["code"] == "service_unavailable", task
        assert all_had_outages(route_set, quote, attempts[-1]["started"], tried), (quote, attempts)


def all_had_outages(route_set: RouteSet, quote: dict[str, Any], second: float, tried: list[str]) -> bool:
    """Whether every other route that can serve the request had an outage."""
    left = [name for name in NAMES if can_serve(name, quote) and name not in tried]
    return all(had_outage(route_set, name, second, SLACK_S + 1) for name in left)


def cheapest_available(route_set: RouteSet, quote: dict[str, Any], attempt: dict[str, Any], tried: list[str]) -> str:
    """Computed again; what the attempt recorded must agree, and every outage that it names must be real."""
    considered = {one["route"].removeprefix(ROW): one for one in attempt["considered"]}
    assert set(considered) == set(NAMES)
    for name, one in considered.items():
        assert Decimal(one["cost"]).scaleb(-9) == cost(name, quote), (quote, one)
        if name in tried:
            assert one["skipped"] in ("failed a moment ago", "failing", "throttled", ""), one
        elif not can_serve(name, quote):
            assert one["skipped"].startswith("lacks the"), (quote, one)
        elif one["skipped"]:
            assert one["skipped"] in ("failing", "throttled"), one
            assert had_outage(route_set, name, attempt["started"], SLACK_S + 1), f"{name} was never broken then"
        else:
            assert not was_surely_broken(route_set, name, attempt["started"]), f"{name} was known to be broken"
    free = [name for name in NAMES if not considered[name]["skipped"]]
    return min(free, key=lambda name: (cost(name, quote), name))


def had_outage(route_set: RouteSet, name: str, second: float, slack: float) -> bool:
    return any(one.name == name and one.started - slack <= second <= one.ended + slack for one in route_set.outages)


def was_surely_broken(route_set: RouteSet, name: str, second: float) -> bool:
    """`second` is a whole second: the attempt began within the second that follows."""
    return any(
        one.name == name and one.detected and one.detected + SLACK_S <= second and second + 1 + 2 * SLACK_S <= one.ended
        for one in route_set.outages
    )


def cheapest_first(folder: Path, requests: int, side_by_side: int, tell: Tell) -> dict[str, int]:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    with open_route_set(folder) as shops:
        counts = run_requests(shops, seed, requests, side_by_side)
        tell("seed", seed)
        tell("requests", f"{requests}: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
        assert min(counts[name] for name in NAMES) >= requests // 30, counts
        return counts


@pytest.mark.gate
def test_sixty_requests(tmp_path: Path, record_property: Tell) -> None:
    cheapest_first(tmp_path, 60, 8, record_property)


@pytest.mark.gate
@pytest.mark.fault("F6")
@pytest.mark.timeout(1200)
def test_five_hundred_requests(tmp_path: Path, record_property: Tell) -> None:
    counts = cheapest_first(tmp_path, 500, 8, record_property)
    assert counts["failed over"] >= 1, counts
