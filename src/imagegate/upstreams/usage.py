"""The tokens and the cost that a response reports, in every spelling that has been seen.

Absent, zero or nonsense means unknown. Whether a figure is plausible is checked where the bill is made.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from math import ceil
from typing import Any, Final

from imagegate.domain.money import MAX_NANOS, NANOS_PER_USD
from imagegate.domain.usage import Usage
from imagegate.upstreams.response_fields import count_field

# Far above any real count, far below what a 64-bit column holds.
MAX_TOKENS: Final = 2**40
_INPUT_KEYS = ("input_tokens", "prompt_tokens")
_OUTPUT_KEYS = ("output_tokens", "completion_tokens")


def read_usage(reported: Any, *, images: int, text_estimate: int, references: bool) -> Usage | None:
    """The tokens of a whole call, or None where they are unknown.

    `reported` is the decoded `usage`. `text_estimate` splits an input that came as one figure beside references.
    """
    if not isinstance(reported, dict):
        return None
    input_details, output_details = _details_of(reported, _INPUT_KEYS), _details_of(reported, _OUTPUT_KEYS)
    text_input, image_input = _split(
        _token_count(reported, *_INPUT_KEYS), input_details, text_estimate if references else MAX_TOKENS
    )
    text_output, image_output = _split(_token_count(reported, *_OUTPUT_KEYS), output_details, 0)
    # No call has no prompt or no image: half a report is no report.
    if text_input + image_input == 0 or text_output + image_output == 0:
        return None
    text_cached, image_cached = _cached(reported, input_details, image_input)
    return Usage(
        images=images,
        text_input=text_input,
        text_cached_input=min(text_cached, text_input),
        image_input=image_input,
        image_cached_input=min(image_cached, image_input),
        image_output=image_output,
        text_output=text_output,
    )


def read_cost(reported: Any) -> int | None:
    """Nano-USD that the call cost us, where the upstream says so; rounded up. Fractions must come as Decimal."""
    cost = reported.get("cost") if isinstance(reported, dict) else None
    if isinstance(cost, bool) or not isinstance(cost, int | Decimal):
        return None
    if not 0 <= cost < MAX_NANOS // NANOS_PER_USD:
        return None
    return ceil(Decimal(cost) * NANOS_PER_USD)


def _split(total: int | None, details: dict[str, Any], max_text: int) -> tuple[int, int]:
    """Text and image tokens. Without details the total is split: text up to `max_text`, the rest image."""
    text, image = _token_count(details, "text_tokens"), _token_count(details, "image_tokens")
    whole = total or 0
    if not text and not image:
        text_share = min(whole, max_text)
        return text_share, whole - text_share
    if text is None or image is None:
        known = (text or 0) + (image or 0)
        rest = max(0, whole - known)
        return (rest, known) if text is None else (known, rest)
    return text, image


def _cached(usage: dict[str, Any], details: dict[str, Any], image_input: int) -> tuple[int, int]:
    """Cached text and image tokens: the most specific spelling that is there."""
    for place, text_key, image_key in _pairs(usage, details):
        text, image = _token_count(place, text_key), _token_count(place, image_key)
        if text is not None or image is not None:
            return text or 0, image or 0
    for place in (details, usage):
        lump = _token_count(place, "cached_tokens")
        if lump is not None:
            image = min(lump, image_input)
            return lump - image, image
    return 0, 0


def _pairs(usage: dict[str, Any], details: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str, str]]:
    yield _child_object(details, "cached_tokens_details"), "text_tokens", "image_tokens"
    yield details, "cached_text_tokens", "cached_image_tokens"
    yield _child_object(usage, "cached_tokens_details"), "cached_text_tokens", "cached_image_tokens"


def _details_of(usage: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return next((part for name in names if (part := _child_object(usage, f"{name}_details"))), {})


def _child_object(parent: dict[str, Any], name: str) -> dict[str, Any]:
    part = parent.get(name)
    return part if isinstance(part, dict) else {}


def _token_count(parent: dict[str, Any], *names: str) -> int | None:
    """The tokens under the first of the names that has a count; negative or absurd figures are none."""
    for name in names:
        count = count_field(parent.get(name), MAX_TOKENS)
        if count is not None:
            return count
    return None
