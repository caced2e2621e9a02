"""One account floods the queue of two workers on one PostgreSQL, another one submits ten tasks: they do not wait."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.api.helpers import CREATE, SMALL_IMAGE
from tests.e2e.test_processes import Place
from tests.support.program import wait_until
from tests.support.routed_gateway import route_config, upstream_config
from tests.support.simulator import Simulator

FLOOD, TASKS, PLACES = 5_000, 10, 32


@pytest.mark.gate
def test_ten_tasks_beside_a_flood_take_less_than_twice_their_time_alone(
    postgres_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Simulator("--latency", "2s") as sim:
        rows = (upstream_config("up", f"{sim.url}/v1", concurrency=PLACES), route_config("up"))
        place = Place(postgres_url, tmp_path, rows, {"IMAGEGATE_UNFINISHED_PER_ACCOUNT": str(FLOOD * 2)})
        with (
            place.serving("api") as api,
            place.worker("first"),
            place.worker("second"),
            api.client(api.new_key("modest")) as modest,
            api.client(api.new_key("flood", "1000000")) as flood,
            ThreadPoolExecutor(TASKS) as senders,
        ):

            def finish_ten() -> float:
                began = time.monotonic()
                for answer in senders.map(lambda _: create(modest, "wait=120"), range(TASKS)):
                    assert answer.json()["status"] == "completed"
                return time.monotonic() - began

            alone = [finish_ten() for _ in range(3)]
            for answer in senders.map(lambda _: create(flood, "respond-async"), range(FLOOD)):
                assert answer.json()["status"] == "pending"
            with psycopg.connect(postgres_url, autocommit=True) as books:
                wait_until(lambda: count(books, "running") >= PLACES)
                beside = [finish_ten() for _ in range(3)]
                assert count(books, "queued") > FLOOD // 4, "the flood was still there"
            api.check()
            sim.kill()  # what is left need not be waited for
    with capsys.disabled():
        print(f"\nalone {alone}, beside the flood {beside}")
    assert sorted(beside)[1] <= 2 * sorted(alone)[1]


def create(client: httpx.Client, prefer: str) -> httpx.Response:
    return client.post(CREATE, json=SMALL_IMAGE, headers={"Prefer": prefer}).raise_for_status()


def count(books: psycopg.Connection, state: str) -> int:
    [[number]] = books.execute("SELECT COUNT(*) FROM tasks WHERE state = %s", (state,)).fetchall()
    return int(number)
