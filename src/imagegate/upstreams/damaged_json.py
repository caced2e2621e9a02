"""The readable beginning of JSON that is damaged: what was paid for may stand before the damage."""

from __future__ import annotations

import json
import math
import re
from typing import Final

_TOKEN = re.compile(
    r'[ \t\r\n]*(?:([{}\[\],:])|("(?:[^"\\]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4})*")'
    # At the end of the text a number may have lost digits: half a figure is worse than none.
    r"|(true|false|null|NaN|-?Infinity|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)(?=[\s,\]}]))"
)
# Deeper nesting is no real response, and ends what can be read.
_MAX_DEPTH: Final = 100
_CLOSERS: Final = {"{": "}", "[": "]"}


def repair_json(text: bytes) -> bytes:
    """JSON of everything up to the first error. Also of what Python's servers write beyond JSON, NaN and lone
    surrogates. Raises ValueError, RecursionError."""
    whole = text.decode("utf-8", "replace")
    decoded = json.loads(_readable_part(whole), strict=False, parse_constant=lambda _: None, parse_float=_finite)
    return json.dumps(decoded, ensure_ascii=False).encode("utf-8", "replace")


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _readable_part(text: str) -> str:
    """The text up to its last whole value, with what is still open closed."""
    stack: list[str] = []
    position = safe = depth = 0
    expected: str | None = "value"
    while match := _TOKEN.match(text, position):
        position = match.end()
        expected = _expected_next(expected or "", match, stack)
        if expected is None or len(stack) > _MAX_DEPTH:
            break
        if expected == "end of value":
            safe, depth = position, len(stack)
            if not stack:
                break
    return text[:safe] + "".join(reversed(stack[:depth]))


def _expected_next(expected: str, token: re.Match[str], stack: list[str]) -> str | None:
    """What may follow the token, None where the token may not stand. The first of a container may be its end."""
    mark, string = token[1], token[2]
    if mark in ("}", "]"):
        if expected not in ("end of value", "first key", "first value") or stack[-1:] != [mark]:
            return None
        stack.pop()
        return "end of value"
    if expected == "end of value":
        return ("key" if stack[-1] == "}" else "value") if mark == "," else None
    if expected == "colon":
        return "value" if mark == ":" else None
    if expected.endswith("key"):
        return "colon" if string else None
    if mark in _CLOSERS:
        stack.append(_CLOSERS[mark])
        return "first key" if mark == "{" else "first value"
    return None if mark else "end of value"
