"""Which model serves a name that a client of OpenAI sends: its own, or a living one in its place.

Snapshots and names of the vendor have a row of the catalog each. A model past its end is served by a living one, but
never at a higher price than its own was, unless the operator says so with the setting `openai_models`.
"""

from __future__ import annotations

import functools

from imagegate.catalog.catalog import Catalog
from imagegate.catalog.schema import Alias, Model
from imagegate.domain.accounts import ApiKey
from imagegate.domain.errors import ModelAccessDenied, ModelNotFound
from imagegate.domain.images import ImageRequest
from imagegate.families import FAMILIES
from imagegate.flows.quote import DEFAULT_MODEL, find_model, is_living
from imagegate.flows.views.pricing import ModelView
from imagegate.pricing import compute_charge
from imagegate.runtime import Runtime

DALL_E = ("dall-e-2", "dall-e-3")
# Every model of free or of tabulated sizes can make it.
_COMPARED_SIZE = "1024x1024"


def find_openai_model(runtime: Runtime, key: ApiKey, name: str) -> tuple[Model, Alias | None]:
    """ModelNotFound, or ModelAccessDenied where the key may use neither the name nor what serves it."""
    model, alias = _find(runtime, name)
    if key.models is not None and name not in key.models and model.id not in key.models:
        raise ModelAccessDenied(f"Token does not have access to model: {name}", param="model")
    return model, alias


def openai_models_for_key(runtime: Runtime, key: ApiKey) -> list[ModelView]:
    """Every name that this key may use here."""
    views = []
    for name in dict.fromkeys([*runtime.catalog.names(), *runtime.catalog.openai_names]):
        try:
            model, _ = find_openai_model(runtime, key, name)
        except (ModelNotFound, ModelAccessDenied):
            continue
        views.append(ModelView(id=name, created=model.created))
    return views


def _find(runtime: Runtime, name: str) -> tuple[Model, Alias | None]:
    catalog = runtime.catalog
    mapped = catalog.openai_names.get(name)
    if mapped is None:
        if name in DALL_E:
            hint = f"the operator can name a model for it with the setting openai_models, as {name}={DEFAULT_MODEL}"
            raise ModelNotFound(
                f"The model {name!r} was retired by its maker; {hint}", param="model", fallback_suggestion=DEFAULT_MODEL
            )
        return find_model(runtime, name)
    model = catalog.models[mapped.row]
    own = catalog.models.get(name)
    if own is not None and not mapped.by_operator:
        version = catalog.price_block_at(runtime.clock()).version
        if is_living(runtime, own) or _costs_more(catalog, version, own.id, model.id):
            return find_model(runtime, name)
    if not mapped.by_operator and not is_living(runtime, model):
        # A snapshot of a model past its end goes where that model goes.
        model = _find(runtime, model.id)[0]
    if not runtime.serves_model(model.id):
        raise ModelNotFound(f"The model {name!r} is not served here", param="model", fallback_suggestion=DEFAULT_MODEL)
    return model, Alias(name, model.id)


@functools.lru_cache(maxsize=100)  # published prices never change
def _costs_more(catalog: Catalog, version: str, named_id: str, serving_id: str) -> bool:
    """Whether an image of any quality, made from a reference too, costs more than with the model that was named."""
    named, serving = catalog.models[named_id], catalog.models[serving_id]
    return any(
        _compared_price(catalog, version, serving, quality) > _compared_price(catalog, version, named, quality)
        for quality in named.qualities or (None,)
    )


def _compared_price(catalog: Catalog, version: str, model: Model, quality: str | None) -> float:
    family = FAMILIES[model.family]
    request = ImageRequest(
        prompt="-",
        size=_COMPARED_SIZE,
        quality=quality if quality in model.qualities else None,
        image_urls=["https://-/"],
    )
    order = family.build_order(request, model, None, _COMPARED_SIZE)
    price = catalog.price(version, model.id, family.price_tier(order))
    return float("inf") if price is None else compute_charge(family.max_usage(order, model), price).total
