"""Signing in: WEB-1 and WEB-2."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser

from imagegate.domain.accounts import CUSTOMER_SCOPES
from imagegate.domain.time import US_PER_HOUR, US_PER_MINUTE
from imagegate.security.api_keys import generate_key
from tests.api.helpers import CREATE, SMALL_IMAGE
from tests.support.gateway import Gateway
from tests.web.browser import open_page
from tests.web.playground import fill_form, quoted_credits, run_prompt

PUBLIC = "https://images.example.com"
OURS = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway behind a proxy that speaks https; the proxy names the visitor."""
    env = {"IMAGEGATE_TRUSTED_PROXIES": "127.0.0.1"}
    with Gateway(tmp_path_factory.mktemp("public"), env=env, public_url=PUBLIC) as served:
        yield served


@pytest.fixture(scope="module")
def operator(public: Gateway) -> str:
    """A key that opens accounts over HTTP, which is much quicker than the command line."""
    return public.new_key("operator", "10", "--scope", "admin")


def new_key(gateway: Gateway, operator: str, name: str) -> str:
    """A key of a new account."""
    with gateway.client(operator) as client:
        key: str = client.post("/v1/admin/accounts", json={"name": name, "with_key": True}).json()["key"]
    return key


def second_key(gateway: Gateway, key: str, *scopes: str) -> dict[str, Any]:
    """Another key of the same account."""
    with gateway.client(key) as client:
        made: dict[str, Any] = client.post("/v1/keys", json={"name": "second", "scopes": scopes}).json()
    return made


def visitor(gateway: Gateway, address: str = "203.0.113.1", **headers: str) -> httpx.Client:
    """A browser's bare hands: no key, and cookies only where a test says so."""
    sent = {**OURS, "X-Forwarded-For": address, **headers}
    return httpx.Client(
        base_url=gateway.url, headers={name: value for name, value in sent.items() if value}, timeout=60
    )


def signed_in(client: httpx.Client, key: str, cookie: str = "") -> tuple[str, dict[str, Any]]:
    """The session's cookie and the answer."""
    answer = client.post("/web/session", json={"key": key}, headers={"Cookie": cookie} if cookie else {})
    assert answer.status_code == 200, answer.text
    return answer.headers["set-cookie"].partition(";")[0], answer.json()


def token(client: httpx.Client, cookie: str) -> str | None:
    answer = client.post("/web/session/token", headers={"Cookie": cookie})
    assert answer.status_code == 200, answer.text
    found: str | None = answer.json()["token"]
    return found


def credits_with(client: httpx.Client, bearer: str) -> int:
    return client.get("/v1/credits", headers={"Authorization": f"Bearer {bearer}"}).status_code


def until_refused(client: httpx.Client, bearer: str) -> None:
    """Wait until the token has stopped working."""
    give_up = time.monotonic() + 20
    while credits_with(client, bearer) == 200:
        assert time.monotonic() < give_up
        time.sleep(0.05)


def make_older(gateway: Gateway, column: str, by_us: int) -> None:
    """As if every session had begun that much earlier."""

    with contextlib.closing(sqlite3.connect(gateway.data / "imagegate.db")) as db, db:
        db.execute(f"UPDATE sessions SET {column} = {column} - ?", [by_us])


def test_web_1_the_cookie_is_bound_to_the_host_and_hidden_from_scripts(public: Gateway, operator: str) -> None:
    with visitor(public) as client:
        answer = client.post("/web/session", json={"key": new_key(public, operator, "cookie")})
    cookie = answer.headers["set-cookie"]
    assert re.match(r"__Host-imagegate=[A-Za-z0-9_-]{43};", cookie)
    attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"secure", "httponly", "samesite=lax", "path=/", "max-age=43200"} <= attributes
    assert not any(one.startswith("domain") for one in attributes)
    value = re.search(r"=([^;]+)", cookie)
    assert value
    assert value[1].encode() not in b"".join(file.read_bytes() for file in public.data.glob("imagegate.db*"))


def test_web_1_a_sign_in_begins_a_new_session_and_ends_the_old_one(public: Gateway, operator: str) -> None:
    key = new_key(public, operator, "rotates")
    with visitor(public, "203.0.113.2") as client:
        first, _ = signed_in(client, key)
        planted = "__Host-imagegate=" + "A" * 43
        second, _ = signed_in(client, key, first)
        third, _ = signed_in(client, key, planted)
        assert len({first, second, third, planted}) == 4
        assert token(client, first) is None
        assert token(client, second)
        assert token(client, planted) is None


def test_web_1_log_out_ends_this_session_and_everywhere_ends_all(public: Gateway, operator: str) -> None:
    key = new_key(public, operator, "leaves")
    with visitor(public, "203.0.113.3") as client:
        here, _ = signed_in(client, key)
        there, _ = signed_in(client, key)
        third, _ = signed_in(client, key)
        kept, gone = token(client, there), token(client, here)
        assert kept
        assert gone
        assert client.delete("/web/session", headers={"Cookie": here}).status_code == 200
        assert token(client, here) is None
        until_refused(client, gone)
        assert credits_with(client, kept) == 200
        assert client.delete("/web/sessions", headers={"Cookie": third}).status_code == 200
        assert token(client, there) is token(client, third) is None
        until_refused(client, kept)


def test_web_1_a_session_ends_after_an_hour_unused_and_after_twelve_hours(public: Gateway, operator: str) -> None:
    with visitor(public, "203.0.113.4") as client:
        cookie, _ = signed_in(client, new_key(public, operator, "idle"))
        make_older(public, "last_used", US_PER_HOUR - US_PER_MINUTE)
        assert token(client, cookie)
        make_older(public, "last_used", US_PER_HOUR - US_PER_MINUTE)
        assert token(client, cookie), "its use a moment ago counts"
        make_older(public, "last_used", US_PER_HOUR + US_PER_MINUTE)
        assert token(client, cookie) is None
        cookie, _ = signed_in(client, new_key(public, operator, "old"))
        make_older(public, "expires", 12 * US_PER_HOUR)
        assert token(client, cookie) is None


def test_web_1_five_sign_ins_a_minute_for_an_address_and_for_an_account(public: Gateway, operator: str) -> None:
    with visitor(public, "198.51.100.7") as client:
        answers = [client.post("/web/session", json={"key": generate_key()}) for _ in range(7)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 2
    assert int(answers[-1].headers["retry-after"]) <= 60
    key = new_key(public, operator, "popular")
    for number in range(5):
        with visitor(public, f"198.51.100.{100 + number}") as client:
            signed_in(client, key)
    with visitor(public, "198.51.100.110") as client:
        assert client.post("/web/session", json={"key": key}).status_code == 429


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Sec-Fetch-Site": "same-site", "Origin": PUBLIC}, False),
        ({"Sec-Fetch-Site": "cross-site", "Origin": PUBLIC}, False),
        ({"Sec-Fetch-Site": "", "Origin": PUBLIC}, True),
        ({"Sec-Fetch-Site": "", "Origin": "https://evil.example"}, False),
        ({"Sec-Fetch-Site": "", "Origin": "null"}, False),
        ({"Sec-Fetch-Site": ""}, False),
    ],
)
def test_web_2_only_our_own_page_may_change_anything(public: Gateway, headers: dict[str, str], passes: bool) -> None:
    wanted = 200 if passes else 403
    with visitor(public, "203.0.113.9", **headers) as client:
        assert client.post("/web/session/token").status_code == wanted
        assert client.delete("/web/session").status_code == wanted
        assert client.delete("/web/sessions").status_code == wanted
        if not passes:
            assert client.post("/web/session", json={"key": generate_key()}).status_code == 403


def test_web_2_the_api_has_no_eye_for_cookies_and_takes_the_token(public: Gateway, operator: str) -> None:
    narrow = second_key(public, new_key(public, operator, "narrow"), "tasks:read")
    with visitor(public, "203.0.113.10") as client:
        cookie, answer = signed_in(client, narrow["key"])
        assert client.get("/v1/tasks", headers={"Cookie": cookie}).status_code == 401
        bearer = {"Authorization": f"Bearer {answer['token']}"}
        assert client.get("/v1/tasks", headers=bearer).status_code == 200
        assert client.post(CREATE, json=SMALL_IMAGE, headers=bearer).status_code == 403, "the same scopes as the key"
        assert client.get(f"/v1/tasks?x={answer['token']}").status_code == 400
        assert 590 <= answer["expires_at"] - time.time() <= 600


def test_web_2_a_token_is_ours_whole_and_young(public: Gateway, operator: str) -> None:
    from imagegate.security.keyring import open_keyring
    from imagegate.security.signing import PageToken, sign_page_token, verify_page_token

    with visitor(public, "203.0.113.11") as client:
        _, answer = signed_in(client, new_key(public, operator, "forged"))
        good = answer["token"]
        secret = open_keyring(public.data, {}).derive_key("page-token")
        inside = verify_page_token(secret, good, int(time.time()))
        assert isinstance(inside, PageToken)
        old = sign_page_token(secret, PageToken(inside.account_id, inside.key_id, inside.session, int(time.time())))
        foreign = sign_page_token(b"x" * 32, inside)
        local = sign_page_token(b"x" * 32, PageToken(inside.account_id, inside.key_id, "", inside.exp))
        for bad in (old, foreign, local, good[:-1], good.replace(".", "x."), "imt_", "imt_.", "imt_é.x"):
            sent = {b"Authorization": f"Bearer {bad}".encode()}
            assert client.get("/v1/credits", headers=sent).status_code in (401, 429), bad
        assert credits_with(client, good) == 200


def test_web_2_a_key_that_is_disabled_takes_its_tokens_and_sessions_along(public: Gateway, operator: str) -> None:
    first = new_key(public, operator, "disabled")
    second = second_key(public, first, "billing:read")
    with visitor(public, "203.0.113.12") as client:
        cookie, answer = signed_in(client, second["key"])
        with public.client(first) as owner:
            assert owner.patch(f"/v1/keys/{second['id']}", json={"disabled": True}).status_code == 200
        assert token(client, cookie) is None
        until_refused(client, answer["token"])


def exchange_link(gateway: Gateway, secret: str = "", **headers: str) -> httpx.Response:
    """What the page sends when it is opened by the link; its own secret where none is given."""
    secret = secret or gateway.page_link.partition("#open=")[2]
    return httpx.post(
        f"{gateway.url}/web/session/link", json={"secret": secret}, headers={**OURS, **headers}, timeout=60
    )


def test_the_link_of_the_start_opens_the_demo_account_and_nothing_else_does(gateway: Gateway, public: Gateway) -> None:
    with httpx.Client(base_url=gateway.url, headers=OURS, timeout=60) as client:
        nobody = client.post("/web/session/token").json()
        assert (nobody["token"], nobody["sign_in"]) == (None, "link"), "being on this machine is not enough"
        opened = exchange_link(gateway)
        cookie = opened.headers["set-cookie"].partition(";")[0]
        assert opened.json()["account"] | {"key_shown": ""} == {
            "name": "demo",
            "key_name": "demo",
            "key_shown": "",
            "scopes": [*CUSTOMER_SCOPES],
            "local": True,
        }
        assert token(client, cookie)
        assert credits_with(client, opened.json()["token"]) == 200
        assert exchange_link(gateway).status_code == 200, "the link works until the gateway ends"
    assert not (public.data / "page-link").exists()
    with visitor(public, "") as client:
        assert client.post("/web/session/token").json() == {"token": None, "expires_at": None, "account": None}


def test_the_link_is_for_this_user_and_in_no_output_that_is_kept(gateway: Gateway) -> None:
    file = gateway.data / "page-link"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    secret = gateway.page_link.partition("#open=")[2]
    assert len(secret) >= 43
    assert not [line for line in gateway.output if secret in line], "its output is no terminal"
    said = next(number for number, line in enumerate(gateway.output) if str(file) in line)
    assert said < gateway.output.index(gateway.curl)


@pytest.mark.parametrize(
    "header",
    [
        "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "Forwarded", "Via", "X-Real-IP",
        "CF-Connecting-IP", "True-Client-IP", "X-Client-IP", "X-Original-URL", "X-Envoy-External-Address", "CDN-Loop",
        "Fly-Client-IP", "X-Amzn-Trace-Id",
    ],
)  # fmt: skip
def test_any_forwarding_header_refuses_the_local_account(gateway: Gateway, header: str) -> None:
    assert exchange_link(gateway, **{header: "203.0.113.5"}).status_code in (401, 429)
    cookie = exchange_link(gateway).headers["set-cookie"].partition(";")[0]
    with httpx.Client(base_url=gateway.url, headers={**OURS, header: "203.0.113.5"}, timeout=60) as client:
        assert token(client, cookie) is None, "nor does a session of it work through a proxy"


def test_a_bare_proxy_on_loopback_gives_the_world_nothing(gateway: Gateway) -> None:
    """It rewrites Host and adds no header, so that every request seems to come from this machine."""
    with httpx.Client(base_url=gateway.url, timeout=60) as client:
        for headers in (OURS, {"Sec-Fetch-Site": "none"}, {"Origin": gateway.url}):
            assert client.post("/web/session/token", headers=headers).json()["token"] is None
        assert client.post("/v1/keys", json={"name": "mine"}).status_code == 401


def test_wrong_links_are_limited_and_never_shut_the_right_one_out(tmp_path: Path) -> None:
    with Gateway(tmp_path) as gateway:
        answers = [exchange_link(gateway, "A" * 43).status_code for _ in range(7)]
        assert answers == [401] * 5 + [429] * 2
        assert exchange_link(gateway, "é" * 20).status_code == 429
        assert exchange_link(gateway).status_code == 200
        first = gateway.page_link
        cookie = exchange_link(gateway).headers["set-cookie"].partition(";")[0]
        gateway.stop()
        gateway.start()
        assert gateway.page_link.partition("#")[2] != first.partition("#")[2]
        assert exchange_link(gateway, first.partition("#open=")[2]).status_code in (401, 429), "of an earlier start"
        with httpx.Client(base_url=gateway.url, headers=OURS, timeout=60) as client:
            assert token(client, cookie), "sessions outlive a restart"


@pytest.mark.parametrize("kind", ["every address", "name", "address"])
def test_signing_in_works_on_every_plain_address_that_the_operator_set(tmp_path: Path, kind: str) -> None:
    """The host as a browser sends it, without Sec-Fetch-Site as browsers do over plain http."""
    served = "gate.lan" if kind == "name" else "192.168.7.9"
    env = {} if kind == "address" else {"IMAGEGATE_HOST": "0.0.0.0"}
    public_url = "" if kind == "every address" else f"http://{served}:8000"
    with Gateway(tmp_path, env=env, public_url=public_url) as gateway:
        port = gateway.url.rpartition(":")[2]
        url = f"http://127.0.0.1:{port}"
        key = gateway.new_key("afar")
        host = f"{served}:{port}"
        page = {"Host": host, "Origin": f"http://{host}"}
        with httpx.Client(base_url=url, headers=page, timeout=60) as client:
            assert client.post("/web/session/token").json()["sign_in"] == "plain"
            opened = client.post("/web/session", json={"key": key})
            assert opened.status_code == 200, opened.text
            assert re.match(r"imagegate=[A-Za-z0-9_-]{43};", opened.headers["set-cookie"])
            assert "secure" not in opened.headers["set-cookie"].lower()
            client.cookies.clear()
            assert token(client, opened.headers["set-cookie"].partition(";")[0])
            for other in ("http://evil.example", f"http://{served}:1", f"https://{host}", "null"):
                assert client.post("/web/session/token", headers={"Origin": other}).status_code == 403, other
            through = {"X-Forwarded-For": "203.0.113.7"}
            assert client.post("/web/session/token", headers=through).json()["sign_in"] == "https"
            refused = client.post("/web/session", json={"key": key}, headers=through)
            assert (refused.status_code, refused.json()["error"]["reason"]) == (403, "needs_https")
        assert any("WARNING" in line and "plain http" in line for line in gateway.output)
        stranger = httpx.get(url, headers={"Host": "evil.example"}, timeout=60)
        assert stranger.status_code == 400


def test_over_plain_http_to_a_gateway_of_an_https_origin_the_page_sends_to_https(public: Gateway) -> None:
    host = public.url.removeprefix("http://").replace("127.0.0.1", "images.example.com")
    with httpx.Client(base_url=public.url, headers={"Host": host, "Origin": f"http://{host}"}, timeout=60) as client:
        assert client.post("/web/session/token").json()["sign_in"] == "https"
        refused = client.post("/web/session", json={"key": generate_key()})
    assert (refused.status_code, refused.json()["error"]["reason"]) == (403, "needs_https")


def test_behind_an_unknown_https_proxy_the_cookie_is_secure(gateway: Gateway) -> None:
    key = gateway.new_key("behind a proxy")
    with httpx.Client(base_url=gateway.url, headers={**OURS, "X-Forwarded-For": "203.0.113.8"}, timeout=60) as client:
        cookie = client.post("/web/session", json={"key": key}).headers["set-cookie"]
    assert cookie.startswith("__Host-imagegate=")
    assert "secure" in cookie.lower()


def test_the_link_opens_the_page_and_leaves_the_address(gateway: Gateway, browser: Browser) -> None:
    with open_page(browser) as (page, complaints):
        page.goto(gateway.url)
        page.click("#account button")
        page.locator("[data-notice=link]").wait_for()
        page.keyboard.press("Escape")
        page.goto(gateway.page_link)  # the same page but for what stands after #
        page.locator("#account .menu > button", has_text="demo").wait_for()
        assert "#" not in page.url
        page.reload()
        page.locator("#account .menu > button", has_text="demo").wait_for()
        page.context.clear_cookies()
        page.goto(f"{gateway.url}/dashboard#open={'A' * 43}")
        page.locator(".toast.bad", has_text="earlier start").wait_for()
        assert "#" not in page.url
        assert [text for text in complaints if "Failed to load resource" not in text] == []


def test_on_plain_http_the_page_says_so_before_the_key_is_typed(tmp_path: Path, browser: Browser) -> None:
    env = {"IMAGEGATE_HOST": "0.0.0.0", "IMAGEGATE_ALLOWED_HOSTS": "gate.test"}
    with Gateway(tmp_path, env=env) as gateway, open_page(browser) as (page, complaints):
        key = gateway.new_key("visitor", "42")
        page.goto(f"http://gate.test:{gateway.url.rpartition(':')[2]}")
        assert page.evaluate("isSecureContext") is False
        page.click("#account button")
        page.locator("[data-notice=plain]").wait_for()
        page.fill("#sign-in-key", key)
        page.click("dialog .main")
        page.locator("[data-balance]", has_text="42 credits").wait_for()
        run_prompt(page, "a logo without a secure context")
        assert complaints == []


def test_signing_in_and_out_in_a_browser(gateway: Gateway, browser: Browser) -> None:
    key = gateway.new_key("visitor", "42")
    with open_page(browser, gateway) as (page, complaints):
        page.goto(gateway.url)
        page.click("#account .menu > button")
        page.click("#account .menu > div button")
        page.fill("#sign-in-key", generate_key())
        page.click("dialog .main")
        page.wait_for_selector("#sign-in-key-error:not(:empty)")
        page.fill("#sign-in-key", key)
        page.click("dialog .main")
        page.locator("[data-balance]", has_text="42 credits").wait_for()
        assert page.context.cookies()[0]["httpOnly"]
        page.reload()
        page.locator("[data-balance]", has_text="42 credits").wait_for()
        page.click("#account .menu > button")
        page.click("#account .menu > div button")
        page.locator("#account > button").wait_for()
        assert [text for text in complaints if "401" not in text] == []


def test_signing_in_and_out_reaches_the_other_tabs(gateway: Gateway, browser: Browser) -> None:
    with open_page(browser, gateway) as (page, _):
        page.goto(f"{gateway.url}/status")
        other = page.context.new_page()
        other.goto(gateway.url)
        for tab in (page, other):
            tab.locator("#account .menu").wait_for()
        page.click("#account .menu > button")
        page.get_by_role("button", name="Sign out", exact=True).click()
        other.locator("#account > button").wait_for()
        other.goto(gateway.page_link)
        page.locator("#account .menu").wait_for()


def test_a_run_is_never_at_the_expense_of_an_account_that_the_page_does_not_show(
    gateway: Gateway, browser: Browser
) -> None:
    second = gateway.new_key("second of two", "42")
    with open_page(browser, gateway) as (page, _):
        page.goto(gateway.url)
        fill_form(page, "a logo for the first", quality="low", ratio="1:1")
        quoted_credits(page)
        # Another browser window would do so, and nobody told this one, whose token ends meanwhile.
        reply = page.context.request.post(
            f"{gateway.url}/web/session", data={"key": second}, headers={"Sec-Fetch-Site": "same-origin"}
        )
        assert reply.ok
        page.evaluate("{ const now = Date.now; Date.now = () => now() + 660_000; }")
        page.click("[data-run]")
        page.locator(".toast", has_text="second of two").wait_for()
        page.locator("[data-balance]", has_text="42 credits").wait_for()
    with gateway.client(second) as http:
        assert http.get("/v1/tasks").json()["data"] == []
