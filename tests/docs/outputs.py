"""Whether a program printed what its page shows: ids, times and sizes differ, `…` stands for anything."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

# What differs between two runs. The first that fits is used, on what the page shows.
_VOLATILE = [
    re.compile(pattern)
    for pattern in (
        r"task-unified-\d+-[a-z0-9]{8}",
        r"key_[a-z0-9]{6,}",
        r"msg_[a-z0-9]{6,}",
        r"evt_[a-z0-9_]{6,}",
        r"req_[a-z0-9]{6,}",
        r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d)?(?:Z|\+00:00)?",
        r"\d{4}-\d\d-\d\d",
        r"\d\d:\d\d:\d\d(?:\.\d+)?",
        r"imagegate \d+\.\d+\.\d+",
        r"Python \d+\.\d+\.\d+",
        r"SQLite \d+\.\d+\.\d+",
        r"[\d,.]+ (?:kB|GB|bytes|rows|s)\b",
        r"in \d+\.\d+s",
        r"v1,\S{20,}",
    )
]
_ANY = "…"
_NUMBER = r"\d[\d,]*(?:\.\d+)?"


def numbers_of(line: str) -> list[str]:
    return [token[0] for token in _tokens().finditer(line) if re.fullmatch(_NUMBER, token[0])]


@functools.cache
def _tokens() -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{one.pattern})" for one in _VOLATILE) + f"|{_ANY}|[ ]+|{_NUMBER}")


def line_pattern(line: str) -> str:
    """A pattern for one line, with any spaces between the words and a group for each number."""
    found, place = "", 0
    for token in _tokens().finditer(line):
        found += re.escape(line[place : token.start()])
        text = token[0]
        if text == _ANY:
            found += ".*?"
        elif text.isspace():
            found += r"\s+"
        elif re.fullmatch(_NUMBER, text):
            found += f"({_NUMBER})"
        else:
            found += next(one.pattern for one in _VOLATILE if one.fullmatch(text))
        place = token.end()
    return found + re.escape(line[place:])


def assert_printed(shown: str, printed: Sequence[str], where: str) -> None:
    """Every line that is shown was printed in one of these places, and no other; a line `…` stands for any lines."""
    differences = [_difference(shown, text) for text in printed]
    assert "" in differences, f"{where} shows\n{shown}\nand it printed\n" + "\n\n".join(differences)


def _difference(shown: str, printed: str) -> str:
    pattern = ""
    for line in (line.strip() for line in shown.splitlines()):
        if line == _ANY:
            pattern += r"(?:.*\n)*?"
        elif line:
            pattern += line_pattern(line) + r"\n"
    lines = [line.strip() for line in printed.splitlines()]
    text = "".join(line + "\n" for line in lines if line)
    if not (found := re.fullmatch(pattern, text)):
        return text or "nothing"
    numbers = [number for line in shown.splitlines() for number in numbers_of(line)]
    wrong = [pair for pair in zip(numbers, found.groups(), strict=True) if not _is_rounded(*pair)]
    return f"{wrong} in {text}" if wrong else ""


def _is_rounded(shown: str, printed: str) -> bool:
    """What is shown may have fewer decimals."""
    short, exact = (Decimal(text.replace(",", "")) for text in (shown, printed))
    return short == exact.quantize(short, ROUND_HALF_UP)


def assert_json(shown: str, printed: str, where: str) -> None:
    """What is shown is there, with the same values; the answer may have more fields."""
    begin = re.search(r"^[{\[]", printed, re.MULTILINE)
    assert begin, f"{where} shows JSON, and it printed\n{printed}"
    answer, _ = json.JSONDecoder().raw_decode(printed[begin.start() :])
    difference = _differs(json.loads(shown), answer, "$")
    assert not difference, f"{where}: {difference} in\n{printed}"


def _differs(shown: Any, real: Any, path: str) -> str:
    """Where the two differ, empty if they do not."""
    if isinstance(shown, dict) and isinstance(real, dict):
        missing = [key for key in shown if key not in real]
        if missing:
            return f"{path} has no {missing}"
        return next((text for key in shown if (text := _differs(shown[key], real[key], f"{path}.{key}"))), "")
    if isinstance(shown, list) and isinstance(real, list) and len(shown) == len(real):
        found = (_differs(*pair, f"{path}[{index}]") for index, pair in enumerate(zip(shown, real, strict=True)))
        return next((text for text in found if text), "")
    if isinstance(shown, str) and isinstance(real, str) and re.fullmatch(line_pattern(shown), real):
        return ""
    is_moment = isinstance(shown, int) and isinstance(real, int) and min(shown, real) > 1_700_000_000
    return "" if shown == real or is_moment else f"{path} is {real!r}, not {shown!r}"
