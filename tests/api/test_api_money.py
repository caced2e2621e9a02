"""Section 9 (/v1/credits) and the refusals of section 10 that are about money, scopes and models."""

from __future__ import annotations

import concurrent.futures
import json
import re
import time
from fractions import Fraction
from typing import Any

import apsw
import httpx
import pytest

from tests.api.helpers import CREATE, QUOTE, SMALL_IMAGE, WAIT, assert_unchanged, parse_error, parse_response
from tests.support.gateway import Gateway


def credits_of(client: httpx.Client) -> Any:
    return parse_response(client.get("/v1/credits"))["data"]


def maximum(client: httpx.Client, **fields: Any) -> str:
    text: str = parse_response(client.post(QUOTE, json={**SMALL_IMAGE, **fields}))["maximum"]["credits"]
    return text


def test_s9_credits_of_a_new_account(gateway: Gateway) -> None:
    with gateway.client(gateway.new_key("fresh", "1000")) as fresh:
        assert fresh.get("/v1/credits").text == (
            '{"data":{"token":{"remaining_credits":1000,"unlimited_credits":true,"used_credits":0},'
            '"user":{"remaining_credits":1000,"used_credits":0,"reserved_credits":0,'
            '"exact":{"remaining":{"credits":"999.999999996","usd":"14.705882353","nanos":"14705882353"}}}},'
            '"message":"","success":true}'
        ).replace("999.999999996", _exact(14_705_882_353))


def _exact(nanos: int) -> str:
    value = Fraction(nanos * 68, 10**9)
    return f"{value.numerator // value.denominator}.{nanos * 68 % 10**9:09d}".rstrip("0")


def test_s9_daily_limit_and_credits_follow_a_task(gateway: Gateway) -> None:
    with gateway.client(gateway.new_key("follows", "100", "--cap", "10", "--daily-cap", "5")) as client:
        quote = parse_response(client.post(QUOTE, json=SMALL_IMAGE))
        created = parse_response(client.post(CREATE, json=SMALL_IMAGE))
        held = credits_of(client)
        if parse_response(client.get(f"/v1/tasks/{created['id']}"))["status"] != "completed":
            assert held["user"]["reserved_credits"] == float(quote["maximum"]["credits"])
        parse_response(client.get(f"/v1/tasks/{created['id']}?wait=60"))
        used = float(quote["expected"]["credits"])
        got = credits_of(client)
        assert got["token"] == {
            "remaining_credits": round(10 - used, 6),
            "unlimited_credits": False,
            "used_credits": used,
            "daily_limit_credits": 5,
            "daily_used_credits": used,
            "reset_timezone": "UTC",
        }
        assert (got["user"]["used_credits"], got["user"]["reserved_credits"]) == (used, 0)
        assert got["user"]["remaining_credits"] == round(100 - used, 6)


def test_s9_key_cap_above_the_account_leaves_what_the_account_has(gateway: Gateway) -> None:
    with gateway.client(gateway.new_key("small", "3", "--cap", "1000")) as client:
        token = credits_of(client)["token"]
        assert (token["remaining_credits"], token["unlimited_credits"]) == (3, False)


def test_s9_daily_limit_forgets_yesterday(gateway: Gateway) -> None:
    """A key that spent yesterday and nothing today has used nothing of its daily limit."""
    with gateway.client(gateway.new_key("yesterday", "100", "--daily-cap", "5")) as client:
        parse_response(client.post(CREATE, json=SMALL_IMAGE, headers=WAIT))
        assert credits_of(client)["token"]["daily_used_credits"] > 0
        with_key = "WHERE account_id = (SELECT id FROM accounts WHERE name = 'yesterday')"
        database = apsw.Connection(str(gateway.data / "imagegate.db"))
        database.set_busy_timeout(5_000)
        database.execute(f"UPDATE api_keys SET day = day - 1 {with_key}")
        database.close()
        assert credits_of(client)["token"]["daily_used_credits"] == 0


def is_402(gateway: Gateway, granted: str, options: tuple[str, ...], code: str, scope: str) -> None:
    """It says whose limit it is, what is needed and what is left, and leaves nothing; a quote never says so."""
    with gateway.client(gateway.new_key(f"poor-{scope}", granted, *options)) as client, assert_unchanged(client):
        needed = maximum(client)
        for headers in ({}, {"Idempotency-Key": "again"}, {"Idempotency-Key": "again"}, {"Prefer": "wait=60"}):
            response = client.post(CREATE, json=SMALL_IMAGE, headers=headers)
            error = parse_error(response, 402, code)
            assert (error["type"], error["limit_scope"]) == ("insufficient_quota", scope)
            assert f'"estimated_credits":{needed},' in response.text
            assert re.search(r'"remaining_credits":0\.\d+[,}]', response.text)
            assert error["remaining_credits"] == pytest.approx(0.1, abs=1e-7)
        assert parse_response(client.post(QUOTE, json=SMALL_IMAGE))["object"] == "image.quote"


def test_s10_1_insufficient_quota_of_the_account(gateway: Gateway) -> None:
    is_402(gateway, "0.1", (), "insufficient_quota", "account")


def test_s10_1_insufficient_token_quota_of_the_key(gateway: Gateway) -> None:
    is_402(gateway, "100", ("--cap", "0.1"), "insufficient_token_quota", "key")


def test_s10_1_token_daily_quota_exceeded_by_the_key(gateway: Gateway) -> None:
    is_402(gateway, "100", ("--daily-cap", "0.1"), "token_daily_quota_exceeded", "key_daily")


def test_s10_1_insufficient_quota_has_the_default_message(gateway: Gateway) -> None:
    with gateway.client(gateway.new_key("empty", "0")) as client:
        error = parse_error(client.post(CREATE, json=SMALL_IMAGE), 402, "insufficient_quota")
        assert error["message"] == "Insufficient quota. Please top up your account."
        assert error["remaining_credits"] == 0
        assert parse_response(client.post(QUOTE, json=SMALL_IMAGE))["affordable"] is False


def test_s10_1_never_402_for_queries(gateway: Gateway) -> None:
    with gateway.client(gateway.new_key("empty", "0")) as client:
        for path in ("/v1/tasks", "/v1/credits", "/v1/ledger", "/v1/models", "/v1/usage", "/api/v1/files/list"):
            assert client.get(path).status_code == 200
        assert client.post(QUOTE, json=SMALL_IMAGE).status_code == 200
        parse_error(client.get("/v1/tasks/task-unified-1-aaaaaaaa"), 404, "task_not_found")


def test_s10_1_insufficient_token_quota_when_the_cap_is_used_up_exactly(gateway: Gateway, client: httpx.Client) -> None:
    """Holds count against the cap; what was held and not charged comes back."""
    one = Fraction(maximum(client))
    cap = f"{float(2 * one):.6f}"
    with gateway.client(gateway.new_key("two", "100", "--cap", cap)) as two:
        first = parse_response(two.post(CREATE, json=SMALL_IMAGE, headers=WAIT))
        parse_response(two.post(CREATE, json={**SMALL_IMAGE, "prompt": "Logo"}, headers=WAIT))
        left = Fraction(cap) - 2 * Fraction(str(first["usage"]["credits_used"]))
        assert credits_of(two)["token"]["remaining_credits"] == pytest.approx(float(left), abs=1e-6)
        parse_error(two.post(CREATE, json=SMALL_IMAGE), 402, "insufficient_token_quota")


def test_c14_after_a_402_and_a_grant_the_same_key_works(gateway: Gateway) -> None:
    headers = {"Idempotency-Key": "paid-later"}
    with gateway.client(gateway.new_key("later", "0")) as client:
        parse_error(client.post(CREATE, json=SMALL_IMAGE, headers=headers), 402, "insufficient_quota")
        gateway.run("credits", "grant", "--account", "later", "5")
        response = client.post(CREATE, json=SMALL_IMAGE, headers=headers)
        parse_response(response)
        assert "idempotency-replayed" not in response.headers


def test_s10_1_model_access_denied_for_another_model(gateway: Gateway) -> None:
    with gateway.client(gateway.new_key("picky", "100", "--model", "gpt-image-1")) as client, assert_unchanged(client):
        for body in (SMALL_IMAGE, {**SMALL_IMAGE, "model": "gpt-image-2"}):
            for path in (CREATE, QUOTE):
                response = client.post(path, json=body)
                error = parse_error(response, 403, "model_access_denied", response.json()["error"].get("param"))
                assert error["message"] == "Token does not have access to model: gpt-image-2"
                assert error["type"] == "invalid_request_error"
        parse_error(client.post(CREATE, json={**SMALL_IMAGE, "model": "none"}), 404, "model_not_found", "model")
        parse_response(client.post(QUOTE, json={"prompt": "logo", "model": "gpt-image-1"}))


SCOPED = {
    "images:write": [("POST", CREATE), ("POST", QUOTE)],
    "tasks:read": [("GET", "/v1/tasks"), ("GET", "/v1/tasks/task-unified-1-aaaaaaaa"), ("POST", "/v1/tasks/batch")],
    "billing:read": [("GET", "/v1/credits")],
}


def key_with(gateway: Gateway, scope: str) -> str:
    """The command line may spell a scope with a colon or with an underscore."""
    spelled = gateway.run("keys", "create", "--account", "scoped", "--scope", scope, "--json", check=False)
    return (
        json.loads(spelled.stdout)["key"]
        if spelled.returncode == 0
        else gateway.new_key("scoped", "1", "--scope", scope.replace(":", "_"))
    )


@pytest.mark.parametrize("scope", SCOPED)
def test_s10_1_permission_denied_without_the_scope(gateway: Gateway, scope: str) -> None:
    with gateway.client(key_with(gateway, scope)) as client:
        for needed, requests in SCOPED.items():
            for method, path in requests:
                response = client.request(method, path, json={"prompt": ""} if method == "POST" else None)
                if needed == scope:
                    assert response.status_code in (200, 400, 404), response.text
                else:
                    error = parse_error(response, 403, "permission_denied")
                    assert error["type"] == "invalid_request_error"


def test_s10_1_insufficient_quota_many_creates_at_the_edge_never_overdraw(
    gateway: Gateway, client: httpx.Client
) -> None:
    granted = f"{float(3 * Fraction(maximum(client))):.6f}"
    with gateway.client(gateway.new_key("edge", granted)) as edge:
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            codes = list(pool.map(lambda _: edge.post(CREATE, json=SMALL_IMAGE).status_code, range(12)))
        assert set(codes) <= {200, 402}
        assert codes.count(200) >= 3
        deadline = time.monotonic() + 60
        while parse_response(edge.get("/v1/tasks?status=processing"))["total"] and time.monotonic() < deadline:
            for row in parse_response(edge.get("/v1/tasks?status=processing"))["data"]:
                edge.get(f"/v1/tasks/{row['id']}?wait=10")
        assert credits_of(edge)["user"]["reserved_credits"] == 0
        assert credits_of(edge)["user"]["remaining_credits"] >= 0


def test_every_invariant_holds_at_the_end(gateway: Gateway) -> None:
    gateway.check()
