"""Lines 29 and 38: messages in the page's language, one for one fault, in front of everything and gone when over; and
the words of everything else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from imagegate.domain import errors
from imagegate.domain.errors import Problem, TaskErrorCode
from tests.support.gateway import Gateway
from tests.web.browser import DESKTOP, open_page, sign_in
from tests.web.conftest import SCOPES, RoutedSite
from tests.web.playground import add_file, fill_form, open_drawer, quoted_credits, run_prompt
from tests.web.test_dashboard import CUSTOMER, OPERATOR
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


# What a reviewer would send back, by language.
BANNED = {
    "ko": [
        "예약",  # a hold is 보류: 예약 reads as a booking
        "그림",  # 이미지
        "공급사",  # 업스트림
        "신경망",
        "절차적",
        "당신",
        r"[“”]",  # names stand in ‘’
        r"[}\d](?:크레딧|MB)",  # a space before the unit
        "토큰 {",
        "묶는 기준",
        "더 보관",
    ],
    "en": [
        r"\bso far\b",
        r"\banew\b",
        "what is to be",
        "[Kk]ept for",
        r"[Ee]verybody",
        r"\bcannot\b",
        "Whether it arrived",
        "Half within",
        "Looked at",
        r"\bdearest\b",
        "and its like",
    ],
}
SAID = {
    "ko": {
        "playground.embedded": "내장 엔진이 그린 미리보기 이미지입니다. AI 모델의 결과가 아닙니다.",
        "playground.expires": "만료까지 {left}",
        "playground.final": "고품질로 최종 생성",
        "playground.price.held": "현재 보류",
        "page.status.p50": "중앙값(p50)",
    },
    "en": {
        "playground.expires": "Expires in {left}",
        "playground.shortcuts.open": "Shortcuts",
        "playground.code.open": "Get code",
        "playground.state.processing": "Generating",
        "page.status.p50": "Median (p50)",
    },
}


@pytest.mark.parametrize("language", ["en", "ko"])
def test_l38_words_are_those_of_a_product_writer(language: str) -> None:
    texts = dict(_texts(json.loads((STATIC / f"lang/{language}.json").read_text("utf-8"))))
    assert {name: texts[name] for name in SAID[language]} == SAID[language]
    found = [(name, text) for name, text in texts.items() for word in BANNED[language] if re.search(word, text)]
    assert found == []


def _texts(tree: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """The texts of a language file by their names."""
    if isinstance(tree, str):
        yield at, tree
        return
    for name, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        yield from _texts(value, f"{at}.{name}".lstrip("."))


def test_l38_no_english_sentence_is_left_on_a_korean_page(browser: Browser, gateway: Gateway) -> None:
    key = gateway.new_key("운영자", "1000", *(word for one in SCOPES for word in ("--scope", one)))
    with open_page(browser, **KOREAN) as (page, _):
        sign_in(page, gateway.url, key)
        page.goto(gateway.url)
        drawer = run_prompt(page, "logo, 로고")
        expect(drawer).to_contain_text("내장 엔진이 그린 미리보기 이미지입니다. AI 모델의 결과가 아닙니다.")
        expect(drawer).to_contain_text("만료까지 23:")
        expect(drawer.locator("[data-final]")).to_contain_text("고품질로 최종 생성")
        assert _english(page) == []
        for path in ("/status", "/nothing", "/reference"):
            page.goto(gateway.url + path)
            page.locator("[data-balance]").wait_for()
            assert _english(page) == [], path
        for view in (*CUSTOMER, *OPERATOR):
            page.goto(f"{gateway.url}/dashboard#/{view}")
            page.locator(".dash-nav [aria-current=page]").wait_for()
            page.wait_for_load_state("networkidle")
            assert _english(page) == [], view


def _english(page: Page) -> list[str]:
    """Four English words in a row that are no code, no name and not marked as English."""
    found: list[str] = page.evaluate(
        """() => {
            const left = [];
            const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
            while (walker.nextNode()) {
                const { parentElement: at, data } = walker.currentNode;
                if (at.closest('script, code, pre, [lang=en]')) continue;
                if (/[A-Za-z]{2,}(?:[ ,]+[A-Za-z]{2,}){3,}/.test(data)) left.push(data.trim());
            }
            return left;
        }"""
    )
    return found
