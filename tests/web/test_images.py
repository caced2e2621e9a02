"""Lines 12, 13, 16, 27 and 28: images looked at, compared, masked and taken home."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.gateway import Gateway
from tests.web.browser import DESKTOP, open_page
from tests.web.playground import (
    add_file,
    completed_card,
    fill_form,
    noise_image,
    read_task,
    ready_references,
    request_body,
    run_prompt,
)


def test_l12_the_lightbox_zooms_steps_copies_and_gives_the_original(
    browser: Browser, gateway: Gateway, tmp_path: Path
) -> None:
    allowed = ["clipboard-read", "clipboard-write"]
    with open_page(browser, gateway, viewport=DESKTOP, locale="en", permissions=allowed) as (page, complaints):
        with gateway.client() as http:
            body = {"model": "gpt-image-2", "prompt": "an older logo", "quality": "low", "size": "1024x1024"}
            http.post("/v1/images/generations", json=body, headers={"Prefer": "wait=60"}).raise_for_status()
        page.goto(gateway.url)
        one = run_prompt(page, "two logos, a logo each", n="2", ratio="3:2")
        opener = one.locator("[data-open]").first
        opener.click()
        large = page.locator("dialog[open] [data-original]")
        frame = page.locator("dialog[open] .zoom-frame")
        fitted = Box(large)
        for key, scale in (("+", 1.5), ("+", 2.25), ("-", 1.5), ("0", 1), ("+", 1.5)):
            page.keyboard.press(key)
            expect(frame).to_have_attribute("data-scale", str(scale))
            assert Box(large).width == pytest.approx(fitted.width * scale, rel=1e-3)
        source = large.get_attribute("src")
        page.keyboard.press("ArrowRight")
        expect(large).not_to_have_attribute("src", str(source))
        expect(frame).to_have_attribute("data-scale", "1")
        expect(page.locator("dialog[open] h2")).to_have_text("Image 2 of 2")
        page.keyboard.press("ArrowRight")
        expect(large).to_have_attribute("alt", "an older logo")  # of the next task in the gallery
        for expected in ("Image 2 of 2", "Image 1 of 2"):
            page.keyboard.press("ArrowLeft")
            expect(page.locator("dialog[open] h2")).to_have_text(expected)
        expect(large).to_have_attribute("src", str(source))
        expect(page.get_by_role("button", name="Previous image")).to_have_attribute("aria-disabled", "true")
        page.locator("dialog[open]").get_by_role("button", name="Copy", exact=True).click()
        expect(page.locator(".toast").last).to_have_text("Copied")
        assert page.evaluate("navigator.clipboard.read().then((items) => items[0].types)") == ["image/png"]
        with page.expect_download() as download:
            page.locator("dialog[open]").get_by_role("button", name="Download").click()
        assert re.fullmatch(r"20\d\d-\d\d-\d\d-two-logos-a-logo-each-1\.png", download.value.suggested_filename)
        original = httpx.get(read_task(gateway, one)["results"][0], timeout=60).content
        assert Path(download.value.path()).read_bytes() == original
        page.keyboard.press("Escape")
        expect(page.locator("dialog[open]")).to_have_count(0)
        expect(opener).to_be_focused()
        assert complaints == []


def test_l12_two_to_four_are_compared_side_by_side_and_by_slider(page: Page) -> None:
    one = run_prompt(page, "a logo in five", n="5")
    choose = one.locator("[data-choose]")
    choose.nth(0).check()
    expect(page.locator("[data-compare]")).to_be_disabled()
    choose.nth(1).check()
    page.click("[data-compare]")
    over = page.locator(".zoom-sheet img").last
    for value in ("20", "80"):
        page.locator("dialog input[type=range]").fill(value)
        expect(over).to_have_css("clip-path", f"inset(0px {100 - int(value)}% 0px 0px)")
    page.click("[data-mode=beside]")
    expect(page.locator(".beside img")).to_have_count(2)
    page.keyboard.press("Escape")
    for number in (3, 4):
        choose.nth(number - 1).check()
        page.click("[data-compare]")
        expect(page.locator(".beside img")).to_have_count(number)
        page.click("[data-mode=slider]")
        first = over.get_attribute("src")
        page.locator("[data-side=left]").select_option(str(number - 1))
        expect(over).not_to_have_attribute("src", str(first))
        page.keyboard.press("Escape")
    choose.nth(4).check()
    expect(page.locator("[data-compare]")).to_be_disabled()


class Box:
    """Where an element is in the window now."""

    def __init__(self, element: Locator) -> None:
        found = element.bounding_box()
        assert found
        self.x, self.y, self.width, self.height = found["x"], found["y"], found["width"], found["height"]

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Of fractions of it."""
        return self.x + x * self.width, self.y + y * self.height


def test_l27_wheel_pinch_drag_and_double_click_zoom_and_move_all_images_of_a_comparison(page: Page) -> None:
    one = run_prompt(page, "a logo in four", n="4")
    for box in one.locator("[data-choose]").all():
        box.check()
    page.click("[data-compare]")
    frames, sheets = page.locator(".beside .zoom-frame"), page.locator(".beside .zoom-sheet")
    frames.nth(3).wait_for()
    for width, height in ((1280, 1000), (640, 450), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        expect(page.locator(".beside figure")).to_have_count(4)
        boxes = [Box(figure) for figure in page.locator(".beside figure").all()]
        assert min(box.width for box in boxes) > 90
        assert max(box.x + box.width for box in boxes) <= width
        assert max(box.y + box.height for box in boxes) <= height
    page.set_viewport_size({"width": 1280, "height": 1000})
    middle = (400, 300)  # whole numbers: the event of a wheel knows no others
    place = page.evaluate(PLACE, middle)
    page.mouse.move(*middle)
    page.mouse.wheel(0, -500)
    expect(frames.last).not_to_have_attribute("data-scale", "1")
    assert page.evaluate(PLACE, middle) == pytest.approx(place, abs=1e-3), "what is under the pointer stays there"
    before = Box(sheets.last)
    page.mouse.down()
    page.mouse.move(middle[0] - 40, middle[1] + 30, steps=4)
    page.mouse.up()
    after = Box(sheets.last)
    assert (after.x - before.x, after.y - before.y) == pytest.approx((-40, 30), abs=0.5)
    styles = set(sheets.evaluate_all("all => all.map((one) => one.style.transform)"))
    assert len(styles) == 1, "all show the same part"
    scale = float(str(frames.first.get_attribute("data-scale")))
    pinch(page, middle, 50, 100)
    expect(frames.last).to_have_attribute("data-scale", re.compile(f"^{scale * 2}"[:5]))
    page.mouse.dblclick(*middle)
    expect(frames.last).to_have_attribute("data-scale", "1")
    page.mouse.dblclick(*middle)
    expect(frames.last).not_to_have_attribute("data-scale", "1")
    page.keyboard.press("0")

    page.click("[data-mode=slider]")
    frame, over = page.locator("dialog .zoom-frame"), page.locator(".zoom-sheet img").last
    picture = Box(over)
    drag(page, picture.point(0.9, 0.3), picture.point(0.25, 0.6))
    expect(over).to_have_css("clip-path", "inset(0px 75% 0px 0px)")
    page.mouse.wheel(0, -500)
    edge = Box(page.locator(".slider-edge"))
    sheet = Box(page.locator(".zoom-sheet"))
    drag(page, (edge.x + 200, 500), (edge.x + 160, 500))
    assert Box(page.locator(".zoom-sheet")).x == pytest.approx(sheet.x - 40, abs=0.5), (
        "beside the edge, the image moves"
    )
    assert Box(page.locator(".slider-edge")).x == pytest.approx(edge.x, abs=0.5)
    drag(page, (edge.x, 500), (edge.x + 100, 500))
    assert Box(page.locator(".slider-edge")).x == pytest.approx(edge.x + 100, abs=1)
    page.keyboard.press("0")
    beside = Box(frame)
    page.mouse.click(beside.x + 4, beside.y + 4)
    expect(page.locator("dialog[open]")).to_have_count(0)

    one.locator("[data-open]").first.click()
    large = page.locator("[data-original]")
    fitted = Box(large)
    page.mouse.click(*fitted.point(0.5, 0.5))
    page.mouse.move(*fitted.point(0.5, 0.25))
    page.mouse.wheel(0, -300)
    expect(page.locator("dialog .zoom-frame")).not_to_have_attribute("data-scale", "1")
    assert Box(large).point(0.5, 0.25) == pytest.approx(fitted.point(0.5, 0.25), abs=1)
    page.keyboard.press("0")
    page.mouse.click(4, 4)
    expect(page.locator("dialog[open]")).to_have_count(0)


# The place of the image that is at a point of the window, in fractions of it.
PLACE = """([x, y]) => {
    const box = document.querySelector('.zoom-sheet').getBoundingClientRect();
    return [(x - box.left) / box.width, (y - box.top) / box.height];
}"""


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=4)
    page.mouse.up()


def pinch(page: Page, middle: tuple[float, float], start: float, end: float) -> None:
    """Two fingers, each so far from the middle at first and at last."""
    devtools = page.context.new_cdp_session(page)
    x, y = middle

    def touch(kind: str, *distances: float) -> None:
        points = [{"x": x + distance, "y": y, "id": at} for at, distance in enumerate(distances)]
        devtools.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", start)
    touch("touchStart", start, -start)
    for at in range(1, 5):
        distance = start + (end - start) * at / 4
        touch("touchMove", distance, -distance)
    touch("touchEnd")
    devtools.detach()


class MaskEditor:
    """The mask editor; places are fractions of the image, wherever it is now."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.click("[data-mask]")
        self.canvas = page.locator(".mask-stage canvas")
        page.locator(".mask-cursor").wait_for(state="attached")

    def draw(self, *points: tuple[float, float]) -> None:
        box = Box(self.canvas)
        for at, point in enumerate(points):
            self.page.mouse.move(*box.point(*point), steps=3)
            if at == 0:
                self.page.mouse.down()
        self.page.mouse.up()

    def press(self, name: str) -> None:
        self.page.locator(".mask-tools").get_by_role("button", name=name).click()

    def save(self) -> np.ndarray[Any, Any]:
        """The mask's alpha, as the gateway got it."""
        self.page.click("[data-mask-save]")
        expect(self.page.locator("[data-mask-on=true]")).to_be_visible()
        answer = httpx.get(request_body(self.page)["mask_url"], timeout=60)
        mask = Image.open(io.BytesIO(answer.content))
        assert (mask.format, mask.mode) == ("PNG", "RGBA")
        return np.asarray(mask)[:, :, 3]


def test_l13_brush_eraser_invert_and_undo_make_a_mask_that_changes_only_what_it_should(
    page: Page, gateway: Gateway
) -> None:
    add_file(page, "drop", "base.png", noise_image(7, (640, 480)))
    ready_references(page, 1)
    sheet = MaskEditor(page)
    sheet.draw((0.2, 0.5), (0.8, 0.5))
    sheet.press("Eraser")
    sheet.draw((0.5, 0.2), (0.5, 0.8))
    sheet.draw((0.25, 0.5), (0.3, 0.5))
    sheet.press("Undo")
    sheet.press("Brush")
    sheet.draw((0.9, 0.1))
    page.keyboard.press("Control+z")
    alpha = sheet.save()
    assert alpha.shape == (480, 640)
    at = {
        name: int(alpha[int(y * 480), int(x * 640)])
        for name, x, y in (
            ("painted", 0.3, 0.5),
            ("erased", 0.5, 0.5),
            ("undone", 0.9, 0.1),
            ("bare", 0.1, 0.1),
        )
    }
    assert at == {"painted": 0, "erased": 255, "undone": 255, "bare": 255}
    fill_form(page, "a logo again", quality="low", ratio="4:3")
    page.click("[data-run]")
    completed_card(page, "a logo again").locator("[data-edit]").click()
    expect(page.locator(".mask-small")).to_have_count(0)  # only the older mask's file is known now
    ready_references(page, 1)
    sheet = MaskEditor(page)
    sheet.press("Invert")
    turned = sheet.save()
    assert np.array_equal(turned == 255, alpha == 0) or np.mean((turned > 127) != (alpha < 128)) < 0.001
    assert page.locator(".mask-small").evaluate("one => one.naturalWidth") == 144


def test_l13_a_mask_can_be_drawn_with_keys_and_stays_with_its_reference(page: Page) -> None:
    add_file(page, "drop", "base.png", noise_image(7, (400, 400)))
    add_file(page, "drop", "other.png", noise_image(8, (400, 400)))
    ready_references(page, 2)
    sheet = MaskEditor(page)
    page.click("[data-mask-save]")
    expect(page.locator("dialog [role=alert]")).to_have_text("Paint something first.")
    page.locator(".mask-cursor").focus()
    for key in ("ArrowRight", "ArrowDown", "Space", *["+"] * 6, *["ArrowUp"] * 5):
        page.keyboard.press(key)
    brush, frame = Box(page.locator(".mask-cursor")), Box(page.locator(".zoom-frame"))
    assert frame.y < brush.point(0.5, 0.5)[1] < frame.y + frame.height, "an enlarged image follows the brush"
    alpha = sheet.save()
    assert alpha[216, 216] == 0
    assert alpha[10, 10] == 255
    page.locator(".thumb-face").first.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("[data-mask-on=false]")).to_contain_text("no longer the first")
    assert "mask_url" not in request_body(page)
    page.get_by_role("button", name="Remove mask").click()
    expect(page.locator("[data-mask-on]")).to_have_count(0)


def test_l28_a_mask_is_painted_enlarged_redone_and_never_lost_unasked(page: Page) -> None:
    add_file(page, "drop", "base.png", noise_image(7, (640, 480)))
    ready_references(page, 1)
    sheet = MaskEditor(page)
    fitted = Box(sheet.canvas)
    page.mouse.move(*fitted.point(0.75, 0.25))
    page.mouse.wheel(0, -500)
    expect(page.locator(".zoom-frame")).not_to_have_attribute("data-scale", "1")
    enlarged = Box(sheet.canvas)
    assert enlarged.point(0.75, 0.25) == pytest.approx(fitted.point(0.75, 0.25), abs=3)
    outline = Box(page.locator(".mask-cursor"))
    assert (outline.width, outline.height) == pytest.approx([0.08 * enlarged.height] * 2, abs=1), (
        "8 % of the shorter edge"
    )
    assert outline.point(0.5, 0.5) == pytest.approx(fitted.point(0.75, 0.25), abs=3), "it is where the pointer is"
    page.keyboard.press("]")
    expect(page.locator(".mask-tools input")).to_have_value("9")
    sheet.draw((0.7, 0.25), (0.8, 0.25))
    sheet.draw((0.7, 0.35), (0.8, 0.35))
    sheet.press("Move")
    sheet.draw((0.75, 0.3), (0.7, 0.35))
    assert Box(sheet.canvas).x < enlarged.x - 10, "the hand moves the image and paints nothing"
    for key in ("Control+z", "Control+z", "Control+Shift+Z"):
        page.keyboard.press(key)
    expect(page.get_by_role("button", name="Redo")).to_have_attribute("aria-disabled", "false")

    page.keyboard.press("Escape")
    question = page.locator("dialog.confirm")
    expect(question).to_contain_text("Discard your changes?")
    question.get_by_role("button", name="Keep painting").click()
    expect(question).to_have_count(0)
    alpha = sheet.save()
    assert {
        name: int(alpha[y, x]) for name, x, y in (("kept", 480, 120), ("undone", 480, 168), ("bare", 100, 400))
    } == {
        "kept": 0,
        "undone": 255,
        "bare": 255,
    }
    MaskEditor(page)
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)  # nothing would be lost
    sheet = MaskEditor(page)
    sheet.press("Clear")
    page.locator("dialog.viewer").get_by_role("button", name="Cancel").click()
    question.get_by_role("button", name="Discard").click()
    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(page.locator("[data-mask-on=true]")).to_be_visible()


def test_l16_several_come_as_one_zip_with_a_json_beside_each(page: Page, gateway: Gateway) -> None:
    prompt = "신발 로고: a logo (for shoes)"
    with gateway.client() as http:
        body = {"model": "gpt-image-2", "prompt": prompt, "quality": "low", "size": "1024x1024"}
        http.post("/v1/images/generations", json=body, headers={"Prefer": "wait=60"}).raise_for_status()
    one = run_prompt(page, prompt, n="2")
    for box in one.locator("[data-choose]").all():
        box.check()
    page.locator("[data-tile]").filter(has_text=prompt).nth(1).locator("[data-pick]").check()
    expect(page.locator(".selection")).to_contain_text("3 selected")
    with page.expect_download() as download:
        page.click("[data-zip]")
    archive = zipfile.ZipFile(download.value.path())
    assert archive.testzip() is None
    task = read_task(gateway, one)
    day = page.evaluate("created => new Date(created * 1000).toLocaleDateString('sv')", task["created"])
    names = [f"{day}-신발-로고-a-logo-for-shoes-{number}" for number in (1, 2)]
    every = [*names, f"{names[0]}_2"]  # of the other task, which has the same prompt
    assert sorted(archive.namelist()) == sorted(f"{name}.{ext}" for name in every for ext in ("json", "png"))
    for name, url in zip(names, task["results"], strict=True):
        kept = hashlib.sha256(archive.read(f"{name}.png")).digest()
        assert kept == hashlib.sha256(httpx.get(url, timeout=60).content).digest()
        facts = json.loads(archive.read(f"{name}.json"))
        assert facts["request"]["prompt"] == prompt
        assert facts["billing"] == task["billing"]
        assert facts["file"] == f"{name}.png"


def test_l16_a_countdown_tells_when_the_originals_expire(browser: Browser, gateway: Gateway) -> None:
    with open_page(browser, gateway, locale="en") as (page, _):  # a clock that was set cannot be given back
        page.clock.install()
        page.goto(gateway.url)
        one = run_prompt(page, "a logo of a short life")
        expiry = one.locator("[data-expiry]")
        left = _seconds(expiry)
        assert 24 * 3600 - 120 < left <= 24 * 3600 + 2
        page.clock.fast_forward("00:10")
        assert 5 <= left - _seconds(expiry) <= 30
        page.clock.fast_forward("24:00:00")
        expect(expiry).to_contain_text("The originals have expired")
        expect(one.locator("[data-open], [data-use]")).to_have_count(0)
        expect(one.locator("[data-again]")).to_be_visible()


def _seconds(expiry: Locator) -> int:
    expect(expiry).to_have_text(re.compile(r"Expires in \d+:\d\d:\d\d"))
    hours, minutes, seconds = (int(one) for one in re.findall(r"\d+", expiry.inner_text()))
    return hours * 3600 + minutes * 60 + seconds


@pytest.mark.parametrize("name", ["Lightbox", "Mask", pytest.param("Compare", marks=pytest.mark.gate)])
def test_a_dialog_keeps_the_focus_inside_and_gives_it_back(page: Page, name: str) -> None:
    one = run_prompt(page, f"a logo for the {name}", n="2")
    openers = {"Lightbox": "[data-open]", "Compare": "[data-compare]", "Mask": "[data-mask]"}
    if name == "Compare":
        for box in one.locator("[data-choose]").all():
            box.check()
    if name == "Mask":
        one.locator("[data-use]").first.click()
    opener = page.locator(openers[name]).first
    opener.focus()
    page.keyboard.press("Enter")
    expect(page.locator("dialog[open]")).to_be_visible()
    for _ in range(12):
        page.keyboard.press("Tab")
        inside = page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('dialog')")
        assert inside
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(opener).to_be_focused()
