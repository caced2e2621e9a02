"""The quote is the bill: what was expected is charged, and nothing above the maximum ever is."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from math import ceil
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagegate.catalog.catalog import Catalog
from imagegate.catalog.load import load_catalog
from imagegate.domain.accounts import ApiKey
from imagegate.domain.errors import InvalidRequest, ModelAccessDenied, ModelNotFound
from imagegate.domain.images import ImageRequest
from imagegate.domain.money import Nanos
from imagegate.domain.tasks import Task, TaskState
from imagegate.domain.usage import Usage, UsageSource
from imagegate.families import FAMILIES
from imagegate.families.sizes import RATIOS
from imagegate.flows.execution.billing import Bill, make_bill
from imagegate.flows.quote import Quote, make_quote
from imagegate.runtime import Runtime
from imagegate.spool import SpooledImage, SpooledResponse

NOW = 1_795_341_693_000_000
CATALOG = load_catalog()
KEY = ApiKey(id="key_1", account_id="acc_1", name="k", hint="imk_live_…", created=NOW)
UPSTREAM = UsageSource.upstream
HUGE = 2**40


def make_test_quote(runtime: Runtime, **fields: Any) -> Quote:
    return make_quote(runtime, msgspec.convert({"prompt": "x", **fields}, ImageRequest), KEY, NOW)


def task_of(quote: Quote) -> Task:
    return Task(
        id="task-unified-1795341693-imcg5zqt",
        account_id="acc_1",
        key_id="key_1",
        state=TaskState.running,
        claim_no=1,
        crashes=0,
        progress=0,
        order=quote.order,
        billing_rule=quote.model.billing,
        price_version=quote.price_version,
        hold=quote.maximum.total,
        created=NOW,
        deadline=NOW + 1,
    )


def response_of(usage: Usage | None, source: UsageSource, pixels: list[tuple[int, int]]) -> SpooledResponse:
    images = tuple(SpooledImage("0.png", "image/png", width, height, 99, "00") for width, height in pixels)
    return SpooledResponse(images, usage, source)


def make_test_bill(
    runtime: Runtime,
    quote: Quote,
    usage: Usage | None,
    images: int | None = None,
    pixels: tuple[int, int] | None = None,
) -> Bill:
    size = quote.order.size
    delivered = [pixels or (size.width, size.height)] * (quote.order.n if images is None else images)
    return make_bill(runtime.catalog, task_of(quote), [response_of(usage, UPSTREAM, delivered)])


@st.composite
def requests(draw: st.DrawFn, rows: list[str] | None = None) -> ImageRequest:
    """Every legal way to order, over every row."""
    model = CATALOG.models[draw(st.sampled_from(rows or sorted(CATALOG.models)))]
    edges = st.integers(1, 240).map(lambda step: 16 * step)
    pixels = (
        st.tuples(edges, edges)
        .filter(is_legal_size)
        .map(lambda size: f"{size[0]}{draw(st.sampled_from('x×'))}{size[1]}")
    )
    free = st.one_of(st.none(), st.just("auto"), st.sampled_from(RATIOS), pixels)
    table = st.sampled_from([None, "auto", "1:1", "2:3", "3:2", "1024x1024", "1024x1536", "1536x1024"])
    count = draw(st.integers(0, model.references))
    return ImageRequest(
        model=model.id,
        prompt=draw(st.text("aé漢\U0001f600 ", min_size=1, max_size=300).filter(str.strip)),
        size=draw(free if model.sizes == "free" else table),
        resolution=draw(st.sampled_from([None, "1K", "2k", "4K"])),
        quality=draw(st.sampled_from([None, *model.qualities])),
        n=draw(st.sampled_from([None, *model.n])),
        image_urls=["https://example.com/a.png"] * count,
        mask_url="https://example.com/m.png" if model.mask and draw(st.booleans()) else None,
        background=draw(st.sampled_from([None, "opaque"])),
        output_format=draw(st.sampled_from([None, "png", "jpeg", "webp"])),
    )


def is_legal_size(size: tuple[int, int]) -> bool:
    return 655_360 <= size[0] * size[1] <= 8_294_400 and max(size) <= 3 * min(size)


@given(request=requests())
def test_s3_3_one_function_prices_quote_and_bill(runtime: Runtime, request: ImageRequest) -> None:
    quote = make_quote(runtime, request, KEY, NOW)
    usage = FAMILIES[quote.model.family].expected_usage(quote.order, quote.model)
    pixels = [(quote.order.size.width, quote.order.size.height)] * usage.images
    bill = make_bill(runtime.catalog, task_of(quote), [response_of(usage, UsageSource.formula, pixels)])
    assert bill.charge == bill.price == quote.expected.total
    assert 0 < bill.charge <= quote.maximum.total
    assert bill.source == UsageSource.formula
    for total in (quote.expected, quote.maximum):
        assert sum(line.amount for line in total.lines) == total.total
        assert all(line.quantity for line in total.lines)
        exact = sum(Fraction(line.quantity) * Fraction(line.rate_nanos) for line in total.lines)
        assert total.total == ceil(exact)


USAGES = st.builds(
    Usage,
    images=st.integers(-2, 12),
    text_input=st.integers(-5, 200) | st.integers(-(2**70), 2**70),
    text_cached_input=st.integers(-5, 200),
    image_input=st.integers(-5, 50_000) | st.integers(0, 2**70),
    image_cached_input=st.integers(-5, 2_000),
    image_output=st.integers(-5, 30_000) | st.integers(0, 2**70),
    text_output=st.integers(-5, 2_000),
)


@given(request=requests(), usage=st.none() | USAGES, data=st.data())
def test_s3_4_never_above_the_hold_whatever_the_upstream_counts(
    runtime: Runtime, request: ImageRequest, usage: Usage | None, data: st.DataObject
) -> None:
    quote = make_quote(runtime, request, KEY, NOW)
    images = data.draw(st.integers(1, quote.order.n))
    bill = make_test_bill(runtime, quote, usage, images)
    assert 0 <= bill.charge <= quote.maximum.total
    assert bill.charge <= -(-quote.maximum.total * images // quote.order.n)
    assert bill.charge <= bill.price
    assert bill.source in (UPSTREAM, UsageSource.estimated)
    assert bill.usage.images == images
    if usage is None:
        assert bill.source == UsageSource.estimated


ABSURD = [
    None,
    Usage(images=1),
    Usage(images=1, text_input=13),
    Usage(images=1, text_input=13, image_output=-1),
    Usage(images=1, text_input=-1, image_output=10),
    Usage(images=1, text_input=10, text_cached_input=11, image_output=10),
    Usage(images=1, image_input=10, image_cached_input=11, image_output=10),
    Usage(images=1, text_input=HUGE + 1, image_output=10),
    Usage(images=1, image_output=2**63),
    Usage(images=1, image_output=10, text_output=-1),
]


@pytest.mark.parametrize("usage", ABSURD)
def test_s3_4_estimated_where_usage_is_missing_zero_or_absurd(runtime: Runtime, usage: Usage | None) -> None:
    quote = make_test_quote(runtime, size="16:9", quality="low", n=2, image_urls=["https://example.com/a.png"])
    bill = make_test_bill(runtime, quote, usage)
    assert bill.source == UsageSource.estimated
    assert (bill.charge, bill.usage) == (quote.expected.total, quote.usage)


def test_s3_4_reported_usage_is_billed(runtime: Runtime) -> None:
    quote = make_test_quote(runtime, size="1:1", image_urls=["https://example.com/a.png"])
    usage = Usage(
        images=1, text_input=20, text_cached_input=5, image_input=1000, image_cached_input=400, image_output=1700
    )
    bill = make_test_bill(runtime, quote, usage)
    exact = 15 * Fraction("4500") + 5 * Fraction("1125") + 600 * Fraction(7200) + 400 * 1800 + 1700 * 27_000
    assert bill == Bill(Nanos(ceil(exact)), Nanos(ceil(exact)), usage, UPSTREAM)


def test_s3_4_never_above_an_excess_is_the_operators_loss(runtime: Runtime) -> None:
    quote = make_test_quote(runtime, size="1:1")
    bill = make_test_bill(runtime, quote, Usage(images=1, text_input=10, image_output=HUGE))
    assert bill.charge == quote.maximum.total
    assert bill.price == 10 * 4500 + HUGE * 27_000
    assert bill.source == UPSTREAM


@pytest.mark.parametrize("name", ["gpt-image-2", "gpt-4o-image", "gpt-image-1"])
@pytest.mark.parametrize("images", [1, 2, 3])
def test_s3_4_delivered_images_alone_are_billed(runtime: Runtime, name: str, images: int) -> None:
    requested = make_test_quote(runtime, model=name, size="1:1", n=4)
    one = make_test_quote(runtime, model=name, size="1:1", n=1)
    missing = make_test_bill(runtime, requested, None, images)
    assert missing.charge == images * one.expected.total
    reported = make_test_bill(runtime, requested, Usage(images=4, text_input=10, image_output=2**30), images)
    assert reported.charge == images * one.maximum.total


def test_s3_4_estimated_by_the_real_pixels_never_above_the_hold(runtime: Runtime) -> None:
    quote = make_test_quote(runtime, size="1:1", resolution="2K", quality="high")
    small = make_test_bill(runtime, quote, None, pixels=(1024, 1024))
    assert small.charge == make_test_quote(runtime, size="1:1", resolution="1K", quality="high").expected.total
    assert make_test_bill(runtime, quote, None, pixels=(2880, 2880)).charge == quote.maximum.total


def test_s3_4_never_above_with_more_images_than_requested(runtime: Runtime) -> None:
    quote = make_test_quote(runtime, size="1:1")
    assert make_test_bill(runtime, quote, None, images=7).charge == quote.maximum.total


def test_s3_3_dated_a_task_keeps_the_price_of_its_create(runtime: Runtime) -> None:
    """Prices rise tenfold while it is under way."""
    quote, now = make_test_quote(runtime, model="gpt-4o-image"), NOW // 10**6
    old = runtime.catalog.blocks[quote.price_version]
    rows = tuple(
        msgspec.structs.replace(row, per_image_nanos={tier: 10 * nanos for tier, nanos in row.per_image_nanos.items()})
        for row in old.price
        if row.per_image_nanos
    )
    dearer = msgspec.structs.replace(old, version="dearer", effective_from=now + 60, price=rows)
    catalog = Catalog(list(runtime.catalog.models.values()), [], [old, dearer])
    later = dataclasses.replace(runtime, catalog=catalog)
    assert make_test_bill(later, quote, None).charge == quote.expected.total == 15_000_000
    request = ImageRequest(prompt="x", model="gpt-4o-image")
    assert make_quote(later, request, KEY, NOW + 60 * 10**6).expected.total == 150_000_000


def test_s2_1_model_is_looked_up_before_anything_else_is_checked(runtime: Runtime) -> None:
    with pytest.raises(ModelNotFound) as unknown:
        make_test_quote(runtime, model="gpt-image-3")
    assert (unknown.value.param, unknown.value.extra["fallback_suggestion"]) == ("model", "gpt-image-2")
    mine = msgspec.structs.replace(KEY, models=("gpt-image-1",))
    with pytest.raises(ModelAccessDenied, match="gpt-image-2"):
        make_quote(runtime, ImageRequest(prompt="x"), mine, NOW)
    assert make_quote(runtime, ImageRequest(prompt="x", model="gpt-image-1"), mine, NOW).order.row == "gpt-image-1"


@pytest.mark.parametrize(
    "field", ["prompt", "model", "size", "resolution", "quality", "mask_url", "callback_url", "background"]
)
def test_s1_body_text_without_nul_in_every_field(runtime: Runtime, field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        make_test_quote(runtime, **{field: "a\0b"})
    assert caught.value.param == field
