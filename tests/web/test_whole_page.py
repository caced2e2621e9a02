"""Lines 14, 17 and 18: programs that run, a page for everybody, and one that is quick, quiet and alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.gateway import Gateway
from tests.web.browser import DESKTOP, Tabs, accessibility_violations, open_page
from tests.web.playground import (
    card,
    completed_card,
    fill_form,
    open_drawer,
    open_refused,
    quoted_credits,
    run_prompt,
)

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True}


def test_l17_a_run_from_start_to_end_with_the_keyboard_alone(page: Page) -> None:
    page.keyboard.press("/")
    page.keyboard.type("a logo made with keys")
    _tab_to(page, "input[name=pg-mode]:checked")
    page.keyboard.press("ArrowRight")
    expect(page.locator("input[name=pg-mode][value=ratio]")).to_be_checked()
    _tab_to(page, "input[name=pg-ratio]:checked")
    page.keyboard.press("ArrowRight")
    _tab_to(page, "input[name=pg-quality]:checked")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("input[name=pg-quality][value=low]")).to_be_checked()
    _tab_to(page, "[data-run]")
    page.keyboard.press("Enter")
    expect(card(page, "a logo made with keys")).to_have_attribute("data-state", "completed")
    _tab_to(page, "[data-show]")
    page.keyboard.press("Enter")
    one = page.locator("[data-task][data-state=completed]")
    one.locator("[data-open]").wait_for()
    _tab_to(page, "[data-open]")
    page.keyboard.press("Enter")
    expect(page.locator("dialog[open] [data-original]")).to_be_visible()
    page.keyboard.press("Escape")
    expect(one.locator("[data-open]")).to_be_focused()
    assert one.locator("[data-badge][role=status]").inner_text() == "Done"
    page.keyboard.press("Escape")
    expect(page.locator("[data-show]").first).to_be_focused()


def _tab_to(page: Page, selector: str, most: int = 60) -> None:
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"Tab never came to {selector}")


@pytest.mark.parametrize(
    ("theme", "language", "most"),
    [
        ("dark", "ko", 3),
        *(
            pytest.param(theme, language, None, marks=pytest.mark.gate)
            for theme in ("light", "dark")
            for language in ("en", "ko")
        ),
    ],
)
def test_l17_nothing_stands_in_the_way_of_a_screen_reader_in_any_state(
    browser: Browser, gateway: Gateway, theme: str, language: str, most: int | None
) -> None:
    where: dict[str, Any] = {"locale": language, "color_scheme": theme}
    where |= PHONE if language == "ko" else {"viewport": DESKTOP}
    with open_page(browser, gateway, **where) as (page, _):
        page.goto(gateway.url)
        page.locator("[data-quote=expected]:not([data-credits=''])").wait_for()
        for state, reach in list(_STATES.items())[:most]:
            reach(page)
            page.wait_for_timeout(150)
            assert accessibility_violations(page) == [], state
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), state
            page.keyboard.press("Escape")


def _filled(page: Page) -> None:
    one = run_prompt(page, "a logo", n="2")
    one.locator(".facts summary").click()
    one.locator("[data-use]").first.click()


def _open_newest(page: Page) -> Locator:
    return open_drawer(page, page.locator("[data-tile][data-state=completed]").first)


def _compared(page: Page) -> None:
    _open_newest(page)
    for box in page.locator("[data-choose]").all():
        box.check()
    page.click("[data-compare]")


def _helped(page: Page) -> None:
    page.locator(".brand").focus()
    page.keyboard.press("?")


def _refused(page: Page) -> None:
    page.route("**/v1/images/generations", lambda one: one.abort())
    fill_form(page, "lost on the way")
    page.click("[data-run]")
    open_refused(page)


_STATES: dict[str, Callable[[Page], None]] = {
    "empty": lambda page: None,
    "filled": _filled,
    "lightbox": lambda page: _open_newest(page).locator("[data-open]").first.click(),
    "compare": _compared,
    "mask": lambda page: page.click("[data-mask]"),
    "code": lambda page: page.click("[data-as-code]"),
    "matrix": lambda page: page.click("[data-as-matrix]"),
    "keys": _helped,
    "refused": _refused,
}


def test_l17_errors_say_what_to_do_and_whether_anything_was_charged(tabs: Tabs, gateway: Gateway) -> None:
    with tabs.open(gateway) as (page, _):
        page.goto(gateway.url)
        fill_form(page, "a logo without a road", quality="low", ratio="1:1")
        quoted_credits(page)
        page.route("**/v1/images/generations", lambda one: one.abort(), times=1)
        page.click("[data-run]")
        lost = open_refused(page)
        expect(lost).to_contain_text("can't be reached")
        expect(lost).to_contain_text("You can safely try again")
        lost.get_by_role("button", name="Try again").click()
        completed_card(page, "a logo without a road")
        poor = gateway.new_key("poor at the page", "14")
        page.evaluate(
            """key => fetch('/web/session', {method: 'POST', headers: {'Content-Type': 'application/json'},
            body: JSON.stringify({key})})""",
            poor,
        )
        page.reload()
        fill_form(page, "too dear", quality="high", ratio="1:1", n="2")
        quoted_credits(page)
        expect(page.locator("[data-hindrance]")).to_contain_text("Lower quality or size, or add credits")
        fill_form(page, "too dear", n="1")
        quoted_credits(page)
        expect(page.locator("[data-hindrance]")).to_be_empty()
        with gateway.client(poor) as http:  # spent elsewhere since the price was asked for
            http.post("/v1/images/generations", json={"prompt": "a logo", "size": "1:1"}).raise_for_status()
        page.click("[data-run]")
        refused = open_refused(page)
        expect(refused).to_contain_text("Add credits, or lower size, quality or number")
        expect(refused).to_contain_text("You weren't charged")


def test_l17_themes_follow_the_system_until_one_is_chosen(browser: Browser, gateway: Gateway) -> None:
    def paper(page: Page) -> str:
        colour: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return colour

    with open_page(browser, gateway, color_scheme="dark") as (page, _):
        page.goto(gateway.url)
        body, dark = page.locator("body"), paper(page)
        page.emulate_media(color_scheme="light")
        expect(body).not_to_have_css("background-color", dark)
        light = paper(page)
        page.click("#theme [data-choice=dark]")
        expect(body).to_have_css("background-color", dark)
        page.reload()
        assert paper(page) == dark
        page.click('#theme [data-choice=""]')
        expect(body).to_have_css("background-color", light)


def test_l18_the_price_shifts_nothing_and_no_other_host_is_asked(tabs: Tabs, gateway: Gateway) -> None:
    hosts: set[str] = set()
    with tabs.open(gateway) as (page, complaints):
        page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
        page.goto(gateway.url)
        page.locator("[data-quote=expected]:not([data-credits=''])").wait_for()
        page.evaluate(
            """() => new Promise((drawn) => {
                document.getElementById('playground').scrollIntoView({ behavior: 'instant' });
                requestAnimationFrame(() => requestAnimationFrame(drawn));
            })"""
        )
        page.evaluate(
            """() => {
                window.shifts = 0;
                new PerformanceObserver((list) => {
                    for (const one of list.getEntries()) window.shifts += one.value;
                }).observe({ type: 'layout-shift', buffered: false });
            }"""
        )
        boxes = """() => [...document.querySelectorAll('#playground :is(div, p, section, fieldset, button, dd, td)')]
            .map((one) => JSON.stringify(one.getBoundingClientRect()))"""
        before = page.evaluate(boxes)
        for quality, number in (("low", "1"), ("high", "10"), ("medium", "3")):
            page.check(f"input[name=pg-quality][value={quality}]")
            page.select_option("#pg-n", number)
            quoted_credits(page)
            page.wait_for_timeout(600)
            assert page.evaluate(boxes) == before
        assert page.evaluate("window.shifts") < 0.001, "figures that stand at the right of their own box"
        run_prompt(page, "a logo of one host", n="1")
        assert complaints == []
    assert hosts == {urlsplit(gateway.url).netloc}
