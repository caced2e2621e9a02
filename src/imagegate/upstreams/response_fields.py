"""The fields of an upstream's JSON response, each in whichever type it comes. What is not needed is not looked at."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final

import msgspec

# No response nests images deeper; a recursion has to end somewhere.
_MAX_URL_DEPTH: Final = 4
_PERCENT = re.compile(r"\s*([0-9]{1,3})(?:\.[0-9]*)?\s*%?\s*")
_COUNT = re.compile(r"\s*([0-9]{1,15})(?:\.0*)?\s*")


def text_field(value: Any) -> str:
    """A text, or a number as text: some servers count their jobs. Empty for anything else."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def status_field(value: Any) -> str:
    return text_field(value).strip().lower()


def text_or_json(value: Any) -> str:
    """A text; of any other value its JSON, empty for null and for nothing."""
    if value is None or isinstance(value, str):
        return value or ""
    return msgspec.json.encode(value).decode("utf-8", "replace")


def object_field(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def percent_field(value: Any) -> int:
    """0 to 99, from 40, 40.5, "40" or "40%"."""
    if isinstance(value, str) and (match := _PERCENT.fullmatch(value)):
        value = int(match[1])
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return 0
    return int(min(max(value, 0), 99))


def count_field(value: Any, max_count: int) -> int | None:
    """A count as 12, 12.0 or "12"; None for what is none, is negative or above `max_count`."""
    if isinstance(value, str) and (match := _COUNT.fullmatch(value)):
        value = int(match[1])
    if isinstance(value, Decimal) and value.is_finite() and abs(value) <= max_count and value == int(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= max_count else None


def image_urls_field(value: Any, depth: int = 0) -> tuple[str, ...]:
    """The URLs in a text, in an object with the image or its `url`, or in a list of such; images that came with the
    response stand there as the scanner's marks."""
    if isinstance(value, str):
        return (value,) if value.strip() else ()
    if depth >= _MAX_URL_DEPTH:
        return ()
    if isinstance(value, list):
        return tuple(url for item in value for url in image_urls_field(item, depth + 1))
    if isinstance(value, dict):
        # One image, although it may be given in both ways.
        found = (image_urls_field(value.get(name), depth + 1) for name in ("b64_json", "url"))
        return next(filter(None, found), ())[:1]
    return ()


def url_field(value: Any) -> str:
    """The first such URL, else empty."""
    return next(iter(image_urls_field(value)), "")
