"""Texts that people write and read: names, and reasons."""

from __future__ import annotations

import re

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
