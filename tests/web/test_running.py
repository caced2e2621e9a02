"""Lines 7 to 11 and 15: runs, what outlives a reload, and what a finished run is good for."""

from __future__ import annotations

import json
import random
import re
from decimal import Decimal

import pytest
from playwright.sync_api import Page, expect

from imagegate.domain.money import format_for_people
from tests.support.gateway import THUMBNAILS, Gateway
from tests.web.browser import Tabs, sign_in
from tests.web.conftest import RoutedSite
from tests.web.playground import (
    TIMEOUT_MS,
    add_file,
    card,
    completed_card,
    fill_form,
    noise_image,
    open_drawer,
    quoted_credits,
    read_task,
    ready_references,
    request_body,
    run_prompt,
)

GATEWAY_ENV = THUMBNAILS


def test_l07_several_runs_each_with_its_state_and_a_cancel(tabs: Tabs, front: RoutedSite) -> None:
    key = front.gateway.new_key("one at a time", "1000", "--concurrent-tasks", "1")
    with tabs.open() as (page, complaints):
        sign_in(page, front.gateway.url, key)
        page.goto(front.gateway.url)
        for name in ("first [[latency:7s]]", "second"):
            fill_form(page, f"the {name}", ratio="1:1", quality="low", n="1")
            page.click("[data-run]")
            expect(card(page, f"the {name}").locator("[data-elapsed]")).to_have_text(re.compile(r"^\d+ s elapsed$"))
        first, waiting = card(page, "the first"), card(page, "the second")
        expect(first.locator("progress")).not_to_have_attribute("value", "0", timeout=TIMEOUT_MS)
        expect(first).to_contain_text(re.compile(r"typically \d+ s"))
        expect(waiting.locator("[data-badge]")).to_have_text("Waiting")
        expect(page.locator("[data-tally]")).to_contain_text("2 running")
        waiting.locator("[data-cancel]").click()
        cancelled = page.locator("[data-tile][data-state=cancelled]")
        expect(open_drawer(page, cancelled)).to_contain_text("You weren't charged")
        assert read_task(front.gateway, cancelled, key)["billing"]["charged_credits"] == 0
        completed_card(page, "the first")
        assert complaints == []


def test_l08_runs_outlive_a_reload_and_a_closed_tab(tabs: Tabs, front: RoutedSite) -> None:
    with tabs.open() as (page, complaints):
        sign_in(page, front.gateway.url, front.customer)
        page.goto(front.gateway.url)
        for number in range(3):
            fill_form(page, f"run {number} [[latency:6s]]", ratio="1:1", quality="low", n="1")
            page.click("[data-run]")
        expect(page.locator("[data-tile^=task-]")).to_have_count(3)
        ids = {one.get_attribute("data-tile") for one in page.locator("[data-tile]").all()}
        page.wait_for_function("() => JSON.parse(localStorage.getItem('imagegate.running') || '[]').length >= 3")
        page.reload()
        expect(page.locator("[data-tile^=task-]")).to_have_count(3)
        kept = page.evaluate("JSON.stringify({...localStorage, ...sessionStorage})")
        assert set(json.loads(json.loads(kept)["imagegate.running"])) <= ids, "ids alone are kept"
        assert "run 0" not in kept
        for number in range(3):
            completed_card(page, f"run {number}")
        assert {one.get_attribute("data-tile") for one in page.locator("[data-tile]").all()} == ids
        fill_form(page, "a long one [[latency:2s]]", quality="low")
        page.click("[data-run]")
        page.locator("[data-tile^=task-]").nth(3).wait_for()
        page.close()
        again = page.context.new_page()
        again.goto(front.gateway.url)
        completed_card(again, "a long one")
        assert complaints == []


def test_l09_history_counts_finds_all_and_loads_thumbnails_alone(tabs: Tabs, gateway: Gateway) -> None:
    key = gateway.new_key("a long history", "1000")
    with gateway.client(key) as http:
        for number in range(4):
            body = {"prompt": f"logo {number:02d}", "size": "640x1024", "quality": "low"}
            http.post("/v1/images/generations", json=body, headers={"Prefer": "wait=60"}).raise_for_status()
    with tabs.open() as (page, complaints):
        sign_in(page, gateway.url, key)
        loaded: list[str] = []
        page.on("request", lambda request: loaded.append(request.url))
        page.goto(gateway.url)
        tiles = page.locator("[data-tile]")
        expect(tiles).to_have_count(4)
        expect(page.locator("[data-tally]")).to_have_text("0 running, 4 done")
        page.fill("[data-search]", "logo 03")
        expect(tiles).to_have_count(1)
        page.fill("[data-search]", "no such words")
        expect(page.locator("[data-no-match]")).to_contain_text("Nothing matches")
        page.fill("[data-search]", "")
        expect(tiles).to_have_count(4)
        sides = page.evaluate(
            """async () => {
                const images = [...document.querySelectorAll('.tile img')];
                for (const one of images) one.loading = 'eager';
                await Promise.all(images.map((one) => one.decode()));
                return images.flatMap((one) => [one.naturalWidth, one.naturalHeight]);
            }"""
        )
        assert max(sides) == 512
        expect(open_drawer(page, tiles.nth(1))).to_contain_text("logo 02")
        pictures = [url for url in loaded if "/files/" in url]
        assert len(pictures) >= 4
        assert all(".thumb.webp" in url for url in pictures)
        assert complaints == []

        page.route("**/*.thumb.webp*", lambda route: route.fulfill(status=503), times=1)
        page.reload()
        page.wait_for_function("() => [...document.querySelectorAll('.tile img')].every((one) => one.naturalWidth)")


def test_l11_run_again_edit_again_and_use_as_a_reference(page: Page, gateway: Gateway) -> None:
    add_file(page, "drop", "one.png", noise_image(1))
    ready_references(page, 1)
    first = run_prompt(page, "the first logo", ratio="3:2", n="2")
    made = read_task(gateway, first)
    before = made["request"]
    first.locator("[data-again]").click()
    expect(page.locator("[data-tile][data-state=completed]").filter(has_text="the first logo")).to_have_count(
        2, timeout=TIMEOUT_MS
    )
    newest = page.locator("[data-tile]").first
    assert read_task(gateway, newest)["request"] == before
    page.locator(".thumb-remove").click()
    fill_form(page, "something else", ratio="1:1", quality="high", n="1")
    first.locator("[data-edit]").click()
    expect(page.locator("#pg-prompt")).to_have_value("the first logo")
    expect(page.locator("#pg-prompt")).to_be_focused()
    ready_references(page, 1)
    body = request_body(page)
    assert {name: body[name] for name in ("size", "quality", "n", "image_urls")} == {
        name: before[name] for name in ("size", "quality", "n", "image_urls")
    }
    first.locator("[data-use]").nth(1).click()
    ready_references(page, 2)
    fill_form(page, "a logo of a result")
    page.click("[data-run]")
    urls = read_task(gateway, completed_card(page, "a logo of a result"))["request"]["image_urls"]
    assert urls[0] == before["image_urls"][0]
    assert urls[1].partition("?")[0] == made["results"][1].partition("?")[0]


def test_l15_a_draft_becomes_the_final_in_one_click_at_the_price_on_the_button(page: Page, gateway: Gateway) -> None:
    draft = run_prompt(page, "a draft of a logo", ratio="4:3")
    final = draft.locator("[data-final]")
    expect(final).to_have_text(re.compile(r"^Finish in high quality · \$0\.\d{1,4}$"))
    price = Decimal(final.inner_text().partition("$")[2])
    final.click()
    expect(page.locator("[data-tile][data-state=completed]").filter(has_text="a draft of a logo")).to_have_count(
        2, timeout=TIMEOUT_MS
    )
    made = read_task(gateway, page.locator("[data-tile]").first)
    assert made["request"] == {**read_task(gateway, draft)["request"], "quality": "high"}
    assert round(Decimal(made["usage"]["cost"]["usd"]), 4) == price
    expect(page.locator("[data-final]")).to_have_count(1)


@pytest.mark.parametrize("who", ["customer", "operator"])
def test_l10_requested_against_actual_with_upstreams_for_the_operator_only(
    tabs: Tabs, front: RoutedSite, who: str
) -> None:
    key = front.customer if who == "customer" else front.operator
    front.cheap.script("503-json")
    with tabs.open() as (page, complaints):
        sign_in(page, front.gateway.url, key)
        page.goto(front.gateway.url)
        page.locator("[data-quote=expected]:not([data-credits=''])").wait_for()
        fill_form(page, f"a fox for the {who} [[size:832x832]]", quality="medium", ratio="1:1")
        expected = quoted_credits(page)
        page.click("[data-run]")
        one = completed_card(page, f"a fox for the {who}")
        one.locator(".facts summary").click()
        task = read_task(front.gateway, one, key)
        cells = {name: one.locator(f"[data-actual={name}]") for name in ("size", "quality", "tokens", "price", "n")}
        expect(cells["size"]).to_have_text("832 × 832")
        expect(cells["quality"]).to_have_text("Medium")
        expect(cells["n"]).to_have_text("1")
        expect(cells["tokens"]).to_contain_text(f"image output {task['usage']['tokens']['image_output']:,}")
        expect(cells["price"]).to_contain_text(format_for_people(str(task["billing"]["charged_credits"])))
        asked_for = one.locator("tr").filter(has=page.locator("[data-actual=price]")).locator("td").first
        expect(asked_for).to_contain_text(f"quoted {format_for_people(str(expected))}")
        attempts = one.locator("[data-attempts] li")
        expect(attempts).to_have_count(2)
        expect(attempts.nth(0)).to_contain_text("unavailable")
        expect(attempts.nth(1)).to_contain_text("produced")
        if who == "operator":
            expect(attempts.locator("[data-upstream]")).to_have_text(["gpt-image-2@cheap", "gpt-image-2@dear"])
            expect(attempts.nth(1)).to_contain_text("$0.002")
            expect(one.locator("[data-margin]")).to_contain_text("Cost $0.002")
        else:
            assert "@cheap" not in page.content()
            assert "@dear" not in page.content()
        assert complaints == []


@pytest.mark.gate
@pytest.mark.timeout(900)
def test_the_price_in_sight_is_the_bill_whatever_is_chosen(tabs: Tabs, gateway: Gateway) -> None:
    """Random settings, driven through the form; the embedded engine uses exactly what the formula says."""
    chance = random.Random(50)
    key = gateway.new_key("chance", "100000")
    with tabs.open() as (page, complaints):
        sign_in(page, gateway.url, key)
        page.goto(gateway.url)
        page.locator("[data-quote=expected]:not([data-credits=''])").wait_for()
        add_file(page, "drop", "a.png", noise_image(1, (640, 480)))
        add_file(page, "drop", "b.png", noise_image(2, (300, 900)))
        ready_references(page, 2)
        source = request_body(page)["image_urls"]
        for number in range(50):
            _choose(page, chance, len(source))
            page.fill("#pg-prompt", f"logo number {number} " + "x" * chance.randrange(200))
            expected = quoted_credits(page)
            expect(page.locator("[data-hindrance]")).to_be_empty()
            page.click("[data-run]")
            one = completed_card(page, f"logo number {number} ")
            billed = read_task(gateway, one, key)["billing"]["charged_credits"]
            assert Decimal(str(billed)) == expected, request_body(page)
        assert complaints == []


def _choose(page: Page, chance: random.Random, references: int) -> None:
    """One setting of every kind. Large ones come seldom: they take their time to paint."""
    page.check(f"input[name=pg-quality][value={chance.choice(['low', 'medium', 'high'])}]")
    mode = chance.choice(["auto", "ratio", "ratio", "custom"])
    page.check(f"input[name=pg-mode][value={mode}]")
    if mode == "ratio":
        page.check(f"input[name=pg-tier][value='{chance.choice(['1K', '1K', '2K', '4K'])}']")
        ratios = page.locator("input[name=pg-ratio]")
        ratios.nth(chance.randrange(ratios.count())).check()
    if mode == "custom":
        page.fill("#pg-width", str(chance.randrange(900, 1600)))
        page.fill("#pg-height", str(chance.randrange(900, 1600)))
        page.keyboard.press("Tab")
    page.select_option("#pg-n", str(chance.choice([1, 1, 1, 2, 3])))
    kept = page.locator(".thumb").count()
    if kept and chance.random() < 0.2:
        page.locator(".thumb-remove").first.click()
    elif kept < references:
        add_file(page, "drop", "c.png", noise_image(chance.randrange(99), (512, chance.randrange(200, 700))))
        ready_references(page, kept + 1)
    if not page.locator("details.more").get_attribute("open"):
        page.evaluate("document.querySelector('details.more').open = true")
    page.check(f"input[name=pg-format][value={chance.choice(['png', 'jpeg', 'webp'])}]")
