"""Lines 19 to 22, 26, 30 and 33: the form keeps what a person wrote, and buys what it says, once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.gateway import Gateway
from tests.web.browser import Tabs
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

CREATES = "**/v1/images/generations"
QUOTES = "**/v1/images/quotes"
UPLOADS = "**/upload/stream"


# The browser writes a file to its disk in the background.
FILE_IS_KEPT = """() => new Promise((resolve) => {
    const opening = indexedDB.open('imagegate');
    opening.onsuccess = () => {
        const counting = opening.result.transaction('files').objectStore('files').count();
        counting.onsuccess = () => { opening.result.close(); resolve(counting.result === 1); };
    };
})"""


def hold(page: Page, pattern: str) -> list[Route]:
    """The requests that the page sends from now on, each of which waits until it is let go."""
    held: list[Route] = []

    def keep(route: Route) -> None:  # a bound method of a built-in type is no handler to the driver
        held.append(route)

    page.context.route(pattern, keep)
    return held


def let_go(page: Page, pattern: str, held: list[Route]) -> None:
    for route in held:
        route.continue_()
    page.context.unroute(pattern)


def expect_blocked(page: Page, reason: str) -> None:
    """Run says why it does nothing, in the bar and where it was pressed."""
    expect(page.locator("[data-hindrance]")).to_contain_text(reason)
    page.click("[data-run]")
    expect(page.locator(".toast.bad").last).to_contain_text(reason)
    expect(card(page, page.input_value("#pg-prompt"))).to_have_count(0)
    page.evaluate("document.querySelectorAll('.toast').forEach(one => one.remove())")


def delete_upload(gateway: Gateway, name: str) -> None:
    with gateway.client() as http:
        files = http.get("/api/v1/files/list").raise_for_status().json()["data"]["files"]
        [found] = [one["file_id"] for one in files if one["original_name"] == name]
        http.delete(f"/api/v1/files/{found}").raise_for_status()


def draw_mask(page: Page) -> None:
    """One dot in the middle of the first reference."""
    page.click("[data-mask]")
    page.locator(".mask-cursor").press("Space")
    page.click("[data-mask-save]")
    expect(page.locator("[data-mask-on=true]")).to_be_visible()


def test_l19_one_press_is_one_purchase(page: Page, gateway: Gateway) -> None:
    """A double click, a repeated key and a second tab, all before the first answer: one key, one task."""
    held = hold(page, CREATES)
    other = page.context.new_page()
    other.goto(gateway.url)
    for tab in (page, other):
        fill_form(tab, "a logo bought once", quality="low", ratio="1:1")
        quoted_credits(tab)
    page.dblclick("[data-run]")
    expect(page.locator("[data-run]")).to_have_attribute("aria-busy", "true")
    for tab in (page, page, other, other):
        tab.focus("#pg-prompt")
        tab.keyboard.press("Control+Enter")
    expect(card(other, "a logo bought once")).to_have_attribute("data-state", "sending")
    other.wait_for_function("() => performance.now() > 0")  # what was sent is handed over meanwhile
    expect(page.locator(".toast")).to_have_count(0)  # nothing is told before the answer
    assert len(held) == 2, "one of each tab"
    assert len({route.request.headers["idempotency-key"] for route in held}) == 1
    let_go(page, CREATES, held)
    expect(page.locator(".toast")).to_have_text("Run started.")
    bought = str(completed_card(page, "a logo bought once").get_attribute("data-task"))
    expect(card(other, "a logo bought once")).to_have_attribute("data-tile", bought)
    other.close()
    with gateway.client() as http:
        found = http.get("/v1/tasks", params={"q": "bought once"}).raise_for_status().json()["data"]
    assert [task["id"] for task in found] == [bought]


def test_l20_a_reference_or_mask_that_is_missing_stops_the_run(page: Page, gateway: Gateway) -> None:
    fill_form(page, "this product on a marble table", quality="low", ratio="1:1")
    add_file(page, "drop", "product.png", b"no picture at all")
    expect(page.locator("[data-reference=bad]")).to_have_count(1)
    expect_blocked(page, "Remove or replace “product.png”")
    expect(page.locator("[data-quote=expected]")).to_have_attribute("data-credits", "")
    page.locator(".thumb-remove").click()
    held = hold(page, UPLOADS)
    add_file(page, "drop", "slow.png", noise_image(1))
    expect(page.locator("[data-reference=loading] progress")).to_be_visible()
    expect_blocked(page, "“slow.png” is still being uploaded")
    let_go(page, UPLOADS, held)
    ready_references(page, 1)
    draw_mask(page)
    add_file(page, "drop", "second.png", noise_image(2))
    ready_references(page, 2).nth(1).locator(".thumb-face").press("ArrowLeft")
    expect_blocked(page, "no longer the first")
    page.locator("[data-mask-on] button").click()
    delete_upload(gateway, "slow.png")
    page.reload()
    expect(page.locator("[data-reference=bad]")).to_contain_text("slow.png: No longer stored. Add it again.")
    expect_blocked(page, "Remove or replace “slow.png”")
    page.locator("[data-reference=bad] .thumb-remove").click()
    quoted_credits(page)
    delete_upload(gateway, "second.png")
    page.click("[data-run]")
    expect_blocked(page, "Remove or replace “second.png”")
    page.locator(".thumb-remove").click()
    page.click("[data-run]")
    assert read_task(gateway, completed_card(page, "this product"))["request"]["image_urls"] == []


def test_l21_the_form_outlives_whatever_happens_to_the_page(page: Page, gateway: Gateway) -> None:
    fill_form(page, "a logo kept 한국어 🦊", quality="high", ratio="16:9", tier="2K", n="3")
    for seed, name in enumerate(("first.png", "second.png")):
        add_file(page, "drop", name, noise_image(seed))
        ready_references(page, seed + 1)
    draw_mask(page)
    body = request_body(page)
    assert (body["size"], body["resolution"], body["n"], len(body["image_urls"])) == ("16:9", "2K", 3, 2)

    def expect_kept(tab: Page, **other: Any) -> None:
        expect(tab.locator("[data-mask-on=true] img")).to_be_visible()
        ready_references(tab, 2)
        quoted_credits(tab)
        assert request_body(tab) == {**body, **other}

    page.reload()
    expect_kept(page)
    page.click("[data-mask]")
    expect(page.get_by_role("button", name="Undo")).to_be_enabled()  # the strokes, too
    page.keyboard.press("Escape")
    page.click("a[hreflang=ko]")
    expect_kept(page)
    page.click("a[hreflang=en]")
    page.click("a[href='/models/gpt-image-2.5-flare']")
    expect_kept(page, model="gpt-image-2.5-flare")
    page.go_back()
    expect_kept(page)
    again = page.context.new_page()  # as after a crash: a tab that knows nothing
    again.goto(gateway.url)
    expect_kept(again)
    again.close()
    page.locator("#account .menu > button").click()
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.locator("#pg-prompt")).to_have_value("")
    expect(page.locator(".thumb")).to_have_count(0)
    page.reload()
    expect(page.locator("#pg-prompt")).to_have_value("")
    assert page.evaluate("JSON.stringify({...localStorage, ...sessionStorage})").find("logo kept") < 0
    assert "logo" not in page.url


def test_l21_what_is_filled_in_can_be_undone(page: Page) -> None:
    add_file(page, "drop", "own.png", noise_image(3))
    ready_references(page, 1)
    old = run_prompt(page, "the logo of yesterday")
    fill_form(page, "an idea typed for an hour", quality="high")
    page.locator(".thumb-remove").click()
    old.locator("[data-edit]").click()
    expect(page.locator("#pg-prompt")).to_have_value("the logo of yesterday")
    ready_references(page, 1)
    page.locator("[data-undo]").get_by_role("button", name="Undo").click()
    expect(page.locator("#pg-prompt")).to_have_value("an idea typed for an hour")
    expect(page.locator(".thumb")).to_have_count(0)
    expect(page.locator("[data-undo]")).to_have_count(0)
    quoted_credits(page)
    assert request_body(page)["quality"] == "high"


def test_l22_what_spends_shows_its_price_and_the_price_is_of_what_is_bought(page: Page, gateway: Gateway) -> None:
    draft = run_prompt(page, "a logo to be priced")
    for name, quality in (("again", "low"), ("final", "high")):
        button = draft.locator(f"[data-{name}]")
        with gateway.client() as http:
            body = {**read_task(gateway, draft)["request"], "quality": quality}
            asked = {key: value for key, value in body.items() if value is not None and key != "output_compression"}
            quote = http.post("/v1/images/quotes", json=asked).raise_for_status().json()
        expect(button).to_have_attribute("data-spend", quote["expected"]["credits"])
        expect(button).to_have_text(re.compile(r" · \$0\.\d{2,4}$"))
        expect(button).to_have_attribute("title", re.compile(r"^At most \$0\.\d{2,4} \(.* credits\)$"))
    held = hold(page, QUOTES)
    fill_form(page, "a logo in a hurry", quality="high")
    page.keyboard.press("Control+Enter")
    expect(page.locator("[data-price]")).to_have_attribute("aria-busy", "true")
    expect(page.locator("[data-run]")).to_have_attribute("aria-busy", "true")
    expect(card(page, "a logo in a hurry")).to_have_count(0)  # nothing is bought whose price is not known
    let_go(page, QUOTES, held)
    task = read_task(gateway, completed_card(page, "a logo in a hurry"))
    assert task["request"]["quality"] == "high"
    quoted_credits(page)
    page.check("input[name=pg-mode][value=custom]")
    page.fill("#pg-width", "160")
    page.keyboard.press("Tab")
    for figure in ("expected", "maximum"):
        expect(page.locator(f"[data-quote={figure}] b")).to_have_text("–")
    expect(page.locator("[data-hindrance]")).to_have_text("This size is not possible. Change it.")


def test_l26_files_dropped_anywhere_become_references_and_the_focus_stays(page: Page, tmp_path: Path) -> None:
    paths = []
    for number in range(17):
        paths.append(tmp_path / f"{number}.png")
        paths[-1].write_bytes(noise_image(number))
    big = tmp_path / "big.png"
    big.write_bytes(noise_image(99, (1500, 1200)))
    cdp = page.context.new_cdp_session(page)

    def drag(kind: str, *files: Path) -> None:
        data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}
        place = {"x": 900, "y": 40}  # the header: nothing there asks for files
        cdp.send("Input.dispatchDragEvent", {"type": kind, **place, "data": data})

    page.evaluate(
        """() => {
            window.told = [];
            new MutationObserver(() => {
                const bar = document.querySelector('.thumb progress');
                if (bar) window.told.push(bar.value);
            }).observe(document.querySelector('.references'), { attributes: true, subtree: true, childList: true });
        }"""
    )
    page.focus("#pg-prompt")
    drag("dragEnter", big)
    drag("dragOver", big)
    expect(page.locator("[data-drop]")).to_be_visible()
    drag("drop", big)
    ready_references(page, 1)
    expect(page.locator("[data-drop]")).to_have_count(0)
    told = page.evaluate("window.told")
    assert told == sorted(told)
    assert told[-1] == 1
    drag("dragEnter", *paths)
    drag("drop", *paths)
    ready_references(page, 16)
    expect(page.locator(".toast")).to_have_count(1)
    expect(page.locator(".toast")).to_contain_text("At most 16 references")
    expect(page.locator("#pg-prompt")).to_be_focused()
    last = page.locator(".thumb-face").nth(15)
    last.press("Delete")
    expect(page.locator(".thumb-face").nth(14)).to_be_focused()
    cdp.detach()


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ["isn't a JPEG, PNG or WebP image. Save it as", "50 MB", "The file is empty.", "couldn't be loaded"]),
        ("ko", ["JPEG, PNG, WebP 이미지가 아닙니다.", "50 MB", "빈 파일입니다.", "불러"]),
    ],
)
def test_l26_a_refused_file_says_why(
    page: Page, gateway: Gateway, tmp_path: Path, language: str, words: list[str]
) -> None:
    page.goto(f"{gateway.url}/?lang={language}")
    large = tmp_path / "large.png"
    large.write_bytes(noise_image() + bytes(51 * 1024 * 1024))
    add_file(page, "drop", "words.png", b"no picture at all")
    add_file(page, "paste", "moving.gif", noise_image(kind="GIF"), "image/gif")
    page.set_input_files("[data-files]", str(large))
    add_file(page, "drop", "nothing.png", b"")
    page.fill(".add input[type=url]", f"{gateway.url}/nothing.png")
    page.keyboard.press("Enter")
    faults = page.locator("[data-reference=bad]")
    expect(faults).to_have_count(5)
    for fault, text in zip(faults.all(), [words[0], *words], strict=True):
        expect(fault.locator("[role=alert]")).to_contain_text(text)
    assert not re.search(r"bytes|invalid|GIF", " ".join(faults.locator("[role=alert]").all_inner_texts()))


def test_l30_a_visitor_sees_the_whole_form_and_keeps_it_at_sign_in(tabs: Tabs, gateway: Gateway) -> None:
    with gateway.client() as http:
        expected = {"model": "gpt-image-2", "prompt": "a visitor's logo", "size": "16:9", "quality": "high", "n": 1}
        quote = http.post("/v1/images/quotes", json=expected).raise_for_status().json()
    with tabs.open() as (page, complaints):
        page.goto(gateway.url)
        fill_form(page, "a visitor's logo", quality="high", ratio="16:9")
        assert str(quoted_credits(page)) == quote["expected"]["credits"]
        assert complaints == []
        add_file(page, "drop", "waits.png", noise_image(5))
        expect(page.locator("[data-reference=waiting]")).to_have_count(1)
        page.wait_for_function(FILE_IS_KEPT)  # a reload on the heels of the drop says that it was interrupted
        page.reload()
        expect(page.locator("#pg-prompt")).to_have_value("a visitor's logo")
        expect(page.locator("[data-reference=waiting] img")).to_be_visible()
        expect(page.locator("[data-run]")).to_contain_text("Sign in to run")
        page.click("[data-run]")
        page.fill("#sign-in-key", gateway.key)
        page.keyboard.press("Enter")
        ready_references(page, 1)
        quoted_credits(page)
        body = request_body(page)
        assert {key: body[key] for key in expected} == expected
        page.click("[data-run]")
        assert len(read_task(gateway, completed_card(page, "a visitor's logo"))["request"]["image_urls"]) == 1


def test_l33_the_settings_stand_in_the_address(page: Page, gateway: Gateway, tabs: Tabs) -> None:
    fill_form(page, "a logo & more 100%", quality="high", ratio="16:9", tier="2K", n="2")
    expect(page).to_have_url(re.compile(r"/#size=16%3A9&resolution=2K&quality=high&n=2&prompt=a%20logo%20%26%20more"))
    body, link = request_body(page), page.url
    page.goto("about:blank")
    page.go_back()
    expect(page.locator("#pg-prompt")).to_have_value("a logo & more 100%")
    completed = run_prompt(page, "the second logo")
    expect(page).to_have_url(re.compile("prompt=the%20second%20logo"))
    completed.locator("[data-edit]").click()
    fill_form(page, "the third logo")
    expect(page).to_have_url(re.compile("prompt=the%20third"))
    page.go_back()
    expect(page.locator("#pg-prompt")).to_have_value("the second logo")
    page.go_forward()
    expect(page.locator("#pg-prompt")).to_have_value("the third logo")
    page.goto(f"{gateway.url}/#pricing")
    expect(page.locator("#pg-prompt")).to_have_value("the third logo")
    expect(page).to_have_url(re.compile("#pricing$"))
    with tabs.open() as (stranger, _):
        stranger.goto(link)
        quoted_credits(stranger)
        assert request_body(stranger) == body
        stranger.goto(f"{gateway.url}/#output_format=webp&output_compression=1.5")
        expect(stranger).to_have_url(re.compile("#output_format=webp$"))
