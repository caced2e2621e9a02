"""Lines 23 to 25 and 37: all work in one place, found again, shown by thumbnails, and told of when it is done."""

from __future__ import annotations

import contextlib
import io
import re
import sqlite3
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, Route, expect

from imagegate.security.signing import to_base64url
from tests.support.gateway import THUMBNAILS, Gateway
from tests.web.browser import DESKTOP, Tabs, open_page, sign_in
from tests.web.conftest import RoutedSite
from tests.web.playground import card, fill_form, open_drawer

GATEWAY_ENV = THUMBNAILS


def _make(gateway: Gateway, key: str, prompt: str, **fields: Any) -> str:
    body = {"prompt": prompt, "size": "640x1024", "quality": "low", **fields}
    with gateway.client(key) as http:
        answer = http.post("/v1/images/generations", json=body, headers={"Prefer": "wait=60"}).raise_for_status()
    task: str = answer.json()["id"]
    return task


# Whether all of the prompt can be clicked.
IS_BARE = """() => {
    const prompt = document.getElementById('pg-prompt');
    prompt.scrollIntoView({ block: 'center', behavior: 'instant' });
    const { x, y, width, height } = prompt.getBoundingClientRect();
    return [0.1, 0.5, 0.9].every((part) => document.elementFromPoint(x + width / 2, y + height * part) === prompt);
}"""


def test_l23_form_and_gallery_stay_in_sight_and_a_tile_tells_what_it_is(tabs: Tabs, front: RoutedSite) -> None:
    with tabs.open() as (page, complaints):
        sign_in(page, front.gateway.url, front.customer)
        page.goto(front.gateway.url)
        for prompt in ("an older one", "a newer one [[latency:2s]]"):
            fill_form(page, prompt, ratio="3:2", quality="low", n="1")
            page.click("[data-run]")
            expect(card(page, prompt)).to_have_attribute("data-state", re.compile("pending|processing|completed"))
        expect(page.locator("[data-tile]").first).to_contain_text("a newer one")
        tile = card(page, "a newer one")
        expect(tile).to_have_attribute("data-state", "completed", timeout=60_000)
        about = tile.locator(".tile-about")
        for shown in (
            re.compile("gpt-image-2"),
            re.compile(r"\d+ × \d+"),
            re.compile(r"\$0\.\d+"),
            re.compile(r":\d\d"),
        ):
            expect(about).to_contain_text(shown)
        for width, height in ((1280, 900), (640, 450)):
            page.set_viewport_size({"width": width, "height": height})
            assert page.evaluate(IS_BARE), (width, height)
        page.set_viewport_size(DESKTOP)
        page.evaluate("document.getElementById('playground').scrollIntoView({ behavior: 'instant' })")
        for part in ("#pg-prompt", "[data-run]", "[data-price]"):
            expect(page.locator(part)).to_be_in_viewport(ratio=1)
        expect(tile).to_be_in_viewport(ratio=1)
        drawer = open_drawer(page, tile)
        expect(page.locator("aside.drawer")).to_be_focused()
        expect(drawer.locator("[data-prompt]")).to_contain_text("a newer one")
        page.keyboard.press("Escape")
        expect(page.locator("[data-task]")).to_have_count(0)
        expect(tile.locator("[data-show]")).to_be_focused()
        assert complaints == []


def test_l23_on_a_phone_a_run_comes_into_sight_and_a_pill_leads_back(browser: Browser, front: RoutedSite) -> None:
    with open_page(browser, viewport={"width": 390, "height": 844}, locale="en", has_touch=True) as (page, _):
        sign_in(page, front.gateway.url, front.customer)
        page.goto(front.gateway.url)
        fill_form(page, "a run of a phone [[latency:5s]]", ratio="1:1", quality="low")
        page.click("[data-run]")
        tile = card(page, "a run of a phone")
        expect(tile).to_be_in_viewport()
        pill = page.locator("[data-pill]")
        expect(pill).to_have_count(0)
        page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
        expect(pill).to_have_text("1 running")
        pill.click()
        expect(tile).to_be_in_viewport()
        expect(tile).to_have_attribute("data-state", "completed", timeout=60_000)
        expect(pill).to_have_count(0)
        open_drawer(page, tile)
        expect(page.locator("dialog.sheet[open]")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.keyboard.press("Escape")
        expect(page.locator("dialog[open]")).to_have_count(0)
        open_drawer(page, tile).locator("[data-use]").click()
        expect(page.locator("dialog[open]")).to_have_count(0)
        expect(page.locator("[data-reference=ready]")).to_be_in_viewport()


def test_l24_words_in_any_order_and_filters_find_it_again(tabs: Tabs, gateway: Gateway) -> None:
    key = gateway.new_key("finds", "1000")
    with gateway.client(key) as http:
        image = http.post("/api/v1/files/upload/stream", files={"file": ("a.png", _png(), "image/png")}).json()["data"]
    fox = _make(gateway, key, "logo of a red fox in snow")
    hares = _make(gateway, key, "logo of two blue hares", image_urls=[image["file_url"]])
    barn = _make(gateway, key, "logo of a red barn", metadata={"tags": "farm,spring"})
    with tabs.open() as (page, complaints):
        sign_in(page, gateway.url, key)
        page.goto(gateway.url)
        _shows(page, barn, hares, fox)
        page.fill("[data-search]", "snow red")
        _shows(page, fox)
        page.fill("[data-search]", "")
        page.click("[data-filter=references]")
        _shows(page, hares)
        page.click("[data-filter=references]")
        page.select_option("[data-filter=status]", "failed")
        expect(page.locator("[data-no-match]")).to_be_visible()
        page.click("[data-clear]")
        page.select_option("[data-filter=model]", "gpt-image-2")
        page.select_option("[data-filter=date]", "today")
        _shows(page, barn, hares, fox)
        page.select_option("[data-filter=date]", "custom")
        page.fill("[data-filter=from]", "2020-01-01")
        page.fill("[data-filter=to]", "2020-12-31")
        expect(page.locator("[data-no-match]")).to_be_visible()
        page.locator("form.task-filters [data-clear]").click()

        _tile(page, hares).locator("[data-star]").click()
        page.click("[data-filter=starred]")
        _shows(page, hares)
        page.reload()  # it is kept by the gateway
        expect(_tile(page, hares).locator("[data-star]")).to_have_attribute("aria-pressed", "true")

        drawer = open_drawer(page, _tile(page, fox))
        drawer.locator("[data-tag-field]").fill("winter")
        page.keyboard.press("Enter")
        drawer.locator("[data-tag=winter] button").first.click()
        page.keyboard.press("Escape")
        _shows(page, fox)
        page.click("[data-clear]")
        open_drawer(page, _tile(page, barn)).locator("[data-tag=farm] button").last.click()
        expect(page.locator("[data-tag]")).to_have_count(1)
        with gateway.client(key) as http:
            kept = {row["id"]: row.get("metadata") for row in http.get("/v1/tasks").json()["data"]}
        assert kept == {fox: {"tags": "winter"}, hares: {"starred": "true"}, barn: {"tags": "spring"}}
        assert complaints == []


def test_l24_lists_go_on_behind_pages_without_rows_and_totals_have_an_end(tabs: Tabs, gateway: Gateway) -> None:
    """The gateway looks through so many tasks for a page. With few tasks there is no such page: it is put before."""
    key = gateway.new_key("rare", "1000")
    fox = _make(gateway, key, "logo of a rare fox")
    empty_pages = 0

    def answer(route: Route) -> None:
        nonlocal empty_pages
        if "cursor=" in route.request.url and empty_pages:
            empty_pages -= 1
            newest = to_base64url(msgspec.json.encode((2**62 - 1, "")))
            route.fulfill(json={"object": "list", "data": [], "has_more": True, "next_cursor": newest})
        elif "page_size=" in route.request.url:
            route.fulfill(json={**route.fetch().json(), "total": 10_000, "total_capped": True})
        else:
            route.continue_()

    with tabs.open() as (page, complaints):
        sign_in(page, gateway.url, key)
        page.route("**/v1/tasks?*", answer)
        for place in ("/", "/dashboard#/tasks"):
            shown = _tile(page, fox) if place == "/" else page.locator("tbody tr[data-row]")
            empty_pages = 3
            page.goto(gateway.url + place)
            expect(shown).to_be_visible()
            assert empty_pages == 0
            empty_pages = 25
            page.reload()
            expect(page.locator("[data-search-on]")).to_contain_text("Nothing found yet")
            assert empty_pages == 4, "twenty-one requests, and then somebody has to ask"
            expect(page.locator("[data-no-match], .welcome, [data-empty]")).to_have_count(0)
            page.locator("[data-search-on] button").click()
            expect(shown).to_be_visible()
            expect(page.locator("[data-search-on]")).to_have_count(0)
        page.goto(f"{gateway.url}/dashboard#/overview")
        expect(page.locator(".tile", has_text="Failed").get_by_text("10,000+")).to_be_visible()
        page.goto(gateway.url)
        expect(page.locator("[data-tally]")).to_have_text("0 running, 10,000+ done")
        assert complaints == []


def test_l24_several_of_the_history_are_compared_saved_and_deleted(tabs: Tabs, gateway: Gateway) -> None:
    key = gateway.new_key("selects", "1000")
    first, second, third = (_make(gateway, key, f"logo {number}") for number in range(3))
    with tabs.open() as (page, complaints):
        sign_in(page, gateway.url, key)
        page.goto(gateway.url)
        pick = page.locator("[data-pick]")
        pick.nth(0).check()
        pick.nth(2).click(modifiers=["Shift"])
        expect(page.locator(".selection")).to_contain_text("3 selected")
        pick.nth(0).uncheck()
        page.click("[data-compare]")
        expect(page.locator("dialog[open]")).to_be_visible()
        page.keyboard.press("Escape")
        with page.expect_download() as download:
            page.click("[data-zip]")
        names = zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes())).namelist()
        assert len(names) == 4
        page.click("[data-delete-all]")
        page.locator("dialog[open] [data-close]").first.click()
        _shows(page, third, second, first)
        page.click("[data-delete-all]")
        page.click("[data-confirm]")
        _shows(page, third)
        expect(page.locator(".selection")).to_have_count(0)
        expect(page.locator("[data-tally]")).to_have_text("0 running, 1 done")
        with gateway.client(key) as http:
            assert [row["id"] for row in http.get("/v1/tasks").json()["data"]] == [third]
        assert complaints == []


@pytest.mark.parametrize("rows", [1_000, pytest.param(10_000, marks=pytest.mark.gate)])
def test_l24_thousands_of_tasks_scroll_by_with_few_tiles_at_a_time(tabs: Tabs, gateway: Gateway, rows: int) -> None:
    key = gateway.new_key(f"has {rows} tasks", "1000")
    _copy_task(gateway, _make(gateway, key, "logo of many"), rows - 1)
    with tabs.open() as (page, _):
        sign_in(page, gateway.url, key)
        page.goto(gateway.url)
        page.locator("[data-tile]").first.wait_for()
        found = page.evaluate(
            """async (rows) => {
                const box = document.querySelector('[data-gallery]');
                const last = () => document.querySelector('.tile:last-child');
                let most = 0;
                const seen = new Set();
                while (Number(last().ariaPosInSet) < rows) {
                    box.scrollTop = box.scrollHeight;
                    await new Promise(requestAnimationFrame);
                    for (const tile of document.querySelectorAll('.tile')) seen.add(tile.dataset.tile);
                    most = Math.max(most, box.querySelectorAll('*').length);
                }
                return [most, seen.size > 100, last().ariaSetSize];
            }""",
            rows,
        )
        assert found[0] < 2500, "only the tiles near the screen exist"
        assert found[1:] == [True, str(rows)]
        page.evaluate("document.querySelector('[data-gallery]').scrollTop = 0")
        expect(page.locator("[data-tile]").first).to_have_attribute("aria-posinset", "1")


@pytest.mark.parametrize(
    ("count", "fields"),
    [(10, {}), pytest.param(10, {"size": "1:1", "resolution": "4K"}, marks=pytest.mark.gate)],
    ids=["small", "4K"],
)
def test_l25_thumbnails_stand_for_all_images_until_one_is_looked_at(
    tabs: Tabs, gateway: Gateway, count: int, fields: dict[str, Any]
) -> None:
    key = gateway.new_key("looks", "1000")
    _make(gateway, key, "logo of ten", n=count, **fields)
    with tabs.open() as (page, complaints):
        sign_in(page, gateway.url, key)
        loaded: dict[str, int] = {}
        page.on("response", lambda one: loaded.update({one.url: int(one.headers.get("content-length", 0))}))
        page.goto(gateway.url)
        drawer = open_drawer(page, page.locator("[data-tile]").first)
        images = drawer.locator("[data-open] img")
        expect(images).to_have_count(count)
        for image in images.all():
            image.scroll_into_view_if_needed()
            image.evaluate("image => image.decode()")
        files = {url: size for url, size in loaded.items() if "/files/" in url}
        assert len(files) == count
        assert all(".thumb.webp" in url for url in files)
        assert 0 < sum(files.values()) < 3_000_000
        drawer.locator("[data-open]").nth(1).click()
        page.wait_for_function("() => document.querySelector('dialog[open] [data-original]')?.naturalWidth >= 640")
        assert any("/files/" in url and ".thumb.webp" not in url for url in loaded)
        assert complaints == []


def test_l37_title_and_notification_tell_of_ended_work(browser: Browser, front: RoutedSite) -> None:
    with open_page(browser, viewport=DESKTOP, locale="en") as (page, _):
        # A browser without a window denies notifications, whatever it is told to permit.
        page.add_init_script(
            """
            window.told = [];
            window.Notification = class extends EventTarget {
                static permission = 'default';
                static async requestPermission() { return (this.permission = 'granted'); }
                constructor(title) { super(); window.told.push(title); }
            };
            """
        )
        sign_in(page, front.gateway.url, front.customer)
        page.goto(front.gateway.url)
        title = page.title()
        page.click("[data-notify]")
        expect(page.locator("[data-notify]")).to_have_attribute("aria-pressed", "true")
        fill_form(page, "long work [[latency:2s]]", ratio="1:1", quality="low")
        page.click("[data-run]")
        expect(page).to_have_title(f"(1 running) {title}")
        _set_visible(page, False)
        expect(page).to_have_title(f"(1 done) {title}", timeout=60_000)
        assert page.evaluate("window.told") == ["Done: long work [[latency:2s]]"]
        expect(page.locator("[data-announcement]")).to_have_text("Done: long work [[latency:2s]]")
        _set_visible(page, True)
        expect(page).to_have_title(title)


def _set_visible(page: Page, visible: bool) -> None:
    """What a browser with a window does when another tab covers this one."""
    page.evaluate(
        """state => {
            Object.defineProperty(document, 'visibilityState', { value: state, configurable: true });
            document.dispatchEvent(new Event('visibilitychange'));
        }""",
        "visible" if visible else "hidden",
    )


def _tile(page: Page, task: str) -> Locator:
    return page.locator(f"[data-tile='{task}']")


def _shows(page: Page, *tasks: str) -> None:
    """The gallery has these tiles, in this order."""
    tiles = page.locator("[data-tile]")
    expect(tiles).to_have_count(len(tasks))
    for at, task in enumerate(tasks):
        expect(tiles.nth(at)).to_have_attribute("data-tile", task)


def _png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(file, "PNG")
    return file.getvalue()


def _copy_task(gateway: Gateway, task: str, count: int) -> None:
    """Give its account so many tasks like it, each a second older than the one before."""
    with contextlib.closing(sqlite3.connect(gateway.data / "imagegate.db", timeout=30)) as database, database:
        names = [row[1] for row in database.execute("PRAGMA table_info(tasks)")]
        other = {"id": "id || '-' || number", "created": "created - number * 1000000"}
        copied = ", ".join(other.get(name, name) for name in names)
        database.execute(
            f"""WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < ?)
            INSERT INTO tasks ({", ".join(names)}) SELECT {copied} FROM tasks, numbers WHERE id = ?""",
            (count, task),
        )
