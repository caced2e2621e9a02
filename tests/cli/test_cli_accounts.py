"""`imagegate accounts`, `margin`, `audit` and `keys delete`, beside a gateway that serves."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.gateway import Gateway

GATEWAY_ENV = {"IMAGEGATE_KEY_CACHE_S": "0"}
SMALL = {"prompt": "logo", "size": "816x816", "quality": "low"}


@pytest.fixture(scope="module")
def shop(gateway: Gateway) -> Iterator[httpx.Client]:
    """A customer with 100 credits who has bought an image."""
    with gateway.client(gateway.new_key("shop", "100")) as client:
        answer = client.post("/v1/images/generations", json=SMALL, headers={"Prefer": "wait=60"})
        assert answer.json()["status"] == "completed"
        yield client


def read(gateway: Gateway, *arguments: str) -> Any:
    return json.loads(gateway.run(*arguments, "--json").stdout)


def refuse(gateway: Gateway, *arguments: str) -> str:
    """The one line of a refusal."""
    done = gateway.run(*arguments, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    assert not done.stdout
    return line


def test_an_account_is_listed_and_shown_with_what_it_has(gateway: Gateway, shop: httpx.Client) -> None:
    row = next(one for one in read(gateway, "accounts", "list") if one["name"] == "shop")
    assert row == read(gateway, "accounts", "show", "shop")
    assert (row["live_keys"], row["unfinished_tasks"], row["closed_at"], row["held"]["nanos"]) == (1, 0, None, "0")
    exact = shop.get("/v1/credits").json()["data"]["user"]["exact"]["remaining"]
    assert row["available"] == exact
    head, *rows = gateway.run("accounts", "list").stdout.splitlines()
    assert head.split() == ["account", "credits", "held", "keys", "unfinished", "since", "closed"]
    name, amount, *_ = next(line.split() for line in rows if line.startswith("shop"))
    assert (name, len(amount.partition(".")[2]) <= 4) == ("shop", True)
    shown = gateway.run("accounts", "show", "shop").stdout
    assert re.search(rf"balance +{re.escape(amount)} credits \(\$", shown), shown
    assert re.search(r"closed +no", shown)


def test_a_closed_account_gets_nothing_from_any_command_until_it_is_reopened(gateway: Gateway) -> None:
    key = gateway.new_key("leaver", "68")
    gateway.run("keys", "create", "--account", "leaver")
    with gateway.client(key) as client:
        assert client.get("/v1/credits").status_code == 200
        assert gateway.run("accounts", "close", "leaver").stdout.startswith("leaver is closed; 2 keys ended\n")
        assert gateway.run("accounts", "close", "leaver").stdout.startswith("leaver was already closed\n")
        give_up = time.monotonic() + 30
        while client.get("/v1/credits").status_code == 200:
            assert time.monotonic() < give_up
            time.sleep(0.05)
    for arguments in (
        ("keys", "create", "--account", "leaver"),
        ("keys", "create", "--account", "leaver", "--credits", "1"),
        ("credits", "grant", "--account", "leaver", "1"),
    ):
        line = refuse(gateway, *arguments)
        assert "'leaver' is closed" in line
        assert "imagegate accounts reopen leaver" in line
    closed = read(gateway, "accounts", "show", "leaver")
    assert (closed["live_keys"], closed["available"]["credits"]) == (0, "68")
    assert closed["closed_at"] >= closed["created"]
    assert "68 credits" in gateway.run("accounts", "show", "leaver").stdout
    gateway.run("credits", "grant", "--account", "leaver", "-34")
    assert gateway.run("accounts", "reopen", "leaver").stdout.startswith("leaver is open again; its keys stay ended")
    assert gateway.run("accounts", "reopen", "leaver").stdout.startswith("leaver was not closed\n")
    reopened = read(gateway, "accounts", "show", "leaver")
    assert (reopened["closed_at"], reopened["live_keys"], reopened["available"]["credits"]) == (None, 0, "34")
    with gateway.client(gateway.new_key("leaver", "1")) as client:
        assert client.get("/v1/credits").status_code == 200
    acts = [row["action"] for row in read(gateway, "audit", "--account", "leaver", "--limit", "6")]
    assert acts[:4] == ["key.create", "credits.grant", "account.reopen", "credits.grant"]
    gateway.check()


@pytest.mark.parametrize(
    "arguments",
    [
        ("accounts", "show"),
        ("accounts", "close"),
        ("accounts", "reopen"),
        ("keys", "list", "--account"),
        ("keys", "delete", "key_x", "--account"),
        ("keys", "disable", "key_x", "--account"),
        ("credits", "grant", "1", "--account"),
        ("audit", "--account"),
    ],
)
def test_a_name_that_no_account_has_is_refused_with_what_is_like_it(
    gateway: Gateway, shop: httpx.Client, arguments: tuple[str, ...]
) -> None:
    assert refuse(gateway, *arguments, "shpo") == "imagegate: no account is named 'shpo'; did you mean 'shop'?"
    assert refuse(gateway, *arguments, "zzzzzz") == "imagegate: no account is named 'zzzzzz'"


def test_an_account_that_a_typo_makes_is_told(gateway: Gateway) -> None:
    made = gateway.run("keys", "create", "--account", "typo")
    assert "created account 'typo'" in made.stderr.splitlines()
    assert made.stdout.startswith("imk_live_")
    assert "created account" not in gateway.run("keys", "create", "--account", "typo").stderr


def test_keys_delete_does_what_the_api_does(gateway: Gateway) -> None:
    made = read(gateway, "keys", "create", "--account", "tidy", "--credits", "1")
    with gateway.client(made["key"]) as client:
        children = [client.post("/v1/keys", json={"name": name}).json()["id"] for name in ("a", "b")]
    kept = read(gateway, "keys", "delete", "--account", "tidy", children[0], "--made-keys", "keep")
    assert kept == {"id": children[0], "account": "tidy", "deleted": True, "ended_keys": []}
    deleted = read(gateway, "keys", "delete", "--account", "tidy", made["id"])
    assert deleted["ended_keys"] == [children[1]]
    rows = read(gateway, "keys", "list", "--account", "tidy")
    assert [(row["id"], row["state"]) for row in rows] == [(children[1], "ended")]
    for key_id in (made["id"], "key_x"):
        assert refuse(gateway, "keys", "delete", "--account", "tidy", key_id) == f"imagegate: tidy has no key {key_id}"
    assert gateway.run("keys", "delete", "--account", "tidy", children[1]).stdout == f"{children[1]} is deleted\n"


def test_an_operators_key_takes_one_command(gateway: Gateway) -> None:
    key = gateway.run("keys", "create", "--account", "ops", "--scope", "admin").stdout.strip()
    with gateway.client(key) as admin:
        assert admin.get("/v1/admin/accounts").status_code == 200
    assert "--account ops --scope admin" in gateway.run("keys", "create", "--help").stdout


def test_the_margin_is_that_of_the_api_and_of_the_metrics(gateway: Gateway, shop: httpx.Client) -> None:
    found = read(gateway, "margin", "--days", "1")
    with gateway.client(gateway.new_key("ops", "1", "--scope", "admin")) as admin:
        assert admin.get("/v1/admin/margin?days=1").json() == found
        for days in (0, 91, "x"):
            refused = admin.get(f"/v1/admin/margin?days={days}")
            assert (refused.status_code, refused.json()["error"]["param"]) == (400, "days")
    assert found["models"][0]["model"] == "gpt-image-2"
    assert int(found["total"]["margin"]["nanos"]) > 0
    metrics = httpx.get(f"{gateway.url}/metrics").text
    assert f"imagegate_day_margin_usd {found['total']['margin']['usd']}\n" in metrics
    lines = gateway.run("margin", "--days", "1").stdout.splitlines()
    assert lines[1].split() == ["revenue", "refunds", "cost", "waste", "margin"]
    assert lines[-1].split()[0] == "total"
    assert all(len(cell.partition(".")[2]) <= 4 for line in lines[2:] for cell in line.split()[-5:])
    assert [line.split()[:2] for line in lines[2:-1]] == [["model", "gpt-image-2"], ["route", "gpt-image-2@embedded"]]
    for days in ("0", "91", "x"):
        assert gateway.run("margin", "--days", days, check=False).returncode == 2


def test_the_audit_log_is_read_by_account_and_by_action(gateway: Gateway) -> None:
    gateway.run("keys", "create", "--account", "watched", "--credits", "250", "--cap", "10")
    gateway.run("accounts", "close", "watched")
    lines = gateway.run("audit", "--account", "watched").stdout.splitlines()
    actions = [line.split("  ")[1].strip() for line in lines]
    assert set(actions[:2]) == {"account.close", "key.disable"}, "one commit"
    assert actions[2:] == [
        "key.create",
        "credits.grant",
        "account.create",
    ]
    close = lines[actions.index("account.close")]
    assert re.match(r"\d{4}-\d\d-\d\dT.* watched  by command line \(\S+@\S+\)  closed: - -> \d", close), close
    assert "posted: 0 credits -> 250 credits" in lines[3]
    rows = read(gateway, "audit", "--account", "watched", "--action", "key.create")
    assert [row["action"] for row in rows] == ["key.create"]
    newest = read(gateway, "audit", "--limit", "2")
    assert len(newest) == 2
    with gateway.client(gateway.new_key("ops", "1", "--scope", "admin")) as admin:
        path = f"/v1/admin/audit?account_id={rows[0]['account_id']}&action=key.create"
        assert admin.get(path).json()["data"] == rows
        assert admin.get("/v1/admin/audit?account_id=acc_nobody").json()["data"] == []
        assert admin.get("/v1/admin/audit?account_id=a%00").json()["data"] == []
        refused = admin.get("/v1/admin/audit?action=nope")
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "action")
        assert "account.close" in refused.json()["error"]["message"]
    for arguments in (("--action", "nope"), ("--limit", "0"), ("--limit", "1001")):
        assert gateway.run("audit", *arguments, check=False).returncode == 2
