"""Two gateways, one selling for the other: whichever is killed in the middle, one picture is bought, delivered and
charged once at each; references go all the way; and a circle ends honestly.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.file_server import Shelf, body
from tests.support.gateway import Gateway, free_port
from tests.support.routed_gateway import Fronted, route, upstream
from tests.support.simulator import Simulator
from tests.upstreams import helpers

BODY = {"prompt": "a fox that travels", "size": "1:1", "quality": "low"}
LATENCY_S = 4


class Chain:
    """`first` sells what `second` makes, which buys from a simulator that remembers through everything."""

    def __init__(self, folder: Path, shelf: Shelf, sim: Simulator) -> None:
        ports = free_port(), free_port()
        rows = upstream("sim", f"{sim.url}/task", protocol="task_api"), route("sim")
        options = ("--port", str(ports[1]), "--egress-allow", f"127.0.0.1/32:{ports[0]}")
        self.second, self.sim = Fronted(folder / "second", *rows, options=options), sim
        rows = upstream("second", f"http://127.0.0.1:{ports[1]}", protocol="task_api"), route("second")
        options = ("--port", str(ports[0]), "--egress-allow", shelf.allowed)
        self.first = Fronted(folder / "first", *rows, options=options)

    def start(self) -> None:
        self.second.start()
        self.first.env["SIMULATOR_KEY"] = self.second.new_key("reseller")
        self.first.start()


@pytest.fixture(scope="module")
def shelf() -> Iterator[Shelf]:
    with Shelf() as opened:
        yield opened


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory, shelf: Shelf) -> Iterator[Chain]:
    folder = tmp_path_factory.mktemp("chain")
    with Simulator("--latency", f"{LATENCY_S}s", "--state", str(folder / "state")) as sim:
        links = Chain(folder, shelf, sim)
        try:
            links.start()
            yield links
            links.first.check()
            links.second.check()
        finally:
            links.first.stop()
            links.second.stop()


def until(holds: Callable[[], object]) -> None:
    give_up = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.05)


def end_of(gateway: Gateway, task_id: str, key: str) -> dict[str, Any]:
    with gateway.client(key) as http:
        ended: dict[str, Any] = http.get(f"/v1/tasks/{task_id}", params={"wait": 60}).raise_for_status().json()
    return ended


def books(gateway: Gateway, key: str) -> tuple[int, int, float]:
    """Tasks, charges and what is still held."""
    with gateway.client(key) as http:
        charges = http.get("/v1/ledger", params={"type": "charge"}).json()["data"]
        held = http.get("/v1/credits").json()["data"]["user"]["reserved_credits"]
        return http.get("/v1/tasks").json()["total"], len(charges), held


@pytest.mark.parametrize("victim", ["first", "second"])
def test_a_kill_in_the_middle_of_a_chain(chain: Chain, shelf: Shelf, victim: str) -> None:
    picture = helpers.png(256, 256 if victim == "first" else 320)
    url = shelf.put(f"/{victim}.png", body(picture))
    key = chain.first.new_key(f"customer-{victim}")
    resold = books(chain.second, chain.first.env["SIMULATOR_KEY"])
    chain.sim.forget()
    with chain.first.client(key) as http:
        task = http.post("/v1/images/generations", json={**BODY, "image_urls": [url]}).raise_for_status().json()
    until(lambda: chain.sim.total["purchases"])
    killed: Fronted = getattr(chain, victim)
    killed.kill()
    killed.start()
    ended = end_of(chain.first, task["id"], key)
    assert ended["status"] == "completed", ended
    assert httpx.get(ended["results"][0]).content[:4] == b"\x89PNG"
    assert (chain.sim.total["purchases"], chain.sim.total["images"]) == (1, 1)
    [reference] = chain.sim.calls()[0]["references"]
    assert reference["sha256"] == hashlib.sha256(picture).hexdigest(), "another reference arrived"
    assert books(chain.first, key) == (1, 1, 0)
    after = books(chain.second, chain.first.env["SIMULATOR_KEY"])
    assert after == (resold[0] + 1, resold[1] + 1, 0)


def test_who_sells_to_itself_fails_honestly_and_free(tmp_path: Path) -> None:
    port = free_port()
    rows = upstream("me", f"http://127.0.0.1:{port}", protocol="task_api"), route("me")
    place = Fronted(tmp_path / "data", *rows, options=("--port", str(port)))
    place.env["SIMULATOR_KEY"] = key = place.new_key("circle")
    with place:
        with place.client(key) as http:
            task = http.post("/v1/images/generations", json=BODY, headers={"Prefer": "wait=60"}).json()
            assert task["status"] == "failed", task
            assert task["error"]["code"] == "service_unavailable", task
            tasks = http.get("/v1/tasks").json()["data"]
            assert 2 <= len(tasks) <= 4
            assert {one["status"] for one in tasks} == {"failed"}
        assert books(place, key)[1:] == (0, 0)
        place.check()
