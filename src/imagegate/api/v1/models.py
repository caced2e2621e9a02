"""GET /v1/models, GET /v1/models/{id} and GET /v1/pricing: what is sold here, and for how much."""

from __future__ import annotations

import msgspec
from litestar import Response, get

from imagegate.api.answers import json_answer
from imagegate.domain.credit import Key
from imagegate.flows.pricelist import ModelView, PriceView, model_detail, price_list, usable_models
from imagegate.runtime import Runtime


class ModelList(msgspec.Struct, kw_only=True):
    object: str = "list"
    data: list[ModelView]


class PriceList(msgspec.Struct, kw_only=True):
    object: str = "list"
    price_version: str
    credits_per_usd: int
    data: list[PriceView]


@get("/v1/models")
async def list_models(runtime: Runtime, key: Key) -> Response[bytes]:
    return json_answer(ModelList(data=usable_models(runtime, key)))


@get("/v1/models/{name:str}")
async def get_model(runtime: Runtime, key: Key, name: str) -> Response[bytes]:
    return json_answer(model_detail(runtime, key, name))


@get("/v1/pricing")
async def get_pricing(runtime: Runtime) -> Response[bytes]:
    """Prices are public: no key."""
    version, data = price_list(runtime)
    return json_answer(PriceList(price_version=version, credits_per_usd=runtime.credits_per_usd, data=data))
