"""Lines 1 to 6: what is asked for, and what it costs before the click."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from playwright.sync_api import Page, expect

from imagegate.domain.money import format_decimal
from imagegate.families.sizes import RATIOS, TIERS, pixels_for_ratio
from tests.support.gateway import Gateway
from tests.web.playground import (
    add_file,
    card,
    completed_card,
    fill_form,
    noise_image,
    quoted_credits,
    read_task,
    ready_references,
    request_body,
    run_prompt,
)


def _order(page: Page, *names: str) -> None:
    """The references are these, once the page has been drawn."""
    faces = page.locator(".thumb-face")
    for at, name in enumerate(names):
        expect(faces.nth(at)).to_have_attribute("aria-label", re.compile(rf": {re.escape(name)}\. "))


def test_l01_references_come_by_drop_picker_paste_and_address_in_this_order(page: Page, gateway: Gateway) -> None:
    source = run_prompt(page, "a logo as source").locator("[data-open] img").first.get_attribute("src")
    add_file(page, "drop", "dropped.png", noise_image(1))
    ready_references(page, 1)
    page.set_input_files(
        "[data-files]", {"name": "picked.webp", "mimeType": "image/webp", "buffer": noise_image(2, kind="WEBP")}
    )
    ready_references(page, 2)
    add_file(page, "paste", "pasted.jpg", noise_image(3, kind="JPEG"), "image/jpeg")
    ready_references(page, 3)
    page.fill(".add input[type=url]", f"{gateway.url}{source}")
    page.keyboard.press("Enter")
    faces = ready_references(page, 4).locator("img")
    expect(faces).to_have_count(4)
    assert all(one.evaluate("one => one.decode().then(() => one.naturalWidth > 0)") for one in faces.all())
    _order(page, "dropped.png", "picked.webp", "pasted.jpg")
    wanted = request_body(page)["image_urls"]
    fill_form(page, "a logo of four")
    page.click("[data-run]")
    request = read_task(gateway, completed_card(page, "a logo of four"))["request"]
    assert request["image_urls"] == wanted
    assert len(wanted) == 4


def test_l01_order_changes_by_drag_and_by_keys_and_each_can_go(page: Page) -> None:
    for seed, name in enumerate("abc"):
        add_file(page, "drop", f"{name}.png", noise_image(seed))
        ready_references(page, seed + 1)
    page.locator(".thumb").nth(0).drag_to(page.locator(".thumb").nth(2))
    _order(page, "b.png", "c.png", "a.png")
    page.locator(".thumb-face").nth(2).focus()
    page.keyboard.press("ArrowLeft")
    _order(page, "b.png", "a.png", "c.png")
    page.keyboard.press("ArrowLeft")
    _order(page, "a.png", "b.png", "c.png")  # the focus went with the reference
    before = request_body(page)["image_urls"]
    page.locator(".thumb-face").nth(1).focus()
    page.keyboard.press("Delete")
    page.locator(".thumb-remove").first.click()
    assert request_body(page)["image_urls"] == before[2:]


def test_l02_the_price_is_shown_after_each_quote(page: Page) -> None:
    """Every answer is followed by a changed figure; `make bench` measures how soon."""
    fill_form(page, "a quick price", ratio="1:1")
    quoted_credits(page)  # else the quote of what was just written is counted on a busy machine
    page.evaluate(
        """() => {
            window.shown = [];
            new MutationObserver(() => window.shown.push(performance.now()))
                .observe(document.querySelector('[data-quote=expected]'), { attributes: true });
            performance.clearResourceTimings();
        }"""
    )
    for number in range(2, 11):  # what was quoted before is not asked for again
        page.select_option("#pg-n", str(number))
        quoted_credits(page)
    changes = page.evaluate(
        """() => {
            const answers = performance.getEntriesByType('resource').filter((one) => one.name.endsWith('/quotes'));
            return answers.map(({ responseEnd: end }) => window.shown.filter((at) => at >= end).length);
        }"""
    )
    assert len(changes) == 9
    assert 0 not in changes


@pytest.mark.parametrize("number", ["1", "3"])
def test_l02_expected_and_at_most_are_told_in_money_and_credits_with_their_lines(
    page: Page, gateway: Gateway, number: str
) -> None:
    add_file(page, "drop", "one.png", noise_image(size=(512, 512)))
    ready_references(page, 1)
    fill_form(page, "a priced edit", ratio="16:9", tier="2K", n=number, quality="high")
    expected = quoted_credits(page)
    with gateway.client() as http:
        quote = http.post("/v1/images/quotes", json=request_body(page)).raise_for_status().json()
    assert Decimal(quote["expected"]["credits"]) == expected
    price = page.locator("[data-price]")
    expect(price).to_contain_text("Expected")
    expect(price).to_contain_text("At most")
    assert page.locator("[data-quote=maximum]").get_attribute("data-credits") == quote["maximum"]["credits"]
    nanos = sum(int(line["expected"]["nanos"]) for line in quote["lines"])
    assert nanos == int(quote["expected"]["nanos"])
    rows = page.locator(".price-lines tr").all_inner_texts()
    assert [row.split("\t")[0] for row in rows] == [
        "Text input",
        "Image input",
        "Image output" + (" ×3" if number == "3" else ""),
    ]
    tokens = [int(re.sub(r"\D", "", row.split("\t")[1])) for row in rows]
    assert tokens == [line["quantity"]["expected"] for line in quote["lines"]]


def test_l03_balance_hold_and_what_is_left_after_this_run(page: Page, gateway: Gateway) -> None:
    fill_form(page, "a long logo", tier="2K", n="4", quality="high")
    quoted_credits(page)
    page.click("[data-run]")
    expect(card(page, "a long logo")).to_have_attribute("data-state", re.compile("pending|processing"))
    held = page.locator(".balance-after dd").nth(1)
    expect(held).not_to_have_text("0")
    with gateway.client() as http:
        user = http.get("/v1/credits").json()["data"]["user"]
    assert Decimal(held.inner_text()) == round(Decimal(str(user["reserved_credits"])), 2)
    completed_card(page, "a long logo")
    expect(held).to_have_text("0")
    fill_form(page, "the next one", quality="low", ratio="1:1", n="1")
    expected = quoted_credits(page)
    with gateway.client() as http:
        left = Decimal(http.get("/v1/credits").json()["data"]["user"]["exact"]["remaining"]["credits"])
    shown = page.locator("[data-after]").inner_text().replace(",", "")
    assert abs(Decimal(shown) - (left - expected)) <= Decimal("0.005")


def test_l04_every_ratio_shows_the_pixels_that_are_made(page: Page, gateway: Gateway) -> None:
    fill_form(page, "logo sizes", ratio="1:1", quality="low")
    for tier in TIERS:
        page.check(f"input[name=pg-tier][value='{tier}']")
        for ratio in RATIOS:
            label = page.locator("label").filter(has=page.locator(f"input[name=pg-ratio][value='{ratio}']"))
            expect(label.locator("small")).to_have_text("×".join(map(str, pixels_for_ratio(ratio, tier))))
    made = read_task(gateway, run_prompt(page, "logo sizes", tier="1K", ratio="21:9"))["result_data"][0]
    assert (made["width"], made["height"]) == pixels_for_ratio("21:9", "1K")


def test_l04_custom_snaps_to_16_and_explains_what_is_refused(page: Page, gateway: Gateway) -> None:
    fill_form(page, "custom logo", quality="low")
    page.check("input[name=pg-mode][value=custom]")
    page.fill("#pg-width", "1000")
    page.fill("#pg-height", "700")
    page.keyboard.press("Tab")
    expect(page.locator("#pg-width")).to_have_value("1008")
    expect(page.locator("#pg-height")).to_have_value("704")
    about = page.locator("#pg-custom-about")
    expect(about).to_contain_text("multiple of 16")
    for width, height, words in (
        ("3840", "640", "3 times"),
        ("640", "640", "Too small"),
        ("3840", "2880", "Too large"),
    ):
        page.fill("#pg-width", width)
        page.fill("#pg-height", height)
        page.keyboard.press("Tab")
        expect(about).to_contain_text(words)
        expect(page.locator("[data-hindrance]")).not_to_be_empty()
    page.fill("#pg-width", "1000")
    page.fill("#pg-height", "700")
    page.keyboard.press("Tab")
    expect(page.locator("[data-hindrance]")).to_be_empty()
    page.click("[data-run]")
    made = read_task(gateway, completed_card(page, "custom logo"))["result_data"][0]
    assert (made["width"], made["height"]) == (1008, 704)
    page.check("input[name=pg-mode][value=auto]")
    expect(page.locator(".settings")).to_contain_text("The model chooses")
    assert request_body(page)["size"] == "auto"


def test_l05_the_prompt_is_counted_in_code_points_to_32_000(page: Page) -> None:
    count = page.locator("[data-count]")
    for text in ("한국어 여우 🦊", "👩‍🚀", "e\u0301", "a\nb"):
        page.fill("#pg-prompt", text)
        expect(count).to_have_text(str(len(text)))
    page.fill("#pg-prompt", "🦊" * 32_000)
    expect(count).to_have_text("32,000")
    expect(page.locator("#pg-prompt")).to_have_attribute("aria-invalid", "false")
    quoted_credits(page)
    expect(page.locator("[data-hindrance]")).to_be_empty()
    page.fill("#pg-prompt", "🦊" * 32_001)
    expect(page.locator("#pg-prompt")).to_have_attribute("aria-invalid", "true")
    page.click("[data-run]")
    expect(page.locator(".toast.bad")).to_contain_text("too long")
    expect(card(page, "🦊🦊")).to_have_count(0)


def test_l06_keys_run_focus_close_and_show_themselves(page: Page) -> None:
    page.keyboard.press("/")
    page.keyboard.type("a logo / with ?")
    expect(page.locator("#pg-prompt")).to_have_value("a logo / with ?")
    fill_form(page, "a logo / with ?", quality="low", ratio="1:1")
    page.focus("#pg-prompt")
    page.keyboard.press("Control+Enter")
    completed_card(page, "a logo / with ?")
    page.locator("[data-code]").first.focus()
    page.keyboard.press("?")
    expect(page.locator("dialog.shortcuts kbd").first).to_be_visible()
    page.keyboard.press("Control+Enter")
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(page.locator("[data-code]").first).to_be_focused()
    expect(page.locator("[data-tile]").filter(has_text="a logo / with ?")).to_have_count(1)


def test_what_the_form_says_of_credits_is_what_the_api_says(page: Page) -> None:
    """The figure beside the dollars is the quote's own, rounded to three digits."""
    fill_form(page, "credits", ratio="1:1", quality="high")
    expected = quoted_credits(page)
    shown = page.locator("[data-quote=expected] span").inner_text()
    assert shown == f"{format_decimal(int(round(expected, 3) * 1000), 3)} credits"
