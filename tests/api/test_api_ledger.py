"""Section 9, GET /v1/ledger, and C12 for it."""

from __future__ import annotations

import httpx
import pytest

from tests.api.helpers import CREATE, SMALL_IMAGE, WAIT, parse_error, parse_response
from tests.support.gateway import Gateway


def test_s9_ledger_task_has_one_hold_one_release_and_one_charge(gateway: Gateway) -> None:
    with gateway.client(gateway.new_key("ledger", "100")) as client:
        task = parse_response(client.post(CREATE, json=SMALL_IMAGE, headers=WAIT))
        answer = parse_response(client.get("/v1/ledger"))
        assert (answer["object"], answer["has_more"], answer["next_cursor"]) == ("list", False, None)
        lines = answer["data"]
        assert [line["type"] for line in lines] == ["charge", "release", "hold", "grant"]
        assert list(lines[0]) == [
            "id",
            "type",
            "task_id",
            "created",
            "amount",
            "available_after",
            "price_version",
        ]
        assert all(line["id"].startswith("led_") for line in lines)
        assert [line["task_id"] for line in lines] == [task["id"]] * 3 + [None]
        assert [line["price_version"] for line in lines] == ["2026-11-01.1"] * 3 + [None]
        remaining = parse_response(client.get("/v1/credits"))["data"]["user"]["exact"]["remaining"]
        assert lines[0]["available_after"] == remaining
        assert sum(int(line["amount"]["nanos"]) for line in lines) == int(remaining["nanos"])
        assert float(lines[0]["amount"]["credits"]) == -task["usage"]["credits_used"]
        assert float(lines[2]["amount"]["credits"]) == -task["usage"]["credits_reserved"]
        assert int(lines[1]["amount"]["nanos"]) == -int(lines[2]["amount"]["nanos"])


def test_s9_ledger_newest_first_by_page_task_and_type(gateway: Gateway) -> None:
    with gateway.client() as client:
        task = parse_response(client.post(CREATE, json=SMALL_IMAGE, headers=WAIT))
        lines = parse_response(client.get("/v1/ledger"))["data"]
        _pages_hold_the_same(client, [line["id"] for line in lines])
        assert [line["created"] for line in lines] == sorted((line["created"] for line in lines), reverse=True)
        holds = parse_response(client.get("/v1/ledger?type=hold"))["data"]
        assert holds == [line for line in lines if line["type"] == "hold"]
        assert parse_response(client.get(f"/v1/ledger?task_id={task['id']}"))["data"] == lines[:3]


def _pages_hold_the_same(client: httpx.Client, ids: list[str]) -> None:
    found: list[str] = []
    cursor: str | None = ""
    for _ in ids:
        page = parse_response(client.get(f"/v1/ledger?limit=1&cursor={cursor}"))
        found += [line["id"] for line in page["data"]]
        cursor = page["next_cursor"]
        assert page["has_more"] == (cursor is not None)
    assert (found, cursor) == (ids, None)


def test_c12_another_accounts_task_has_no_lines(gateway: Gateway) -> None:
    with gateway.client() as mine, gateway.client(gateway.new_key("stranger", "1")) as stranger:
        task = parse_response(mine.post(CREATE, json=SMALL_IMAGE, headers=WAIT))
        for task_id in (task["id"], "task-unified-1-aaaaaaaa", "nonsense", "%00"):
            assert parse_response(stranger.get(f"/v1/ledger?task_id={task_id}"))["data"] == []
        assert [line["type"] for line in parse_response(stranger.get("/v1/ledger"))["data"]] == ["grant"]


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("type=done", "type"),
        ("cursor=x", "cursor"),
        ("cursor=%C3%A9", "cursor"),
        ("cursor=WzEsMiwzXQ", "cursor"),
        ("cursor=WzEsMSwiXHUwMDAwIl0", "cursor"),
        ("cursor=" + "A" * 5000, "cursor"),
    ],
)
def test_s9_ledger_other_questions_are_400(gateway: Gateway, query: str, param: str) -> None:
    with gateway.client() as client:
        parse_error(client.get(f"/v1/ledger?{query}"), 400, "invalid_request", param)


def test_s10_1_permission_denied_for_the_ledger(gateway: Gateway) -> None:
    with gateway.client(gateway.new_key("blind", "1", "--scope", "tasks:read")) as client:
        parse_error(client.get("/v1/ledger"), 403, "permission_denied")
