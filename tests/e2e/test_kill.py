"""P3, P5, P7: SIGKILL at any moment under load; whatever was acknowledged ends once, and the books balance."""

from __future__ import annotations

import concurrent.futures
import random
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.helpers import CREATE
from tests.e2e.helpers import read_rows, submit_until_acknowledged, wait_for_tasks
from tests.support.gateway import Gateway
from tests.support.program import wait_until
from tests.support.routed_gateway import RoutedGateway, route_config, upstream_config
from tests.support.simulator import Simulator

TASKS, KILLS = 200, 10
BODY = {"prompt": "a logo", "size": "1024x640", "quality": "low", "output_format": "jpeg"}
ENV = {"IMAGEGATE_WORKERS": "4", "IMAGEGATE_SWEEP_S": "1"}


@pytest.mark.gate
@pytest.mark.timeout(400)
def test_kill_9_at_ten_moments_under_200_tasks(tmp_path: Path) -> None:
    """Each client repeats with its own Idempotency-Key until it is acknowledged, as the contract asks."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    moments = random.Random(seed)
    served = Gateway(tmp_path, env=ENV)
    with served:
        key = served.new_key("customer", "5000")
        acknowledged: dict[str, str] = {}
        stop = threading.Event()
        with concurrent.futures.ThreadPoolExecutor(8) as clients:
            work = [
                clients.submit(submit_until_acknowledged, served, key, f"task-{n}", BODY, acknowledged, stop)
                for n in range(TASKS)
            ]
            try:
                for _ in range(KILLS):
                    time.sleep(moments.uniform(0.05, 1.2))
                    served.kill()
                    served.start()
                for one in work:
                    one.result(timeout=60)
            finally:
                stop.set()
        assert len(acknowledged) == TASKS
        with served.client(key) as client:
            tasks = wait_for_tasks(client, list(acknowledged.values()), timeout_s=250)
        charged = sum(task["status"] == "completed" for task in tasks)
        assert {task["status"] for task in tasks} <= {"completed", "failed"}
        assert charged >= TASKS - KILLS, "only a task that killed its worker four times may fail"
        _links_open(served, tasks)
        served.check()
        with served.client(key) as client:
            left = client.get("/v1/credits").json()["data"]["user"]
        assert left["reserved_credits"] == 0
        one = next(task for task in tasks if task["status"] == "completed")["usage"]["credits_used"]
        assert abs(left["used_credits"] - charged * one) < 1e-5
        _wait_for_the_sweep(tmp_path)
    assert _leftovers(tmp_path) == []


@pytest.mark.gate
@pytest.mark.timeout(600)
def test_six_kills_under_400_tasks_with_one_route_close_no_route(tmp_path: Path) -> None:
    """The gateway's own death says nothing about its only upstream: no task fails for want of a route."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    moments = random.Random(seed)
    with Simulator("--latency", "1s") as sim:
        rows = [upstream_config("only", f"{sim.url}/v1"), route_config("only", "0.001")]
        with RoutedGateway(tmp_path / "data", *rows, env={"IMAGEGATE_MAX_UPSTREAM_CALLS": "12"}) as served:
            key = served.new_key("customer", "5000")
            with served.client(key) as client:
                tasks = [client.post(CREATE, json={**BODY, "prompt": f"{n}"}).json()["id"] for n in range(400)]
            for _ in range(6):
                time.sleep(moments.uniform(1, 4))
                served.kill()
                served.start()
            with served.client(key) as client:
                assert client.post(CREATE, json=BODY).status_code == 200, "creates are accepted"
                ended = wait_for_tasks(client, tasks, timeout_s=250)
            served.check()
        failed = Counter(task["error"].get("reason", task["error"]["code"]) for task in ended if "error" in task)
        unknown_calls = read_rows(tmp_path / "data", "SELECT COUNT(*) FROM attempts WHERE outcome = 'unknown'")[0][0]
        print(f"failed: {dict(failed)}, calls cut off: {unknown_calls}, bought: {sim.total['images']}")
        assert failed.keys() <= {"upstream_unknown"}, failed
        assert unknown_calls <= 6 * 12, "a task is marked when it has the place of its call"


def _links_open(served: Gateway, tasks: list[dict[str, Any]]) -> None:
    """Links of tasks that ended before a restart still work; only the port of their origin has changed."""
    for task in tasks[::20]:
        for link in task.get("results", []):
            path = link.partition("/files/")[2]
            answer = httpx.get(f"{served.url}/files/{path}", timeout=60)
            assert answer.status_code == 200
            assert answer.content[:3] == b"\xff\xd8\xff"


def _wait_for_the_sweep(data: Path) -> None:
    """It deletes what a killed process had begun to write."""
    wait_until(lambda: not list((data / "spool").glob("att_*")))


def _leftovers(data: Path) -> list[str]:
    """After a clean stop the spool is empty and no hold is open."""
    assert read_rows(data, "SELECT COALESCE(SUM(amount), 0) FROM entries") == [(0,)]
    open_holds = read_rows(data, "SELECT task_id FROM holds WHERE state = 'open'")
    spooled = [entry.name for entry in (data / "spool").iterdir() if entry.name != "folder-id"]
    return spooled + [str(hold) for hold in open_holds]
