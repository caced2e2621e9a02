"""Section 12, GET /v1/usage."""

from __future__ import annotations

import datetime

import pytest

from tests.api.helpers import CREATE, SMALL_IMAGE, WAIT, parse_error, parse_response
from tests.support.gateway import Gateway


def test_s12_usage_is_what_was_charged(gateway: Gateway) -> None:
    with gateway.client(gateway.new_key("used", "100")) as client:
        for body in (SMALL_IMAGE, {**SMALL_IMAGE, "n": 2}, {**SMALL_IMAGE, "model": "gpt-image-2-beta"}):
            parse_response(client.post(CREATE, json=body, headers=WAIT))
        used = parse_response(client.get("/v1/credits"))["data"]["user"]["used_credits"]
        by_day = parse_response(client.get("/v1/usage"))
        today = datetime.datetime.now(datetime.UTC).date()
        assert (by_day["object"], by_day["has_more"], by_day["last_day"]) == ("list", False, today.isoformat())
        assert by_day["first_day"] == (today - datetime.timedelta(days=29)).isoformat()
        assert [(row["tasks"], row["images"]) for row in by_day["data"]] == [(3, 4)]
        assert float(by_day["total"]["amount"]["credits"]) == pytest.approx(used, abs=1e-6)
        both = parse_response(client.get(f"/v1/usage?group_by=model,key&from={today}&to={today}"))
        assert [(row["model"], row["tasks"]) for row in both["data"]] == [("gpt-image-2", 2), ("gpt-image-2-beta", 1)]
        assert both["data"][1]["amount"]["nanos"] == "15000000"
        assert {row["key"] for row in both["data"]} == {parse_response(client.get("/v1/keys"))["data"][0]["id"]}
        assert both["total"] == by_day["total"]
        assert parse_response(client.get("/v1/usage?from=2020-01-01&to=2020-12-31"))["data"] == []


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("group_by=hour", "group_by"),
        ("group_by=", "group_by"),
        ("from=yesterday", "from"),
        ("to=2026-13-01", "to"),
        ("to=20261122", "to"),
        ("from=2026-11-02&to=2026-11-01", "from"),
        ("from=2020-01-01&to=2026-01-01", "from"),
    ],
)
def test_s12_usage_other_questions_are_400(gateway: Gateway, query: str, param: str) -> None:
    with gateway.client() as client:
        parse_error(client.get(f"/v1/usage?{query}"), 400, "invalid_request", param)


def test_c12_usage_is_of_the_own_account_and_needs_its_scope(gateway: Gateway) -> None:
    with gateway.client(gateway.new_key("idle")) as idle:
        assert parse_response(idle.get("/v1/usage"))["total"]["tasks"] == 0
    with gateway.client(gateway.new_key("idle", "1", "--scope", "images:write")) as blind:
        parse_error(blind.get("/v1/usage"), 403, "permission_denied")
