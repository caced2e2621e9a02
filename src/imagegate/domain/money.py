"""Amounts of money as integers of nanos (10⁻⁹ USD), and their exact decimal text. No float is involved anywhere."""

from __future__ import annotations

import functools
import re
from decimal import ROUND_HALF_UP, Decimal
from typing import NewType

import msgspec

Nanos = NewType("Nanos", int)

NANOS_PER_USD = 1_000_000_000
PER_MILLION = 1_000_000
MAX_NANOS = 2**60  # about 1.15 billion USD; sums of a few such amounts still fit a 64-bit column
_SHOWN_STEP = Decimal("0.0001")
_CREDITS_RE = re.compile(r"(?P<sign>[+-]?)(?P<whole>[0-9]{0,18})(?:\.(?P<fraction>[0-9]{0,18}))?")


class Money(msgspec.Struct, frozen=True):
    """One amount as the public API prints it: three exact decimal strings; `nanos` is the truth."""

    credits: str
    usd: str
    nanos: str


@functools.lru_cache(maxsize=10_000)  # a few prices make most amounts, and each is shown several times
def format_decimal(units: int, scale: int) -> str:
    """`units / 10**scale` as the shortest exact decimal: no exponent, no trailing zeros."""
    sign = "-" if units < 0 else ""
    whole, part = divmod(abs(units), 10**scale)
    fraction = f"{part:0{scale}d}".rstrip("0") if scale else ""
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


def parse_decimal(text: str, scale: int) -> int | None:
    """`text * 10**scale`, exactly. None unless it is a plain decimal of at most 9 digits before and `scale` after the
    point."""
    whole, _, fraction = text.partition(".")
    digits = whole + fraction
    if not (digits.isascii() and digits.isdigit()) or len(whole) > 9 or len(fraction) > scale:
        return None
    return int(whole + fraction.ljust(scale, "0"))


def format_usd(nanos: int) -> str:
    """USD, exact, at most 9 fractional digits."""
    return format_decimal(nanos, 9)


def format_credits(nanos: int, credits_per_usd: int) -> str:
    """Credits, exact, at most 9 fractional digits (credits per USD is a whole number)."""
    return format_decimal(nanos * credits_per_usd, 9)


def format_rounded_credits(nanos: int, credits_per_usd: int) -> str:
    """Credits rounded half up to 6 decimals, for balances on display."""
    billionths = nanos * credits_per_usd
    sign = -1 if billionths < 0 else 1
    return format_decimal(sign * ((abs(billionths) + 500) // 1000), 6)


def format_for_people(amount: str) -> str:
    """An exact decimal as people read it: at most four digits after the point, half away from zero, no zeros at the
    end. What was granted as 250 credits, and is 249.999999984 in whole nanos, reads as 250."""
    text = f"{Decimal(amount).quantize(_SHOWN_STEP, ROUND_HALF_UP):f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def format_credits_for_people(nanos: int, credits_per_usd: int) -> str:
    return format_for_people(format_credits(nanos, credits_per_usd))


def format_usd_for_people(nanos: int) -> str:
    return format_for_people(format_usd(nanos))


def parse_usd(text: str) -> Nanos:
    """An exact decimal of USD, at most 9 digits after the point and none lost. ValueError otherwise."""
    nanos = parse_decimal(text, 9)
    if nanos is None:
        raise ValueError(f"{text!r} is not a plain amount of USD such as 0.0402")
    return Nanos(nanos)


def to_money(nanos: int, credits_per_usd: int) -> Money:
    return Money(format_credits(nanos, credits_per_usd), format_usd(nanos), str(nanos))


def parse_credits(text: str, credits_per_usd: int) -> Nanos:
    """Credits typed by a person, converted once, rounded half up. ValueError unless a plain decimal."""
    match = _CREDITS_RE.fullmatch(text.strip())
    if match is None or not (match["whole"] or match["fraction"]):
        raise ValueError(f"credits must be a plain decimal number such as 100 or 2.5, not {text!r}")
    whole, fraction = match["whole"] or "0", match["fraction"] or ""
    divisor = credits_per_usd * 10 ** len(fraction)
    nanos = (2 * int(whole + fraction) * NANOS_PER_USD + divisor) // (2 * divisor)
    if nanos > MAX_NANOS:
        raise ValueError(f"{text} credits are more than any account may have")
    return Nanos(-nanos if match["sign"] == "-" else nanos)


def json_number(text: str) -> msgspec.Raw:
    """An exact decimal text as a JSON number, so that it never passes through a binary float."""
    return msgspec.Raw(text.encode())
