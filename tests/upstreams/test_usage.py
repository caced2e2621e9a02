"""Reported usage in every spelling that has been seen, and the nonsense between."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.domain.usage import Usage
from imagegate.upstreams.usage import MAX_TOKENS, read_cost, read_usage

DETAILS = {"text_tokens": 26, "image_tokens": 1024}
OUT = {"output_tokens": 1756, "total_tokens": 2806}


def read(reported: Any, *, references: bool = True, text_estimate: int = 30) -> Usage | None:
    return read_usage(reported, images=1, text_estimate=text_estimate, references=references)


def reads(reported: Any, **more: Any) -> Usage:
    found = read(reported, **more)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("spelling", "cached"),
    [
        (
            {"input_tokens_details": {**DETAILS, "cached_tokens_details": {"text_tokens": 5, "image_tokens": 500}}},
            (5, 500),
        ),
        ({"input_tokens_details": {**DETAILS, "cached_tokens_details": {"image_tokens": 500}}}, (0, 500)),
        ({"input_tokens_details": {**DETAILS, "cached_text_tokens": 5, "cached_image_tokens": 500}}, (5, 500)),
        ({"cached_tokens_details": {"cached_text_tokens": 5, "cached_image_tokens": 500}}, (5, 500)),
        ({"input_tokens_details": {**DETAILS, "cached_tokens": 1030}}, (6, 1024)),
        ({"input_tokens_details": {**DETAILS, "cached_tokens": 512}}, (0, 512)),
        ({"cached_tokens": 1030}, (6, 1024)),
        ({"cached_tokens": 0}, (0, 0)),
        ({"input_tokens_details": {**DETAILS, "cached_tokens": 9_999_999}}, (26, 1024)),
        ({"input_tokens_details": {**DETAILS, "cached_tokens": -5}}, (0, 0)),
        ({}, (0, 0)),
        # The most specific spelling wins.
        (
            {
                "cached_tokens": 7,
                "cached_tokens_details": {"cached_text_tokens": 9},
                "input_tokens_details": {**DETAILS, "cached_tokens": 8, "cached_tokens_details": {"text_tokens": 1}},
            },
            (1, 0),
        ),
    ],
)
def test_cached_tokens_are_found_in_every_spelling(spelling: dict[str, Any], cached: tuple[int, int]) -> None:
    found = reads({"input_tokens": 1050, "input_tokens_details": DETAILS, **OUT, **spelling})
    assert (found.text_input, found.image_input, found.image_output) == (26, 1024, 1756)
    assert (found.text_cached_input, found.image_cached_input) == cached


def test_the_words_of_chat_mean_the_same() -> None:
    found = reads(
        {
            "prompt_tokens": 1050,
            "prompt_tokens_details": {**DETAILS, "cached_tokens": 12},
            "completion_tokens": 1800,
            "completion_tokens_details": {"image_tokens": 1756, "text_tokens": 44},
        }
    )
    assert found == Usage(
        images=1, text_input=26, image_input=1024, image_cached_input=12, image_output=1756, text_output=44
    )


def test_an_input_that_came_as_one_figure_is_split_by_the_estimate() -> None:
    whole = {"input_tokens": 1050, **OUT}
    assert (reads(whole).text_input, reads(whole).image_input) == (30, 1020)
    assert reads(whole, text_estimate=5000).image_input == 0
    assert reads(whole, references=False).text_input == 1050


def test_output_without_details_is_image_output() -> None:
    found = reads({"input_tokens": 26, "output_tokens": 1756})
    assert (found.image_output, found.text_output) == (1756, 0)
    zeros = {"output_tokens_details": {"text_tokens": 0, "image_tokens": 0}}
    assert reads({"input_tokens": 26, "output_tokens": 1756, **zeros}).image_output == 1756
    assert (
        reads({"input_tokens": 26, "output_tokens": 1756, "output_tokens_details": {"text_tokens": 56}}).image_output
        == 1700
    )


@pytest.mark.parametrize("count", ["1756", " 1756 ", "1756.0", Decimal("1756.00")])
def test_a_count_may_come_as_text_or_with_a_point(count: Any) -> None:
    assert reads({"input_tokens": "26", "output_tokens": count}).image_output == 1756


@pytest.mark.parametrize(
    "reported",
    [
        None,
        0,
        "1756",
        [],
        {},
        {"total_tokens": 5},
        {"input_tokens": 5},
        {"output_tokens": 5},
        {"input_tokens": 0, "output_tokens": 0},
        {"input_tokens": 5, "output_tokens": 0},
        {"input_tokens": 5, "output_tokens": -1756},
        {"input_tokens": 5, "output_tokens": MAX_TOKENS + 1},
        {"input_tokens": 5, "output_tokens": True},
        {"input_tokens": 5, "output_tokens": "many"},
        {"input_tokens": 5, "output_tokens": ["1756"]},
        {"input_tokens": 5, "output_tokens": Decimal("1756.5")},
    ],
)
def test_absent_zero_and_nonsense_are_unknown(reported: Any) -> None:
    assert read(reported) is None


_VALUES: st.SearchStrategy[Any] = st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.decimals()
_DETAIL_KEYS = (
    "text_tokens",
    "image_tokens",
    "cached_tokens",
    "cached_text_tokens",
    "cached_image_tokens",
    "cached_tokens_details",
)
_KEYS = (
    "input_tokens",
    "output_tokens",
    "prompt_tokens",
    "completion_tokens",
    "cached_tokens",
    "input_tokens_details",
    "output_tokens_details",
    "prompt_tokens_details",
    "cached_tokens_details",
)
_COUNTS = st.integers(-3, 3000) | _VALUES
_DETAILS = st.dictionaries(
    st.sampled_from(_DETAIL_KEYS), _COUNTS | st.dictionaries(st.sampled_from(_DETAIL_KEYS), _COUNTS)
)


@given(st.dictionaries(st.sampled_from(_KEYS), _COUNTS | _DETAILS), st.booleans(), st.integers(0, 500))
def test_whatever_is_reported_cached_is_a_part_and_nothing_is_negative(
    reported: dict[str, Any], references: bool, text_estimate: int
) -> None:
    found = read(reported, references=references, text_estimate=text_estimate)
    if found is None:
        return
    counts = [getattr(found, name) for name in found.__struct_fields__]
    assert all(0 <= count <= MAX_TOKENS for count in counts)
    assert found.text_cached_input <= found.text_input
    assert found.image_cached_input <= found.image_input
    assert found.text_input + found.image_input > 0
    assert found.image_output + found.text_output > 0


@given(st.integers(1, 5000), st.integers(0, 5000), st.integers(1, 90_000), st.integers(0, 100), st.integers(0, 9000))
def test_an_official_report_is_read_to_the_token(text: int, image: int, out: int, out_text: int, cached: int) -> None:
    reported = {
        "input_tokens": text + image,
        "input_tokens_details": {"text_tokens": text, "image_tokens": image, "cached_tokens": cached},
        "output_tokens": out + out_text,
        "output_tokens_details": {"text_tokens": out_text, "image_tokens": out},
        "total_tokens": text + image + out + out_text,
    }
    cached_image = min(cached, image)
    assert reads(reported) == Usage(
        images=1,
        text_input=text,
        image_input=image,
        image_output=out,
        text_output=out_text,
        image_cached_input=cached_image,
        text_cached_input=min(cached - cached_image, text),
    )


@pytest.mark.parametrize(
    ("cost", "nanos"),
    [
        (Decimal("0.0527"), 52_700_000),
        (Decimal("1e-10"), 1),
        (2, 2_000_000_000),
        (0, 0),
        (-1, None),
        (True, None),
        ("0.05", None),
        (None, None),
        (Decimal("1e30"), None),
        (Decimal("1e400"), None),
    ],
)
def test_a_stated_cost_is_exact_and_rounded_up(cost: Any, nanos: int | None) -> None:
    assert read_cost({"cost": cost}) == nanos
