"""Two gateways in a chain: whichever is killed during a task, one image is bought, delivered and charged once at each.

References are passed on, and a gateway that is its own upstream fails its tasks without a charge.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.file_server import FileServer, send_bytes
from tests.support.gateway import Gateway, free_port
from tests.support.program import wait_until
from tests.support.routed_gateway import RoutedGateway, route_config, upstream_config
from tests.support.simulator import Simulator
from tests.upstreams import helpers

BODY = {"prompt": "a fox that travels", "size": "1:1", "quality": "low"}
LATENCY_S = 4


class Chain:
    """`first` has `second` as its upstream, which has a simulator that keeps its state on disk."""

    def __init__(self, folder: Path, server: FileServer, sim: Simulator) -> None:
        ports = free_port(), free_port()
        rows = upstream_config("sim", f"{sim.url}/task", protocol="task_api"), route_config("sim")
        options = ("--port", str(ports[1]), "--egress-allow", f"127.0.0.1/32:{ports[0]}")
        self.second, self.sim = RoutedGateway(folder / "second", *rows, options=options), sim
        rows = upstream_config("second", f"http://127.0.0.1:{ports[1]}", protocol="task_api"), route_config("second")
        options = ("--port", str(ports[0]), "--egress-allow", server.egress_allow)
        self.first = RoutedGateway(folder / "first", *rows, options=options)

    def start(self) -> None:
        self.second.start()
        self.first.env["SIMULATOR_KEY"] = self.second.new_key("reseller")
        self.first.start()


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory, server: FileServer) -> Iterator[Chain]:
    folder = tmp_path_factory.mktemp("chain")
    with Simulator("--latency", f"{LATENCY_S}s", "--state", str(folder / "state")) as sim:
        links = Chain(folder, server, sim)
        try:
            links.start()
            yield links
            links.first.check()
            links.second.check()
        finally:
            links.first.stop()
            links.second.stop()


def end_of(gateway: Gateway, task_id: str, key: str) -> dict[str, Any]:
    with gateway.client(key) as http:
        ended: dict[str, Any] = http.get(f"/v1/tasks/{task_id}", params={"wait": 60}).raise_for_status().json()
    return ended


def account_figures(gateway: Gateway, key: str) -> tuple[int, int, float]:
    """The number of tasks and of charges, and the credits still held."""
    with gateway.client(key) as http:
        charges = http.get("/v1/ledger", params={"type": "charge"}).json()["data"]
        held = http.get("/v1/credits").json()["data"]["user"]["reserved_credits"]
        return http.get("/v1/tasks").json()["total"], len(charges), held


@pytest.mark.parametrize("victim", ["first", pytest.param("second", marks=pytest.mark.gate)])
def test_a_kill_in_the_middle_of_a_chain(chain: Chain, server: FileServer, victim: str) -> None:
    image = helpers.png(256, 256 if victim == "first" else 320)
    url = server.serve(f"/{victim}.png", send_bytes(image))
    key = chain.first.new_key(f"customer-{victim}")
    resold = account_figures(chain.second, chain.first.env["SIMULATOR_KEY"])
    chain.sim.reset()
    with chain.first.client(key) as http:
        task = http.post("/v1/images/generations", json={**BODY, "image_urls": [url]}).raise_for_status().json()
    wait_until(lambda: chain.sim.total["purchases"])
    killed: RoutedGateway = getattr(chain, victim)
    killed.kill()
    killed.start()
    ended = end_of(chain.first, task["id"], key)
    assert ended["status"] == "completed", ended
    assert httpx.get(ended["results"][0], timeout=60).content[:4] == b"\x89PNG"
    assert (chain.sim.total["purchases"], chain.sim.total["images"]) == (1, 1)
    [reference] = chain.sim.calls()[0]["references"]
    assert reference["sha256"] == hashlib.sha256(image).hexdigest(), "another reference arrived"
    assert account_figures(chain.first, key) == (1, 1, 0)
    after = account_figures(chain.second, chain.first.env["SIMULATOR_KEY"])
    assert after == (resold[0] + 1, resold[1] + 1, 0)


def test_who_sells_to_itself_fails_honestly_and_free(tmp_path: Path) -> None:
    port = free_port()
    rows = upstream_config("me", f"http://127.0.0.1:{port}", protocol="task_api"), route_config("me")
    place = RoutedGateway(tmp_path / "data", *rows, options=("--port", str(port)))
    place.run("migrate")
    place.env["SIMULATOR_KEY"] = key = place.new_key("circle")
    with place:
        with place.client(key) as http:
            task = http.post("/v1/images/generations", json=BODY, headers={"Prefer": "wait=60"}).json()
            assert task["status"] == "failed", task
            assert task["error"]["code"] == "service_unavailable", task
            tasks = http.get("/v1/tasks").json()["data"]
            assert 2 <= len(tasks) <= 4
            assert {one["status"] for one in tasks} == {"failed"}
        assert account_figures(place, key)[1:] == (0, 0)
        place.check()
