"""The catalog as customers read it: names, what each accepts, what it costs, and the span of its prices.

Knows: the price block of the moment and how a span is found. Refuses to know: any figure; rates come from the catalog,
combinations from the family, and amounts from the one function that also prices bills.
"""

from __future__ import annotations

import functools
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from imagegate.catalog.catalog import Book, token_price
from imagegate.catalog.schema import Model, PriceRow
from imagegate.domain.accounts import Key
from imagegate.domain.errors import ModelAccessDenied
from imagegate.domain.fields import BillingRule, RateText, Seconds, said
from imagegate.domain.money import Money, decimal_text, money
from imagegate.domain.prices import TokenPrice
from imagegate.families import FAMILIES
from imagegate.flows.quote import find_model
from imagegate.pricing import charge
from imagegate.runtime import Runtime


class Span(msgspec.Struct, frozen=True):
    """The least and the most that one image costs, text apart."""

    min: Money
    max: Money


class Rate(msgspec.Struct, frozen=True):
    """What 1K tokens cost, exactly; fractions of a nano are possible."""

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
    parameters: Annotated[dict[str, Any], said("What each field of a request may be for this model")]


class PriceView(msgspec.Struct, frozen=True, kw_only=True):
    model: str
    billing_rule: BillingRule
    effective_from: Seconds
    per_1k_tokens: Annotated[dict[str, Rate], said("By kind of token; rule per_token")] | UnsetType = UNSET
    per_image: Annotated[dict[str, Money], said("By tier; rule per_call")] | UnsetType = UNSET
    range: Span


def usable_models(runtime: Runtime, key: Key) -> list[ModelView]:
    """Every name that this key may use, aliases included."""
    names = [name for name in _served(runtime) if key.models is None or name in key.models]
    return [ModelView(id=name, created=_model(runtime, name).created) for name in names]


def _served(runtime: Runtime) -> list[str]:
    return [name for name in runtime.book.names() if runtime.serves(_model(runtime, name).id)]


def model_detail(runtime: Runtime, key: Key, name: str) -> ModelDetail:
    """ModelNotFound or ModelAccessDenied, as a create would say."""
    find_model(runtime, name)
    if key.models is not None and name not in key.models:
        raise ModelAccessDenied(f"Token does not have access to model: {name}", param="model")
    return model_facts(runtime, name)


def model_facts(runtime: Runtime, name: str) -> ModelDetail:
    """What everybody may know of a model that is served; ModelNotFound for any other name."""
    model, _ = find_model(runtime, name)
    row = runtime.book.price_row(runtime.book.block_at(runtime.clock()).version, model.id)
    family, most = FAMILIES[model.family], runtime.settings.limits.reference_max_bytes
    return ModelDetail(
        id=name,
        created=model.created,
        billing_rule=model.billing,
        price_range=_span(runtime, model) if row else UNSET,
        parameters=family.parameters(model, most),
    )


def price_list(runtime: Runtime) -> tuple[str, list[PriceView]]:
    """The version of the moment, and every name that has a price in it."""
    block = runtime.book.block_at(runtime.clock())
    rows = [(name, runtime.book.price_row(block.version, _model(runtime, name).id)) for name in _served(runtime)]
    return block.version, [_priced(runtime, name, row, block.effective_from) for name, row in rows if row]


def _priced(runtime: Runtime, name: str, row: PriceRow, since: int) -> PriceView:
    model, rate = _model(runtime, name), runtime.credits_per_usd
    images = row.per_image_nanos
    return PriceView(
        model=name,
        billing_rule=model.billing,
        effective_from=since,
        per_1k_tokens=_rates(token_price(row.per_1k_tokens), rate) if row.per_1k_tokens else UNSET,
        per_image={tier: money(nanos, rate) for tier, nanos in images.items()} if images else UNSET,
        range=_span(runtime, model),
    )


def _rates(price: TokenPrice, rate: int) -> dict[str, Rate]:
    """Nanos per million tokens, printed exactly as amounts per thousand. A rate of nothing is left out."""
    rates = {name: getattr(price, name) for name in price.__struct_fields__}
    return {
        name: Rate(decimal_text(nanos * rate, 12), decimal_text(nanos, 12), decimal_text(nanos, 3))
        for name, nanos in rates.items()
        if nanos
    }


def _span(runtime: Runtime, model: Model) -> Span:
    version, cap = runtime.book.block_at(runtime.clock()).version, runtime.settings.credit.auto_cap
    least, most = _ends(runtime.book, version, model.id, cap)
    return Span(money(least, runtime.credits_per_usd), money(most, runtime.credits_per_usd))


@functools.lru_cache(maxsize=1024)
def _ends(book: Book, version: str, model_id: str, auto_cap: str) -> tuple[int, int]:
    """Found by pricing every combination that the family knows; a block never changes, so once is enough."""
    model = book.models[model_id]
    usages = FAMILIES[model.family].image_usages(model, auto_cap)
    priced = ((book.price(version, model_id, tier), usage) for tier, usage in usages)
    totals = [charge(usage, price).total for price, usage in priced if price]
    return min(totals), max(totals)


def _model(runtime: Runtime, name: str) -> Model:
    found = runtime.book.find(name)
    assert found is not None  # the name comes from the book itself
    return found[0]
