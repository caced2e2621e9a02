"""Prices and charges; `pricing.py` turns one into the other."""

from __future__ import annotations

import msgspec

from imagegate.domain.money import Nanos


class TokenPrice(msgspec.Struct, frozen=True, kw_only=True, tag="per_token"):
    """Nanos per million tokens."""

    image_output: int
    image_input: int
    image_cached_input: int
    text_input: int
    text_cached_input: int
    text_output: int = 0


class CallPrice(msgspec.Struct, frozen=True, kw_only=True, tag="per_call"):
    """Nanos per delivered image."""

    per_image: int


Price = TokenPrice | CallPrice


class ChargeLine(msgspec.Struct, frozen=True):
    """One line of a charge. `rate_nanos` is exact text: nanos per token, or per image."""

    item: str
    unit: str
    quantity: int
    rate_nanos: str
    amount: Nanos


class Charge(msgspec.Struct, frozen=True):
    """Lines and their total, in nanos. The lines add up to the total exactly."""

    lines: tuple[ChargeLine, ...]
    total: Nanos
