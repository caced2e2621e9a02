"""Lines 19 to 22, 26, 30 and 33: the form keeps what a person wrote, and buys what it says, once."""

from __future__ import annotations

from playwright.sync_api import Page, Route, expect

from tests.support.gateway import Gateway
from tests.web.playground import card, completed_card, fill_form

CREATES = "**/v1/images/generations"


def test_l19_one_press_is_one_purchase(page: Page, gateway: Gateway) -> None:
    """A double click, a repeated key and a second tab, all before the first answer: one key, one task."""
    waiting: list[Route] = []
    page.context.route(CREATES, lambda route: waiting.append(route))  # noqa: PLW0108  a method of list has no place for it
    other = page.context.new_page()
    other.goto(gateway.url)
    for tab in (page, other):
        fill_form(tab, "a logo bought once", quality="low", ratio="1:1")
    page.dblclick("[data-run]")
    expect(page.locator("[data-run]")).to_have_attribute("aria-busy", "true")
    for tab in (page, page, other, other):
        tab.focus("#pg-prompt")
        tab.keyboard.press("Control+Enter")
    expect(other.locator("[data-run]")).to_have_attribute("aria-busy", "true")
    page.wait_for_timeout(0)  # what the other tab sent is handed to this one
    assert len(waiting) == 2, "one of each tab"
    assert len({route.request.headers["idempotency-key"] for route in waiting}) == 1
    expect(page.locator(".toast")).to_have_count(0)  # nothing is told before the answer
    for route in waiting:
        route.continue_()
    page.context.unroute(CREATES)
    expect(page.locator(".toast")).to_have_text("Run started.")
    bought = completed_card(page, "a logo bought once").get_attribute("data-task")
    expect(card(other, "a logo bought once")).to_have_attribute("data-tile", str(bought))
    other.close()
    with gateway.client() as http:
        found = http.get("/v1/tasks", params={"q": "bought once"}).raise_for_status().json()["data"]
    assert [task["id"] for task in found] == [bought]
