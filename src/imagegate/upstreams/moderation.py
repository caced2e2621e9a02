"""What a refusal says about its reason, as short words that may be shown to the customer.

Knows: where servers name categories. Refuses to decide whether something is a refusal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from imagegate.upstreams.error_body import Fault

_VIOLATIONS = re.compile(r"safety_violations=\[([^\]]{0,300})\]")
_WORD = re.compile(r"[a-z][a-z0-9 _/-]{0,39}")
_MOST = 8


def categories(fault: Fault) -> list[str]:
    """At most eight, in the order in which they are named, each once; empty where the answer names none."""
    words = (word.strip().strip("'\"").lower() for word in _named(fault))
    return list(dict.fromkeys(word.replace("_", " ") for word in words if _WORD.fullmatch(word)))[:_MOST]


def _named(fault: Fault) -> Iterator[str]:
    for place in _places(fault.whole):
        yield from _texts(_part(place, "moderation_details").get("categories"))
        yield from _filtered(_part(place, "content_filter_results"))
        yield from _filtered(_part(place, "content_filter_result"))
    yield from _texts(_part(fault.whole, "metadata").get("reasons"))
    if found := _VIOLATIONS.search(fault.message):
        yield from found[1].split(",")


def _places(error: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield error
    for name in ("inner_error", "innererror"):
        yield _part(error, name)


def _filtered(results: dict[str, Any]) -> Iterator[str]:
    """Azure lists every category and marks the ones that struck."""
    for name, verdict in results.items():
        if isinstance(verdict, dict) and verdict.get("filtered"):
            yield name


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (name for name, struck in value.items() if struck)
    elif isinstance(value, list):
        yield from (word for word in value if isinstance(word, str))


def _part(place: dict[str, Any], name: str) -> dict[str, Any]:
    part = place.get(name)
    return part if isinstance(part, dict) else {}
