"""TSK-9, F20: SIGTERM hands back what is unsent and waits for what was sent; SIGKILL in the middle of it is safe."""

from __future__ import annotations

import concurrent.futures
import json
import os
import random
import re
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
from tests.support.routed_gateway import RoutedGateway, route_config, upstream_config
from tests.support.simulator import Simulator

QUICK = {"prompt": "a logo", "size": "1024x640", "quality": "low", "output_format": "jpeg"}
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


@pytest.mark.gate
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
    assert [one.name for one in (tmp_path / "spool").iterdir()] == ["folder-id"]


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


@pytest.mark.gate
def test_tsk_9_a_task_that_is_being_claimed_is_not_claimed_for_ever(tmp_path: Path) -> None:
    """The signal comes between the create and the first call: the task goes back, and the program ends."""
    gateway = Gateway(tmp_path)
    for _ in range(3):
        with gateway:
            with gateway.client() as client:
                parse_response(client.post(CREATE, json=QUICK))
            stop(gateway)
    gateway.check()


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
    with Gateway(tmp_path, "--no-workers") as gateway:
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
def test_tsk_9_sent_calls_are_awaited_and_creates_accepted_meanwhile(tmp_path: Path) -> None:
    """Two calls are with the upstream, two tasks wait for their turn: the first two are delivered, nothing is lost."""
    result = drain_with_calls(tmp_path, calls=2, call_s=3, waiting=2)
    assert result == {"completed": 2, "queued": 3}


@pytest.mark.gate
@pytest.mark.timeout(300)
def test_tsk_9_a_hundred_calls_of_25_seconds(tmp_path: Path) -> None:
    assert drain_with_calls(tmp_path, calls=100, call_s=25, waiting=10) == {"completed": 100, "queued": 11}


def drain_with_calls(folder: Path, calls: int, call_s: int, waiting: int) -> dict[str, int]:
    """The states of the tasks after the drain; all must be completed after the next start, each bought once."""
    env = {"IMAGEGATE_MAX_UPSTREAM_CALLS": str(calls)}
    with Simulator("--latency", f"{call_s}s") as sim:
        rows = [upstream_config("only", f"{sim.url}/v1"), route_config("only", "0.001")]
        with RoutedGateway(folder / "data", *rows, env=env) as gateway, gateway.client() as client:
            for _ in range(calls + waiting):
                parse_response(client.post(CREATE, json=QUICK))
            wait_until(lambda: len(sim.calls()) == calls, END_S)
            os.kill(gateway.pid, signal.SIGTERM)
            wait_until(lambda: client.get("/readyz").status_code == 503, END_S)
            made = parse_response(client.post(CREATE, json=QUICK, headers=WAIT))
            assert made["status"] == "pending", "it waits for the next start"
            assert gateway.wait_for_exit(timeout_s=END_S + call_s) == 0, "\n".join(gateway.output)
            assert any("waiting for" in line for line in gateway.output)
            events = [json.loads(line) for line in gateway.output if line.startswith("{")]
            ready, stopping, stopped = (line for line in events if line["event"] in ("ready", "stopping", "stopped"))
            assert (ready["address"], ready["engine"], ready["routes"]) == (gateway.url, "only", 1)
            assert (stopping["signal"], stopping["waits_for_tasks"]) == ("SIGTERM", calls)
            assert (stopped["event"], stopped) == ("stopped", events[-1])
            states = dict(read_rows(gateway.data, "SELECT state, COUNT(*) FROM tasks GROUP BY state"))
            gateway.check()
            gateway.start()
            with gateway.client() as again:
                wait_for(again, "completed", calls + waiting + 1)
            gateway.check()
        assert sim.total["images"] == calls + waiting + 1, "each was bought once"
    return states


def test_tsk_9_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    with Simulator("--latency", "60s") as sim:
        rows = [upstream_config("only", f"{sim.url}/v1"), route_config("only", "0.001")]
        env = {"IMAGEGATE_LOG_FORMAT": "console"}
        with RoutedGateway(tmp_path / "data", *rows, env=env) as gateway, gateway.client() as client:
            parse_response(client.post(CREATE, json=QUICK))
            wait_until(lambda: len(sim.calls()) == 1, END_S)
            os.kill(gateway.pid, signal.SIGINT)
            # What it waits for is said at once, not when it has ended.
            wait_until(lambda: any(line.startswith("waiting for 1 task that") for line in gateway.output), END_S)
            wait_until(lambda: client.get("/readyz").status_code == 503, END_S)
            os.kill(gateway.pid, signal.SIGTERM)
            assert gateway.wait_for_exit(timeout_s=20) == 0
            said = [
                " ".join(line.split()[2:]) for line in gateway.output if re.match(r"[-0-9]{10} [:.0-9]{12} INFO ", line)
            ]
            assert [line for line in said if "stop" in line] == [
                "INFO stopping signal=SIGINT waits_for_tasks=1",
                "INFO stopping signal=SIGTERM waits_for_tasks=0",
                "INFO stopped",
            ]
            gateway.check()


@pytest.mark.gate
def test_tsk_9_sigkill_in_the_middle_of_the_drain_is_safe(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    moments = random.Random(seed)
    rounds, each = 2, 2
    with Gateway(tmp_path, env={"IMAGEGATE_WORKERS": "2", "IMAGEGATE_SWEEP_S": "1"}) as gateway:
        key = gateway.new_key("customer")
        for _ in range(rounds):
            with gateway.client(key) as client:
                for _ in range(each):
                    parse_response(client.post(CREATE, json=SLOW))
            wait_until_running(tmp_path, 2)
            os.kill(gateway.pid, signal.SIGTERM)
            wait_until(lambda: httpx.get(f"{gateway.url}/readyz", timeout=60).status_code == 503, END_S, pause_s=0)
            time.sleep(moments.uniform(0, 0.2))
            assert gateway._end(signal.SIGKILL) == -signal.SIGKILL, "the drain was over before the kill"
            gateway.check()
            gateway.start()
        with gateway.client(key) as client:
            wait_for(client, "completed", rounds * each)
            assert parse_response(client.get("/v1/credits"))["data"]["user"]["reserved_credits"] == 0
        gateway.check()
        # What a killed process had begun to write is swept.
        wait_until(lambda: not list((tmp_path / "spool").glob("att_*")), END_S)
    assert [one.name for one in (tmp_path / "spool").iterdir()] == ["folder-id"]
