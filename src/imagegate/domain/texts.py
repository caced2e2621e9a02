"""Texts that people write and read: names, reasons, and what may have been meant by a misspelt name."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

MAX_NAME, MAX_REASON = 100, 500
# One character that is neither white space nor U+0000, which PostgreSQL refuses, and none of the latter anywhere.
NOT_BLANK = r"^[^\u0000]*[^\s\u0000][^\u0000]*$"
_CONTROL = r"\u0000-\u001f\u007f-\u009f\u2028\u2029"
# Also in one line, and without what moves the cursor of a terminal.
NAME = rf"^[^{_CONTROL}]*[^\s{_CONTROL}][^{_CONTROL}]*$"
_NAME_RE, _NOT_BLANK_RE = re.compile(NAME), re.compile(NOT_BLANK)


def is_name(text: str) -> bool:
    return len(text) <= MAX_NAME and _NAME_RE.search(text) is not None


def is_reason(text: str) -> bool:
    return len(text) <= MAX_REASON and _NOT_BLANK_RE.search(text) is not None


def reason_rule() -> str:
    return f"must be 1 to {MAX_REASON} characters, not only white space"


def name_rule() -> str:
    return f"must be 1 to {MAX_NAME} characters, not only white space and without control characters"


def nearest(word: str, known: Iterable[str], count: int = 1) -> list[str]:
    """The names that are spelled most like the word, whatever their case; at most `count`."""
    by_lower = {name.lower(): name for name in known}
    return [by_lower[lower] for lower in difflib.get_close_matches(word.lower(), by_lower, count)]


def suggest(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'port'?`, or nothing."""
    return "".join(f"; did you mean {name!r}?" for name in nearest(word, known))
