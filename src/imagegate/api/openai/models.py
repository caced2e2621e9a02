"""GET /openai/v1/models and GET /openai/v1/models/{name}: what this key may use here."""

from __future__ import annotations

from typing import Annotated

from litestar.params import PathParameter

from imagegate.api.openapi.operation import get
from imagegate.api.problems import OPENAI_PATH
from imagegate.api.v1.models import ModelList
from imagegate.api_docs.schema import doc
from imagegate.domain.accounts import ApiKey
from imagegate.flows.openai_models import find_openai_model, openai_models_for_key
from imagegate.flows.views.pricing import ModelView
from imagegate.runtime import Runtime


@get(f"{OPENAI_PATH}/models", summary="Names that this key may use here", tag="openai")
async def list_openai_models(runtime: Runtime, key: ApiKey) -> ModelList:
    return ModelList(data=openai_models_for_key(runtime, key))


@get(f"{OPENAI_PATH}/models/{{name:str}}", summary="One of them", tag="openai")
async def get_openai_model(
    runtime: Runtime, key: ApiKey, name: Annotated[str, PathParameter(), doc("A name of the list", minLength=1)]
) -> ModelView:
    model, _ = find_openai_model(runtime, key, name)
    return ModelView(id=name, created=model.created)
