"""Amounts as customers read them: exact, short, never through a binary float."""

from __future__ import annotations

import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.domain.money import (
    format_credits,
    format_credits_for_people,
    format_decimal,
    format_for_people,
    format_rounded_credits,
    format_usd,
    format_usd_for_people,
    json_number,
    parse_credits,
    to_money,
)

PLAIN = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]{0,8}[1-9])?")
NANOS = st.integers(-(2**62), 2**62)
RATES = st.integers(1, 10_000)


@given(NANOS, RATES)
def test_s1_money_number_is_exact_plain_and_at_most_9_digits(nanos: int, rate: int) -> None:
    for text, value in (
        (format_usd(nanos), Fraction(nanos, 10**9)),
        (format_credits(nanos, rate), Fraction(nanos * rate, 10**9)),
    ):
        assert PLAIN.fullmatch(text), text
        assert Fraction(text) == value


@given(NANOS, RATES)
def test_s1_money_object_is_three_strings_of_one_amount(nanos: int, rate: int) -> None:
    amount = to_money(nanos, rate)
    assert amount.nanos == str(nanos)
    assert Fraction(amount.usd) * rate == Fraction(amount.credits) == Fraction(nanos * rate, 10**9)


@given(NANOS, RATES)
def test_s9_credits_are_rounded_half_up_to_6_decimals(nanos: int, rate: int) -> None:
    exact = Fraction(nanos * rate, 10**9)
    size = abs(exact) * 10**6 + Fraction(1, 2)
    expected = Fraction(size.numerator // size.denominator, 10**6)
    text = format_rounded_credits(nanos, rate)
    assert Fraction(text) == (-expected if exact < 0 else expected)
    assert len(text.partition(".")[2]) <= 6


@given(st.integers(0, 10**12), RATES)
def test_amounts_for_people_are_within_half_of_the_fourth_digit(nanos: int, rate: int) -> None:
    text = format_credits_for_people(nanos, rate)
    assert re.fullmatch(r"(0|[1-9][0-9]*)(\.[0-9]{0,3}[1-9])?", text)
    assert abs(Fraction(text) - Fraction(nanos * rate, 10**9)) <= Fraction(1, 20_000)
    assert format_credits_for_people(-nanos, rate) == (text if text == "0" else f"-{text}")


@given(st.integers(0, 10**9), st.integers(0, 3), st.integers(1, 1000))
def test_what_was_granted_reads_as_it_was_typed(units: int, scale: int, rate: int) -> None:
    typed = format_decimal(units, scale)
    assert format_credits_for_people(parse_credits(typed, rate), rate) == typed


def test_amounts_for_people() -> None:
    assert format_credits(parse_credits("250", 68), 68) == "249.999999984"
    assert format_credits_for_people(parse_credits("250", 68), 68) == "250"
    for exact, shown in (
        ("0.00005", "0.0001"),
        ("-0.00005", "-0.0001"),
        ("0.00004999", "0"),
        ("-0.00001", "0"),
        ("1e-07", "0"),
        ("3.227994", "3.228"),
        ("1000", "1000"),
        ("999999999999999999.99995", "1000000000000000000"),
    ):
        assert format_for_people(exact) == shown
    assert format_usd_for_people(47_470_500) == "0.0475"


@given(st.integers(0, 10**9), st.integers(0, 9), RATES)
def test_s9_grants_in_credits_become_nanos_once_rounded_half_up(units: int, scale: int, rate: int) -> None:
    exact = Fraction(units, 10**scale) * 10**9 / rate + Fraction(1, 2)
    assert parse_credits(format_decimal(units, scale), rate) == exact.numerator // exact.denominator
    assert parse_credits("-" + format_decimal(units, scale), rate) == -(exact.numerator // exact.denominator)


@pytest.mark.parametrize(
    ("text", "nanos"),
    [
        ("0.00000034", 5),
        ("0.000000102", 2),
        ("0.000000034", 1),
        ("0.00000003399", 0),
        ("68", 10**9),
        ("+68", 10**9),
        (" 68 ", 10**9),
        (".5", 7_352_941),
        ("1.", 14_705_882),
        ("-68", -(10**9)),
    ],
)
def test_s9_grants_halves_go_up(text: str, nanos: int) -> None:
    assert parse_credits(text, 68) == nanos


@pytest.mark.parametrize(
    "text",
    ["", " ", ".", "-", "1e3", "0x10", "1,000", "1_000", "1 000", "NaN", "inf", "\uff11", "1.2.3", "9" * 25, "1\n2"],
)
def test_s9_grants_that_are_no_plain_decimal_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="plain decimal"):
        parse_credits(text, 68)


@pytest.mark.parametrize("text", ["--5", "+-5", "-+5", "++5"])
def test_s9_grants_with_two_signs_are_no_number(text: str) -> None:
    with pytest.raises(ValueError, match="plain decimal"):
        parse_credits(text, 68)


@pytest.mark.parametrize(
    ("nanos", "cost", "usd"),
    [
        (817_360_200, "55.5804936", "0.8173602"),
        (1_674_000, "0.113832", "0.001674"),
        (16_108_817_647, "1095.399599996", "16.108817647"),
        (1, "0.000000068", "0.000000001"),
        (0, "0", "0"),
        (-47_470_500, "-3.227994", "-0.0474705"),
    ],
)
def test_s1_money_number_prints_as_published(nanos: int, cost: str, usd: str) -> None:
    assert (format_credits(nanos, 68), format_usd(nanos)) == (cost, usd)
    assert bytes(json_number(cost)) == cost.encode()
