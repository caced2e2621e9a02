"""Line 29: messages in the page's language, one for one fault, in front of everything, and gone when they are over."""

from __future__ import annotations

import json
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from imagegate.domain import errors
from imagegate.domain.errors import Problem, TaskErrorCode
from tests.support.gateway import Gateway
from tests.web.browser import DESKTOP, open_page, sign_in
from tests.web.conftest import RoutedSite
from tests.web.playground import add_file, fill_form, open_drawer, quoted_credits
from tests.web.test_pages import STATIC

_OF_THE_PAGE = {"network", "signed_out", "account_changed"}
KOREAN: dict[str, Any] = {"locale": "ko-KR", "viewport": DESKTOP}


@pytest.mark.parametrize("language", ["en", "ko"])
def test_l29_every_code_has_its_words(language: str) -> None:
    words = json.loads((STATIC / f"lang/{language}.json").read_text("utf-8"))["app"]["errors"]
    problems = {
        one.code
        for one in vars(errors).values()
        if isinstance(one, type) and issubclass(one, Problem) and one is not Problem
    }
    assert set(words["codes"]) == problems | {*TaskErrorCode} | _OF_THE_PAGE
    assert set(words["advice"]) <= set(words["codes"])
    assert set(words["advice_by_reason"]) <= set(words["reasons"])


def test_l29_messages_are_in_the_pages_language_whatever_the_server_says(browser: Browser, front: RoutedSite) -> None:
    key = front.gateway.new_key("korean", "1000")
    front.cheap.script("moderation-refusal")
    with open_page(browser, **KOREAN) as (page, _):
        sign_in(page, front.gateway.url, key)
        page.goto(front.gateway.url)
        add_file(page, "drop", "words.png", b"no picture at all")
        bad = page.locator("[data-reference=bad]")
        expect(bad).to_contain_text("JPEG, PNG, WebP 이미지가 아닙니다")
        bad.locator(".thumb-remove").click()
        fill_form(page, "거절되는 로고", quality="low", ratio="1:1")
        page.click("[data-run]")
        tile = page.locator("[data-tile][data-state=failed]")
        expect(tile).to_contain_text("콘텐츠 정책에 따라 거절된 요청입니다")
        told = open_drawer(page, tile).locator("[role=alert]").inner_text()
        assert "프롬프트를 바꾸거나" in told
        assert "청구되지 않았으며 보류된" in told
        assert "refused" not in told


def test_l29_being_offline_is_told_once_in_front_of_dialogs_and_heals(browser: Browser, gateway: Gateway) -> None:
    with open_page(browser, gateway, **KOREAN) as (page, _):
        page.goto(gateway.url)
        quoted_credits(page)
        page.context.set_offline(True)
        lost = page.locator(".toast.bad")
        expect(lost).to_have_text("게이트웨이에 연결할 수 없습니다. 다시 연결하는 중입니다…")
        page.check("input[name=pg-quality][value=high]")  # its price is lost too
        page.locator(".brand").focus()
        page.keyboard.press("?")
        page.locator("dialog[open]").wait_for()
        expect(lost).to_have_count(1)
        assert _is_in_front(page), "a message lies in front of a dialog, and inside of it: it is read out"
        page.keyboard.press("Escape")
        assert _is_in_front(page)
        page.context.set_offline(False)
        expect(lost).to_have_count(0)
        expect(page.locator(".toast.good")).to_have_text("다시 연결되었습니다.")
        assert quoted_credits(page) > 3, "the price of what was chosen meanwhile"


def _is_in_front(page: Page) -> bool:
    found: bool = page.evaluate(
        """() => {
            const toast = document.querySelector('.toast');
            const { left, top, width, height } = toast.getBoundingClientRect();
            const dialog = document.querySelector('dialog[open]');
            return document.elementFromPoint(left + width / 2, top + height / 2) === toast
                && (!dialog || dialog.contains(toast));
        }"""
    )
    return found
