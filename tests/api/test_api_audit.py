"""/v1/admin/audit: every act of an operator, and on keys, secrets, accounts, credits and routes, leaves a row."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from imagegate.security.api_keys import generate_key
from tests.api.helpers import CREATE, SMALL_IMAGE, WAIT, parse_error, parse_response
from tests.support.gateway import Gateway
from tests.support.routed_gateway import RoutedGateway, route_config, upstream_config


def audit(admin: httpx.Client, action: str = "") -> list[dict[str, Any]]:
    """The rows, the newest first."""
    rows = parse_response(admin.get("/v1/admin/audit?limit=200"))["data"]
    return [row for row in rows if row["action"] == action or not action]


@pytest.fixture(scope="module")
def routed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RoutedGateway]:
    folder = tmp_path_factory.mktemp("audit")
    rows = [upstream_config("a", "http://127.0.0.1:1/v1"), route_config("a", "0.001")]
    with RoutedGateway(folder / "data", *rows) as gateway:
        yield gateway


def test_every_act_by_the_api_is_a_row_with_who_what_before_after_and_where(routed: RoutedGateway) -> None:
    operator = routed.new_key("operator", "5", "--scope", "admin")
    with routed.client(operator) as admin:
        own = parse_response(admin.get("/v1/keys"))["data"][0]["id"]
        made = admin.post("/v1/admin/accounts", json={"name": "shop", "with_key": True})
        account = parse_response(made)
        parse_response(admin.post("/v1/admin/accounts", json={"name": "shop"}))
        grant = {"account_id": account["id"], "credits": "100"}
        for _ in range(2):
            parse_response(admin.post("/v1/admin/grants", json=grant, headers={"Idempotency-Key": "one"}))
        reset = parse_response(admin.post("/v1/admin/routes/reset", json={"name": "gpt-image-2@a"}))
        assert reset["data"][0]["state"] == "healthy"
        with routed.client(account["key"]) as shop:
            key = parse_response(shop.post("/v1/keys", json={"name": "till"}))
            parse_response(shop.patch(f"/v1/keys/{key['id']}", json={"name": "desk", "cap_credits": 1}))
            parse_response(shop.patch(f"/v1/keys/{key['id']}", json={"name": "desk"}))
            parse_response(shop.patch(f"/v1/keys/{key['id']}", json={"disabled": True}))
            parse_response(shop.patch(f"/v1/keys/{key['id']}", json={"disabled": False}))
            parse_response(shop.delete(f"/v1/keys/{key['id']}"))
            parse_response(shop.post("/v1/webhooks/secret/rotate"))
        rows = [row for row in reversed(audit(admin)) if row["via"] == "api"]
        text = admin.get("/v1/admin/audit").text
    shop_key = rows[1]["target"]
    assert [(row["action"], row["actor"], row["account_id"], row["target"]) for row in rows] == [
        ("account.create", f"key:{own}", account["id"], account["id"]),
        ("key.create", f"key:{own}", account["id"], shop_key),
        ("credits.grant", f"key:{own}", account["id"], account["id"]),
        ("route.reset", f"key:{own}", "", "gpt-image-2@a"),
        ("key.create", f"key:{shop_key}", account["id"], key["id"]),
        ("key.change", f"key:{shop_key}", account["id"], key["id"]),
        ("key.disable", f"key:{shop_key}", account["id"], key["id"]),
        ("key.enable", f"key:{shop_key}", account["id"], key["id"]),
        ("key.delete", f"key:{shop_key}", account["id"], key["id"]),
        ("webhook_secret.rotate", f"key:{shop_key}", account["id"], account["id"]),
    ]  # fmt: skip
    assert rows[0]["request_id"] == made.headers["x-request-id"]
    assert {row["address"] for row in rows} == {"127.0.0.1"}
    assert rows[2]["before"] == {"posted": 0}
    assert rows[5]["before"] == {"cap": None, "name": "till"}
    assert rows[5]["after"]["name"] == "desk"
    assert rows[9]["after"] == {"version": 2}
    for secret in (operator, account["key"], key["key"], "whsec_"):
        assert secret not in text
    logged = [json.loads(line) for line in routed.output if line.startswith("{") and '"event": "audit"' in line]
    assert [(one["action"], one["request_id"]) for one in logged if one["via"] == "api"] == [
        (row["action"], row["request_id"]) for row in rows
    ]


def test_acts_of_the_command_line_and_of_the_program_are_rows(tmp_path: Path) -> None:
    config = [upstream_config("a", "http://127.0.0.1:1/v1"), route_config("a", "0.001")]
    with RoutedGateway(tmp_path / "data", *config) as gateway:
        key = gateway.new_key("operator", "5", "--scope", "admin")
        with gateway.client(key) as admin:
            other = json.loads(
                gateway.run("keys", "create", "--account", "operator", "--name", "second", "--json").stdout
            )
            gateway.run("credits", "grant", "--account", "operator", "2")
            disabled = gateway.run("keys", "disable", "--account", "operator", other["id"])
            assert disabled.stderr == "", "who types a command reads no log"
            os.kill(gateway.pid, signal.SIGHUP)
            give_up = time.monotonic() + 20
            while not (reloads := audit(admin, "routes.reload")):
                assert time.monotonic() < give_up
                time.sleep(0.05)
            rows = [row for row in audit(admin) if row["via"] == "command line"]
        assert reloads[0]["after"] == {"routes": ["gpt-image-2@a"]}
    assert [row["action"] for row in reversed(rows)] == [
        *("account.create", "credits.grant", "key.create", "key.create", "credits.grant", "key.disable")
    ]
    assert all(re.fullmatch(r"\S+@\S+", row["address"]) for row in rows), "the user and the machine"


def test_a_refund_and_the_first_start_are_rows(gateway: Gateway, client: httpx.Client, admin: httpx.Client) -> None:
    task = parse_response(client.post(CREATE, json=SMALL_IMAGE, headers=WAIT))
    body = {"task_id": task["id"], "reason": "cut off"}
    for _ in range(2):
        parse_response(admin.post("/v1/admin/refunds", json=body, headers={"Idempotency-Key": "r"}))
    (row,) = audit(admin, "credits.refund")
    assert (row["target"], row["after"]["reason"]) == (task["id"], "cut off")
    first = [row for row in audit(admin) if row["actor"] == "first start"]
    assert [row["action"] for row in reversed(first)] == ["account.create", "credits.grant", "key.create"]


def test_what_is_done_at_the_page_says_so(gateway: Gateway, admin: httpx.Client) -> None:
    secret = gateway.page_link.partition("#open=")[2]
    page = {"Sec-Fetch-Site": "same-origin"}
    opened = httpx.post(f"{gateway.url}/web/session/link", json={"secret": secret}, headers=page, timeout=60).json()
    with gateway.client(opened["token"]) as client:
        key = parse_response(client.post("/v1/keys", json={"name": "by the page"}))
    (row,) = [row for row in audit(admin) if row["target"] == key["id"]]
    assert (row["via"], row["actor"][:8]) == ("page", "key:key_")


def test_the_list_is_for_operators_and_comes_by_page(client: httpx.Client, admin: httpx.Client) -> None:
    parse_error(client.get("/v1/admin/audit"), 403, "permission_denied")
    for number in range(3):
        parse_response(admin.post("/v1/admin/accounts", json={"name": f"page {number}"}))
    whole, cursor, found = audit(admin), "", []
    while True:
        page = parse_response(admin.get(f"/v1/admin/audit?limit=2&cursor={cursor}"))
        found += page["data"]
        if not page["has_more"]:
            break
        cursor = page["next_cursor"]
    assert found == whole


def test_failed_sign_ins_and_bad_keys_are_counted_and_logged_without_the_key(tmp_path: Path) -> None:
    bad = [generate_key() for _ in range(6)]
    env = {"IMAGEGATE_FAILED_LOGINS_PER_MINUTE": "1000"}
    with Gateway(tmp_path, env=env) as gateway:
        admin = gateway.new_key("operator", "1", "--scope", "admin")
        page = {"Sec-Fetch-Site": "same-origin"}
        for key in bad[:3]:
            httpx.post(f"{gateway.url}/web/session", json={"key": key}, headers=page, timeout=60)
        for key in bad * 10:
            httpx.get(f"{gateway.url}/v1/credits", headers={"Authorization": f"Bearer {key}"}, timeout=60)
        with gateway.client(admin) as client:
            rows = audit(client, "sign_in.failed")
            text = client.get("/v1/admin/audit").text
        metrics = httpx.get(f"{gateway.url}/metrics", timeout=60).text
    assert sum(row["times"] for row in rows) == 3
    assert {(row["address"], row["target"]) for row in rows} == {("127.0.0.1", "sign_in")}
    assert 'imagegate_failed_logins_total{kind="key"} 60.0' in metrics
    assert 'imagegate_failed_logins_total{kind="sign_in"} 3.0' in metrics
    lines = [line for line in gateway.output if "login_failed" in line]
    assert 2 <= len(lines) <= 4, "one for each address, kind and minute"
    assert not [key for key in bad if key in text or any(key in line for line in gateway.output)]


def test_old_rows_are_purged_after_audit_days(tmp_path: Path) -> None:
    env = {"IMAGEGATE_SWEEP_S": "0.2", "IMAGEGATE_AUDIT_DAYS": "3"}
    with Gateway(tmp_path, env=env) as gateway:
        with contextlib.closing(sqlite3.connect(gateway.data / "imagegate.db")) as db, db:
            db.execute("UPDATE audit SET created = created - ? WHERE action = 'key.create'", [4 * 86_400_000_000])
        admin = gateway.new_key("operator", "1", "--scope", "admin")
        gateway.stop()
        gateway.start()
        with gateway.client(admin) as client:
            give_up = time.monotonic() + 30
            while len(rows := audit(client, "key.create")) > 1:
                assert time.monotonic() < give_up
                time.sleep(0.1)
    assert rows[0]["via"] == "command line"
