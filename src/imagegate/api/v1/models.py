"""GET /v1/models, GET /v1/models/{id} and GET /v1/pricing: what is sold here, and for how much."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from litestar import Response, get

from imagegate.api.openapi import examples
from imagegate.api.openapi.operation import Operation, ResponseLink, described, path
from imagegate.api.responses import json_response
from imagegate.domain import errors
from imagegate.domain.accounts import ApiKey
from imagegate.domain.fields import PriceVersion, doc
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
    opt=described(
        Operation(
            summary="Names that this key may use",
            tag="models",
            response_type=ModelList,
            response_example=examples.MODELS,
            links=(ResponseLink("get_model", "What it accepts", {"name": "$response.body#/data/0/id"}),),
        )
    ),
)
async def list_models(runtime: Runtime, key: ApiKey) -> Response[bytes]:
    return json_response(ModelList(data=models_for_key(runtime, key)))


@get(
    "/v1/models/{name:str}",
    opt=described(
        Operation(
            summary="What a model accepts and costs",
            tag="models",
            response_type=ModelDetail,
            response_example=examples.MODEL,
            parameters=(
                path("name", {"type": "string", "minLength": 1, "examples": ["gpt-image-2"]}, "A name of the list"),
            ),
            errors=(errors.ModelNotFound, errors.ModelAccessDenied),
        )
    ),
)
async def get_model(runtime: Runtime, key: ApiKey, name: str) -> Response[bytes]:
    return json_response(model_detail(runtime, key, name))


@get(
    "/v1/pricing",
    opt=described(
        Operation(
            summary="What everything costs; needs no key",
            tag="models",
            response_type=PriceList,
            response_example=examples.PRICES,
            public=True,
        )
    ),
)
async def get_pricing(runtime: Runtime) -> Response[bytes]:
    """Prices are public: no key."""
    version, data = price_list(runtime)
    return json_response(PriceList(price_version=version, credits_per_usd=runtime.credits_per_usd, data=data))
