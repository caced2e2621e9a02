"""Section 11: which model serves the names that clients of OpenAI send, and never at a higher price."""

from __future__ import annotations

import dataclasses
import datetime
from types import SimpleNamespace
from typing import Any

import pytest

from imagegate.catalog.load import load_catalog
from imagegate.catalog.schema import ModelPrice, OpenAIName, PriceBlock
from imagegate.domain.accounts import ApiKey
from imagegate.domain.errors import ModelNotFound
from imagegate.flows.openai_models import find_openai_model
from imagegate.flows.quote import find_model
from imagegate.runtime import Runtime
from tests.flows.conftest import CREATED

KEY = ApiKey(id="key_1", account_id="acc_1", name="", hint="", created=0)
DAY_US = 86_400_000_000


def served_by(runtime: Runtime, name: str, **changes: Any) -> str:
    return find_openai_model(dataclasses.replace(runtime, **changes), KEY, name)[0].id


def test_s11_names_past_their_end_go_to_a_living_model(runtime: Runtime) -> None:
    soon = {"clock": lambda: CREATED + 30 * DAY_US}
    assert served_by(runtime, "gpt-image-1") == "gpt-image-2.5-flare"
    assert served_by(runtime, "gpt-image-1.5") == "gpt-image-1.5"
    assert served_by(runtime, "gpt-image-1.5", **soon) == "gpt-image-2.5-flare"
    assert served_by(runtime, "gpt-image-1.5-2025-12-16") == "gpt-image-1.5"
    assert served_by(runtime, "gpt-image-1.5-2025-12-16", **soon) == "gpt-image-2.5-flare"
    assert served_by(runtime, "gpt-image-2") == "gpt-image-2"


def test_s11_names_a_dearer_model_serves_only_if_the_operator_says_so(runtime: Runtime) -> None:
    shipped = load_catalog()
    version = shipped.price_block_at(CREATED).version
    flare = shipped.model_price(version, "gpt-image-2.5-flare")
    assert flare
    assert flare.per_1k_tokens
    dear = ModelPrice("gpt-image-2.5-flare", per_image_nanos={"any": 10**9})
    block = shipped.blocks[version]
    rows = tuple(dear if row.model == dear.model else row for row in block.price)
    dearer = PriceBlock(f"{version}-dear", block.effective_from + 1, rows)
    shipped_names = list(shipped.openai_names.values())

    def catalog(*names: OpenAIName) -> Any:
        return type(shipped)(list(shipped.models.values()), [], [block, dearer], [*shipped_names, *names])

    assert served_by(runtime, "gpt-image-1", catalog=catalog()) == "gpt-image-1"
    told = OpenAIName("gpt-image-1", "gpt-image-2.5-flare", by_operator=True)
    assert served_by(runtime, "gpt-image-1", catalog=catalog(told)) == "gpt-image-2.5-flare"


def test_s11_names_retired_say_how_to_get_them_back(runtime: Runtime) -> None:
    with pytest.raises(ModelNotFound, match="openai_models, as dall-e-2=gpt-image-2"):
        served_by(runtime, "dall-e-2")
    with pytest.raises(ModelNotFound):
        served_by(runtime, "gpt-image-2.6-sunburst")


@pytest.mark.parametrize(("day", "verb"), [("2026-11-30", "shuts"), ("2026-12-01", "shut"), ("2026-12-24", "shut")])
def test_s11_names_that_are_not_served_tell_a_coming_end_as_coming(runtime: Runtime, day: str, verb: str) -> None:
    now = int(datetime.datetime.fromisoformat(f"{day} 00:00+00:00").timestamp()) * 1_000_000
    without_routes = SimpleNamespace(route_table=SimpleNamespace(for_model=lambda _: ()))
    changed = dataclasses.replace(runtime, clock=lambda: now, registry=without_routes)  # type: ignore[arg-type]
    with pytest.raises(ModelNotFound) as refused:
        find_model(changed, "gpt-image-1.5")
    assert refused.value.message.endswith(f"is not served here; its maker {verb} it down on 2026-12-01")
