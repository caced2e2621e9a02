"""P3, P5, P7: SIGKILL at any moment under load; whatever was acknowledged ends once, and the books balance."""

from __future__ import annotations

import concurrent.futures
import random
import threading
import time
from pathlib import Path
from typing import Any

import apsw
import httpx
import pytest

from tests.support.gateway import Gateway

TASKS, KILLS = 200, 10
BODY = {"prompt": "a lighthouse", "size": "1024x640", "quality": "low", "output_format": "jpeg"}
ENV = {"IMAGEGATE_WORKERS": "4"}


@pytest.mark.gate
@pytest.mark.timeout(400)
def test_kill_9_at_ten_moments_under_200_tasks(tmp_path: Path) -> None:
    """Each client repeats with its own Idempotency-Key until it is answered, as the contract tells it to."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    moments = random.Random(seed)
    served = Gateway(tmp_path, env=ENV)
    with served:
        key = served.new_key("customer", "5000")
        acknowledged: dict[str, str] = {}
        stop = threading.Event()
        with concurrent.futures.ThreadPoolExecutor(8) as clients:
            work = [clients.submit(_submit_until_answered, served, key, n, acknowledged, stop) for n in range(TASKS)]
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
        tasks = _all_ended(served, key, list(acknowledged.values()))
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


def _submit_until_answered(
    served: Gateway, key: str, number: int, acknowledged: dict[str, str], stop: threading.Event
) -> None:
    name = f"task-{number}"
    while not stop.is_set():
        try:
            with served.client(key) as client:
                answer = client.post("/v1/images/generations", json=BODY, headers={"Idempotency-Key": name}, timeout=10)
        except (httpx.TransportError, httpx.UnsupportedProtocol):
            time.sleep(0.05)
            continue
        assert answer.status_code == 200, answer.text
        acknowledged[name] = answer.json()["id"]
        return


def _all_ended(served: Gateway, key: str, ids: list[str]) -> list[dict[str, Any]]:
    give_up = time.monotonic() + 250
    with served.client(key) as client:
        while True:
            tasks: list[dict[str, Any]] = []
            for start in range(0, len(ids), 50):
                tasks += client.post("/v1/tasks/batch", json={"task_ids": ids[start : start + 50]}).json()["data"]
            assert len(tasks) == len(ids), "an acknowledged task is lost"
            if all(task["status"] in ("completed", "failed") for task in tasks):
                return tasks
            assert time.monotonic() < give_up, [task for task in tasks if task["status"] not in ("completed", "failed")]
            time.sleep(0.3)


def _links_open(served: Gateway, tasks: list[dict[str, Any]]) -> None:
    """Links of tasks that ended before a restart still open: their origin has changed its port, not their path."""
    for task in tasks[::20]:
        for link in task.get("results", []):
            path = link.partition("/files/")[2]
            answer = httpx.get(f"{served.url}/files/{path}")
            assert answer.status_code == 200
            assert answer.content[:3] == b"\xff\xd8\xff"


def _leftovers(data: Path) -> list[str]:
    """After a clean stop the spool is empty and no hold is open."""
    with apsw.Connection(str(data / "imagegate.db"), flags=apsw.SQLITE_OPEN_READONLY) as books:
        open_holds = list(books.execute("SELECT task_id FROM holds WHERE state = 'open'"))
        (total,) = next(books.execute("SELECT COALESCE(SUM(amount), 0) FROM entries"))
    assert total == 0
    return [str(entry) for entry in (data / "spool").iterdir()] + [str(hold) for hold in open_holds]
