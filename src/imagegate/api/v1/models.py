"""GET /v1/models, GET /v1/models/{id} and GET /v1/pricing: the models and their prices."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from litestar.params import PathParameter

from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import ResponseLink, get
from imagegate.api_docs.schema import PriceVersion, doc
from imagegate.domain import errors
from imagegate.domain.accounts import ApiKey
from imagegate.flows.views.pricing import ModelDetail, ModelView, PriceView, model_detail, models_for_key, price_list
from imagegate.runtime import Runtime


class ModelList(msgspec.Struct, kw_only=True):
    object: Literal["list"] = "list"
    data: list[ModelView]


class PriceList(msgspec.Struct, kw_only=True):
    object: Literal["list"] = "list"
    price_version: PriceVersion
    credits_per_usd: Annotated[int, doc("How many credits people read for 1 USD", minimum=1)]
    data: list[PriceView]


@get(
    "/v1/models",
    summary="Names that this key may use; every name without one",
    tag="models",
    key_optional=True,
    response_example=examples.MODELS,
    links=(ResponseLink("get_model", "What it accepts", {"name": "$response.body#/data/0/id"}),),
)
async def list_models(runtime: Runtime, key: ApiKey | None) -> ModelList:
    return ModelList(data=models_for_key(runtime, key))


@get(
    "/v1/models/{name:str}",
    summary="What a model accepts and costs",
    tag="models",
    key_optional=True,
    response_example=examples.MODEL,
    errors=(errors.ModelNotFound, errors.ModelAccessDenied),
)
async def get_model(
    runtime: Runtime,
    key: ApiKey | None,
    name: Annotated[str, PathParameter(), doc("A name of the list", minLength=1, examples=["gpt-image-2"])],
) -> ModelDetail:
    return model_detail(runtime, key, name)


@get(
    "/v1/pricing",
    summary="What everything costs; needs no key",
    tag="models",
    response_example=examples.PRICES,
    public=True,
)
async def get_pricing(runtime: Runtime) -> PriceList:
    version, data = price_list(runtime)
    return PriceList(price_version=version, credits_per_usd=runtime.credits_per_usd, data=data)
