"""The dashboard on work that real upstreams did: attempts, routes with their margin, overruns, webhooks."""

from __future__ import annotations

import json
import re

from playwright.sync_api import Page, expect

from tests.web.browser import Tabs, accessibility_violations, share_session
from tests.web.conftest import RoutedSite


def _open(page: Page, front: RoutedSite, view: str, key: str) -> None:
    share_session(page, front.gateway.url, key)
    page.goto(f"{front.gateway.url}/dashboard#/{view}")
    expect(page.locator("#view-title")).to_be_visible()
    expect(page.locator(".waiting")).to_have_count(0)


def test_d_tasks_are_filtered_and_tell_of_each_attempt(tabs: Tabs, front: RoutedSite) -> None:
    front.cheap.script("429")
    task = front.gateway.create("a boat that took two tries")
    refused = front.gateway.create("refused at once [[refuse]]")
    assert (task["status"], refused["status"]) == ("completed", "failed")
    with tabs.open() as (page, complaints):
        _open(page, front, "tasks", front.gateway.key)
        page.get_by_label("Status").select_option("failed")
        expect(page.locator("tbody tr")).to_have_count(1)
        expect(page.locator("tbody tr")).to_have_attribute("data-row", refused["id"])
        page.get_by_label("Status").select_option("")
        page.get_by_label("Search prompts").fill("two tries")
        expect(page.locator("tbody tr")).to_have_count(1)
        page.locator(f"[data-row='{task['id']}'] a").click()
        attempts = page.get_by_role("table", name="Attempts").locator("tbody tr")
        expect(attempts.locator("[data-state]")).to_have_text(["Unavailable", "Produced"])
        expect(attempts.nth(0)).to_contain_text("No")
        expect(attempts.nth(1)).to_contain_text("Yes")
        assert "@cheap" not in page.content()
        assert complaints == []


def test_d_routes_show_health_and_margin_and_a_bad_state_is_forgotten(tabs: Tabs, front: RoutedSite) -> None:
    with front.gateway.client(front.operator) as http:  # another test may have left it cooling
        http.post("/v1/admin/routes/reset", json={"name": "cheap"}).raise_for_status()
    front.cheap.script("429:600")
    task = front.gateway.create("a fox behind a limit")
    with tabs.open() as (page, complaints):
        _open(page, front, "routes", front.operator)
        cheap, dear = (page.locator(f"[data-row='gpt-image-2@{name}']") for name in ("cheap", "dear"))
        expect(cheap.locator("[data-state]")).to_have_text("Rate-limited")
        expect(cheap).to_contain_text("until")
        with front.gateway.client(front.operator) as http:
            rows = {one["upstream"]: one for one in http.get("/v1/admin/routes").json()["data"]}
        for name, row in (("cheap", cheap), ("dear", dear)):
            told = rows[name]
            assert int(told["margin"]["nanos"]) == int(told["brought"]["nanos"]) - int(told["spent"]["nanos"])
            cells = row.locator("td").all_inner_texts()
            for money in ("brought", "spent", "margin"):
                assert any(_usd(told[money]["nanos"]) in cell for cell in cells), (name, money, cells)
        assert int(rows["dear"]["margin"]["nanos"]) > 0
        cheap.get_by_role("button", name="Reset").click()
        page.get_by_role("dialog").get_by_role("button", name="Reset").click()
        expect(cheap.locator("[data-state]")).to_have_text("Healthy")
        # What is broken may be the upstream; the page knows routes alone.
        front.cheap.script("402")
        front.gateway.create("a fox without funds")
        page.reload()
        expect(cheap.locator("[data-state]")).to_have_text("Circuit open")
        cheap.get_by_role("button", name="Reset").click()
        page.get_by_role("dialog").get_by_role("button", name="Reset").click()
        expect(cheap.locator("[data-state]")).to_have_text("Healthy")
        page.goto(f"{front.gateway.url}/dashboard#/work/{task['id']}")
        tries = page.get_by_role("table", name="Attempts").locator("tbody tr")
        expect(tries).to_have_count(2)
        expect(tries.nth(0)).to_contain_text("gpt-image-2@cheap")
        expect(tries.nth(1)).to_contain_text("$0.002")
        assert complaints == []


def test_l36_the_operator_sees_margin_and_finds_every_account_and_task_without_typing_an_id(
    tabs: Tabs, front: RoutedSite
) -> None:
    with front.gateway.client(front.operator) as http:
        http.post("/v1/admin/routes/reset", json={"name": "cheap"}).raise_for_status()
    front.cheap.script("402")
    task = front.gateway.create("a heron for the operator")
    with tabs.open() as (page, complaints), front.gateway.client(front.operator) as http:
        page.set_viewport_size({"width": 1280, "height": 900})
        _open(page, front, "", front.operator)
        told = http.get("/v1/admin/overview").raise_for_status().json()
        expect(page.locator("#view-title")).to_have_text("Gateway")
        tiles = page.locator(".tile")
        for name in ("revenue", "cost", "margin"):
            amount = _usd(told["total"][name]["nanos"])
            expect(tiles.filter(has_text=name.capitalize()).first.locator(".figure")).to_have_text(amount)
        assert int(told["total"]["cost"]["nanos"]) > 0
        expect(tiles.filter(has_text="Completed").locator(".figure")).to_have_text(str(told["total"]["completed"]))
        expect(tiles.filter(has_text="Running now").locator(".figure")).to_have_text("0")
        expect(tiles.filter(has_text="Healthy routes").locator(".figure")).to_have_text("1 / 2")
        expect(page.locator("[data-unhealthy]")).to_contain_text("Your account there is out of funds")
        expect(page.locator(".plot canvas")).to_have_count(2)
        assert accessibility_violations(page) == []

        page.get_by_role("link", name="Routes", exact=True).click()
        expect(page.locator("#view-title")).to_have_text("Routes")
        margin = page.get_by_role("columnheader", name="Margin")
        margin.wait_for()
        box = margin.bounding_box()
        assert box
        assert box["x"] + box["width"] <= 1280, "in sight without scrolling"
        assert page.evaluate(
            "document.querySelector('.scroll').scrollWidth <= document.querySelector('.scroll').clientWidth"
        )

        page.get_by_role("link", name="All tasks").click()
        page.get_by_label("Search prompts").press_sequentially("operator HERON")
        row = page.locator(f"[data-row='{task['id']}']")
        expect(page.locator("tbody tr")).to_have_count(1)
        row.get_by_role("link", name="a heron").click()
        with_cost = http.get(f"/v1/admin/tasks/{task['id']}").json()
        tile = tiles.filter(has_text="Margin").locator(".figure")
        expect(tile).to_have_text(_usd(with_cost["margin"]["nanos"]))
        page.go_back()
        row.get_by_role("link", name="demo").click()
        expect(page.locator("#view-title")).to_have_text("demo")
        expect(page.locator(".dash-body")).to_contain_text("a heron for the operator")
        expect(page.locator(".dash-body")).to_contain_text("Account created")
        page.get_by_role("link", name="Show all tasks").click()
        expect(page.get_by_label("Account")).to_have_value(with_cost["task"]["account_id"])
        expect(row).to_be_visible()

        page.get_by_role("link", name="Accounts", exact=True).click()
        page.get_by_label("Search by name").press_sequentially("CUST")
        expect(page.locator("tbody tr")).to_have_count(1)
        page.get_by_role("link", name="customer").click()
        page.get_by_role("button", name="Close account").click()
        page.get_by_role("dialog").get_by_role("button", name="Close account").click()
        expect(page.locator(".facts [data-state]")).to_have_attribute("data-state", "closed")
        expect(page.locator(".dash-body")).to_contain_text("Account closed")
        page.get_by_role("button", name="Reopen account").click()
        expect(page.locator(".facts [data-state]")).to_have_attribute("data-state", "open")
        assert complaints == []


def test_a_new_view_never_takes_the_focus_from_a_field_in_use(tabs: Tabs, front: RoutedSite) -> None:
    with tabs.open() as (page, complaints):
        _open(page, front, "", front.operator)
        focused = page.evaluate(
            """async () => {
                const used = new Promise((done) => {
                    const useIt = () => {
                        const field = document.getElementById("account-q");
                        if (field) done(field.focus());
                    };
                    new MutationObserver(useIt).observe(document.body, { childList: true, subtree: true });
                });
                const seen = [];
                document.addEventListener("focusin", ({ target }) => seen.push(target.id));
                location.hash = "#/accounts";
                await used;
                await new Promise((later) => setTimeout(later, 300));
                return [...seen, document.activeElement.id];
            }"""
        )
        assert focused == ["view-title", "account-q", "account-q"]
        assert complaints == []


def _usd(nanos: str) -> str:
    """Four digits below a dollar, as the page writes them."""
    amount = int(nanos)
    text = f"{(abs(amount) + 50_000) // 100_000 / 10_000:.4f}".rstrip("0").rstrip(".")
    return f"-${text}" if amount < 0 and text != "0" else f"${text}"


def test_d_overruns_are_the_operators_and_never_the_customers(tabs: Tabs, front: RoutedSite) -> None:
    task = front.gateway.create("larger than asked [[size:2048x2048]]")
    assert task["billing"]["charged_credits"] == task["billing"]["reserved_credits"]
    with tabs.open() as (page, complaints):
        _open(page, front, "overruns", front.operator)
        row = page.locator("tbody tr", has_text=task["id"])
        expect(row).to_have_count(1)
        with front.gateway.client(front.operator) as http:
            told = next(one for one in http.get("/v1/admin/overruns").json()["data"] if one["task_id"] == task["id"])
        expect(row).to_contain_text(_usd(told["overrun"]["nanos"]))
        assert complaints == []


def test_d_webhooks_show_the_request_the_answer_and_are_sent_again(tabs: Tabs, front: RoutedSite) -> None:
    task = front.gateway.create("a fox with a webhook", callback_url=front.receiver.url("shop"))
    (sent,) = front.receiver.wait("shop", 1)
    with tabs.open() as (page, complaints):
        _open(page, front, "webhooks", front.gateway.key)
        hook = page.locator(f"[data-row='evt_{task['id']}']")
        expect(hook.locator("[data-state]")).to_have_text("Delivered")
        hook.get_by_text("Request", exact=True).click()
        request = hook.locator("[data-request]").inner_text()
        assert request.startswith(f"POST {front.receiver.url('shop')}\n")
        assert f"webhook-id: {sent.headers['webhook-id']}\n" in request
        assert request.endswith("\n\n" + sent.body.decode())
        assert json.loads(sent.body)["id"] == task["id"]
        hook.get_by_text(re.compile(r"Attempts \(1\)")).click()
        expect(hook.locator("tbody tr")).to_contain_text("200")
        expect(hook.locator(".excerpt")).to_have_text("thank you")
        hook.get_by_role("button", name="Send again").click()
        again = front.receiver.wait("shop", 2)[1]
        assert (again.headers["webhook-id"], again.body) == (sent.headers["webhook-id"], sent.body)
        page.get_by_role("button", name="Refresh").click()
        expect(hook).to_contain_text("Attempts (2)")
        assert complaints == []
