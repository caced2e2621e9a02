"""What customers see when the service cannot: failed tasks, full disks, too much work, results that have ended."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.api.tools import CREATE, QUOTE, SMALL, WAIT, answer_of, error_of, nothing_changes, standing
from tests.gateway import Gateway


@contextmanager
def serving(data: Path, env: Mapping[str, str]) -> Iterator[tuple[Gateway, httpx.Client]]:
    with Gateway(data, env=env) as gateway, gateway.client() as client:
        yield gateway, client


def test_c15_a_failed_task_has_cost_nothing_in_the_first_answer_that_says_so(tmp_path: Path) -> None:
    env = {"IMAGEGATE_DEADLINE_S": "0", "IMAGEGATE_SWEEP_S": "0.1"}
    large = {"prompt": "x", "size": "1:1", "resolution": "4K", "n": 10}
    with serving(tmp_path, env) as (gateway, client):
        before, _ = standing(client)
        response = client.post(CREATE, json=large, headers={**WAIT, "Idempotency-Key": "late"})
        task = answer_of(response)
        assert standing(client)[0] == before
        assert (task["status"], task["error"]["code"]) == ("failed", "generation_timeout")
        assert task["error"]["type"] == "task_error"
        assert task["error"]["message"]
        assert task["usage"]["credits_used"] == task["usage"]["cost"]["credits"] == task["usage"]["cost"]["usd"] == 0
        billing = task["billing"]
        assert (billing["charge_status"], billing["refund_status"]) == ("released", "completed")
        assert billing["refunded_credits"] == billing["reserved_credits"] == task["usage"]["credits_reserved"] > 0
        assert billing["charged_credits"] == 0
        assert billing["refunded_at"] >= task["created"]
        assert "results" not in task
        assert task["progress"] < 100
        again = client.post(CREATE, json=large, headers={"Idempotency-Key": "late"})
        assert (again.text, again.headers["idempotency-replayed"]) == (response.text, "true")
        assert answer_of(client.get(f"/v1/tasks/{task['id']}")) == task
        row = answer_of(client.get("/v1/tasks?status=failed"))["data"][0]
        assert (row["has_error"], row["has_results"], row["credits_used"], row["status"]) == (True, False, 0, "failed")
        assert answer_of(client.get("/v1/tasks?status=cancelled"))["total"] == 0
        gateway.check()


def test_c14_a_full_disk_is_503_and_leaves_nothing(tmp_path: Path) -> None:
    env = {"IMAGEGATE_FREE_MIN_BYTES": str(2**60), "IMAGEGATE_FREE_MIN_PERCENT": "100"}
    with serving(tmp_path, env) as (gateway, client), nothing_changes(client):
        for _ in range(2):
            error = error_of(client.post(CREATE, json=SMALL, headers={"Idempotency-Key": "k"}), 503,
                             "service_unavailable")  # fmt: skip
            assert (error["reason"], error["type"]) == ("storage_full", "api_error")
        ready = httpx.get(f"{gateway.url}/readyz")
        assert ready.status_code == 503
        assert ready.json()["checks"]["storage"] != "ok"
        assert httpx.get(f"{gateway.url}/healthz").status_code == 200
        answer_of(client.post(QUOTE, json=SMALL))


def test_c14_too_many_unfinished_tasks_are_429_and_leave_nothing(tmp_path: Path) -> None:
    with serving(tmp_path, {"IMAGEGATE_UNFINISHED_PER_ACCOUNT": "0"}) as (gateway, client), nothing_changes(client):
        for _ in range(2):
            error = error_of(client.post(CREATE, json=SMALL, headers={"Idempotency-Key": "k"}), 429,
                             "rate_limit_exceeded")  # fmt: skip
            assert error["type"] == "rate_limit_error"
        gateway.check()


def test_c05_a_result_past_its_end_is_410(tmp_path: Path) -> None:
    env = {"IMAGEGATE_RESULT_HOURS": "0", "IMAGEGATE_SWEEP_S": "0.1"}
    with serving(tmp_path, env) as (gateway, client):
        task = answer_of(client.post(CREATE, json=SMALL, headers=WAIT))
        link = task["results"][0]
        error_of(httpx.get(link), 410, "result_expired")
        assert httpx.head(link).status_code == 410
        error_of(httpx.get(link + "x"), 403, "invalid_signature")
        assert answer_of(client.get(f"/v1/tasks/{task['id']}"))["results"] == [link]
        gateway.check()


def test_s1_origin_links_and_hosts_follow_public_url(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    public = f"http://localhost:{port}"
    env = {"IMAGEGATE_PUBLIC_URL": public, "IMAGEGATE_ALLOWED_HOSTS": "internal.example, Other.Example"}
    with Gateway(tmp_path, "--port", str(port), env=env) as gateway, gateway.client() as client:
        response = client.post(CREATE, json=SMALL, headers={**WAIT, "Host": "internal.example:99"})
        assert answer_of(response)["results"][0].startswith(f"{public}/files/results/")
        answer_of(client.get("/v1/credits", headers={"Host": "INTERNAL.example"}))
        answer_of(client.get("/v1/credits", headers={"Host": "other.example"}))
        error_of(client.get("/v1/credits", headers={"Host": "evil.example"}), 400, "invalid_request", "Host")
