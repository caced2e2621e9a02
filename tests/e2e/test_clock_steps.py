"""The clock is set while the program works, or between two of its lives: nothing fails for it or waits for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.helpers import CREATE, QUOTE, parse_response
from tests.support.clocked import ClockedGateway
from tests.support.gateway import Worker
from tests.support.program import wait_until
from tests.support.routed_gateway import route_config, upstream_config
from tests.support.simulator import Simulator

HOUR, DAY = 3600, 86_400
STEPS = [
    pytest.param(-2 * HOUR, id="two hours back", marks=pytest.mark.gate),
    pytest.param(-400 * DAY, id="400 days back", marks=pytest.mark.gate),
    pytest.param(HOUR, id="an hour on", marks=pytest.mark.gate),
    pytest.param(30 * DAY, id="30 days on", marks=pytest.mark.gate),
]
BODY = {"prompt": "a logo", "size": "1:1", "quality": "low"}
STEADY, BROKEN = "gpt-image-2", "gpt-image-1.5"


@pytest.fixture
def sims() -> Iterator[dict[str, Simulator]]:
    with Simulator("--latency", "2s") as steady, Simulator() as broken:
        broken.script({"fault": "500-json", "times": 1_000_000})
        yield {"steady": steady, "broken": broken}


def open_gateway(folder: Path, sims: dict[str, Simulator]) -> ClockedGateway:
    rows = []
    for (name, sim), model in zip(sims.items(), (STEADY, BROKEN), strict=True):
        rows += [upstream_config(name, f"{sim.url}/v1"), route_config(name, "0.001", model)]
    return ClockedGateway(folder / "data", *rows, env={"IMAGEGATE_SWEEP_S": "2", "IMAGEGATE_KEY_CACHE_S": "0"})


def create(client: httpx.Client, model: str, **fields: Any) -> str:
    task: str = parse_response(client.post(CREATE, json={**BODY, "model": model, **fields}))["id"]
    return task


def is_waiting(client: httpx.Client, task: str) -> bool:
    return "waiting" in parse_response(client.get(f"/v1/tasks/{task}"))["task_info"]


def finish(client: httpx.Client, tasks: list[str]) -> None:
    for task in tasks:
        ended = parse_response(client.get(f"/v1/tasks/{task}?wait=60"))
        assert ended["status"] == "completed", str(ended)
        assert ended["task_info"].get("duration", 0) >= 0 if "task_info" in ended else True
        assert ended.get("duration", 0) >= 0


def use_everything(client: httpx.Client) -> None:
    """Whatever has a time in it is answered."""
    parse_response(client.post(QUOTE, json={**BODY, "model": STEADY}))
    for path in (
        "/v1/pricing",
        "/v1/models",
        "/v1/credits",
        "/v1/status",
        "/v1/tasks",
        "/v1/usage",
        "/v1/ledger",
        "/v1/keys",
        "/v1/webhooks/deliveries",
        "/api/v1/files/list",
        "/healthz",
        "/readyz",
        "/metrics",
        "/",
    ):
        assert client.get(path).status_code == 200, path


@pytest.mark.parametrize("step_s", STEPS)
def test_a_clock_that_is_set_fails_no_task_and_holds_none(
    tmp_path: Path, sims: dict[str, Simulator], step_s: int
) -> None:
    with open_gateway(tmp_path, sims) as gateway, gateway.client() as client:
        done = create(client, STEADY)
        finish(client, [done])
        waiting = [create(client, BROKEN) for _ in range(7)]
        wait_until(lambda: all(is_waiting(client, task) for task in waiting))
        running = [create(client, STEADY) for _ in range(3)]
        wait_until(lambda: len(sims["steady"].calls()) == 4)

        gateway.set_clock(step_s)
        use_everything(client)
        finish(client, [*running, create(client, STEADY)])
        states = {parse_response(client.get(f"/v1/tasks/{task}"))["status"] for task in waiting}
        assert states <= {"pending", "processing"}, "their patience is not used up"
        sims["broken"].script()
        finish(client, waiting)
        use_everything(client)
        gateway.check()
    said = [line for line in gateway.output if '"clock_was_set"' in line]
    assert said
    assert [line for line in gateway.output if "Traceback" in line or "_failed" in line] == []


@pytest.mark.parametrize(
    "step_s",
    [
        pytest.param(-2 * HOUR, id="two hours back", marks=pytest.mark.gate),
        pytest.param(-400 * DAY, id="400 days back", marks=pytest.mark.gate),
    ],
)
def test_a_clock_that_was_set_back_while_nobody_served_holds_nothing(
    tmp_path: Path, sims: dict[str, Simulator], step_s: int
) -> None:
    gateway = open_gateway(tmp_path, sims)
    with gateway:
        with gateway.client() as client:
            waiting = [create(client, BROKEN) for _ in range(7)]
            wait_until(lambda: all(is_waiting(client, task) for task in waiting))
        gateway.kill()
        gateway.set_clock(step_s)
        sims["broken"].script()
        gateway.start()
        with gateway.client() as client:
            use_everything(client)
            finish(client, waiting)
            gateway.check()


@pytest.mark.gate
@pytest.mark.parametrize("off_s", [pytest.param(-2 * HOUR, id="behind"), pytest.param(2 * HOUR, id="ahead")])
def test_a_machine_whose_clock_is_wrong_agrees_with_the_others_on_every_time(
    postgres_url: str, tmp_path: Path, off_s: int
) -> None:
    """Its tasks have their whole time, its leases hold, and what it puts off is due when it should be."""
    with Simulator("--latency", "3s") as sim:
        rows = [upstream_config("up", f"{sim.url}/v1"), route_config("up", "0.001", STEADY)]
        env = {
            "IMAGEGATE_DATABASE": postgres_url,
            "IMAGEGATE_SECRET": "5" * 64,
            "IMAGEGATE_BLOBS": str(tmp_path / "blobs"),
            "IMAGEGATE_SWEEP_S": "0.3",
            "IMAGEGATE_LEASE_S": "2",
        }
        wrong = ClockedGateway(tmp_path / "wrong", *rows, env=env)
        wrong.set_clock(off_s)
        with wrong, Worker(tmp_path / "right", "--config", str(wrong.file), env={**env, "SIMULATOR_KEY": "a-key"}):
            with wrong.client(wrong.new_key("customer")) as client:
                sim.script("503-json", None)
                tasks = [create(client, STEADY) for _ in range(4)]
                finish(client, tasks)
                for task in tasks:
                    link = parse_response(client.get(f"/v1/tasks/{task}"))["results"][0]
                    assert client.get(link).status_code == 200
            assert sim.total["images"] == len(tasks), "no lease was taken for one that had ended"
            wrong.check()
