"""How long a process takes to hear that a task has ended at another one: 1,000 tasks, and no poll that could help."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from tests.api.helpers import CREATE, SMALL_IMAGE
from tests.e2e.test_processes import Place
from tests.support.routed_gateway import route_config, upstream_config
from tests.support.simulator import Simulator

TASKS, WAITERS = 1_000, 4


@pytest.mark.gate
def test_who_waits_at_one_process_hears_of_each_end_at_another(
    postgres_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Simulator() as sim:
        place = Place(postgres_url, tmp_path, (upstream_config("up", f"{sim.url}/v1"), route_config("up")))
        with (
            place.serving("api") as api,
            place.worker("worker"),
            api.client(api.new_key("customer", "100000")) as client,
            ThreadPoolExecutor(WAITERS) as waiters,
        ):

            def wait_for_one(_: int) -> tuple[str, float]:
                answer = client.post(CREATE, json=SMALL_IMAGE, headers={"Prefer": "wait=60"})
                heard = time.time()
                task = answer.raise_for_status().json()
                assert task["status"] == "completed", task
                return task["id"], heard

            heard = dict(waiters.map(wait_for_one, range(TASKS)))
            api.check()
        with psycopg.connect(postgres_url) as books:
            ended: dict[str, int] = dict(books.execute("SELECT id, ended FROM tasks").fetchall())
    # From the beginning of the settling transaction, which its commit, the message and the answer come after.
    delays_ms = sorted(heard[task] * 1e3 - ended[task] / 1e3 for task in heard)
    assert len(delays_ms) == TASKS
    with capsys.disabled():
        p50, p99, worst = (delays_ms[index] for index in (TASKS // 2, TASKS * 99 // 100, -1))
        print(f"\nheard after p50 {p50:.1f} ms, p99 {p99:.1f} ms, at most {worst:.1f} ms")
