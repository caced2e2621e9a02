"""What an upstream allows: its Retry-After, its places and its rate are kept, and every process knows of a break."""

from __future__ import annotations

import concurrent.futures
import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from tests.support.gateway import shared_folders
from tests.support.routed_gateway import RoutedGateway, route_config, upstream_config
from tests.support.simulator import Simulator

SECRET = "one-secret-for-both-of-the-gateways"
# Each kind of limit has a model of its own, so that one gateway shows them all.
FREE, NARROW, PACED = "gpt-image-2", "gpt-image-1.5", "gpt-image-1.5-lite"
SLOWLY = {"fault": "none", "latency": "300ms", "times": 100}


class LimitedRoute:
    def __init__(self, gateway: RoutedGateway, sim: Simulator) -> None:
        self.gateway, self.sim = gateway, sim
        self.admin = gateway.client(gateway.new_key("operator", "1", "--scope", "admin"))

    def attempts(self, task: dict[str, Any]) -> list[tuple[str, str]]:
        found = self.admin.get(f"/v1/admin/tasks/{task['id']}").raise_for_status().json()
        return [(one["outcome"], one["trouble"]) for one in found["attempts"]]


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LimitedRoute]:
    with Simulator() as sim:
        rows = [
            upstream_config("free", f"{sim.url}/v1"),
            route_config("free", "0.001", FREE),
            upstream_config("narrow", f"{sim.url}/v1", concurrency=1),
            route_config("narrow", "0.001", NARROW),
            upstream_config("paced", f"{sim.url}/v1", rate_per_min=30),
            route_config("paced", "0.001", PACED),
        ]
        with RoutedGateway(tmp_path_factory.mktemp("limited") / "data", *rows) as gateway:
            limits = LimitedRoute(gateway, sim)
            yield limits
            limits.admin.close()
            gateway.check()


def make_concurrently(gateways: list[RoutedGateway], count: int, **options: Any) -> list[dict[str, Any]]:
    """Create `count` tasks at once, distributed over the gateways."""

    def make(number: int) -> dict[str, Any]:
        return gateways[number % len(gateways)].create(**options)

    with concurrent.futures.ThreadPoolExecutor(count) as clients:
        return list(clients.map(make, range(count)))


def max_concurrent(calls: list[dict[str, Any]]) -> int:
    """How many calls the simulator had open at the same time."""
    edges = [(call["received_at"], 1) for call in calls]
    edges += [(call["received_at"] + call["duration"], -1) for call in calls]
    count = most = 0
    for _, change in sorted(edges):
        count += change
        most = max(most, count)
    return most


@pytest.mark.parametrize("seconds", [3, pytest.param(4, marks=pytest.mark.gate)])
def test_retry_after_is_waited_for(limited: LimitedRoute, seconds: int) -> None:
    """Three seconds are waited in the worker slot, four in the queue."""
    limited.sim.reset()
    limited.sim.script(f"429:{seconds}")
    task = limited.gateway.create(model=FREE)
    assert task["status"] == "completed", task
    first, second = limited.sim.calls()
    assert second["received_at"] - first["received_at"] >= seconds
    assert limited.attempts(task) == [("unavailable", "throttled"), ("produced", "")]
    assert limited.sim.total["images"] == 1


def test_one_place_is_never_taken_twice(limited: LimitedRoute) -> None:
    limited.sim.reset()
    limited.sim.script(SLOWLY)
    tasks = make_concurrently([limited.gateway], 6, model=NARROW)
    assert [task["status"] for task in tasks] == ["completed"] * 6
    assert limited.sim.total["images"] == 6
    assert max_concurrent(limited.sim.ended_calls(6)) == 1


def test_the_rate_is_kept(limited: LimitedRoute) -> None:
    """30 a minute: six at once, then one every two seconds."""
    limited.sim.reset()
    tasks = make_concurrently([limited.gateway], 8, model=PACED)
    assert [task["status"] for task in tasks] == ["completed"] * 8
    came = sorted(call["received_at"] for call in limited.sim.calls())
    assert len(came) == 8
    for first in range(8):
        for last in range(first, 8):
            # The mark precedes the call by what a busy machine takes.
            assert last - first + 1 <= 6 + (came[last] - came[first] + 0.5) / 2


def test_one_worker_and_one_call_at_a_time_go_on(tmp_path: Path) -> None:
    """The task that was called for waits for the worker, the next one for the call: neither keeps what it has."""
    env = {"IMAGEGATE_WORKERS": "1", "IMAGEGATE_MAX_UPSTREAM_CALLS": "1"}
    with Simulator("--latency", "200ms") as sim:
        rows = [upstream_config("only", f"{sim.url}/v1"), route_config("only", "0.001")]
        with RoutedGateway(tmp_path / "data", *rows, env=env) as gateway:
            tasks = make_concurrently([gateway], 4)
            assert [task["status"] for task in tasks] == ["completed"] * 4
            assert max_concurrent(sim.ended_calls(4)) == 1
            gateway.check()


@pytest.fixture
def pair(postgres_url: str, tmp_path: Path) -> Iterator[Callable[..., RoutedGateway]]:
    """Gateways that share one database and one key; each call starts one."""
    keys: list[str] = []
    with contextlib.ExitStack() as started:
        env = {"IMAGEGATE_DATABASE": postgres_url, "IMAGEGATE_SECRET": SECRET, **shared_folders(tmp_path)}

        def start(name: str, *rows: str) -> RoutedGateway:
            gateway = started.enter_context(RoutedGateway(tmp_path / name, *rows, env=env))
            keys.append(keys[0] if keys else gateway.new_key("customer"))
            (gateway.data / "demo-key").write_text(keys[0])
            return gateway

        yield start


@pytest.mark.gate
def test_what_one_process_learns_the_other_knows(pair: Callable[..., RoutedGateway], postgres_url: str) -> None:
    with Simulator() as cheap, Simulator() as dear:
        rows = [
            upstream_config("cheap", f"{cheap.url}/v1"),
            upstream_config("dear", f"{dear.url}/v1"),
            route_config("cheap", "0.001"),
            route_config("dear", "0.002"),
            upstream_config("narrow", f"{dear.url}/v1", concurrency=1),
            route_config("narrow", "0.001", NARROW),
        ]
        one = pair("one", *rows)
        cheap.script({"fault": "402", "times": 1000})  # out of funds: a break that lasts
        assert one.create()["status"] == "completed"
        assert len(cheap.calls()) == 1
        other = pair("other", *rows)
        _until_both_called(other, postgres_url)
        assert len(cheap.calls()) == 1, "the break was not known"
        dear.reset()
        dear.script(SLOWLY)
        tasks = make_concurrently([one, other], 6, model=NARROW)
        assert [task["status"] for task in tasks] == ["completed"] * 6
        assert max_concurrent(dear.ended_calls(6)) == 1, "each process counted for itself"
        other.check()


def _until_both_called(gateway: RoutedGateway, url: str) -> None:
    give_up = time.monotonic() + 30
    while True:
        with contextlib.closing(psycopg.connect(url)) as books:
            owners = books.execute("SELECT DISTINCT owner FROM attempts").fetchall()
        if len(owners) == 2:
            return
        assert time.monotonic() < give_up, "the other gateway never had a turn"
        with contextlib.suppress(httpx.ReadTimeout):
            assert gateway.create()["status"] == "completed"
