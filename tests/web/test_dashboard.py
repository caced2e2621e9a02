"""The dashboard in a browser, in front of the real program with the embedded engine."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib import resources
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.gateway import Gateway
from tests.web.browser import open_browser, violations, visit

CUSTOMER = ("overview", "tasks", "usage?by=model", "credits", "keys", "webhooks")
OPERATOR = ("accounts", "routes", "costs", "overruns")
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "locale": "ko-KR", "color_scheme": "dark"}
SCOPES = ("images:write", "tasks:read", "files:write", "billing:read", "admin")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def task(gateway: Gateway) -> dict[str, Any]:
    """One finished task of the demo account."""
    body = {"model": "gpt-image-2", "prompt": "a red fox", "size": "1:1", "quality": "low"}
    with gateway.client() as http:
        made = http.post("/v1/images/generations", json=body, headers={"Prefer": "wait=60"})
    done: dict[str, Any] = made.raise_for_status().json()
    assert done["status"] == "completed"
    return done


@pytest.fixture(scope="module")
def operator(gateway: Gateway) -> str:
    return gateway.new_key("operator", "50", *(word for scope in SCOPES for word in ("--scope", scope)))


def _open(page: Page, gateway: Gateway, view: str) -> None:
    page.goto("about:blank")
    page.goto(f"{gateway.url}/dashboard#/{view}")
    expect(page.locator("#view-title")).to_be_visible()
    expect(page.locator(".waiting")).to_have_count(0)


def _sign_in(page: Page, gateway: Gateway, key: str) -> None:
    page.goto(f"{gateway.url}/dashboard")
    status = page.evaluate(
        """key => fetch('/web/session', {method: 'POST', headers: {'Content-Type': 'application/json'},
        body: JSON.stringify({key})}).then(reply => reply.status)""",
        key,
    )
    assert status == 200


def _tidy(page: Page, complaints: list[str]) -> None:
    assert complaints == []
    assert re.findall(r"(?:dashboard|app)\.[a-z_]+\.[a-z_.]+", page.inner_text("body")) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_both_languages_say_the_same_things() -> None:
    english, korean = (_names(name) for name in ("en", "ko"))
    assert english == korean
    assert len(english) > 200


def _names(language: str) -> set[str]:
    file = resources.files("imagegate.web") / "static" / "lang" / f"{language}.json"
    return set(_leaves(json.loads(file.read_text("utf-8"))["dashboard"], ""))


def _leaves(tree: dict[str, Any] | str, path: str) -> Iterator[str]:
    """Path and placeholders of each text."""
    if isinstance(tree, str):
        assert tree.strip(), path
        yield path + "".join(sorted(re.findall(r"\{\w+\}", tree)))
        return
    for name, below in tree.items():
        yield from _leaves(below, f"{path}.{name}")


@pytest.mark.gate
def test_every_view_of_a_customer_is_sound_on_a_desk(gateway: Gateway, browser: Browser, task: dict[str, Any]) -> None:
    with visit(browser, locale="en-US") as (page, complaints):
        for view in (*CUSTOMER, f"tasks/{task['id']}"):
            _open(page, gateway, view)
            _tidy(page, complaints)
            assert violations(page) == [], view
        expect(page.locator(".dash-nav a")).to_have_count(len(CUSTOMER))


def test_every_view_of_the_operator_is_sound_on_a_dark_korean_phone(
    gateway: Gateway, browser: Browser, task: dict[str, Any], operator: str
) -> None:
    with visit(browser, **PHONE) as (page, complaints):
        _sign_in(page, gateway, operator)
        for view in (*CUSTOMER, *OPERATOR, f"costs/{task['id']}"):
            _open(page, gateway, view)
            _tidy(page, complaints)
            assert view in CUSTOMER or violations(page) == [], view
        expect(page.locator(".dash-body")).to_contain_text("gpt-image-2@embedded")


def test_a_task_shows_what_was_quoted_and_billed(gateway: Gateway, browser: Browser, task: dict[str, Any]) -> None:
    with visit(browser, locale="en-US") as (page, _):
        _open(page, gateway, "tasks?status=completed&q=red+fox")
        page.locator(f"[data-row='{task['id']}'] a").click()
        facts = page.locator(".dash-body")
        expect(facts).to_contain_text("a red fox")
        expect(facts).to_contain_text(f"{round(task['billing']['charged_credits'], 3):g} credits")
        expect(facts).to_contain_text("1024 × 1024")
        _open(page, gateway, "tasks?q=no+such+prompt")
        expect(page.locator("[data-empty]")).to_be_visible()


def test_a_new_key_is_shown_once_works_and_ends(gateway: Gateway, browser: Browser) -> None:
    with visit(browser, locale="en-US") as (page, _):
        _open(page, gateway, "keys")
        page.locator("[data-new-key]").click()
        page.get_by_label("Name").fill("a shop")
        page.get_by_label("Cap per day, credits").fill("12.5")
        page.get_by_label("Allowed addresses and networks").fill("127.0.0.0/8, ::1")
        page.get_by_role("button", name="Make the key").click()
        key = page.locator("#secret-value").input_value()
        page.get_by_role("button", name="Close").click()
        assert _balance(gateway, key) == 200
        row = page.locator("tr", has_text="a shop")
        expect(row).to_contain_text("12.5 credits a day")
        assert key not in page.content()
        row.get_by_role("button", name="Disable").click()
        expect(row.locator("[data-state]")).to_have_attribute("data-state", "disabled")
        assert _names_of_live_keys(gateway) == {"demo"}
        row.get_by_role("button", name="Delete").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        expect(row).to_have_count(0)


def _names_of_live_keys(gateway: Gateway) -> set[str]:
    with gateway.client() as http:
        return {one["name"] for one in http.get("/v1/keys").json()["data"] if one["status"] == "live"}


def _balance(gateway: Gateway, key: str) -> int:
    with gateway.client(key) as http:
        return http.get("/v1/credits").status_code


def test_a_faulty_key_is_refused_in_the_words_of_the_api(gateway: Gateway, browser: Browser) -> None:
    with visit(browser, locale="en-US") as (page, _):
        _open(page, gateway, "keys")
        page.locator("[data-new-key]").click()
        page.get_by_label("Name").fill("nowhere")
        page.get_by_label("Allowed addresses and networks").fill("not-an-address")
        page.get_by_role("button", name="Make the key").click()
        expect(page.locator("#key-fault")).to_contain_text("allowed_ips[0] must be an address")
        expect(page.get_by_label("Allowed addresses and networks")).to_have_attribute("aria-invalid", "true")


def test_a_grant_whose_answer_was_lost_is_booked_once(gateway: Gateway, browser: Browser, operator: str) -> None:
    name = "customer of the page"
    poor = gateway.new_key(name, "0.000001")
    with visit(browser, locale="en-US") as (page, _):
        _sign_in(page, gateway, operator)
        _open(page, gateway, "accounts")
        page.locator("tr", has_text=name).get_by_role("button").click()
        page.locator("#grant-credits").fill("7.5")
        page.route("**/v1/admin/grants", lambda route: (route.fetch(), route.abort()), times=1)
        page.get_by_role("dialog").get_by_role("button", name="Grant credits").click()
        expect(page.locator("#grant-fault")).to_contain_text("cannot be reached")
        page.get_by_role("dialog").get_by_role("button", name="Grant credits").click()
        expect(page.locator("tr", has_text=name)).to_contain_text("7.5")
    with gateway.client(poor) as http:
        grants = [one["amount"]["credits"] for one in http.get("/v1/ledger?type=grant").json()["data"]]
    assert sum(float(one) for one in grants) == pytest.approx(7.500001)


def test_an_empty_account_is_told_so(gateway: Gateway, browser: Browser, operator: str) -> None:
    poor = gateway.new_key("out of credits", "1")
    _take_back(gateway, operator, "out of credits")
    with visit(browser, locale="en-US") as (page, _):
        _sign_in(page, gateway, poor)
        _open(page, gateway, "overview")
        expect(page.locator("[data-out-of-credits]")).to_contain_text("No credits left")
        assert violations(page) == []


def _take_back(gateway: Gateway, operator: str, name: str) -> httpx.Response:
    with gateway.client(operator) as http:
        account = next(one for one in http.get("/v1/admin/accounts").json()["data"] if one["name"] == name)
        body = {"account_id": account["id"], "credits": -1}
        return http.post("/v1/admin/grants", json=body, headers={"Idempotency-Key": "take"}).raise_for_status()


def test_a_webhook_to_a_private_place_is_refused_and_the_secret_is_shown_on_demand(
    gateway: Gateway, browser: Browser
) -> None:
    with visit(browser, locale="en-US") as (page, _):
        _open(page, gateway, "webhooks")
        page.get_by_label("Address for a test event").fill("https://127.0.0.1/hook")
        page.get_by_role("button", name="Send a test").click()
        expect(page.locator("#hook-fault")).not_to_be_empty()
        assert "whsec_" not in page.content()
        page.get_by_role("button", name="Show the secret").click()
        expect(page.locator("#secret-value")).to_have_value(re.compile("^whsec_"))
        page.keyboard.press("Escape")
        expect(page.get_by_role("button", name="Show the secret")).to_be_focused()


def test_what_fails_can_be_tried_again(gateway: Gateway, browser: Browser) -> None:
    with visit(browser, locale="en-US") as (page, _):
        page.route("**/v1/ledger?*", lambda route: route.abort(), times=1)
        _open(page, gateway, "credits")
        page.get_by_role("button", name="Try again").click()
        expect(page.locator("tbody")).to_contain_text("Grant")
