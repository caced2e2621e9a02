"""The categories that a content refusal names, as short words that may be shown to the customer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from imagegate.upstreams.error_body import ErrorBody

_VIOLATIONS: Final = re.compile(r"safety_violations=\[([^\]]{0,300})\]")
_WORD: Final = re.compile(r"[a-z][a-z0-9 _/-]{0,39}")
_MAX_CATEGORIES: Final = 8


def refusal_categories(error: ErrorBody) -> list[str]:
    """At most eight, in the order in which they are named, each once; empty where the response names none."""
    words = (word.strip().strip("'\"").lower() for word in _named_categories(error))
    return list(dict.fromkeys(word.replace("_", " ") for word in words if _WORD.fullmatch(word)))[:_MAX_CATEGORIES]


def _named_categories(error: ErrorBody) -> Iterator[str]:
    for part in _error_objects(error.raw):
        yield from _category_names(_child_object(part, "moderation_details").get("categories"))
        yield from _filtered_categories(_child_object(part, "content_filter_results"))
        yield from _filtered_categories(_child_object(part, "content_filter_result"))
    yield from _category_names(_child_object(error.raw, "metadata").get("reasons"))
    if found := _VIOLATIONS.search(error.message):
        yield from found[1].split(",")


def _error_objects(error: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield error
    for name in ("inner_error", "innererror"):
        yield _child_object(error, name)


def _filtered_categories(results: dict[str, Any]) -> Iterator[str]:
    """Azure lists every category and marks those that apply."""
    for name, result in results.items():
        if isinstance(result, dict) and result.get("filtered"):
            yield name


def _category_names(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (name for name, is_named in value.items() if is_named)
    elif isinstance(value, list):
        yield from (word for word in value if isinstance(word, str))


def _child_object(parent: dict[str, Any], name: str) -> dict[str, Any]:
    child = parent.get(name)
    return child if isinstance(child, dict) else {}
