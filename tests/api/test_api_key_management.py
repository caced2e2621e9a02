"""Section 12, /v1/keys: made and changed by keys, never beyond what the maker has; KEY-4, KEY-5, KEY-6."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.helpers import CREATE, QUOTE, SMALL_IMAGE, WAIT, parse_error, parse_response
from tests.support.gateway import Gateway

ALL = ["images:write", "tasks:read", "files:write", "billing:read", "keys:write"]


def create_key(client: httpx.Client, **fields: Any) -> Any:
    return parse_response(client.post("/v1/keys", json=fields))


def until(client: httpx.Client, path: str, status: int) -> httpx.Response:
    """A change of a key holds everywhere within 5 seconds."""
    give_up = time.monotonic() + 30
    while (answer := client.get(path)).status_code != status:
        assert time.monotonic() < give_up, answer.text
        time.sleep(0.05)
    return answer


def test_s12_keys_value_is_shown_once(gateway: Gateway, client: httpx.Client) -> None:
    key = create_key(client, name="one")
    with gateway.client(key["key"]) as one:
        parse_response(one.get("/v1/credits"))
    listed = parse_response(client.get("/v1/keys"))
    assert {name: value for name, value in key.items() if name != "key"} in listed["data"]
    assert key["key"] not in client.get("/v1/keys").text
    assert (key["object"], key["scopes"], key["status"]) == ("api_key", ALL, "live")
    assert (key["models"], key["cap"], key["daily_cap"], key["expires_at"], key["allowed_ips"]) == (None,) * 5


def test_s12_keys_every_limit_can_be_set_and_holds(gateway: Gateway, client: httpx.Client) -> None:
    soon = int(time.time()) + 3600
    key = create_key(
        client,
        name="limits",
        scopes=["images:write", "billing:read"],
        cap_credits="2.5",
        daily_cap_credits=1,
        models=["gpt-image-2"],
        expires_at=soon,
        allowed_ips=["127.0.0.1", "2001:db8::1/32"],
    )
    assert (key["models"], key["expires_at"]) == (["gpt-image-2"], soon)
    assert key["allowed_ips"] == ["127.0.0.1/32", "2001:db8::/32"]
    assert key["cap"]["nanos"] == "36764706"
    with gateway.client(key["key"]) as limited:
        parse_error(limited.get("/v1/tasks"), 403, "permission_denied")
        parse_error(
            limited.post(QUOTE, json={**SMALL_IMAGE, "model": "gpt-image-1"}), 403, "model_access_denied", "model"
        )
        dear = {"prompt": "logo", "quality": "high"}
        parse_error(limited.post(CREATE, json=dear), 402, "insufficient_token_quota")
        parse_response(client.patch(f"/v1/keys/{key['id']}", json={"cap_credits": None}))
        parse_error(limited.post(CREATE, json=dear), 402, "token_daily_quota_exceeded")
        parse_response(limited.post(CREATE, json=SMALL_IMAGE, headers=WAIT))
    spent = next(row for row in parse_response(client.get("/v1/keys"))["data"] if row["id"] == key["id"])["spent"]
    assert int(spent["nanos"]) > 0


def test_key_4_changes_hold_within_five_seconds(gateway: Gateway, client: httpx.Client) -> None:
    key = create_key(client, name="ends")
    path = f"/v1/keys/{key['id']}"
    with gateway.client(key["key"]) as ends:
        parse_response(ends.get("/v1/credits"))
        off = parse_response(client.patch(path, json={"disabled": True, "name": "off"}))
        assert (off["status"], off["name"], off["disabled_at"] is None) == ("disabled", "off", False)
        parse_error(until(ends, "/v1/credits", 401), 401, "unauthorized")
        assert parse_response(client.patch(path, json={"disabled": False}))["status"] == "live"
        parse_response(until(ends, "/v1/credits", 200))
        parse_response(client.patch(path, json={"scopes": ["tasks:read"]}))
        parse_error(until(ends, "/v1/credits", 403), 403, "permission_denied")
        assert parse_response(client.delete(path)) == {"id": key["id"], "object": "api_key", "deleted": True}
        parse_error(until(ends, "/v1/credits", 401), 401, "unauthorized")
    parse_error(client.delete(path), 404, "not_found")
    parse_error(client.patch(path, json={"disabled": False}), 404, "not_found")
    assert key["id"] not in client.get("/v1/keys").text


def test_key_5_no_key_gives_more_than_it_has(gateway: Gateway, client: httpx.Client) -> None:
    reader = create_key(client, scopes=["keys:write", "billing:read", "tasks:read"])
    demo = next(row["id"] for row in parse_response(client.get("/v1/keys"))["data"] if row["name"] == "demo")
    with gateway.client(reader["key"]) as narrow:
        for scopes in (["images:write"], ["tasks:read", "admin"], ALL):
            parse_error(narrow.post("/v1/keys", json={"scopes": scopes}), 403, "permission_denied", "scopes")
        parse_error(narrow.post("/v1/keys", json={}), 403, "permission_denied", "scopes")
        child = create_key(narrow, scopes=["tasks:read"])
        parse_error(narrow.patch(f"/v1/keys/{child['id']}", json={"scopes": ALL}), 403, "permission_denied", "scopes")
        parse_error(narrow.patch(f"/v1/keys/{demo}", json={"disabled": True}), 403, "permission_denied", "scopes")
        parse_error(narrow.delete(f"/v1/keys/{demo}"), 403, "permission_denied", "scopes")
    parse_error(client.post("/v1/keys", json={"scopes": ["admin"]}), 403, "permission_denied", "scopes")
    with gateway.client(child["key"]) as blind:
        for answer in (blind.get("/v1/keys"), blind.post("/v1/keys", json={"scopes": ["tasks:read"]})):
            parse_error(answer, 403, "permission_denied")


def test_key_5_reading_bills_makes_and_ends_no_keys(gateway: Gateway, client: httpx.Client) -> None:
    reader = create_key(client, scopes=["billing:read"])
    with gateway.client(reader["key"]) as narrow:
        assert parse_response(narrow.get("/v1/keys"))["data"]
        for answer in (
            narrow.post("/v1/keys", json={"scopes": ["billing:read"]}),
            narrow.patch(f"/v1/keys/{reader['id']}", json={"name": "other"}),
            narrow.delete(f"/v1/keys/{reader['id']}"),
        ):
            parse_error(answer, 403, "permission_denied")


def test_keys_made_by_a_key_end_with_it(tmp_path: Path) -> None:
    expected: dict[str, int] = {}
    env = {"IMAGEGATE_FAILED_LOGINS_PER_MINUTE": "1000"}  # keys are tried until they are refused
    with Gateway(tmp_path, env=env) as gateway, gateway.client() as client, contextlib.ExitStack() as clients:
        for how in ("disable", "delete", "command line"):
            for made_keys, status in (("end", 401), ("keep", 200)):
                maker, child, grandchild = _make_chain(gateway, client)
                _end_key(gateway, client, maker["id"], how, made_keys, [child["id"], grandchild["id"]])
                expected |= {maker["key"]: 401, child["key"]: status, grandchild["key"]: status}
        for one, status in [(clients.enter_context(gateway.client(key)), status) for key, status in expected.items()]:
            until(one, "/v1/credits", status)


def _make_chain(gateway: Gateway, client: httpx.Client) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """A key, one that it made, and one that this made."""
    maker = create_key(client, name="maker")
    with gateway.client(maker["key"]) as first:
        child = create_key(first, name="child")
        with gateway.client(child["key"]) as second:
            grandchild = create_key(second, name="grandchild")
    assert (child["made_by"], grandchild["made_by"]) == (maker["id"], child["id"])
    listed = parse_response(client.get(f"/v1/keys?made_by={maker['id']}"))["data"]
    assert [key["name"] for key in listed] == ["grandchild", "child"]
    return maker, child, grandchild


def _end_key(
    gateway: Gateway, client: httpx.Client, key_id: str, how: str, made_keys: str, descendants: list[str]
) -> None:
    path, ended = f"/v1/keys/{key_id}", descendants if made_keys == "end" else []
    if how == "disable":
        answer = parse_response(client.patch(path, json={"disabled": True, "made_keys": made_keys}))
        assert answer.get("ended_keys", []) == ended
    elif how == "delete":
        assert parse_response(client.delete(f"{path}?made_keys={made_keys}")).get("ended_keys", []) == ended
    else:
        done = gateway.run("keys", "disable", "--account", "demo", "--made-keys", made_keys, key_id)
        assert done.stdout.split()[::3] == [key_id, *ended]


def test_a_key_that_expires_leaves_the_keys_it_made(gateway: Gateway, client: httpx.Client) -> None:
    maker = create_key(client, name="expires")
    with gateway.client(maker["key"]) as first:
        child = create_key(first, name="stays")
    parse_response(client.patch(f"/v1/keys/{maker['id']}", json={"expires_at": int(time.time()) + 1}))
    with gateway.client(maker["key"]) as first:
        until(first, "/v1/credits", 401)
    with gateway.client(child["key"]) as made:
        parse_response(made.get("/v1/credits"))


@pytest.mark.parametrize("act", ["create", "enable", "delete"])
def test_a_key_that_was_ended_manages_no_key_while_it_is_remembered(tmp_path: Path, act: str) -> None:
    """A process trusts a key that it knows for `key_cache_s`; the act itself asks the database."""
    with Gateway(tmp_path, env={"IMAGEGATE_KEY_CACHE_S": "5"}) as gateway, gateway.client() as client:
        maker = create_key(client, name="ended")
        with gateway.client(maker["key"]) as first:
            parse_response(first.get("/v1/credits"))
            gateway.run("keys", "disable", "--account", "demo", maker["id"])
            answer = {
                "create": lambda: first.post("/v1/keys", json={"name": "late"}),
                "enable": lambda: first.patch(f"/v1/keys/{maker['id']}", json={"disabled": False}),
                "delete": lambda: first.delete(f"/v1/keys/{maker['id']}"),
            }[act]()
            parse_error(answer, 401, "unauthorized")
        names = {key["name"]: key["status"] for key in parse_response(client.get("/v1/keys"))["data"]}
    assert names == {"demo": "live", "ended": "disabled"}


@pytest.mark.parametrize(
    "limit",
    [
        {"cap_credits": 5},
        {"daily_cap_credits": 5},
        {"models": ["gpt-image-2"]},
        {"allowed_ips": ["::/0", "0.0.0.0/0"]},
        {"expires_at": 4_000_000_000},
    ],
    ids=str,
)
def test_key_5_no_second_key_is_a_way_around_a_limit(gateway: Gateway, client: httpx.Client, limit: Any) -> None:
    key = create_key(client, **limit)
    with gateway.client(key["key"]) as limited:
        parse_response(limited.get("/v1/keys"))
        parse_error(limited.post("/v1/keys", json={}), 403, "permission_denied")
        parse_error(limited.patch(f"/v1/keys/{key['id']}", json={"cap_credits": None}), 403, "permission_denied")
        parse_error(limited.delete(f"/v1/keys/{key['id']}"), 403, "permission_denied")


def test_key_5_an_ip_list_binds_and_only_trusted_proxies_are_believed(tmp_path: Path) -> None:
    env = {"IMAGEGATE_TRUSTED_PROXIES": "127.0.0.1,10.0.0.0/8"}
    with Gateway(tmp_path / "proxied", env=env) as gateway, gateway.client() as client:
        home = create_key(client, allowed_ips=["192.0.2.0/24"])["key"]
        for forwarded, status in [
            ("192.0.2.9", 200),
            ("192.0.2.9, 10.1.2.3", 200),
            ("6.6.6.6, 192.0.2.9", 200),
            ("::ffff:192.0.2.9", 200),
            ("192.0.2.9, 6.6.6.6", 403),
            ("6.6.6.6", 403),
            ("nonsense", 403),
            ("", 403),
        ]:
            headers = {"Authorization": f"Bearer {home}"} | ({"X-Forwarded-For": forwarded} if forwarded else {})
            answer = httpx.get(f"{gateway.url}/v1/credits", headers=headers, timeout=60)
            assert answer.status_code == status, forwarded
        parse_error(answer, 403, "ip_restricted")


def test_key_6_a_header_of_a_stranger_is_not_believed(gateway: Gateway, client: httpx.Client) -> None:
    home = create_key(client, allowed_ips=["192.0.2.9"])["key"]
    headers = {"Authorization": f"Bearer {home}", "X-Forwarded-For": "192.0.2.9"}
    parse_error(httpx.get(f"{gateway.url}/v1/credits", headers=headers, timeout=60), 403, "ip_restricted")


def test_c12_another_accounts_key_is_not_there(gateway: Gateway, client: httpx.Client) -> None:
    key = create_key(client, name="mine")
    with gateway.client(gateway.new_key("other")) as other:
        for key_id in (key["id"], "key_none", "%00"):
            parse_error(other.patch(f"/v1/keys/{key_id}", json={"name": "x"}), 404, "not_found")
            parse_error(other.delete(f"/v1/keys/{key_id}"), 404, "not_found")
        assert [row["name"] for row in parse_response(other.get("/v1/keys"))["data"]] == ["key"]
    with gateway.client(key["key"]) as mine:
        parse_response(mine.get("/v1/credits"))


def test_s12_lists_keys_come_by_page(gateway: Gateway) -> None:
    with gateway.client(gateway.new_key("pages")) as client:
        for number in range(4):
            create_key(client, name=str(number))
        whole = [row["id"] for row in parse_response(client.get("/v1/keys"))["data"]]
        found: list[str] = []
        cursor: str | None = ""
        while cursor is not None:
            page = parse_response(client.get(f"/v1/keys?limit=2&cursor={cursor}"))
            found, cursor = [*found, *(row["id"] for row in page["data"])], page["next_cursor"]
        assert found == whole
        assert len(whole) == 5


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["all"]}, "scopes[0]"),
        ({"models": ["none"]}, "models[0]"),
        ({"models": []}, "models"),
        ({"allowed_ips": ["here"]}, "allowed_ips[0]"),
        ({"allowed_ips": []}, "allowed_ips"),
        ({"cap_credits": "-1"}, "cap_credits"),
        ({"cap_credits": "x"}, "cap_credits"),
        ({"cap_credits": 1.5}, "cap_credits"),
        ({"cap_credits": "1" * 17}, "cap_credits"),
        ({"expires_at": 1}, "expires_at"),
        ({"expires_at": 2**62}, "expires_at"),
        ({"disabled": "yes"}, "disabled"),
    ],
    ids=str,
)
def test_s12_keys_of_other_forms_are_400(client: httpx.Client, body: Any, param: str) -> None:
    parse_error(client.post("/v1/keys", json=body), 400, "invalid_request", param)
