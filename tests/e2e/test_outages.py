"""P17, F7: acknowledged tasks wait for an upstream that is out of order, and creates are accepted meanwhile."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.helpers import parse_error, parse_response
from tests.api.test_api_events import events_of
from tests.support.outages import BODY, open_gateway, run_outage
from tests.support.program import wait_until
from tests.support.simulator import Simulator

CREATE = "/v1/images/generations"


@pytest.mark.fault("F7")
@pytest.mark.parametrize(
    "kind",
    ["refused", pytest.param("500", marks=pytest.mark.gate), pytest.param("429 + Retry-After", marks=pytest.mark.gate)],
)
def test_f7_a_short_outage_loses_and_refuses_nothing(tmp_path: Path, kind: str) -> None:
    """Where it is known that nothing was bought everything is delivered, and bought once."""
    result = run_outage(tmp_path, kind, 3, 24)
    assert (result.acknowledged, result.refused, result.lost) == (24, 0, 0), result.summary()
    # A connection that is refused while a request is being sent leaves its outcome open.
    assert kind == "refused" or result.unknown_calls == 0, result.summary()
    assert result.unknown <= result.unknown_calls, result.summary()
    assert result.delivered + result.unknown == 24, result.summary()
    assert result.delivered == result.bought, result.summary()


@pytest.mark.fault("F7")
def test_f7_a_task_says_why_it_waits_and_is_cancelled_at_once(tmp_path: Path) -> None:
    with Simulator() as sim, open_gateway(tmp_path, sim) as gateway, gateway.client() as http:
        sim.script({"fault": "500-json", "times": 1_000_000})
        first = parse_response(http.post(CREATE, json={**BODY, "prompt": "first"}))["id"]
        waiting = wait_for_reason(http, first)
        assert waiting["status"] == "processing", "a call was made"
        # The breaker opens after five failures: later tasks make no call and stay pending.
        later, waits = [], []
        for number in range(8):
            later.append(parse_response(http.post(CREATE, json={**BODY, "prompt": f"{number}"}))["id"])
            waits.append(wait_for_reason(http, later[-1]))
        assert {task["task_info"]["waiting"]["reason"] for task in [waiting, *waits]} == {"upstream_unavailable"}
        assert all(task["task_info"]["waiting"]["next_attempt_at"] <= time.time() + 61 for task in waits)
        assert waits[-1]["status"] == "pending"
        assert all(task["task_info"]["can_cancel"] for task in [waiting, *waits])
        cancelled = parse_response(http.post(f"/v1/tasks/{first}/cancel"))
        assert (cancelled["status"], cancelled["error"]["code"]) == ("failed", "request_cancelled")
        told = [json.loads(data) for _, data in events_of(http.get(f"/v1/tasks/{first}/events").text)]
        infos = [task["task_info"] for task in told if "waiting" in task["task_info"]]
        assert {(info["waiting"]["reason"], info["can_cancel"]) for info in infos} == {("upstream_unavailable", True)}
        sim.script()
        for task in later:
            assert parse_response(http.get(f"/v1/tasks/{task}?wait=60"))["status"] == "completed"
        gateway.check()


def test_a_task_that_a_throttling_upstream_holds_up_is_cancelled_at_once(tmp_path: Path) -> None:
    with Simulator() as sim, open_gateway(tmp_path, sim) as gateway, gateway.client() as http:
        sim.script("429:40")
        task = parse_response(http.post(CREATE, json={**BODY, "prompt": "later"}))["id"]
        assert wait_for_reason(http, task)["task_info"]["waiting"]["reason"] == "upstream_throttled"
        assert parse_response(http.post(f"/v1/tasks/{task}/cancel"))["error"]["code"] == "request_cancelled"
        assert parse_response(http.get("/v1/credits"))["data"]["user"]["reserved_credits"] == 0
        gateway.check()


@pytest.mark.gate
def test_a_throttling_upstream_is_not_hammered(tmp_path: Path) -> None:
    """A second is waited at least, and longer each time."""
    with Simulator() as sim, open_gateway(tmp_path, sim) as gateway, gateway.client() as http:
        sim.script({"fault": "429:1", "times": 1_000_000})
        began = time.monotonic()
        parse_response(http.post(CREATE, json={**BODY, "prompt": "a fox"}))
        wait_until(lambda: len(sim.calls()) >= 3, 60)
        took = time.monotonic() - began
        assert len(sim.calls()) <= 2 + took, "more than one call a second"
        gateway.check()


def test_patience_ends(tmp_path: Path) -> None:
    env = {"IMAGEGATE_OUTAGE_PATIENCE_S": "1"}
    with Simulator() as sim, open_gateway(tmp_path, sim, env) as gateway, gateway.client() as http:
        sim.script({"fault": "500-json", "times": 1_000_000})
        task = parse_response(http.post(CREATE, json={**BODY, "prompt": "a fox"}, headers={"Prefer": "wait=60"}))
        assert (task["error"]["code"], task["error"]["reason"]) == ("service_unavailable", "no_route_available")
        gateway.check()


def test_patience_with_a_throttling_upstream_ends_in_other_words(tmp_path: Path) -> None:
    env = {"IMAGEGATE_OUTAGE_PATIENCE_S": "1"}
    with Simulator() as sim, open_gateway(tmp_path, sim, env) as gateway, gateway.client() as http:
        sim.script({"fault": "429:30", "times": 1_000_000})
        task = parse_response(http.post(CREATE, json={**BODY, "prompt": "a fox"}, headers={"Prefer": "wait=60"}))
        assert task["error"]["code"] == "resource_exhausted"
        gateway.check()


def test_what_needs_a_person_ends_at_once_and_refuses_creates(tmp_path: Path) -> None:
    with Simulator() as sim, open_gateway(tmp_path, sim) as gateway, gateway.client() as http:
        sim.script({"fault": "401", "times": 1_000_000})
        task = parse_response(http.post(CREATE, json={**BODY, "prompt": "a fox"}, headers={"Prefer": "wait=60"}))
        assert (task["error"]["code"], task["error"]["reason"]) == ("service_unavailable", "no_route_available")
        assert len(sim.calls()) == 1
        wait_until(lambda: http.post(CREATE, json={**BODY, "prompt": "another"}).status_code == 503)
        parse_error(http.post(CREATE, json={**BODY, "prompt": "another"}), 503, "service_unavailable")
        gateway.check()


def test_the_queue_of_all_accounts_has_an_end(tmp_path: Path) -> None:
    env = {"IMAGEGATE_UNFINISHED_TOTAL": "3"}
    with Simulator() as sim, open_gateway(tmp_path, sim, env) as gateway, gateway.client() as http:
        sim.script({"fault": "429:30", "times": 1_000_000})
        codes = [http.post(CREATE, json={**BODY, "prompt": f"{n}"}).status_code for n in range(4)]
        assert codes == [200, 200, 200, 503]
        refused = http.post(CREATE, json={**BODY, "prompt": "one more"})
        assert parse_error(refused, 503, "service_unavailable")["reason"] == "queue_full"
        gateway.check()


def wait_for_reason(http: httpx.Client, task_id: str) -> dict[str, Any]:
    """The task, once it says what it waits for."""

    def read() -> dict[str, Any]:
        found: dict[str, Any] = parse_response(http.get(f"/v1/tasks/{task_id}"))
        return found

    wait_until(lambda: "waiting" in read()["task_info"], 60)
    return read()
