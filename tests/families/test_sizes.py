"""Ratios, tiers, pixels and tokens: the published numbers, exactly."""

from __future__ import annotations

import json
from fractions import Fraction
from math import floor, isqrt
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.families.sizes import RATIOS, output_tokens, parse_pixels, pixels_for_ratio, size_error

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent.parent / "vectors" / "sizes.json").read_text("utf-8"))
BASES = {"low": 16, "medium": 48, "high": 96}
EDGES = st.integers(1, 240).map(lambda steps: 16 * steps)


def test_c21_there_are_24_published_cells() -> None:
    assert len(VECTORS["cells"]) == 24


@pytest.mark.parametrize("cell", VECTORS["cells"], ids=lambda cell: f"{cell['ratio']}-{cell['resolution']}")
def test_c21_every_cell_has_its_pixels_and_tokens_both_ways_round(cell: dict[str, Any]) -> None:
    across, down = cell["ratio"].split(":")
    width, height = cell["width"], cell["height"]
    assert pixels_for_ratio(cell["ratio"], cell["resolution"]) == (width, height)
    assert pixels_for_ratio(f"{down}:{across}", cell["resolution"]) == (height, width)
    for quality, tokens in cell["output_tokens"].items():
        assert output_tokens(width, height, BASES[quality]) == tokens
        assert output_tokens(height, width, BASES[quality]) == tokens


@pytest.mark.parametrize("entry", VECTORS["explicit"], ids=lambda entry: str(entry["size"]))
def test_c21_every_explicit_size_has_its_tokens(entry: dict[str, Any]) -> None:
    pixels = parse_pixels(entry["size"])
    assert pixels is not None
    assert size_error(*pixels) is None
    assert {name: output_tokens(*pixels, base) for name, base in BASES.items()} == entry["output_tokens"]


def test_c21_halves_round_up() -> None:
    assert output_tokens(624, 1536, 16) == 83


def test_s3_2_ratios_and_their_portraits_are_known() -> None:
    assert len(RATIOS) == len(set(RATIOS)) == 15
    assert {":".join(reversed(ratio.split(":"))) for ratio in RATIOS} == set(RATIOS)
    assert {cell["ratio"] for cell in VECTORS["cells"]} <= set(RATIOS)


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("tier", ["1K", "2K", "4K"])
def test_s3_2_ratios_at_every_tier_are_legal_as_pixels_too(ratio: str, tier: str) -> None:
    assert size_error(*pixels_for_ratio(ratio, tier)) is None


@given(EDGES, EDGES, st.sampled_from([16, 24, 48, 64, 96]))
def test_s3_2_tokens_follow_the_formula_in_fractions(width: int, height: int, base: int) -> None:
    shorter, longer = sorted((width, height))
    short = floor(Fraction(base * shorter, longer) + Fraction(1, 2))
    exact = Fraction(base * short * (2_000_000 + width * height), 4_000_000)
    tokens = output_tokens(width, height, base)
    assert exact <= tokens < exact + 1


@given(st.integers(1, 5_000), st.integers(1, 5_000))
def test_s2_1_size_in_pixels_is_legal_exactly_inside_the_published_bounds(width: int, height: int) -> None:
    legal = (
        width % 16 == height % 16 == 0
        and max(width, height) <= 3840
        and 655_360 <= width * height <= 8_294_400
        and max(width, height) <= 3 * min(width, height)
    )
    assert (size_error(width, height) is None) == legal


@given(EDGES, EDGES)
def test_s2_1_size_in_multiples_of_16_is_legal_exactly_inside_the_published_bounds(width: int, height: int) -> None:
    legal = 655_360 <= width * height <= 8_294_400 and max(width, height) <= 3 * min(width, height)
    assert (size_error(width, height) is None) == legal


@pytest.mark.parametrize(
    ("size", "legal"),
    [
        ("3840x2160", True),
        ("2160x3840", True),
        ("3840x1920", True),
        ("2880x2880", True),
        ("3840x1280", True),
        ("3840x2176", False),
        ("3840x1264", False),
        ("3856x2144", False),
        ("2896x2880", False),
        ("816x816", True),
        ("800x816", False),
        ("1024x640", True),
        ("1008x640", False),
        ("1024x1025", False),
        ("9999x16", False),
    ],
)
def test_s2_1_size_at_the_bounds(size: str, legal: bool) -> None:
    pixels = parse_pixels(size)
    assert pixels is not None
    assert (size_error(*pixels) is None) == legal


@pytest.mark.parametrize(
    "text",
    [
        "",
        "auto",
        "1024",
        "1024x",
        "x1024",
        "1024x1024\n",
        " 1024x1024",
        "1024x1024 ",
        "1024X1024",
        "1024*1024",
        "1024 x 1024",
        "01024x1024",
        "+1024x1024",
        "-1024x1024",
        "1024.0x1024",
        "1e3x1024",
        "\uff11024x1024",
        "\u0661\u0660\u0662\u0664x1024",
        "1024x1024x1024",
        "10240x1024",
        "0x0",
    ],
)
def test_s2_1_size_has_plain_ascii_digits(text: str) -> None:
    assert parse_pixels(text) is None


@pytest.mark.parametrize("tier", ["1K", "2K", "4K"])
def test_s3_2_pixels_are_the_nearest_multiples_of_16_to_the_root(tier: str) -> None:
    target = {"1K": 1024**2, "2K": 2048**2, "4K": 3840 * 2160}[tier]
    for ratio in RATIOS:
        a, b = (int(part) for part in ratio.split(":"))
        width, height = pixels_for_ratio(ratio, tier)
        if max(width, height) == 3840 or (tier == "4K" and width * height > 8_294_400 - 3840 * 32):
            continue
        for edge, over, under in ((width, a, b), (height, b, a)):
            root = Fraction(isqrt(target * over * 10**12 // under), 10**6)
            assert abs(edge - root) <= 8 + Fraction(1, 10**5)
