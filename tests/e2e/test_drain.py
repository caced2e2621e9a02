"""TSK-9, F20: SIGTERM under load ends quickly and hands back what is not done; SIGKILL in the middle of it is safe."""

from __future__ import annotations

import concurrent.futures
import os
import random
import signal
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.api.helpers import CREATE, WAIT, parse_response
from tests.e2e.helpers import read_rows, submit_until_acknowledged
from tests.support.gateway import Gateway
from tests.support.program import wait_until

QUICK = {"prompt": "a lighthouse", "size": "1024x640", "quality": "low", "output_format": "jpeg"}
SLOW = {"prompt": "a lighthouse", "size": "2048x2048", "quality": "high", "output_format": "jpeg"}
END_S = 60.0


def wait_for(client: httpx.Client, status: str, count: int) -> None:
    """Wait until this many of the account's tasks have the status."""
    give_up = time.monotonic() + END_S
    while (found := parse_response(client.get(f"/v1/tasks?status={status}&page_size=1"))["total"]) < count:
        assert time.monotonic() < give_up, f"{found} of {count} are {status}"
        time.sleep(0.02)


def wait_until_running(data: Path, count: int) -> None:
    wait_until(lambda: len(read_rows(data, "SELECT id FROM attempts WHERE outcome = 'sending'")) >= count, END_S)


def stop(gateway: Gateway) -> None:
    """SIGTERM; it must end with code 0 within END_S."""
    assert gateway.stop(timeout_s=END_S) == 0, "\n".join(gateway.output)


def test_f20_sigterm_under_load_loses_nothing_and_counts_no_crash(tmp_path: Path) -> None:
    """Clients repeat their requests through the stop and the restart until they are acknowledged."""
    gateway = Gateway(tmp_path, env={"IMAGEGATE_WORKERS": "4"})
    acknowledged: dict[str, str] = {}
    give_up = threading.Event()
    with gateway, concurrent.futures.ThreadPoolExecutor(4) as clients:
        key = gateway.new_key("customer")
        work = [
            clients.submit(submit_until_acknowledged, gateway, key, f"task-{n}", QUICK, acknowledged, give_up)
            for n in range(10)
        ]
        try:
            with gateway.client(key) as client:
                wait_for(client, "completed", 2)
            stop(gateway)
            states = dict(read_rows(tmp_path, "SELECT state, COUNT(*) FROM tasks GROUP BY state"))
            assert states.keys() <= {"queued", "completed"}
            assert states["completed"] >= 2
            assert read_rows(tmp_path, "SELECT id FROM tasks WHERE crashes > 0") == []
            gateway.start()
            for one in work:
                one.result(timeout=END_S)
        finally:
            give_up.set()
        with gateway.client(key) as client:
            wait_for(client, "completed", len(work))
            assert parse_response(client.get("/v1/tasks?page_size=1"))["total"] == len(work) == len(acknowledged)
        gateway.check()
    assert read_rows(tmp_path, "SELECT id FROM tasks WHERE crashes > 0") == []
    assert list((tmp_path / "spool").iterdir()) == []


def test_tsk_9_what_the_drain_does_not_finish_is_handed_back(tmp_path: Path) -> None:
    with Gateway(tmp_path, env={"IMAGEGATE_WORKERS": "2", "IMAGEGATE_DRAIN_S": "0.1"}) as gateway:
        with gateway.client() as client:
            tasks = [parse_response(client.post(CREATE, json=SLOW))["id"] for _ in range(3)]
        wait_until_running(tmp_path, 2)
        stop(gateway)
        found = read_rows(tmp_path, "SELECT state, claim_no, owner, crashes FROM tasks ORDER BY claim_no")
        assert found == [("queued", 0, None, 0), ("queued", 1, None, 0), ("queued", 1, None, 0)]
        gateway.check()
        gateway.start()
        with gateway.client() as client:
            for task in tasks:
                assert parse_response(client.get(f"/v1/tasks/{task}?wait=60"))["status"] == "completed"
        gateway.check()
    assert read_rows(tmp_path, "SELECT DISTINCT crashes FROM tasks") == [(0,)]


def test_tsk_9_tasks_that_can_finish_in_time_do(tmp_path: Path) -> None:
    with Gateway(tmp_path, env={"IMAGEGATE_WORKERS": "2"}) as gateway:
        with gateway.client() as client:
            for _ in range(3):
                parse_response(client.post(CREATE, json=QUICK | {"size": "2048x2048"}))
        wait_until_running(tmp_path, 2)
        running = {row[0] for row in read_rows(tmp_path, "SELECT id FROM tasks WHERE state = 'running'")}
        stop(gateway)
        completed = {row[0] for row in read_rows(tmp_path, "SELECT id FROM tasks WHERE state = 'completed'")}
        assert running <= completed
        gateway.check()


def test_s2_3_wait_at_sigterm_returns_the_task_as_it_is(tmp_path: Path) -> None:
    """A create and a query both wait. The task exists: a status other than 200 would say that it does not."""
    with Gateway(tmp_path, env={"IMAGEGATE_WORKERS": "0"}) as gateway:
        with gateway.client() as client, concurrent.futures.ThreadPoolExecutor(2) as clients:
            task = parse_response(client.post(CREATE, json=QUICK))["id"]
            waiting = [
                clients.submit(client.get, f"/v1/tasks/{task}?wait=60"),
                clients.submit(client.post, CREATE, json=QUICK, headers=WAIT),
            ]
            wait_until(lambda: len(read_rows(tmp_path, "SELECT id FROM tasks")) == 2)
            assert not concurrent.futures.wait(waiting, timeout=0.3).done
            stop(gateway)
            for one in waiting:
                assert parse_response(one.result(timeout=10))["status"] == "pending"
        gateway.check()


@pytest.mark.gate
def test_tsk_9_sigkill_in_the_middle_of_the_drain_is_safe(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    moments = random.Random(seed)
    rounds, each = 2, 2
    with Gateway(tmp_path, env={"IMAGEGATE_WORKERS": "2"}) as gateway:
        key = gateway.new_key("customer")
        for _ in range(rounds):
            with gateway.client(key) as client:
                for _ in range(each):
                    parse_response(client.post(CREATE, json=SLOW))
            wait_until_running(tmp_path, 2)
            os.kill(gateway.pid, signal.SIGTERM)
            _wait_until_refused(gateway.url)
            time.sleep(moments.uniform(0, 0.2))
            assert gateway._end(signal.SIGKILL) == -signal.SIGKILL, "the drain was over before the kill"
            gateway.check()
            gateway.start()
        with gateway.client(key) as client:
            wait_for(client, "completed", rounds * each)
            assert parse_response(client.get("/v1/credits"))["data"]["user"]["reserved_credits"] == 0
        gateway.check()
    assert list((tmp_path / "spool").iterdir()) == []


def _wait_until_refused(url: str) -> None:
    """The drain has begun when no connection is accepted any more."""

    def is_refused() -> bool:
        try:
            httpx.get(f"{url}/healthz")
        except httpx.TransportError:
            return True
        return False

    wait_until(is_refused, END_S, pause_s=0)
