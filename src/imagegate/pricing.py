"""The one function that prices: `compute_charge(usage, price)`, for the quote and for the bill.

It rounds once, up to the next whole nano, at the total.
"""

from __future__ import annotations

import functools

from imagegate.domain.money import PER_MILLION, Nanos, format_decimal
from imagegate.domain.prices import CallPrice, Charge, ChargeLine, Price, TokenPrice
from imagegate.domain.usage import Usage


@functools.lru_cache(maxsize=10_000)  # the quote, its maximum and the bill ask for the same
def compute_charge(usage: Usage, price: Price) -> Charge:
    """Lines and total in nanos. A quantity of zero has no line."""
    match price:
        case CallPrice(per_image=per_image):
            return _build_charge([("image", "image", usage.images, per_image * PER_MILLION)])
        case TokenPrice():
            return _build_charge(_token_items(usage, price))


def _token_items(usage: Usage, price: TokenPrice) -> list[tuple[str, str, int, int]]:
    text = usage.text_input - usage.text_cached_input
    image = usage.image_input - usage.image_cached_input
    return [
        ("text_input", "token", text, price.text_input),
        ("text_cached_input", "token", usage.text_cached_input, price.text_cached_input),
        ("image_input", "token", image, price.image_input),
        ("image_cached_input", "token", usage.image_cached_input, price.image_cached_input),
        ("image_output", "token", usage.image_output, price.image_output),
        ("text_output", "token", usage.text_output, price.text_output),
    ]


def _build_charge(items: list[tuple[str, str, int, int]]) -> Charge:
    """Each line is the step of the rounded running total, so that lines and total never disagree."""
    lines: list[ChargeLine] = []
    running = total = 0
    for item, unit, quantity, rate in items:
        if quantity == 0:
            continue
        running += quantity * rate
        rounded = -(-running // PER_MILLION)
        lines.append(ChargeLine(item, unit, quantity, format_decimal(rate, 6), Nanos(rounded - total)))
        total = rounded
    return Charge(tuple(lines), Nanos(total))
