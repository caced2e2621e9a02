"""What the page shows of a model, from the catalog: price range, variants, rates, limits, qualities."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from imagegate.catalog.schema import Model
from imagegate.domain.images import ImageRequest
from imagegate.domain.money import format_decimal, format_for_people, format_rounded_credits
from imagegate.families import FAMILIES
from imagegate.families.sizes import RATIOS, TIERS, pixels_for_ratio
from imagegate.flows.quote import price_order
from imagegate.flows.views.pricing import PriceView, price_list
from imagegate.runtime import Runtime

_KINDS = ("image_output", "image_input", "image_cached_input", "text_input", "text_cached_input", "text_output")


class Amount(msgspec.Struct, frozen=True):
    """An amount for display: rounded, with the exact one for the tooltip. `usd` has no currency sign."""

    usd: str
    credits: str
    exact: str


class RateRow(msgspec.Struct, frozen=True):
    """`kind` is a kind of token, or a tier for prices per image (`any` for all)."""

    kind: str
    amount: Amount


class QualityRow(msgspec.Struct, frozen=True):
    """One image at a quality; `times` compares it with the default quality."""

    quality: str
    amount: Amount
    times: str


class TierRow(msgspec.Struct, frozen=True):
    """A resolution: its budget in millions of pixels, and what comes of two ratios."""

    name: str
    megapixels: str
    square: str
    wide: str


class Variant(msgspec.Struct, frozen=True):
    """A model or another name for one, with its price range, for the links and the comparison."""

    name: str
    title: str
    model: Model
    low: Amount
    high: Amount


class ModelPage(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the page of one model shows. `auto`: the pixels as which the size `auto` is priced."""

    model: Model
    name: str
    price_version: str
    low: Amount
    high: Amount
    rates: list[RateRow]
    qualities: list[QualityRow]
    auto: str
    sizes: list[tuple[str, list[str]]]
    tiers: list[TierRow]
    variants: list[Variant]


def model_page(runtime: Runtime, name: str) -> ModelPage:
    """`name` is one of `models_for_sale(runtime)`."""
    version, prices = price_list(runtime)
    price = next(one for one in prices if one.model == name)
    model = _find_model(runtime, name)
    return ModelPage(
        model=model,
        name=name,
        price_version=version,
        low=_display_money(price.range.min, runtime.credits_per_usd),
        high=_display_money(price.range.max, runtime.credits_per_usd),
        rates=_rates(price),
        qualities=_qualities(runtime, model, version),
        auto=(model.auto or runtime.settings.credit.auto_cap).replace("x", "×"),
        sizes=_sizes(model),
        tiers=_tiers(),
        variants=[_variant(runtime, one) for one in prices],
    )


def models_for_sale(runtime: Runtime) -> list[str]:
    """The models that have a page: those that are served and priced here."""
    return [one.model for one in price_list(runtime)[1]]


def _find_model(runtime: Runtime, name: str) -> Model:
    found = runtime.catalog.find(name)
    assert found is not None  # the name comes from the price list
    return found[0]


def _variant(runtime: Runtime, price: PriceView) -> Variant:
    model, rate = _find_model(runtime, price.model), runtime.credits_per_usd
    title = model.title if price.model == model.id else price.model
    low, high = (_display_money(money, rate) for money in (price.range.min, price.range.max))
    return Variant(price.model, title, model, low, high)


def _rates(price: PriceView) -> list[RateRow]:
    if price.per_1k_tokens is not UNSET:
        rates = price.per_1k_tokens
        return [_rate_row(kind, rates[kind].usd, rates[kind].credits) for kind in _KINDS if kind in rates]
    if price.per_image is not UNSET:
        return [_rate_row(tier, one.usd, one.credits) for tier, one in price.per_image.items()]
    return []


def _rate_row(kind: str, usd: str, credit: str) -> RateRow:
    return RateRow(kind, Amount(format_for_people(usd), format_for_people(credit), f"{usd} USD, {credit}"))


def _qualities(runtime: Runtime, model: Model, version: str) -> list[QualityRow]:
    """The same square image at each quality, without references."""
    totals = {quality: _image_total(runtime, model, version, quality) for quality in model.qualities}
    default_nanos = totals.get(model.quality_default, 0)
    return [
        QualityRow(quality, display_amount(nanos, runtime.credits_per_usd), _times_default(nanos, default_nanos))
        for quality, nanos in totals.items()
    ]


def _image_total(runtime: Runtime, model: Model, version: str, quality: str) -> int:
    request = ImageRequest(prompt="-", size="1:1", quality=quality)
    order = FAMILIES[model.family].build_order(request, model, None, runtime.settings.credit.auto_cap)
    return price_order(runtime.catalog, order, model, version).expected.total


def _times_default(nanos: int, default_nanos: int) -> str:
    hundredths = (200 * nanos + default_nanos) // (2 * default_nanos) if default_nanos else 100
    return format_decimal(hundredths, 2) if hundredths < 1000 else str((hundredths + 50) // 100)


def _sizes(model: Model) -> list[tuple[str, list[str]]]:
    """Each ratio with its pixels by tier; the fixed sizes of a model as they are."""
    if model.sizes == "table":
        return [(size, []) for size in model.size_tokens]
    return [(ratio, [_pixels(ratio, tier) for tier in TIERS]) for ratio in RATIOS]


def _tiers() -> list[TierRow]:
    return [
        TierRow(tier, f"{area / 1_000_000:.2f}", _pixels("1:1", tier), _pixels("16:9", tier))
        for tier, area in TIERS.items()
    ]


def _pixels(ratio: str, tier: str) -> str:
    return "×".join(map(str, pixels_for_ratio(ratio, tier)))


def _display_money(money: Any, rate: int) -> Amount:
    return display_amount(int(money.nanos), rate)


def display_amount(nanos: int, rate: int) -> Amount:
    """USD to 4 decimals below a dollar and to 2 from there; credits to 3. Half rounds up."""
    digits = 4 if nanos < 1_000_000_000 else 2
    scale: int = 10 ** (9 - digits)
    usd = format_decimal((nanos + scale // 2) // scale, digits)
    millicredits = (nanos * rate + 500_000) // 1_000_000
    return Amount(
        usd, format_decimal(millicredits, 3), f"{format_decimal(nanos, 9)} USD, {format_rounded_credits(nanos, rate)}"
    )
