"""P3, P5, P7: SIGKILL at any moment under load; whatever was acknowledged ends once, and the books balance."""

from __future__ import annotations

import concurrent.futures
import random
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.helpers import read_rows, submit_until_acknowledged, wait_for_tasks
from tests.support.gateway import Gateway

TASKS, KILLS = 200, 10
BODY = {"prompt": "a lighthouse", "size": "1024x640", "quality": "low", "output_format": "jpeg"}
ENV = {"IMAGEGATE_WORKERS": "4"}


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
    assert _leftovers(tmp_path) == []


def _links_open(served: Gateway, tasks: list[dict[str, Any]]) -> None:
    """Links of tasks that ended before a restart still work; only the port of their origin has changed."""
    for task in tasks[::20]:
        for link in task.get("results", []):
            path = link.partition("/files/")[2]
            answer = httpx.get(f"{served.url}/files/{path}")
            assert answer.status_code == 200
            assert answer.content[:3] == b"\xff\xd8\xff"


def _leftovers(data: Path) -> list[str]:
    """After a clean stop the spool is empty and no hold is open."""
    assert read_rows(data, "SELECT COALESCE(SUM(amount), 0) FROM entries") == [(0,)]
    open_holds = read_rows(data, "SELECT task_id FROM holds WHERE state = 'open'")
    return [str(entry) for entry in (data / "spool").iterdir()] + [str(hold) for hold in open_holds]
