"""The texts of the page in each language, and which language a visitor reads.

A missing text is an error of the program: both files of `static/lang` have the same keys, and a test compares them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from markupsafe import Markup, escape

from imagegate.web.assets import Assets

LANGUAGES = {"en": "English", "ko": "한국어"}
COOKIE = "lang"
_LANGUAGE_RANGE = re.compile(r"\s*([a-zA-Z]{1,8})(?:-[a-zA-Z0-9-]*)?\s*(?:;\s*q=([01](?:\.\d{0,3})?)\s*)?")
_CODE = re.compile(r"`([^`]+)`")
_STRONG = re.compile(r"\*\*([^*]+)\*\*")


def render_inline(text: str) -> Markup:
    """Escaped HTML; backticks mark code, double asterisks strong text."""
    return Markup(  # noqa: S704  escaped first
        _STRONG.sub(r"<strong>\1</strong>", _CODE.sub(r"<code>\1</code>", str(escape(text))))
    )


class Translations:
    """The texts of one language."""

    def __init__(self, language: str, tree: dict[str, Any]) -> None:
        self.language = language
        self._tree = tree

    def __call__(self, name: str, /, **values: object) -> Markup:
        """The text under a name such as `page.hero.lead`, as `render_inline` shows it."""
        return render_inline(self.plain(name, **values))

    def plain(self, name: str, /, **values: object) -> str:
        text = self.under(name)
        return re.sub(r"\{(\w+)\}", lambda found: str(values[found[1]]), text) if values else str(text)

    def under(self, name: str) -> Any:
        """The value under a name: a text, a list or more names."""
        found: Any = self._tree
        for part in name.split("."):
            found = found[int(part)] if isinstance(found, list) else found[part]
        return found


def load_translations(assets: Assets) -> dict[str, Translations]:
    return {
        language: Translations(language, json.loads(assets.text(f"lang/{language}.json"))) for language in LANGUAGES
    }


def choose_language(requested: str | None, cookie: str | None, accept_language: str) -> str:
    """The language of the query, else of the cookie, else the best of Accept-Language, else English."""
    for choice in (requested, cookie):
        if choice in LANGUAGES:
            return choice
    return next((language for language in _rank_languages(accept_language) if language in LANGUAGES), "en")


def _rank_languages(accept_language: str) -> Iterable[str]:
    found = [_LANGUAGE_RANGE.fullmatch(part) for part in accept_language[:500].split(",")]
    ranges = [(float(one[2] or 1), one[1].lower()) for one in found if one]
    return [language for weight, language in sorted(ranges, key=lambda item: -item[0]) if weight > 0]
