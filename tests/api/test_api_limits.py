"""Section 10.1 "Limits", KEY-5 and KEY-6: requests per key and account, headers, and nothing behind a 429."""

from __future__ import annotations

import concurrent.futures
import re
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from imagegate.security.api_keys import generate_key
from tests.api.helpers import CREATE, SMALL_IMAGE, WAIT, account_state, parse_error, parse_response
from tests.support.gateway import Gateway, shared_folders
from tests.support.image_files import PNG, b64

NEVER_LIMITED = ("/healthz", "/readyz", "/metrics", "/openapi.json", "/v1/pricing")
UPLOAD = "/api/v1/files/upload/base64"
POLICY = re.compile(r'"(key|account)";q=([1-9][0-9]*);w=60')
LEFT = re.compile(r'"([a-z_]+)";r=([0-9]+);t=([0-9]+)')


def create_key(client: httpx.Client, **fields: Any) -> Any:
    return parse_response(client.post("/v1/keys", json=fields))


def remaining_by_policy(response: httpx.Response) -> dict[str, tuple[int, int]]:
    """Requests left and seconds, by policy."""
    return {name: (int(r), int(t)) for name, r, t in LEFT.findall(response.headers["ratelimit"])}


def until_refused(client: httpx.Client, path: str = "/v1/credits", max_requests: int = 200) -> httpx.Response:
    for _ in range(max_requests):
        answer = client.get(path)
        if answer.status_code == 429:
            return answer
        assert answer.status_code == 200
    raise AssertionError("never refused")


def test_c20_by_default_nothing_is_counted_or_limited(client: httpx.Client) -> None:
    for _ in range(300):
        answer = client.get("/v1/tasks/task-unified-1-aaaaaaaa")
        assert answer.status_code == 404
        assert not [name for name in answer.headers if "ratelimit" in name]


def test_s10_1_rate_headers_tell_what_is_left(gateway: Gateway, client: httpx.Client) -> None:
    with gateway.client(create_key(client, rate_per_minute=12)["key"]) as limited:
        for number in (11, 10):
            answer = limited.get("/v1/credits")
            assert answer.headers["ratelimit-policy"] == '"key";q=12;w=60'
            assert remaining_by_policy(answer)["key"][0] == number
            assert answer.headers["x-ratelimit-limit-requests"] == "12"
            assert answer.headers["x-ratelimit-remaining-requests"] == str(number)
            assert re.fullmatch(r"[1-9][0-9]?s", answer.headers["x-ratelimit-reset-requests"])
        wrong = limited.post(CREATE, json={"prompt": ""})
        parse_error(wrong, 400, "invalid_request", "prompt")
        assert remaining_by_policy(wrong)["key"][0] == 9
        refused = until_refused(limited)
        error = parse_error(refused, 429, "rate_limit_exceeded")
        assert error["type"] == "rate_limit_error"
        assert "12 a minute" in error["message"]
        wait = int(refused.headers["retry-after"])
        assert 1 <= wait <= 5
        assert remaining_by_policy(refused) == {"key": (0, wait)}
        assert refused.headers["x-ratelimit-remaining-requests"] == "0"
        time.sleep(wait)
        parse_response(limited.get("/v1/credits"))
    parse_response(client.get("/v1/credits"))


def test_c14_nothing_is_behind_a_429_and_its_idempotency_key_is_free(gateway: Gateway, client: httpx.Client) -> None:
    before = account_state(client)
    key = create_key(client, rate_per_minute=30)
    with gateway.client(key["key"]) as limited:
        first = limited.post(CREATE, json=SMALL_IMAGE, headers={**WAIT, "Idempotency-Key": "first"})
        after = account_state(client)
        assert after != before
        until_refused(limited)
        refused = limited.post(CREATE, json=SMALL_IMAGE, headers={"Idempotency-Key": "second"})
        parse_error(refused, 429, "rate_limit_exceeded")
        parse_error(
            limited.post(CREATE, json=SMALL_IMAGE, headers={"Idempotency-Key": "first"}), 429, "rate_limit_exceeded"
        )
        parse_error(limited.post(CREATE, content=b"{"), 429, "rate_limit_exceeded")
        file = limited.post(UPLOAD, json={"base64": b64(PNG)})
        assert parse_response(file, 429)["code"] == 429
        assert int(file.headers["retry-after"]) >= 1
        assert set(remaining_by_policy(file)) == {"key"}
        assert account_state(client) == after
        assert parse_response(client.get("/api/v1/files"))["data"]["total"] == 0
        time.sleep(4.5)
        replayed = limited.post(CREATE, json=SMALL_IMAGE, headers={"Idempotency-Key": "first"})
        assert (replayed.headers["idempotency-replayed"], parse_response(replayed)) == ("true", parse_response(first))
        other = {**SMALL_IMAGE, "prompt": "another logo"}
        fresh = limited.post(CREATE, json=other, headers={**WAIT, "Idempotency-Key": "second"})
        assert parse_response(fresh)["status"] == "completed"
        assert "idempotency-replayed" not in fresh.headers


def test_key_5_a_rate_that_is_changed_holds_within_five_seconds(gateway: Gateway, client: httpx.Client) -> None:
    key = create_key(client, rate_per_minute=1)
    with gateway.client(key["key"]) as limited:
        until_refused(limited)
        parse_response(client.patch(f"/v1/keys/{key['id']}", json={"rate_per_minute": None}))
        give_up = time.monotonic() + 30
        while (answer := limited.get("/v1/credits")).status_code == 429:
            assert time.monotonic() < give_up
            time.sleep(0.1)
        assert "ratelimit" not in answer.headers


def test_key_5_limits_are_shown_changed_and_taken_away(gateway: Gateway, client: httpx.Client) -> None:
    key = create_key(client, rate_per_minute=60, concurrent_tasks=2, in_flight_cap_credits="1.5")
    shown = next(row for row in parse_response(client.get("/v1/keys"))["data"] if row["id"] == key["id"])
    assert (shown["rate_per_minute"], shown["concurrent_tasks"]) == (60, 2)
    assert (shown["in_flight_cap"]["nanos"], shown["in_flight"]["nanos"]) == ("22058824", "0")
    with gateway.client(key["key"]) as limited:
        parse_error(limited.post("/v1/keys", json={}), 403, "permission_denied")
    gone = {"rate_per_minute": None, "concurrent_tasks": None, "in_flight_cap_credits": None}
    changed = parse_response(client.patch(f"/v1/keys/{key['id']}", json=gone))
    assert [changed[name] for name in ("rate_per_minute", "concurrent_tasks", "in_flight_cap")] == [None] * 3


@pytest.mark.parametrize("limit", ["rate_per_minute", "concurrent_tasks", "in_flight_cap_credits"])
def test_key_5_no_second_key_is_a_way_around_a_limit(gateway: Gateway, client: httpx.Client, limit: str) -> None:
    with gateway.client(create_key(client, **{limit: 5})["key"]) as limited:
        parse_error(limited.post("/v1/keys", json={}), 403, "permission_denied")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"rate_per_minute": 0}, "rate_per_minute"),
        ({"rate_per_minute": 1_000_001}, "rate_per_minute"),
        ({"rate_per_minute": "5"}, "rate_per_minute"),
        ({"rate_per_minute": 1.5}, "rate_per_minute"),
        ({"concurrent_tasks": 0}, "concurrent_tasks"),
        ({"concurrent_tasks": 2**63}, "concurrent_tasks"),
        ({"in_flight_cap_credits": "-1"}, "in_flight_cap_credits"),
    ],
    ids=str,
)
def test_key_5_other_limits_are_400(client: httpx.Client, body: Any, param: str) -> None:
    parse_error(client.post("/v1/keys", json=body), 400, "invalid_request", param)


def test_s10_1_limits_cost_in_flight_is_429_until_a_task_has_ended(tmp_path: Path) -> None:
    with Gateway(tmp_path, "--no-workers") as gateway, gateway.client() as client:
        hold = parse_response(client.post("/v1/images/quotes", json=SMALL_IMAGE))["maximum"]
        cap = f"{float(hold['credits']) * 1.5:.6f}"
        with gateway.client(create_key(client, in_flight_cap_credits=cap)["key"]) as limited:
            first = parse_response(limited.post(CREATE, json=SMALL_IMAGE))
            before = account_state(client)
            refused = limited.post(CREATE, json=SMALL_IMAGE, headers={"Idempotency-Key": "k"})
            error = parse_error(refused, 429, "rate_limit_exceeded")
            assert error["reason"] == "in_flight_cost"
            assert remaining_by_policy(refused) == {"in_flight_cost": (0, int(refused.headers["retry-after"]))}
            assert account_state(client) == before
            dear = {**SMALL_IMAGE, "n": 4}
            assert parse_response(limited.post("/v1/images/quotes", json=dear))["affordable"] is False
            parse_error(limited.post(CREATE, json=dear), 402, "insufficient_token_quota")
            parse_response(limited.post(f"/v1/tasks/{first['id']}/cancel"))
            parse_response(limited.post(CREATE, json=SMALL_IMAGE, headers={"Idempotency-Key": "k"}))
        gateway.check()


def test_key_5_concurrent_tasks_wait_and_all_end(tmp_path: Path) -> None:
    with Gateway(tmp_path, env={"IMAGEGATE_WORKERS": "4"}) as gateway, gateway.client() as client:
        key = gateway.new_key("shop", "1000", "--concurrent-tasks", "1", "--rate-per-minute", "100000")
        with gateway.client(key) as limited:
            made = [
                parse_response(limited.post(CREATE, json={**SMALL_IMAGE, "prompt": f"logo {n}"}))["id"]
                for n in range(8)
            ]
            max_running, give_up = 0, time.monotonic() + 60
            while True:
                assert time.monotonic() < give_up
                tasks = parse_response(limited.post("/v1/tasks/batch", json={"task_ids": made}))["data"]
                max_running = max(max_running, sum(task["status"] == "processing" for task in tasks))
                assert {task["status"] for task in tasks} <= {"pending", "processing", "completed"}
                if all(task["status"] == "completed" for task in tasks):
                    break
                time.sleep(0.02)
            assert max_running == 1
        parse_response(client.post(CREATE, json=SMALL_IMAGE, headers=WAIT))
        gateway.check()


def test_key_5_the_keys_of_an_account_share_its_requests(tmp_path: Path) -> None:
    with Gateway(tmp_path, env={"IMAGEGATE_ACCOUNT_REQUESTS_PER_MINUTE": "20"}) as gateway:
        one = gateway.new_key("shared")
        two = gateway.new_key("shared", "1", "--rate-per-minute", "5")
        with gateway.client(one) as first, gateway.client(two) as second, gateway.client() as demo:
            answer = second.get("/v1/credits")
            assert POLICY.findall(answer.headers["ratelimit-policy"]) == [("key", "5"), ("account", "20")]
            assert {name: number for name, (number, _) in remaining_by_policy(answer).items()} == {
                "key": 4,
                "account": 19,
            }
            assert answer.headers["x-ratelimit-remaining-requests"] == "4"
            until_refused(first)
            refused = second.get("/v1/credits")
            assert "account" in parse_error(refused, 429, "rate_limit_exceeded")["message"]
            assert remaining_by_policy(refused)["key"][0] >= 4
            for path in NEVER_LIMITED:
                answer = first.get(path)
                assert (answer.status_code, "ratelimit" in answer.headers) == (200, False), path
            parse_response(demo.get("/v1/credits"))


@pytest.mark.gate
def test_key_5_processes_on_one_postgres_share_a_keys_requests(postgres_url: str, tmp_path: Path) -> None:
    env = {
        "IMAGEGATE_DATABASE": postgres_url,
        "IMAGEGATE_SECRET": "s" * 40,
        **shared_folders(tmp_path),
    }
    with (
        Gateway(tmp_path / "a", "--no-workers", env=env) as one,
        Gateway(tmp_path / "b", "--no-workers", env=env) as two,
    ):
        key = one.new_key("shared", "10", "--rate-per-minute", "30")
        with one.client(key) as first, two.client(key) as second:
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                answers = list(pool.map(lambda n: (first, second)[n % 2].get("/v1/credits"), range(120)))
            passed = sum(answer.status_code == 200 for answer in answers)
            # One bucket of 30, refilled every two seconds; a bucket in each process would pass 60 at once.
            assert 30 <= passed < 60
            for client in (first, second):
                refused = until_refused(client)
                parse_error(refused, 429, "rate_limit_exceeded")
                assert remaining_by_policy(refused) == {"key": (0, int(refused.headers["retry-after"]))}
        one.check()


def test_key_6_failed_logins_are_counted_by_the_address_that_trusted_proxies_tell(tmp_path: Path) -> None:
    """One a minute, so that none is given back while the test runs."""
    env = {"IMAGEGATE_TRUSTED_PROXIES": "127.0.0.1", "IMAGEGATE_FAILED_LOGINS_PER_MINUTE": "1"}
    with Gateway(tmp_path, env=env) as gateway:

        def attempt(address: str) -> httpx.Response:
            headers = {"Authorization": f"Bearer {generate_key()}", "X-Forwarded-For": address}
            return httpx.get(f"{gateway.url}/v1/credits", headers=headers, timeout=60)

        assert [attempt("192.0.2.1").status_code for _ in range(3)] == [401, 429, 429]
        refused = attempt("192.0.2.1")
        error = parse_error(refused, 429, "rate_limit_exceeded")
        assert error["reason"] == "failed_logins"
        wait = int(refused.headers["retry-after"])
        assert 1 <= wait <= 60
        assert remaining_by_policy(refused) == {"failed_logins": (0, wait)}
        assert attempt("192.0.2.2").status_code == 401
        # what a stranger writes before the address that our proxy saw is not believed
        assert attempt("6.6.6.6, 192.0.2.1").status_code == 429
        good = {"Authorization": f"Bearer {gateway.key}", "X-Forwarded-For": "192.0.2.1"}
        parse_response(httpx.get(f"{gateway.url}/v1/credits", headers=good, timeout=60))
