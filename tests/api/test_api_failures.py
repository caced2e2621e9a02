"""What customers see when the service cannot: failed tasks, full disks, too much work, results that have ended."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.api.helpers import (
    CREATE,
    QUOTE,
    SMALL_IMAGE,
    WAIT,
    account_state,
    assert_unchanged,
    parse_error,
    parse_response,
    send_raw,
)
from tests.support.gateway import Gateway

PUBLIC = "https://gw.example"


@contextmanager
def serving(data: Path, env: Mapping[str, str]) -> Iterator[tuple[Gateway, httpx.Client]]:
    with Gateway(data, env=env) as gateway, gateway.client() as client:
        yield gateway, client


def test_c15_a_failed_task_has_cost_nothing_in_the_first_answer_that_says_so(tmp_path: Path) -> None:
    env = {"IMAGEGATE_DEADLINE_S": "0", "IMAGEGATE_SWEEP_S": "0.1"}
    large = {"prompt": "logo", "size": "1:1", "resolution": "4K", "n": 10}
    with serving(tmp_path, env) as (gateway, client):
        before, _ = account_state(client)
        response = client.post(CREATE, json=large, headers={**WAIT, "Idempotency-Key": "late"})
        task = parse_response(response)
        assert account_state(client)[0] == before
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
        assert parse_response(client.get(f"/v1/tasks/{task['id']}")) == task
        row = parse_response(client.get("/v1/tasks?status=failed"))["data"][0]
        assert (row["has_error"], row["has_results"], row["credits_used"], row["status"]) == (True, False, 0, "failed")
        assert parse_response(client.get("/v1/tasks?status=cancelled"))["total"] == 0
        gateway.check()


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """No disk has the space that it wants free."""
    env = {"IMAGEGATE_MIN_FREE_BYTES": str(2**60), "IMAGEGATE_MIN_FREE_PERCENT": "100"}
    with Gateway(tmp_path_factory.mktemp("full"), env=env) as gateway:
        yield gateway


def test_c14_a_full_disk_is_503_and_leaves_nothing(full: Gateway) -> None:
    with full.client() as client, assert_unchanged(client):
        for _ in range(2):
            error = parse_error(
                client.post(CREATE, json=SMALL_IMAGE, headers={"Idempotency-Key": "k"}), 503, "service_unavailable"
            )
            assert (error["reason"], error["type"]) == ("storage_full", "api_error")
        parse_response(client.post(QUOTE, json=SMALL_IMAGE))


def test_s10_1_service_unavailable_has_retry_after(full: Gateway) -> None:
    with full.client() as client:
        answer = client.post(CREATE, json=SMALL_IMAGE)
        assert parse_error(answer, 503, "service_unavailable")["type"] == "api_error"
        assert int(answer.headers["retry-after"]) > 0


def test_s13_readyz_is_503_where_healthz_is_200(full: Gateway) -> None:
    ready = httpx.get(f"{full.url}/readyz", timeout=60)
    assert ready.status_code == 503
    assert ready.json()["checks"]["storage"] != "ok"
    assert httpx.get(f"{full.url}/healthz", timeout=60).status_code == 200


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One unfinished task is all that an account may have, and nobody carries it out."""
    env = {"IMAGEGATE_UNFINISHED_PER_ACCOUNT": "1"}
    with Gateway(tmp_path_factory.mktemp("busy"), "--no-workers", env=env) as gateway:
        with gateway.client() as client:
            parse_response(client.post(CREATE, json=SMALL_IMAGE))
        yield gateway
        gateway.check()


def test_c14_too_many_unfinished_tasks_are_429_and_leave_nothing(busy: Gateway) -> None:
    with busy.client() as client, assert_unchanged(client):
        for _ in range(2):
            parse_error(
                client.post(CREATE, json=SMALL_IMAGE, headers={"Idempotency-Key": "k"}), 429, "rate_limit_exceeded"
            )


def test_s10_1_unfinished_tasks_make_room_when_they_end(busy: Gateway) -> None:
    with busy.client() as client:
        parse_error(client.post(CREATE, json=SMALL_IMAGE), 429, "rate_limit_exceeded")
        [row] = parse_response(client.get("/v1/tasks?status=pending"))["data"]
        parse_response(client.post(f"/v1/tasks/{row['id']}/cancel"))
        parse_response(client.post(CREATE, json=SMALL_IMAGE))


def test_s10_1_rate_limit_exceeded_has_retry_after(busy: Gateway) -> None:
    with busy.client() as client:
        answer = client.post(CREATE, json=SMALL_IMAGE)
        assert parse_error(answer, 429, "rate_limit_exceeded")["type"] == "rate_limit_error"
        assert int(answer.headers["retry-after"]) > 0


def test_c05_a_result_past_its_end_is_410(tmp_path: Path) -> None:
    env = {"IMAGEGATE_RESULT_HOURS": "0", "IMAGEGATE_SWEEP_S": "0.1"}
    with serving(tmp_path, env) as (gateway, client):
        task = parse_response(client.post(CREATE, json=SMALL_IMAGE, headers=WAIT))
        link = task["results"][0]
        parse_error(httpx.get(link, timeout=60), 410, "result_expired")
        assert httpx.head(link, timeout=60).status_code == 410
        parse_error(httpx.get(link + "x", timeout=60), 403, "invalid_signature")
        assert parse_response(client.get(f"/v1/tasks/{task['id']}"))["results"] == [link]
        gateway.check()


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Behind a proxy that ends TLS and gives it a name."""
    env = {"IMAGEGATE_ALLOWED_HOSTS": "internal.example, Other.Example"}
    with Gateway(tmp_path_factory.mktemp("behind"), env=env, public_url=PUBLIC) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def proxied(behind: Gateway) -> Iterator[httpx.Client]:
    with behind.client(behind.new_key("proxied")) as client:
        yield client


def test_s1_origin_links_and_hosts_follow_public_url(proxied: httpx.Client) -> None:
    response = proxied.post(CREATE, json=SMALL_IMAGE, headers={**WAIT, "Host": "internal.example:99"})
    assert parse_response(response)["results"][0].startswith(f"{PUBLIC}/files/results/")
    for host in ("gw.example", "INTERNAL.example", "other.example"):
        parse_response(proxied.get("/v1/credits", headers={"Host": host}))
    parse_error(proxied.get("/v1/credits", headers={"Host": "evil.example"}), 400, "invalid_request", "Host")


def test_c01_one_result_is_literally_an_https_address(behind: Gateway, proxied: httpx.Client) -> None:
    """Read byte for byte by a client that looks for text, not for JSON."""
    body = json.dumps(SMALL_IMAGE).encode()
    head = (
        f"POST {CREATE} HTTP/1.1\r\nHost: gw.example\r\nAuthorization: {proxied.headers['authorization']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\nPrefer: wait=60\r\n"
    )
    answer = send_raw(behind.url, f"{head}\r\n".encode() + body, 60)
    text = answer.partition(b"\r\n\r\n")[2]
    task = json.loads(text)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert json.dumps(task, ensure_ascii=False, separators=(",", ":")).encode() == text
    assert text.partition(b'"id":"')[2].startswith(task["id"].encode())
    assert text.partition(b'"status":"')[2].startswith(b"completed")
    assert f'"results":["{PUBLIC}/files/results/{task["id"]}/0.png?'.encode() in text
