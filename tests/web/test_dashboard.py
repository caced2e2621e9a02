"""The dashboard in a browser, in front of the real program with the embedded engine."""

from __future__ import annotations

import re
from typing import Any

import apsw
import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.gateway import Gateway
from tests.web.browser import Tabs, accessibility_violations, open_page, share_session, sign_in
from tests.web.conftest import SCOPES

CUSTOMER = ("overview", "tasks", "usage?by=model", "credits", "keys", "webhooks")
OPERATOR = ("gateway", "work", "accounts", "routes", "overruns", "audit")
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "locale": "ko-KR", "color_scheme": "dark"}


@pytest.fixture(scope="module")
def task(gateway: Gateway) -> dict[str, Any]:
    """One finished task of the demo account."""
    body = {"model": "gpt-image-2", "prompt": "a red logo", "size": "1:1", "quality": "low"}
    with gateway.client() as http:
        made = http.post("/v1/images/generations", json=body, headers={"Prefer": "wait=60"})
    done: dict[str, Any] = made.raise_for_status().json()
    assert done["status"] == "completed"
    return done


@pytest.fixture(scope="module")
def operator(gateway: Gateway) -> str:
    return gateway.new_key("operator", "50", *(word for scope in SCOPES for word in ("--scope", scope)))


def _open(page: Page, gateway: Gateway, view: str) -> None:
    page.goto(f"{gateway.url}/dashboard?{view}#/{view}")  # a change of the hash alone would load nothing
    expect(page.locator("#view-title")).to_be_visible()
    expect(page.locator(".waiting")).to_have_count(0)


def _tidy(page: Page, complaints: list[str]) -> None:
    assert complaints == []
    assert re.findall(r"(?:dashboard|app)\.[a-z_]+\.[a-z_.]+", page.inner_text("body")) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_customer_sees_no_view_of_the_operator(gateway: Gateway, tabs: Tabs) -> None:
    with tabs.open(gateway) as (page, complaints):
        _open(page, gateway, "overview")
        expect(page.locator(".dash-nav a")).to_have_count(len(CUSTOMER))
        page.goto(f"{gateway.url}/dashboard#/accounts")
        expect(page.locator("[data-empty]")).to_contain_text("This view does not exist")
        _tidy(page, complaints)


def test_the_operators_views_are_sound_on_a_dark_korean_phone(
    gateway: Gateway, browser: Browser, task: dict[str, Any], operator: str
) -> None:
    _all_sound(gateway, browser, operator, ("gateway", "accounts", f"work/{task['id']}"), **PHONE)


@pytest.mark.gate
@pytest.mark.timeout(300)
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("width", [390, 1280])
def test_every_view_is_sound_in_every_theme_language_and_width(
    gateway: Gateway, browser: Browser, task: dict[str, Any], operator: str, theme: str, language: str, width: int
) -> None:
    where: dict[str, Any] = {"color_scheme": theme, "locale": language, "viewport": {"width": width, "height": 900}}
    views = (*CUSTOMER, *OPERATOR, f"work/{task['id']}")
    _all_sound(gateway, browser, operator, views, **where)
    _all_sound(gateway, browser, "", (f"tasks/{task['id']}",), **where)


def _all_sound(gateway: Gateway, browser: Browser, key: str, views: tuple[str, ...], **where: Any) -> None:
    """Without a key it is the demo account."""
    with open_page(browser, None if key else gateway, **where) as (page, complaints):
        if key:
            share_session(page, gateway.url, key)
        for view in views:
            _open(page, gateway, view)
            _tidy(page, complaints)
            assert accessibility_violations(page) == [], view


def test_a_task_shows_what_was_quoted_and_billed(gateway: Gateway, tabs: Tabs, task: dict[str, Any]) -> None:
    with tabs.open(gateway) as (page, _):
        _open(page, gateway, "tasks?status=completed&q=red+logo")
        page.locator(f"[data-row='{task['id']}'] a").click()
        facts = page.locator(".dash-body")
        expect(facts).to_contain_text("a red logo")
        expect(facts).to_contain_text(f"{round(task['billing']['charged_credits'], 3):g} credits")
        expect(facts).to_contain_text("1024 × 1024")
        page.get_by_role("link", name="Edit and run again").click()
        expect(page.locator("#pg-prompt")).to_have_value("a red logo")
        page.go_back()
        page.get_by_role("link", name="Open in the playground").click()
        expect(page.locator(f"[data-task='{task['id']}']")).to_contain_text("a red logo")


def test_l24_the_dashboards_tasks_are_found_by_words_and_filters_and_scrolled_without_end(
    gateway: Gateway, tabs: Tabs
) -> None:
    count = 330
    key = gateway.new_key("archive", "10")
    first = _create_tasks(gateway, key, count)
    rows = "tbody tr[data-row]"
    with tabs.open() as (page, complaints):
        sign_in(page, gateway.url, key)
        _open_list(page, gateway, "tasks")
        most, at_end = 0, False
        while not at_end:
            most = max(most, page.locator(rows).count())
            at_end = page.evaluate(
                """async () => {
                    const root = document.documentElement;
                    scrollTo(0, root.scrollHeight);
                    await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
                    return !document.querySelector(".end") && scrollY + innerHeight > root.scrollHeight - 2;
                }"""
            )
        expect(page.get_by_role("link", name="logo number 0", exact=True)).to_be_visible()
        assert 50 <= most < 150, "those near the window alone are in the document"
        page.evaluate("scrollTo(0, 0)")
        expect(page.get_by_role("link", name=f"logo number {count - 1}", exact=True)).to_be_visible()

        page.get_by_label("Search prompts").press_sequentially("177 LOGO")
        expect(page.locator(rows)).to_have_count(1)
        assert "q=177+LOGO" in page.url, "the filters stand in the address"
        page.get_by_label("Search prompts").fill("177 teapot")
        expect(page.locator("[data-empty]")).to_contain_text("No task matches")
        page.locator("[data-empty]").get_by_role("button").click()
        page.get_by_label("Status").select_option("failed")
        expect(page.locator("[data-empty]")).to_be_visible()
        _open_list(page, gateway, "tasks?q=logo+42&status=completed")
        expect(page.locator(rows)).to_have_count(3)
        _open(page, gateway, f"tasks/{first}")
        page.get_by_role("button", name="Delete").click()
        with page.expect_response(lambda response: response.request.method == "DELETE"):
            page.get_by_role("dialog").get_by_role("button", name="Delete").click()
        expect(page.locator(rows).first).to_be_visible()
        assert complaints == []
    with gateway.client(key) as http:
        assert http.get(f"/v1/tasks/{first}").status_code == 404


def _open_list(page: Page, gateway: Gateway, view: str) -> None:
    """As `_open`, though there may be more to come."""
    page.goto(f"{gateway.url}/dashboard?{view}#/{view}")
    expect(page.locator("tbody tr").first).to_be_visible()


def _create_tasks(gateway: Gateway, key: str, count: int) -> str:
    """Finished ones with prompts of their own; the id of the first, which is painted: the others are rows like it."""
    with gateway.client(key) as http:
        body = {"model": "gpt-image-2", "prompt": "logo number 0", "size": "1:1", "quality": "low"}
        made = http.post("/v1/images/generations", json=body, headers={"Prefer": "wait=60"}).raise_for_status().json()
    books = apsw.Connection(str(gateway.data / "imagegate.db"))
    books.set_busy_timeout(5000)
    columns = [row[1] for row in books.execute("PRAGMA table_info(tasks)")]
    changed = {
        "id": "id || '-' || :n",
        "created": "created + :n",
        "order_body": "replace(order_body, 'number 0', 'number ' || :n)",
    }
    values = ", ".join(changed.get(column, column) for column in columns)
    with books:
        for n in range(1, count):
            books.execute(f"INSERT INTO tasks SELECT {values} FROM tasks WHERE id = :id", {"n": n, "id": made["id"]})
    books.close()
    return str(made["id"])


def test_d_keys_are_shown_once_work_and_end(gateway: Gateway, tabs: Tabs) -> None:
    with tabs.open(gateway) as (page, _):
        _open(page, gateway, "keys")
        page.locator("[data-new-key]").click()
        page.get_by_label("Name").fill("a shop")
        page.get_by_label("Daily cap (credits)").fill("12.5")
        page.get_by_label("Allowed IP addresses and networks").fill("127.0.0.0/8, ::1")
        page.get_by_role("button", name="Create key").click()
        key = page.locator("#secret-value").input_value()
        page.keyboard.press("Escape")
        question = page.get_by_role("dialog", name="Close without copying the key?")
        question.get_by_role("button", name="Cancel").click()
        expect(question).to_have_count(0)
        expect(page.locator("#secret-value")).to_have_value(key)
        page.locator("#secret-value").focus()
        page.keyboard.press("Control+C")
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        assert _status_of_credits(gateway, key) == 200
        row = page.locator("tr", has_text="a shop")
        expect(row).to_contain_text("12.5 credits per day")
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


def _status_of_credits(gateway: Gateway, key: str) -> int:
    with gateway.client(key) as http:
        return http.get("/v1/credits").status_code


def test_d_keys_change_their_name_limits_and_expiry(gateway: Gateway, tabs: Tabs) -> None:
    with gateway.client() as http:
        made = http.post(
            "/v1/keys", json={"name": "before", "daily_cap_credits": "5", "models": ["gpt-image-2"]}
        ).json()
    with tabs.open(gateway) as (page, complaints):
        _open(page, gateway, "keys")
        row = page.locator(f"[data-row='{made['id']}']")
        row.get_by_role("button", name="Change").click()
        expect(page.get_by_label("Daily cap (credits)")).to_have_value("5")
        page.get_by_label("Name").fill("after")
        page.get_by_label("Daily cap (credits)").fill("")
        page.get_by_label("Total cap (credits)").fill("7.25")
        page.get_by_label("Requests per minute").fill("30")
        page.get_by_label("Expires").fill("2037-01-02T03:04")
        page.get_by_label("files:write").uncheck()
        page.get_by_role("button", name="Save changes").click()
        expect(row).to_contain_text("after")
        expect(row).to_contain_text("At most 7.25 credits in total")
        expect(row).to_contain_text("Jan 2, 2037")
        assert complaints == []
    with gateway.client() as http:
        key = next(one for one in http.get("/v1/keys").json()["data"] if one["id"] == made["id"])
        http.delete(f"/v1/keys/{made['id']}")
    assert (round(float(key["cap"]["credits"]), 6), key["daily_cap"], key["rate_per_minute"]) == (7.25, None, 30)
    assert key["models"] == ["gpt-image-2"], "what the form did not touch stays"
    assert "files:write" not in key["scopes"]


def test_d_credits_show_the_ledger_whose_lines_make_the_balance(
    gateway: Gateway, tabs: Tabs, task: dict[str, Any]
) -> None:
    with tabs.open(gateway) as (page, complaints):
        _open(page, gateway, f"credits?task_id={task['id']}")
        rows = page.locator("tbody tr")
        expect(rows).to_have_count(3)
        assert [one.split("\t")[1].strip() for one in rows.all_inner_texts()] == ["Charge", "Release", "Hold"]
        charged = f"-{round(task['billing']['charged_credits'], 3):g}"
        expect(rows.first).to_contain_text(charged)
        _open(page, gateway, "credits")
        with gateway.client() as http:
            newest = http.get("/v1/ledger?limit=1").json()["data"][0]["available_after"]["credits"]
        expect(page.locator(".facts").first).to_contain_text(f"{float(newest):,.2f}".rstrip("0"))
        page.get_by_label("Type").select_option("grant")
        expect(rows).to_have_count(1)
        assert complaints == []


@pytest.mark.parametrize("group", ["day", "model", "key"])
def test_d_usage_is_plotted_and_told(gateway: Gateway, tabs: Tabs, task: dict[str, Any], group: str) -> None:
    with tabs.open(gateway) as (page, complaints):
        _open(page, gateway, f"usage?by={group}")
        page.locator(".plot canvas").wait_for()
        inked = page.evaluate(
            """() => {
                const sheet = document.querySelector('.plot canvas');
                const ink = getComputedStyle(document.documentElement).getPropertyValue('--accent').trim();
                const wanted = [1, 3, 5].map((at) => parseInt(ink.slice(at, at + 2), 16));
                const { data } = sheet.getContext('2d').getImageData(0, 0, sheet.width, sheet.height);
                let count = 0;
                for (let at = 0; at < data.length; at += 4)
                    if (wanted.every((value, part) => Math.abs(value - data[at + part]) < 4)) count += 1;
                return count;
            }"""
        )
        assert inked > 20, "the plot shows what was spent"
        with gateway.client() as http:
            (row,) = http.get(f"/v1/usage?group_by={group}").json()["data"]
        name = {"day": row.get("day"), "model": "gpt-image-2", "key": "demo"}[group]
        figures = page.get_by_role("table", name="Usage").locator("tbody tr")
        expect(figures).to_have_count(1)
        expect(figures).to_contain_text(str(name))
        expect(figures).to_contain_text(f"{round(float(row['amount']['credits']), 3):g}")
        assert complaints == []


def test_d_keys_that_made_others_end_with_them_or_leave_them(gateway: Gateway, tabs: Tabs) -> None:
    owner = gateway.new_key("makers", "1")
    with gateway.client(owner) as http:
        maker = http.post("/v1/keys", json={"name": "the maker"}).json()
    with gateway.client(maker["key"]) as http:
        for name in ("one made", "two made"):
            http.post("/v1/keys", json={"name": name}).raise_for_status()
    with tabs.open() as (page, complaints):
        sign_in(page, gateway.url, owner)
        _open(page, gateway, "keys")
        row = page.locator("tr", has_text="the maker")
        row.get_by_role("button", name="Disable").click()
        dialog = page.get_by_role("dialog")
        expect(dialog.locator("[data-made-keys] li")).to_have_count(2)
        assert accessibility_violations(page) == []
        dialog.get_by_label("Keep the keys that it made").check()
        dialog.get_by_role("button", name="Disable").click()
        expect(row.locator("[data-state]")).to_have_attribute("data-state", "disabled")
        expect(page.locator("tr", has_text="one made").locator("[data-state]")).to_have_attribute("data-state", "live")
        row.get_by_role("button", name="Delete").click()
        dialog.get_by_role("button", name="Delete").click()
        expect(page.locator("tr", has_text="two made").locator("[data-state]")).to_have_attribute(
            "data-state", "disabled"
        )
        assert complaints == []


def test_d_audit_shows_who_did_what(gateway: Gateway, tabs: Tabs, operator: str) -> None:
    with gateway.client(operator) as http:
        made = http.post("/v1/admin/accounts", json={"name": "watched"}).raise_for_status()
    with tabs.open() as (page, complaints):
        share_session(page, gateway.url, operator)
        _open(page, gateway, "audit")
        row = page.locator("tr", has_text=made.headers["x-request-id"])
        expect(row).to_contain_text("Account created")
        expect(row).to_contain_text("API 127.0.0.1")
        expect(row).to_contain_text("Name: watched")
        assert complaints == []


def test_d_keys_that_are_faulty_are_refused_in_the_words_of_the_api(gateway: Gateway, tabs: Tabs) -> None:
    with tabs.open(gateway) as (page, _):
        _open(page, gateway, "keys")
        page.locator("[data-new-key]").click()
        page.get_by_label("Name").fill("nowhere")
        page.get_by_label("Allowed IP addresses and networks").fill("not-an-address")
        page.get_by_role("button", name="Create key").click()
        expect(page.locator("#key-error")).to_contain_text("allowed_ips[0] must be an address")
        expect(page.get_by_label("Allowed IP addresses and networks")).to_have_attribute("aria-invalid", "true")


def test_d_accounts_get_a_grant_once_though_its_answer_was_lost(gateway: Gateway, tabs: Tabs, operator: str) -> None:
    name = "customer of the page"
    poor = gateway.new_key(name, "0.000001")
    gateway.new_key("former customer", "1")
    gateway.run("accounts", "close", "former customer")
    with tabs.open() as (page, _):
        share_session(page, gateway.url, operator)
        _open(page, gateway, "accounts")
        closed, here = page.locator("tr", has_text="former customer"), page.locator("tr", has_text=name)
        expect(closed.locator("[data-state]")).to_have_attribute("data-state", "closed")
        expect(here.locator("[data-state]")).to_have_attribute("data-state", "open")
        page.locator("tr", has_text=name).get_by_role("button").click()
        page.locator("#grant-credits").fill("7.5")
        page.route("**/v1/admin/grants", lambda route: (route.fetch(), route.abort()), times=1)
        page.get_by_role("dialog").get_by_role("button", name="Grant credits").click()
        expect(page.locator("#grant-credits-error")).to_contain_text("can't be reached")
        page.get_by_role("dialog").get_by_role("button", name="Grant credits").click()
        expect(page.locator("tr", has_text=name)).to_contain_text("7.5")
    with gateway.client(poor) as http:
        grants = [one["amount"]["credits"] for one in http.get("/v1/ledger?type=grant").json()["data"]]
    assert sum(float(one) for one in grants) == pytest.approx(7.500001)


def test_an_empty_account_is_told_so(gateway: Gateway, tabs: Tabs, operator: str) -> None:
    poor = gateway.new_key("out of credits", "1")
    _take_back(gateway, operator, "out of credits")
    with tabs.open() as (page, _):
        sign_in(page, gateway.url, poor)
        _open(page, gateway, "overview")
        expect(page.locator("[data-out-of-credits]")).to_contain_text("No credits left")
        assert accessibility_violations(page) == []


def test_a_number_on_a_tile_is_never_broken(gateway: Gateway, tabs: Tabs) -> None:
    rich = gateway.new_key("rich", "123456789.12")
    lines = """document.querySelectorAll(".tile .figure").values().map(element => {
        const range = document.createRange();
        range.selectNodeContents(element);
        return new Set([...range.getClientRects()].map(one => one.top)).size;
    }).toArray()"""
    with tabs.open() as (page, _):
        sign_in(page, gateway.url, rich)
        for width in (1280, 860, 390):
            page.set_viewport_size({"width": width, "height": 800})
            _open(page, gateway, "overview")
            expect(page.locator(".tile .figure").first).to_have_text("123,456,789.12")
            assert set(page.evaluate(lines)) == {1}, width
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def _take_back(gateway: Gateway, operator: str, name: str) -> httpx.Response:
    with gateway.client(operator) as http:
        account = next(one for one in http.get("/v1/admin/accounts").json()["data"] if one["name"] == name)
        body = {"account_id": account["id"], "credits": -1}
        return http.post("/v1/admin/grants", json=body, headers={"Idempotency-Key": "take"}).raise_for_status()


def test_a_webhook_to_a_private_place_is_refused_and_the_secret_is_shown_on_demand(
    gateway: Gateway, tabs: Tabs
) -> None:
    with tabs.open(gateway) as (page, _):
        _open(page, gateway, "webhooks")
        page.get_by_label("URL for a test event").fill("https://127.0.0.1/hook")
        page.get_by_role("button", name="Send test").click()
        expect(page.locator("#hook-url-error")).not_to_be_empty()
        assert "whsec_" not in page.content()
        page.get_by_role("button", name="Show secret").click()
        expect(page.locator("#secret-value")).to_have_value(re.compile("^whsec_"))
        page.keyboard.press("Escape")
        expect(page.get_by_role("button", name="Show secret")).to_be_focused()


def test_what_fails_can_be_tried_again(gateway: Gateway, tabs: Tabs) -> None:
    with tabs.open(gateway) as (page, _):
        page.route("**/v1/ledger?*", lambda route: route.abort(), times=1)
        _open(page, gateway, "credits")
        page.get_by_role("button", name="Try again").click()
        expect(page.locator("tbody")).to_contain_text("Grant")
