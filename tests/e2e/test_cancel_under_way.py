"""Cancelling when an upstream has the request: it is told to stop where it can; what it still delivers is charged."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.routed_gateway import RoutedGateway, route_config, upstream_config
from tests.support.simulator import Simulator

CREATE = "/v1/images/generations"
# A model for each protocol: by tasks, which can be stopped, and by one call with a backup.
TASKS, CALLS = "gpt-image-1.5", "gpt-image-2"


class CancelSetup:
    def __init__(self, gateway: RoutedGateway, sim: Simulator, backup: Simulator) -> None:
        self.gateway, self.sim, self.backup = gateway, sim, backup

    def new_customer(self, step: object) -> httpx.Client:
        """A client of a new account; the next call of the first upstream follows `step`."""
        self.sim.reset()
        self.backup.reset()
        self.sim.script(step)
        return self.gateway.client(self.gateway.new_key(f"customer-{time.monotonic_ns()}"))

    def cancel_and_wait(self, http: httpx.Client, model: str) -> dict[str, Any]:
        """The end of a task whose cancel came after the upstream had its request."""
        return self.wait_for_end(http, self.cancel_while_running(http, model))

    def wait_for_end(self, http: httpx.Client, task_id: str) -> dict[str, Any]:
        ended: dict[str, Any] = http.get(f"/v1/tasks/{task_id}", params={"wait": 40}).raise_for_status().json()
        return ended

    def cancel_while_running(self, http: httpx.Client, model: str) -> str:
        """The id of a task whose cancel request was accepted."""
        body = {"prompt": "a fox", "size": "1:1", "quality": "low", "model": model}
        task = http.post(CREATE, json=body).raise_for_status().json()
        give_up = time.monotonic() + 20
        # Of a job, the poll that waits: a cancel before it would find nothing to break off. A poll has no body.
        kind, body_read = ("poll", "none") if model == TASKS else ("create", "complete")
        while not any(call["open"] and call["body"] == body_read for call in self.sim.calls(kind)):
            assert time.monotonic() < give_up
            time.sleep(0.02)
        cancelled = http.post(f"/v1/tasks/{task['id']}/cancel").raise_for_status().json()
        assert cancelled["status"] == "processing"
        return str(task["id"])


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CancelSetup]:
    with Simulator() as sim, Simulator() as backup:
        rows = [
            upstream_config("tasks", f"{sim.url}/task", protocol="task_api"),
            route_config("tasks", model=TASKS),
            upstream_config("calls", f"{sim.url}/v1"),
            route_config("calls", "0.001", CALLS),
            upstream_config("backup", f"{backup.url}/v1"),
            route_config("backup", "0.002", CALLS),
        ]
        with RoutedGateway(tmp_path_factory.mktemp("front") / "data", *rows) as gateway:
            yield CancelSetup(gateway, sim, backup)
            gateway.check()


def left(http: httpx.Client) -> tuple[float, float]:
    user = http.get("/v1/credits").json()["data"]["user"]
    return user["reserved_credits"], user["used_credits"]


def test_a_task_upstream_is_told_to_stop(setup: CancelSetup) -> None:
    with setup.new_customer({"latency": "60s"}) as http:
        ended = setup.cancel_and_wait(http, TASKS)  # in less than the long poll takes
        assert (ended["status"], ended["error"]["code"]) == ("failed", "request_cancelled"), ended
        assert len(setup.sim.calls("cancel")) == 1
        assert setup.sim.total["images"] == 0
        assert left(http) == (0, 0)


def test_a_wish_outlives_the_process_that_took_it(setup: CancelSetup) -> None:
    with setup.new_customer({"latency": "60s"}) as http:
        task_id = setup.cancel_while_running(http, TASKS)
        setup.gateway.kill()
        setup.gateway.start()
        http.base_url = setup.gateway.url
        ended = setup.wait_for_end(http, task_id)
        assert (ended["status"], ended["error"]["code"]) == ("failed", "request_cancelled"), ended
        assert setup.sim.total["images"] == 0
        assert left(http) == (0, 0)


def test_what_cannot_be_stopped_is_delivered_and_paid(setup: CancelSetup) -> None:
    with setup.new_customer({"latency": "2s"}) as http:
        ended = setup.cancel_and_wait(http, CALLS)
        assert ended["status"] == "completed", ended
        assert http.get(ended["results"][0]).status_code == 200
        assert setup.sim.total["images"] == 1
        assert left(http) == (0, ended["usage"]["credits_used"])
        assert ended["usage"]["credits_used"] > 0


def test_nothing_is_bought_again_for_one_who_has_given_up(setup: CancelSetup) -> None:
    with setup.new_customer("black-hole:2") as http:
        ended = setup.cancel_and_wait(http, CALLS)
        assert (ended["status"], ended["error"]["code"]) == ("failed", "request_cancelled"), ended
        assert setup.backup.calls() == []
        assert left(http) == (0, 0)
