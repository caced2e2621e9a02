"""Examples as the page of a model shows them: with the price that the request has there, and what fills the form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from imagegate.catalog.schema import Model
from imagegate.domain.errors import InvalidRequest, ModelNotFound, ServiceUnavailable
from imagegate.domain.images import ImageRequest
from imagegate.flows.quote import find_model, quote_model
from imagegate.runtime import Runtime
from imagegate.web.examples import Example, ExampleText
from imagegate.web.model_page import Amount, display_amount


class ExampleTile(msgspec.Struct, frozen=True, kw_only=True):
    """`request` is JSON that fills the form, and so does `fragment` in the address of the model's page. `language` is
    empty for every language."""

    image: str
    prompt: str
    model: str
    settings: list[str]
    quality: str
    amount: Amount
    request: str
    fragment: str
    language: str


def example_tiles(runtime: Runtime, examples: Iterable[Example], page_model: str) -> list[ExampleTile]:
    """Without those that the model refuses: each model takes other sizes and qualities."""
    return [tile for one in examples for tile in _tiles(runtime, one, page_model)]


def example_request(text: ExampleText, name: str, model: Model) -> ImageRequest:
    """Without what the model ignores, as from the form."""
    fields: dict[str, Any] = {field: getattr(text, field) for field in text.__struct_fields__ if field != "language"}
    fields["model"] = name
    if not model.qualities:
        fields["quality"] = None
    if model.sizes == "table":
        fields["resolution"] = None
    return ImageRequest(**fields)


def _tiles(runtime: Runtime, example: Example, page_model: str) -> Iterator[ExampleTile]:
    text, name = example.text, example.text.model or page_model
    try:
        model, alias = find_model(runtime, name)
        request = example_request(text, name, model)
        priced = quote_model(runtime, request, model, alias, runtime.clock())
    except (InvalidRequest, ModelNotFound, ServiceUnavailable):
        return
    fields = msgspec.to_builtins(request)
    yield ExampleTile(
        image=example.image,
        prompt=text.prompt,
        model=name,
        settings=_settings(request, priced.order.n),
        quality=priced.order.quality if model.qualities else "",
        amount=display_amount(priced.expected.total, runtime.credits_per_usd),
        request=msgspec.json.encode({"size": "auto", "n": 1, **fields}).decode(),
        fragment=urlencode(fields, quote_via=quote),
        language=text.language or "",
    )


def _settings(request: ImageRequest, n: int) -> list[str]:
    shown = [request.size or "auto", request.resolution, f"×{n}" if n > 1 else None]
    return [one for one in shown if one]
