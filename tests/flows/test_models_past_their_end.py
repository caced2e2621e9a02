"""Section 9: a model past its end is offered to nobody new, and keeps working for those who name it."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from imagegate.domain.accounts import ApiKey
from imagegate.domain.errors import ModelNotFound
from imagegate.domain.images import ImageRequest
from imagegate.flows.quote import make_quote
from imagegate.flows.views.pricing import model_detail, models_for_key, price_list
from imagegate.runtime import Runtime
from tests.flows.conftest import CREATED

KEY = ApiKey(id="key_1", account_id="acc_1", name="", hint="", created=0)
NAME = "gpt-image-1"
REQUEST = ImageRequest(prompt="x", model=NAME)
BEFORE_US = 1_790_000_000_000_000  # September 2026; the model ended in October


def names(runtime: Runtime, key: ApiKey | None) -> list[str]:
    return [one.id for one in models_for_key(runtime, key)]


def prices(runtime: Runtime) -> list[str]:
    return [one.model for one in price_list(runtime)[1]]


def at(runtime: Runtime, moment_us: int, **changes: Any) -> Runtime:
    return dataclasses.replace(runtime, clock=lambda: moment_us, **changes)


def test_s9_past_end_leaves_lists_and_prices_and_answers_keys_by_name(runtime: Runtime) -> None:
    before, after = at(runtime, BEFORE_US), at(runtime, CREATED)
    assert NAME in names(before, None)
    assert NAME in names(before, KEY)
    assert NAME in prices(before)
    assert make_quote(before, REQUEST, None, BEFORE_US).order.row == NAME
    assert NAME not in names(after, None)
    assert NAME not in names(after, KEY)
    assert NAME not in prices(after)
    assert names(after, msgspec.structs.replace(KEY, models=(NAME,))) == [NAME]
    assert make_quote(after, REQUEST, KEY, CREATED).order.row == NAME
    assert model_detail(after, KEY, NAME).id == NAME
    for ask in (lambda: make_quote(after, REQUEST, None, CREATED), lambda: model_detail(after, None, NAME)):
        with pytest.raises(ModelNotFound, match="shut it down on 2026-10-23") as refused:
            ask()
        assert refused.value.extra["fallback_suggestion"] == "gpt-image-2"


def test_s9_past_end_an_operators_own_upstream_keeps_it_for_sale(runtime: Runtime) -> None:
    own = SimpleNamespace(upstream="azure")
    table = SimpleNamespace(for_model=lambda model: [own] if model == NAME else [])
    kept = at(runtime, CREATED, registry=SimpleNamespace(route_table=table))
    assert names(kept, None) == [NAME]
    assert prices(kept) == [NAME]
