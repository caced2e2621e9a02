"""Checks a request, predicts its usage and prices it. Stores, holds and fetches nothing."""

from __future__ import annotations

import msgspec

from imagegate.catalog.catalog import Catalog
from imagegate.catalog.schema import Alias, Model
from imagegate.domain.accounts import ApiKey
from imagegate.domain.errors import InvalidRequest, ModelAccessDenied, ModelNotFound, ServiceUnavailable
from imagegate.domain.images import ImageOrder, ImageRequest
from imagegate.domain.metadata import metadata_fault
from imagegate.domain.prices import Charge, Price
from imagegate.domain.time import utc_date
from imagegate.domain.usage import Usage
from imagegate.families import FAMILIES
from imagegate.flows.execution.inputs import check_urls
from imagegate.pricing import compute_charge
from imagegate.runtime import Runtime
from imagegate.upstreams.embedded import NAME as EMBEDDED

DEFAULT_MODEL = "gpt-image-2"


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """The price of a request before it runs: the expected charge, and the maximum, which is held."""

    order: ImageOrder
    model: Model
    price_version: str
    price: Price
    usage: Usage
    expected: Charge
    maximum: Charge


def make_quote(runtime: Runtime, request: ImageRequest, key: ApiKey | None, now_us: int) -> Quote:
    """InvalidRequest, ModelNotFound or ModelAccessDenied say what is wrong with the request.

    Without a key it is for anybody, who may use every model that is for sale.
    """
    if fault := metadata_fault(request.metadata or {}):
        raise InvalidRequest(fault, param="metadata")
    name = DEFAULT_MODEL if request.model is None else request.model
    if "\0" in name:
        raise _has_nul("model")
    model, alias = find_model(runtime, name)
    ensure_model_open(runtime, key, name, model)
    return quote_model(runtime, request, model, alias, now_us)


def quote_model(
    runtime: Runtime, request: ImageRequest, model: Model, alias: Alias | None, now_us: int, partials: int = 0
) -> Quote:
    """The quote of a request whose model is known. InvalidRequest."""
    _reject_nul(request)
    order = FAMILIES[model.family].build_order(request, model, alias, runtime.settings.credit.auto_cap)
    order = msgspec.structs.replace(order, partials=partials) if partials else order
    check_urls(runtime, order)
    return price_order(runtime.catalog, order, model, runtime.catalog.price_block_at(now_us).version)


def ensure_model_allowed(key: ApiKey, name: str) -> None:
    if key.models is not None and name not in key.models:
        raise ModelAccessDenied(f"Token does not have access to model: {name}", param="model")


def ensure_model_open(runtime: Runtime, key: ApiKey | None, name: str, model: Model) -> None:
    """ModelAccessDenied where the key may not use it; ModelNotFound where nobody new may."""
    if key is not None:
        ensure_model_allowed(key, name)
    elif not is_living(runtime, model):
        raise _not_served(runtime, name, model)


def is_living(runtime: Runtime, model: Model) -> bool:
    """Not past its end, or served by an upstream that the operator has named for it.

    The others keep working for those who call them by name as long as the embedded engine serves them, but no page,
    list or price list offers them.
    """
    routes = runtime.registry.route_table.for_model(model.id)
    return not _is_past_end(runtime, model) or any(route.upstream != EMBEDDED for route in routes)


def _is_past_end(runtime: Runtime, model: Model) -> bool:
    return bool(model.shutdown) and model.shutdown <= utc_date(runtime.clock())


def find_model(runtime: Runtime, name: str) -> tuple[Model, Alias | None]:
    """ModelNotFound for an unknown name, and for a model that no route of this installation serves."""
    found = runtime.catalog.find(name)
    if found is None:
        raise ModelNotFound(
            f"The model {name[:100]!r} does not exist", param="model", fallback_suggestion=DEFAULT_MODEL
        )
    if not runtime.serves_model(found[0].id):
        raise _not_served(runtime, name, found[0])
    return found


def _not_served(runtime: Runtime, name: str, model: Model) -> ModelNotFound:
    verb = "shut" if _is_past_end(runtime, model) else "shuts"
    why = f"; its maker {verb} it down on {model.shutdown}" if model.shutdown else ""
    return ModelNotFound(
        f"The model {name!r} is not served here{why}", param="model", fallback_suggestion=DEFAULT_MODEL
    )


def price_order(catalog: Catalog, order: ImageOrder, model: Model, version: str) -> Quote:
    """The one pricing of an order at a price version, for the quote and for the bound of a bill."""
    family = FAMILIES[model.family]
    price = catalog.price(version, model.id, family.price_tier(order))
    if price is None:
        raise ServiceUnavailable(f"{order.model} has no price", reason="model_not_priced")
    usage = family.expected_usage(order, model)
    return Quote(
        order=order,
        model=model,
        price_version=version,
        price=price,
        usage=usage,
        expected=compute_charge(usage, price),
        maximum=compute_charge(family.max_usage(order, model), price),
    )


def _reject_nul(request: ImageRequest) -> None:
    """PostgreSQL refuses U+0000 in text, and file formats end at it."""
    for name in request.__struct_fields__:
        value = getattr(request, name)
        if isinstance(value, str):
            has_nul = "\0" in value
        else:
            has_nul = isinstance(value, list) and any("\0" in text for text in value)
        if has_nul:
            raise _has_nul(name)


def _has_nul(name: str) -> InvalidRequest:
    return InvalidRequest(f"{name} must not contain U+0000", param=name)
