"""An upstream slower than its caller waits: bought, delivered and charged once, and no other route is called."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.routed_gateway import RoutedGateway, route_config, upstream_config
from tests.support.simulator import Simulator

BODY = {"prompt": "a slow fox", "size": "1:1", "quality": "low"}
GIVES_UP_S = 2.0


def bought_once_however_slow(folder: Path, seconds: int) -> None:
    with Simulator("--latency", f"{seconds}s") as slow, Simulator() as backup:
        rows = [
            upstream_config("slow", f"{slow.url}/v1"),
            upstream_config("backup", f"{backup.url}/v1"),
            route_config("slow", "0.001"),
            route_config("backup", "0.002"),
        ]
        with RoutedGateway(folder / "data", *rows) as gateway, gateway.client() as http:
            task = _polled(http, _given_up_on(http), seconds + 60)
            assert task["status"] == "completed", task
            assert [call["duration"] >= seconds for call in slow.calls()] == [True]
            assert len(task["results"]) == 1
            assert http.get(task["results"][0]).content[:4] == b"\x89PNG"
            charges = http.get("/v1/ledger", params={"type": "charge"}).json()["data"]
            assert [one["task_id"] for one in charges] == [task["id"]]
            assert http.get("/v1/tasks").json()["total"] == 1
            assert (slow.total["calls"], slow.total["images"]) == (1, 1)
            assert backup.total["calls"] == 0
            gateway.check()


def _given_up_on(http: httpx.Client) -> str:
    """The id that a repeated create returns after the client has given up on the first one."""
    key = {"Idempotency-Key": "once"}
    with pytest.raises(httpx.ReadTimeout):
        http.post("/v1/images/generations", json=BODY, headers={**key, "Prefer": "wait=60"}, timeout=GIVES_UP_S)
    again = http.post("/v1/images/generations", json=BODY, headers=key).raise_for_status()
    assert again.headers["idempotency-replayed"] == "true"
    found: str = again.json()["id"]
    return found


def _polled(http: httpx.Client, task_id: str, seconds: float) -> dict[str, Any]:
    give_up = time.monotonic() + seconds
    while True:
        task: dict[str, Any] = http.get(f"/v1/tasks/{task_id}").raise_for_status().json()
        if task["status"] in ("completed", "failed"):
            return task
        assert time.monotonic() < give_up
        time.sleep(0.5)


def test_six_seconds_for_one_who_waits_two(tmp_path: Path) -> None:
    bought_once_however_slow(tmp_path, 6)


@pytest.mark.gate
@pytest.mark.fault("F6")
@pytest.mark.timeout(400)
def test_longer_than_proxies_wait(tmp_path: Path) -> None:
    bought_once_however_slow(tmp_path, 130)
