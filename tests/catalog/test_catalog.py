"""Prices: data in, exact amounts out, one rounding."""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.catalog.catalog import Catalog, CatalogError, encode_block, is_same_block, token_price
from imagegate.catalog.load import load_catalog
from imagegate.catalog.schema import Alias, ModelPrice, PriceBlock, TokenRates
from imagegate.domain.images import ImageOrder, ImageRequest
from imagegate.domain.money import format_credits, format_decimal, format_usd
from imagegate.domain.prices import CallPrice, Charge, Price, TokenPrice
from imagegate.domain.time import US_PER_SECOND
from imagegate.domain.usage import Usage
from imagegate.families import FAMILIES
from imagegate.families.sizes import RATIOS
from imagegate.pricing import compute_charge

CATALOG = load_catalog()
VERSION = "2026-11-01.1"
RATES = {
    "gpt-image-2": ("0.027", "0.0072", "0.0018", "0.0045", "0.001125", "0"),
    "gpt-image-1.5": ("0.0288", "0.0072", "0.0018", "0.0045", "0.001125", "0.009"),
    "gpt-image-1": ("0.036", "0.009", "0.00225", "0.0045", "0.001125", "0"),
    "gpt-image-2.5-flare": ("0.027", "0.0072", "0.0018", "0.0045", "0.001125", "0"),
    "gpt-image-2.5-sunburst": ("0.027", "0.0072", "0.0018", "0.0045", "0.001125", "0"),
}
CREDIT_RATES = {
    "gpt-image-2": ("1.836", "0.4896", "0.1224", "0.306", "0.0765", "0"),
    "gpt-image-1.5": ("1.9584", "0.4896", "0.1224", "0.306", "0.0765", "0.612"),
    "gpt-image-1": ("2.448", "0.612", "0.153", "0.306", "0.0765", "0"),
}
FIELDS = ("image_output", "image_input", "image_cached_input", "text_input", "text_cached_input", "text_output")
COUNT = st.integers(0, 2**40)
RATE = st.integers(0, 10**9)


def price(name: str, tier: str = "1K") -> Price:
    found = CATALOG.price(VERSION, name, tier)
    assert found is not None
    return found


@pytest.mark.parametrize("name", RATES)
def test_s3_3_rates_in_nanos_per_million_tokens(name: str) -> None:
    result = price(name)
    assert isinstance(result, TokenPrice)
    assert tuple(Fraction(getattr(result, field), 10**12) for field in FIELDS) == tuple(map(Fraction, RATES[name]))


@pytest.mark.parametrize("name", CREDIT_RATES)
def test_s3_3_derived_are_the_displayed_rates_per_1k_tokens(name: str) -> None:
    for field, usd, shown in zip(FIELDS, RATES[name], CREDIT_RATES[name], strict=True):
        total = compute_charge(Usage(images=1, **_thousand(field)), price(name)).total
        assert (format_usd(total), format_credits(total, 68)) == (usd, shown)


def _thousand(field: str) -> dict[str, int]:
    """1000 tokens of one category; cached tokens are a part of their category."""
    whole = {"text_cached_input": "text_input", "image_cached_input": "image_input"}.get(field, field)
    return {whole: 1000, field: 1000}


@pytest.mark.parametrize(
    ("name", "tier", "nanos", "shown"),
    [
        ("gpt-image-2-beta", "1K", 15_000_000, "1.02"),
        ("gpt-image-2-beta", "2K", 25_500_000, "1.734"),
        ("gpt-image-2-beta", "4K", 39_000_000, "2.652"),
        ("gpt-image-1.5-lite", "1K", 13_235_295, "0.90000006"),
        ("gpt-image-1.5-beta", "4K", 13_235_295, "0.90000006"),
        ("gpt-4o-image", "1K", 15_000_000, "1.02"),
    ],
)
def test_s3_4_per_call_line_is_the_price_of_the_row(name: str, tier: str, nanos: int, shown: str) -> None:
    assert price(name, tier) == CallPrice(per_image=nanos)
    total = compute_charge(Usage(images=1), price(name, tier)).total
    assert (total, format_credits(total, 68)) == (nanos, shown)
    assert compute_charge(Usage(images=4, image_output=99), price(name, tier)).total == 4 * nanos


def test_s3_3_rates_exist_for_every_model_in_every_block() -> None:
    for version in CATALOG.blocks:
        for model in CATALOG.models:
            for tier in ("1K", "2K", "4K"):
                assert CATALOG.price(version, model, tier) is not None


def _check_charge(result: Charge, exact: Fraction) -> None:
    assert result.total == ceil(exact)
    assert sum(line.amount for line in result.lines) == result.total
    assert all(line.quantity and line.amount >= 0 for line in result.lines)


@given(st.lists(COUNT, min_size=6, max_size=6), st.lists(RATE, min_size=6, max_size=6))
def test_s3_3_rounding_is_once_and_up(counts: list[int], rates: list[int]) -> None:
    text, text_cached, image, image_cached, output, words = counts
    usage = Usage(
        images=1,
        text_input=text + text_cached,
        text_cached_input=text_cached,
        image_input=image + image_cached,
        image_cached_input=image_cached,
        image_output=output,
        text_output=words,
    )
    token = TokenPrice(**dict(zip(FIELDS, rates, strict=True)))
    pairs = zip((output, image, image_cached, text, text_cached, words), rates, strict=True)
    _check_charge(
        compute_charge(usage, token), sum((Fraction(count * rate, 10**6) for count, rate in pairs), Fraction(0))
    )


@given(st.integers(0, 10), RATE)
def test_s3_1_per_call_charge_is_price_times_images(images: int, nanos: int) -> None:
    _check_charge(
        compute_charge(Usage(images=images, image_output=5), CallPrice(per_image=nanos)), Fraction(images * nanos)
    )


@st.composite
def orders(draw: st.DrawFn) -> tuple[str, ImageOrder]:
    name = draw(st.sampled_from(sorted(CATALOG.models)))
    model = CATALOG.models[name]
    steps = st.integers(1, 240).map(lambda step: 16 * step)
    pixels = st.tuples(steps, steps).filter(
        lambda edges: 655_360 <= edges[0] * edges[1] <= 8_294_400 and max(edges) <= 3 * min(edges)
    )
    free = st.sampled_from(["auto", *RATIOS]) | pixels.map(lambda edges: f"{edges[0]}x{edges[1]}")
    table = st.sampled_from(["auto", "1:1", "2:3", "3:2", "1024x1024", "1024x1536", "1536x1024"])
    references = draw(st.integers(0, model.references))
    request = ImageRequest(
        prompt=draw(st.text("aé\U0001f600 ", min_size=1, max_size=model.prompt_max).filter(str.strip)),
        size=draw(free if model.sizes == "free" else table),
        resolution=draw(st.sampled_from(["1K", "2K", "4K"])),
        quality=draw(st.sampled_from(model.qualities or ("any",))),
        n=draw(st.sampled_from(model.n)),
        image_urls=["https://example.com/a.png"] * references,
        mask_url="https://example.com/m.png" if model.mask and draw(st.booleans()) else None,
    )
    return name, FAMILIES[model.family].build_order(request, model, None, "2048x2048")


@given(orders())
def test_s3_4_text_input_and_images_are_expected_below_the_maximum(named_order: tuple[str, ImageOrder]) -> None:
    name, order = named_order
    model = CATALOG.models[name]
    family = FAMILIES[model.family]
    expected, maximum = family.expected_usage(order, model), family.max_usage(order, model)
    for field in Usage.__struct_fields__:
        assert getattr(expected, field) <= getattr(maximum, field), field
    size = len(order.prompt.encode())
    assert expected.text_input == order.n * (6 + size // 3)
    assert maximum.text_input == order.n * (128 + size)
    assert expected.image_input == order.n * 1536 * len(order.image_urls)
    assert maximum.image_input == order.n * 1536 * (len(order.image_urls) + order.has_mask)
    assert expected.image_output == maximum.image_output
    cost = price(name, family.price_tier(order))
    assert compute_charge(expected, cost).total <= compute_charge(maximum, cost).total


@pytest.mark.parametrize("name", ["gpt-image-1", "gpt-image-1.5"])
def test_s3_2_table_rows_take_their_tokens_from_the_table(name: str) -> None:
    table = {"1024x1024": (272, 1056, 4160), "1024x1536": (408, 1584, 6240), "1536x1024": (400, 1568, 6208)}
    if name == "gpt-image-1":
        assert CATALOG.models[name].n == tuple(range(1, 11))
    for size, tokens in {
        **table,
        "1:1": table["1024x1024"],
        "2:3": table["1024x1536"],
        "3:2": table["1536x1024"],
        "auto": table["1024x1536"],
    }.items():
        for quality, count in zip(("low", "medium", "high"), tokens, strict=True):
            assert usage_of(name, size=size, quality=quality).image_output == count


def usage_of(name: str, **fields: Any) -> Usage:
    model = CATALOG.models[name]
    family = FAMILIES[model.family]
    request = msgspec.convert({"prompt": "x", **fields}, ImageRequest)
    return family.expected_usage(family.build_order(request, model, None, "2048x2048"), model)


def test_s3_1_quality_bases_of_flare_and_sunburst() -> None:
    tokens = {"low": 196, "medium": 439, "high": 1756, "xhigh": 3122, "max": 7024}
    for name in ("gpt-image-2.5-flare", "gpt-image-2.5-sunburst"):
        for quality, count in tokens.items():
            assert usage_of(name, size="1:1", quality=quality).image_output == count


def test_s3_2_auto_is_priced_as_2048_square() -> None:
    for name in ("gpt-image-2", "gpt-image-2.5-flare"):
        assert usage_of(name, size="auto") == usage_of(name, size="2048x2048")


def test_c21_both_ends_of_the_published_range() -> None:
    """The published range counts the image and its references, without the prompt."""
    minimum = msgspec.structs.replace(usage_of("gpt-image-2", size="3:1", quality="low"), text_input=0)
    assert format_credits(compute_charge(minimum, price("gpt-image-2")).total, 68) == "0.113832"
    urls = ["https://example.com/a.png"] * 16
    maximum = usage_of("gpt-image-2", size="1:1", resolution="4K", quality="high", image_urls=urls)
    total = compute_charge(msgspec.structs.replace(maximum, text_input=0), price("gpt-image-2")).total
    assert (total, format_usd(total), format_credits(total, 68)) == (817_360_200, "0.8173602", "55.5804936")


def test_s3_3_dated_prices_and_a_block_is_known_by_its_content() -> None:
    old = msgspec.structs.replace(CATALOG.blocks[VERSION], version="old", effective_from=100)
    catalog = Catalog(list(CATALOG.models.values()), [], [CATALOG.blocks[VERSION], old])
    start = CATALOG.blocks[VERSION].effective_from
    assert catalog.price_block_at(start * US_PER_SECOND).version == VERSION
    assert catalog.price_block_at(start * US_PER_SECOND - 1).version == "old"
    assert catalog.price_block_at(99_999_999).version == "old", "a clock that is wrong stops no sale"
    with pytest.raises(CatalogError):
        Catalog([], [], []).price_block_at(start)
    assert not is_same_block(encode_block(old), CATALOG.blocks[VERSION])


def test_i16_a_block_is_the_same_in_the_form_of_an_earlier_version_and_with_new_defaults() -> None:
    block = CATALOG.blocks[VERSION]
    assert is_same_block(encode_block(block), block)
    assert "extends" not in encode_block(block)
    plain = msgspec.to_builtins(block)
    earlier = {"version": plain["version"], "effective_from": plain["effective_from"], "price": plain["price"]}
    for form in (earlier, earlier | {"extends": ""}, dict(reversed(earlier.items()))):
        assert is_same_block(msgspec.json.encode(form).decode(), block)
    assert not is_same_block(msgspec.json.encode(earlier | {"effective_from": 5}).decode(), block)
    assert not is_same_block(msgspec.json.encode(earlier | {"a_field_of_the_future": 1}).decode(), block)


@pytest.mark.parametrize("text", ["", "-1", "1e-3", "0.0000000000001", "a", ".", "1.2.3"])
def test_s3_3_rates_that_are_no_decimals_are_refused(text: str) -> None:
    rates = TokenRates(
        image_output=text, image_input="0", image_cached_input="0", text_input="0", text_cached_input="0"
    )
    with pytest.raises(CatalogError):
        token_price(rates)


@given(st.integers(0, 10**18))
def test_s3_3_rates_are_read_exactly(units: int) -> None:
    text = format_decimal(units, 12)
    rates = TokenRates(
        image_output=text, image_input="0", image_cached_input="0", text_input="0", text_cached_input="0"
    )
    assert token_price(rates).image_output == units


def test_s3_1_alias_and_price_mistakes_are_named() -> None:
    models, blocks = list(CATALOG.models.values()), list(CATALOG.blocks.values())
    for alias in (Alias("x", "no-such-row"), Alias("gpt-image-1", "gpt-image-2")):
        with pytest.raises(CatalogError, match=alias.name):
            Catalog(models, [alias], blocks)
    for row in (
        ModelPrice("gpt-image-2"),
        ModelPrice("gpt-image-2", per_image_nanos={"any": 1}, per_1k_tokens=_free_rates()),
    ):
        with pytest.raises(CatalogError, match="gpt-image-2"):
            Catalog(models, [], [PriceBlock("v", 1, (row,))])


def _free_rates() -> TokenRates:
    return TokenRates(image_output="0", image_input="0", image_cached_input="0", text_input="0", text_cached_input="0")
