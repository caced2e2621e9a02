"""The catalog for customers: model names, what each accepts, what it costs, and its price range.

It computes no price of its own: amounts come from the function that also prices bills.
"""

from __future__ import annotations

import functools
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from imagegate.api_docs.schema import BillingRule, RateText, Seconds, doc
from imagegate.catalog.catalog import Catalog, token_price
from imagegate.catalog.schema import Model, ModelPrice
from imagegate.domain.accounts import ApiKey
from imagegate.domain.money import Money, format_decimal, to_money
from imagegate.domain.prices import TokenPrice
from imagegate.families import FAMILIES
from imagegate.flows.quote import ensure_model_open, find_model, is_living
from imagegate.pricing import compute_charge
from imagegate.runtime import Runtime


class Span(msgspec.Struct, frozen=True):
    """The minimum and maximum cost of one image, without the text tokens."""

    min: Money
    max: Money


class Rate(msgspec.Struct, frozen=True):
    """The exact price of 1K tokens; fractions of a nano are possible."""

    credits: RateText
    usd: RateText
    nanos: RateText


class ModelView(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    object: Literal["model"] = "model"
    created: Seconds
    owned_by: Literal["imagegate"] = "imagegate"


class ModelDetail(ModelView, frozen=True, kw_only=True):
    billing_rule: BillingRule
    price_range: Span | UnsetType = UNSET
    parameters: Annotated[dict[str, Any], doc("The allowed values of each request field for this model")]


class PriceView(msgspec.Struct, frozen=True, kw_only=True):
    model: str
    billing_rule: BillingRule
    effective_from: Seconds
    per_1k_tokens: Annotated[dict[str, Rate], doc("By kind of token; rule per_token")] | UnsetType = UNSET
    per_image: Annotated[dict[str, Money], doc("By tier; rule per_call")] | UnsetType = UNSET
    range: Span


def models_for_key(runtime: Runtime, key: ApiKey | None) -> list[ModelView]:
    """Every name that is for sale and that this key may use, aliases included; what a key was made for, past its end
    too."""
    if key is None or key.models is None:
        names = _models_for_sale(runtime)
    else:
        names = [(name, model) for name, model in _served_models(runtime) if name in key.models]
    return [ModelView(id=name, created=model.created) for name, model in names]


def _models_for_sale(runtime: Runtime) -> list[tuple[str, Model]]:
    return [(name, model) for name, model in _served_models(runtime) if is_living(runtime, model)]


def _served_models(runtime: Runtime) -> list[tuple[str, Model]]:
    found = [(name, runtime.catalog.find(name)) for name in runtime.catalog.names()]
    return [(name, hit[0]) for name, hit in found if hit and runtime.serves_model(hit[0].id)]


def model_detail(runtime: Runtime, key: ApiKey | None, name: str) -> ModelDetail:
    """ModelNotFound or ModelAccessDenied, as for a create."""
    model, _ = find_model(runtime, name)
    ensure_model_open(runtime, key, name, model)
    return public_model_detail(runtime, name)


def public_model_detail(runtime: Runtime, name: str) -> ModelDetail:
    """What anybody may see of a model that is served. ModelNotFound."""
    model, _ = find_model(runtime, name)
    row = runtime.catalog.model_price(runtime.catalog.price_block_at(runtime.clock()).version, model.id)
    family, max_bytes = FAMILIES[model.family], runtime.settings.limits.max_reference_bytes
    return ModelDetail(
        id=name,
        created=model.created,
        billing_rule=model.billing,
        price_range=_price_span(runtime, model) if row else UNSET,
        parameters=family.parameters(model, max_bytes),
    )


def price_list(runtime: Runtime) -> tuple[str, list[PriceView]]:
    """The current price version, and every name for sale that has a price in it."""
    block = runtime.catalog.price_block_at(runtime.clock())
    rows = [
        (name, model, runtime.catalog.model_price(block.version, model.id)) for name, model in _models_for_sale(runtime)
    ]
    views = [_price_view(runtime, name, model, row, block.effective_from) for name, model, row in rows if row]
    return block.version, views


def _price_view(runtime: Runtime, name: str, model: Model, row: ModelPrice, effective_from: int) -> PriceView:
    rate, images = runtime.credits_per_usd, row.per_image_nanos
    return PriceView(
        model=name,
        billing_rule=model.billing,
        effective_from=effective_from,
        per_1k_tokens=_rates(token_price(row.per_1k_tokens), rate) if row.per_1k_tokens else UNSET,
        per_image={tier: to_money(nanos, rate) for tier, nanos in images.items()} if images else UNSET,
        range=_price_span(runtime, model),
    )


def _rates(price: TokenPrice, rate: int) -> dict[str, Rate]:
    """Nanos per million tokens, formatted exactly as amounts per thousand. Rates of 0 are left out."""
    return {
        name: Rate(format_decimal(nanos * rate, 12), format_decimal(nanos, 12), format_decimal(nanos, 3))
        for name, nanos in msgspec.structs.asdict(price).items()
        if nanos
    }


def _price_span(runtime: Runtime, model: Model) -> Span:
    version, cap = runtime.catalog.price_block_at(runtime.clock()).version, runtime.settings.credit.auto_cap
    least, most = _cost_range(runtime.catalog, version, model.id, cap)
    return Span(to_money(least, runtime.credits_per_usd), to_money(most, runtime.credits_per_usd))


@functools.lru_cache(maxsize=1024)
def _cost_range(catalog: Catalog, version: str, model_id: str, auto_cap: str) -> tuple[int, int]:
    """By pricing every combination of the family. Cached: a published price block never changes."""
    model = catalog.models[model_id]
    usages = FAMILIES[model.family].image_usages(model, auto_cap)
    priced = ((catalog.price(version, model_id, tier), usage) for tier, usage in usages)
    totals = [compute_charge(usage, price).total for price, usage in priced if price]
    return min(totals), max(totals)
