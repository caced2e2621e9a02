"""The playground as a visitor sees it, in a real browser before the real program with its embedded engine."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from tests.gateway import Gateway
from tests.web.browser import FLAGS, chromium

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
END_MS = 60_000


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One task at a time: the second one waits."""
    with Gateway(tmp_path_factory.mktemp("playground") / "data", env={"IMAGEGATE_WORKERS": "1"}) as program:
        yield program


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        program = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield program
        program.close()


@pytest.fixture
def page(browser: Browser, narrow: Gateway) -> Iterator[Page]:
    """A fresh visitor; whatever the browser complains about fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 1000}, locale="en")
    one = context.new_page()
    complaints: list[str] = []
    one.on("pageerror", lambda error: complaints.append(str(error)))
    one.on("console", lambda line: complaints.append(line.text) if "Content Security Policy" in line.text else None)
    one.goto(narrow.url)
    yield one
    context.close()
    assert complaints == []


def write(page: Page, prompt: str) -> None:
    page.fill("#pg-prompt", prompt)


def settled(page: Page) -> Decimal:
    """The expected credits, once the price is that of the form."""
    page.wait_for_timeout(200)
    page.locator("[data-price][aria-busy=false]").wait_for()
    found = page.locator("[data-quote=expected]").get_attribute("data-credits")
    assert found
    return Decimal(found)


def card(page: Page, prompt: str) -> Locator:
    return page.locator("[data-task]").filter(has_text=prompt).first


def finished(page: Page, prompt: str) -> Locator:
    one = card(page, prompt)
    expect(one).to_have_attribute("data-state", "completed", timeout=END_MS)
    one.locator("[data-actual=price]").wait_for(state="attached")
    return one


def task(narrow: Gateway, one: Locator) -> dict[str, object]:
    headers = {"Authorization": f"Bearer {narrow.key}"}
    found: dict[str, object] = httpx.get(
        f"{narrow.url}/v1/tasks/{one.get_attribute('data-task')}?include=request", headers=headers
    ).json()
    return found


@pytest.mark.parametrize(
    ("quality", "ratio", "number"), [("low", "1:1", "1"), ("medium", "21:9", "1"), ("low", "9:16", "3")]
)
def test_the_price_in_sight_is_the_bill(page: Page, narrow: Gateway, quality: str, ratio: str, number: str) -> None:
    prompt = f"a lighthouse {quality} {number}"
    write(page, prompt)
    page.check("input[name=pg-mode][value=ratio]")
    page.check(f"input[name=pg-ratio][value='{ratio}']")
    page.check(f"input[name=pg-quality][value={quality}]")
    page.select_option("#pg-n", number)
    pixels = page.locator("label").filter(has=page.locator(f"input[name=pg-ratio][value='{ratio}']")).inner_text()
    expected = settled(page)
    page.click("[data-run]")
    one = finished(page, prompt)
    billed = task(narrow, one)["billing"]
    assert isinstance(billed, dict)
    assert Decimal(str(billed["charged_credits"])) == expected
    assert str(one.locator("[data-actual=size]").text_content()) in re.sub("×", " × ", pixels)


def test_keys_run_focus_and_show_themselves(page: Page) -> None:
    page.locator("#pg-prompt").wait_for()
    page.keyboard.press("/")
    page.keyboard.type("a kite with 🪁")
    expect(page.locator("[data-count]")).to_have_text("13")
    page.check("input[name=pg-quality][value=low]")
    page.focus("#pg-prompt")
    page.keyboard.press("Control+Enter")
    finished(page, "a kite")
    page.locator("[data-code]").first.focus()
    page.keyboard.press("?")
    expect(page.locator("dialog[open] .keys")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)


def test_a_reload_loses_nothing_and_a_waiting_run_is_cancelled_for_free(page: Page, narrow: Gateway) -> None:
    page.locator("input[name=pg-quality]").first.wait_for(state="attached")
    page.check("input[name=pg-mode][value=ratio]")
    page.check("input[name=pg-tier][value='4K']")
    page.select_option("#pg-n", "3")
    write(page, "a long run")
    page.click("[data-run]")
    expect(card(page, "a long run").locator("[data-elapsed]")).to_be_visible()
    write(page, "never made")
    page.click("[data-run]")
    expect(page.locator("[data-task^=task-]")).to_have_count(2)
    page.reload()
    expect(page.locator("[data-task^=task-]")).to_have_count(2)
    kept = page.evaluate("localStorage.getItem('imagegate.running')")
    assert all(re.fullmatch(r"task-unified-[0-9]+-\w+", one) for one in json.loads(kept))
    waiting = page.locator("[data-state=pending]").first
    waiting.locator("[data-cancel]").click()
    cancelled = page.locator("[data-state=cancelled]")
    expect(cancelled).to_contain_text("Nothing was charged")
    assert task(narrow, cancelled)["billing"]["charged_credits"] == 0  # type: ignore[index]
    finished(page, "a long run")


def test_references_come_by_file_and_are_ordered_by_keys(page: Page, narrow: Gateway, tmp_path: Path) -> None:
    write(page, "a source")
    page.check("input[name=pg-quality][value=low]")
    page.click("[data-run]")
    source = finished(page, "a source").locator("img").first.get_attribute("src")
    picture, text = tmp_path / "one.webp", tmp_path / "two.png"
    picture.write_bytes(httpx.get(narrow.url + str(source)).content)
    text.write_text("no picture")
    page.set_input_files("[data-files]", [str(picture)])
    page.locator("[data-reference=ready]").wait_for()
    page.locator("[data-use]").first.click()
    expect(page.locator("[data-reference=ready]")).to_have_count(2)
    names = [one.get_attribute("aria-label") for one in page.locator(".thumb-face").all()]
    page.locator(".thumb-face").first.focus()
    page.keyboard.press("ArrowRight")
    moved = page.locator(".thumb-face").nth(1).get_attribute("aria-label")
    assert "one.webp" in str(names[0])
    assert "one.webp" in str(moved)
    page.set_input_files("[data-files]", [str(text)])
    refused = page.locator("[data-reference=bad]")
    expect(refused).to_contain_text("two.png: ")
    refused.locator(".thumb-remove").click()
    write(page, "an edit")
    page.click("[data-run]")
    made = task(narrow, finished(page, "an edit"))["request"]
    assert isinstance(made, dict)
    assert [("/files/results/" in url) for url in made["image_urls"]] == [True, False]


@pytest.mark.gate
def test_chosen_pictures_come_as_one_archive_with_their_facts(page: Page) -> None:
    write(page, "a pair of shoes")
    page.check("input[name=pg-quality][value=low]")
    page.select_option("#pg-n", "2")
    page.click("[data-run]")
    finished(page, "a pair of shoes")
    for one in page.locator("[data-choose]").all():
        one.check()
    with page.expect_download() as download:
        page.click("[data-zip]")
    archive = zipfile.ZipFile(download.value.path())
    assert archive.testzip() is None
    assert sorted(Path(name).suffix for name in archive.namelist()) == [".json", ".json", ".png", ".png"]
    facts = json.loads(archive.read(next(name for name in archive.namelist() if name.endswith(".json"))))
    assert facts["request"]["prompt"] == "a pair of shoes"


@pytest.mark.parametrize("scheme", [pytest.param("light", marks=pytest.mark.gate), "dark"])
@pytest.mark.parametrize("language", [pytest.param("en", marks=pytest.mark.gate), "ko"])
def test_nothing_stands_in_the_way_of_a_screen_reader(
    browser: Browser, narrow: Gateway, scheme: str, language: str
) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(f"{narrow.url}/?lang={language}")
    page.check("input[name=pg-mode][value=ratio]")
    page.locator(".tile").first.click()
    page.locator("[data-task] [data-actual=price]").first.wait_for(state="attached")
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run('#playground').then((one) => one.violations.map((v) => [v.id, v.nodes[0].html]))")
    width = page.evaluate("document.getElementById('playground').scrollWidth")
    context.close()
    assert found == []
    assert width <= 390
