"""/v1/admin, and MON-11: grants under a mandatory Idempotency-Key, with their actor, in double entry."""

from __future__ import annotations

import concurrent.futures
from typing import Any

import apsw
import httpx
import pytest

from tests.api.helpers import CREATE, SMALL_IMAGE, WAIT, parse_error, parse_response
from tests.support.gateway import Gateway


def grant(client: httpx.Client, account_id: str, amount: Any, once: str | None) -> httpx.Response:
    headers = {} if once is None else {"Idempotency-Key": once}
    return client.post("/v1/admin/grants", json={"account_id": account_id, "credits": amount}, headers=headers)


def test_mon_11_a_grant_happens_once_and_names_its_actor(gateway: Gateway, admin: httpx.Client) -> None:
    account = parse_response(admin.post("/v1/admin/accounts", json={"name": "once", "with_key": True}))
    parse_error(grant(admin, account["id"], "250", None), 400, "invalid_request", "Idempotency-Key")
    first = grant(admin, account["id"], "250", "top-up-1")
    assert "idempotency-replayed" not in first.headers
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        again = list(pool.map(lambda _: grant(admin, account["id"], 250, "top-up-1"), range(8)))
    assert {answer.text for answer in again} == {first.text}
    assert {answer.headers["idempotency-replayed"] for answer in again} == {"true"}
    answer = parse_response(first)
    assert answer["amount"] == answer["available"]
    assert answer["amount"]["nanos"] == "3676470588"
    own = gateway.new_key("operator", "0.000001", "--scope", "admin")
    assert answer["actor"].startswith("key:key_")
    with gateway.client(own) as second:
        parse_response(grant(second, account["id"], "250", "top-up-2"))
        parse_error(grant(second, account["id"], "251", "top-up-1"), 409, "idempotency_conflict")
        parse_error(grant(second, admin_id(admin), "250", "top-up-1"), 409, "idempotency_conflict")
    with gateway.client(account["key"]) as customer:
        assert parse_response(customer.get("/v1/credits"))["data"]["user"]["remaining_credits"] == 500
        assert [line["type"] for line in parse_response(customer.get("/v1/ledger"))["data"]] == ["grant", "grant"]
    taken = parse_response(grant(admin, account["id"], "-100.5", "back"))
    assert int(taken["amount"]["nanos"]) < 0
    parse_error(grant(admin, account["id"], "-1000", "too much"), 400, "invalid_request", "Idempotency-Key")
    parse_error(grant(admin, account["id"], "-1000", "too-much"), 400, "invalid_request", "credits")
    gateway.check()


def admin_id(admin: httpx.Client) -> str:
    found: str = next(
        row["id"]
        for row in parse_response(admin.get("/v1/admin/accounts?limit=200"))["data"]
        if row["name"] == "operator"
    )
    return found


@pytest.mark.parametrize("amount", ["0", "x", "", "1e9", "9" * 18])
def test_mon_11_other_amounts_are_400(admin: httpx.Client, amount: str) -> None:
    parse_error(grant(admin, admin_id(admin), amount, "x"), 400, "invalid_request", "credits")


def test_mon_11_no_account_can_have_more_than_can_be_counted(gateway: Gateway, admin: httpx.Client) -> None:
    account = parse_response(admin.post("/v1/admin/accounts", json={"name": "rich"}))["id"]
    refused = 0
    for number in range(4):
        refused += grant(admin, account, "70000000000", f"rich-{number}").status_code == 400
    assert refused > 0
    gateway.check()


def test_accounts_are_made_once_and_listed_by_page(admin: httpx.Client) -> None:
    made = [parse_response(admin.post("/v1/admin/accounts", json={"name": name})) for name in ("b", "a", "b")]
    assert made[0] == made[2]
    assert made[0]["available"]["nanos"] == "0"
    whole = parse_response(admin.get("/v1/admin/accounts?limit=200"))["data"]
    found: list[Any] = []
    cursor: str | None = ""
    while cursor is not None:
        page = parse_response(admin.get(f"/v1/admin/accounts?limit=2&cursor={cursor}"))
        found, cursor = [*found, *page["data"]], page["next_cursor"]
    assert found == whole
    assert {"a", "b", "demo", "operator"} <= {row["name"] for row in whole}
    for part in ("PERAT", admin_id(admin)):
        assert [row["name"] for row in parse_response(admin.get(f"/v1/admin/accounts?q={part}"))["data"]] == [
            "operator"
        ]
    assert parse_response(admin.get("/v1/admin/accounts?q=%25"))["data"] == []
    assert parse_response(admin.get(f"/v1/admin/accounts/{made[0]['id']}")).items() >= made[0].items()
    parse_error(admin.get("/v1/admin/accounts/acc_none"), 404, "not_found")
    for name in ("", " ", "x" * 101, "a\0"):
        parse_error(admin.post("/v1/admin/accounts", json={"name": name}), 400, "invalid_request", "name")
    parse_error(grant(admin, "acc_none", 1, "none"), 404, "not_found", "account_id")
    parse_error(grant(admin, "acc\0", 1, "none"), 404, "not_found", "account_id")


def test_the_overview_agrees_with_margin_tasks_and_routes(gateway: Gateway, admin: httpx.Client) -> None:
    with gateway.client() as demo:
        parse_response(demo.post(CREATE, json=SMALL_IMAGE, headers=WAIT))
        told = parse_response(admin.get("/v1/admin/overview"))
        (account,) = parse_response(admin.get("/v1/admin/accounts?q=demo"))["data"]
        detail = parse_response(admin.get(f"/v1/admin/accounts/{account['id']}"))
        used = parse_response(demo.get("/v1/credits"))["data"]["user"]["used_credits"]
        assert float(detail["used"]["credits"]) == used > 0
        ended = {
            status: parse_response(demo.get(f"/v1/tasks?status={status}"))["total"]
            for status in ("completed", "failed")
        }
    margin = parse_response(admin.get("/v1/admin/margin?days=30"))
    assert {name: told[name] for name in ("first_day", "last_day")} == {
        name: margin[name] for name in ("first_day", "last_day")
    }
    assert told["total"] == margin["total"] | ended
    for name in margin["total"]:
        assert sum(int(day[name]["nanos"]) for day in told["days"]) == int(margin["total"][name]["nanos"])
    assert sum(day["completed"] for day in told["days"]) == ended["completed"] > 0
    assert told["queue"] == {"count": 0, "oldest_seconds": 0, "running": 0}
    assert told["webhooks"] == {"count": 0, "oldest_seconds": 0}
    routes = parse_response(admin.get("/v1/admin/routes"))["data"]
    assert [(one["name"], one["state"]) for one in told["routes"]] == [(one["name"], one["state"]) for one in routes]
    assert told["broken_invariants"] == []


def test_overruns_are_listed(gateway: Gateway, admin: httpx.Client) -> None:
    with gateway.client() as demo:
        task = parse_response(demo.post(CREATE, json=SMALL_IMAGE, headers=WAIT))
    assert parse_response(admin.get("/v1/admin/overruns")) == {
        "object": "list",
        "data": [],
        "has_more": False,
        "next_cursor": None,
    }
    books = apsw.Connection(str(gateway.data / "imagegate.db"))
    books.set_busy_timeout(5000)
    ref = f"settle:{task['id']}"
    books.execute("BEGIN IMMEDIATE")
    books.execute("UPDATE entries SET amount = amount + 7 WHERE ref = ? AND account = 'sys:revenue'", (ref,))
    books.execute(
        "INSERT INTO entries (id, ref, account, kind, amount, task_id, actor, commit_id, created)"
        " SELECT 'led_over', ref, 'sys:overrun', 'overrun', -7, task_id, actor, commit_id, created"
        " FROM entries WHERE ref = ? AND account = 'sys:revenue'",
        (ref,),
    )
    books.execute("COMMIT")
    books.close()
    (row,) = parse_response(admin.get("/v1/admin/overruns?limit=1"))["data"]
    assert (row["task_id"], row["overrun"]["nanos"]) == (task["id"], "7")
    assert int(row["price"]["nanos"]) == int(row["charged"]["nanos"]) + 7
    assert float(row["charged"]["credits"]) == task["usage"]["credits_used"]
    gateway.check()


def test_s12_tasks_of_all_accounts_with_their_names(gateway: Gateway, admin: httpx.Client) -> None:
    made = {}
    for name in ("first shop", "second shop"):
        with gateway.client(gateway.new_key(name)) as shop:
            body = {**SMALL_IMAGE, "prompt": f"logo of {name}", "metadata": {"tags": "spring"}}
            made[name] = parse_response(shop.post(CREATE, json=body))["id"]
            (own,) = parse_response(shop.get("/v1/tasks?cursor="))["data"]
    page = parse_response(admin.get("/v1/admin/tasks?tag=spring&limit=1"))
    last = parse_response(admin.get(f"/v1/admin/tasks?tag=spring&limit=1&cursor={page['next_cursor']}"))
    rows = page["data"] + last["data"]
    assert [(row["account_name"], row["id"]) for row in rows] == list(made.items())[::-1]
    assert last["next_cursor"] is None
    extra = {"account_id": rows[0]["account_id"], "account_name": "second shop"}
    assert {**own, **extra, "progress": 0, "status": "pending"} == {**rows[0], "progress": 0, "status": "pending"}
    for account in (rows[1]["account_id"], "first shop"):
        found = parse_response(admin.get("/v1/admin/tasks", params={"account": account, "q": "LOGO shop"}))["data"]
        assert [row["id"] for row in found] == [made["first shop"]]
    for query in ({"account": "nobody"}, {"account": "first shop", "q": "second"}, {"account": "\0"}):
        assert parse_response(admin.get("/v1/admin/tasks", params=query))["data"] == []


def test_s10_1_permission_denied_for_admin(gateway: Gateway) -> None:
    with gateway.client() as demo:
        for answer in (
            demo.get("/v1/admin/accounts"),
            demo.get("/v1/admin/overruns"),
            demo.get("/v1/admin/overview"),
            demo.get("/v1/admin/tasks"),
            grant(demo, "acc_x", 1, "x"),
            demo.post("/v1/admin/accounts", json={"name": "x"}),
        ):
            parse_error(answer, 403, "permission_denied")
