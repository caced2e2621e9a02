"""Routes from a vendor's key in the environment, and prices of the operator's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagegate.catalog.catalog import CatalogError
from imagegate.catalog.environment import configs_from_environment, models_sold_below_cost
from imagegate.catalog.load import load_catalog
from imagegate.catalog.routes import RouteTable
from imagegate.domain.prices import CallPrice, TokenPrice

CATALOG = load_catalog()
VERSION = "2026-11-01.1"
TODAY = "2026-11-22"


def test_without_a_key_nothing_follows() -> None:
    assert configs_from_environment({"OPENAI_API_KEY": ""}, CATALOG, TODAY) == ((), ())
    assert configs_from_environment({"AZURE_OPENAI_API_KEY": "k"}, CATALOG, TODAY) == ((), ())


def test_an_openai_key_makes_a_route_for_each_live_model_at_list_cost() -> None:
    upstreams, routes = configs_from_environment({"OPENAI_API_KEY": "k"}, CATALOG, TODAY)
    table = RouteTable(upstreams, routes, list(CATALOG.models))
    assert table.upstreams["openai"].base_url == "https://api.openai.com/v1"
    price = table.routes["gpt-image-2@openai"].prices["any"]
    assert isinstance(price, TokenPrice)
    assert (price.image_output, price.text_cached_input) == (30_000_000_000, 1_250_000_000)
    assert "gpt-image-1.5@openai" in table.routes
    assert "gpt-image-1@openai" not in table.routes


def test_a_model_gets_no_route_from_the_day_of_its_shutdown() -> None:
    _, routes = configs_from_environment({"OPENAI_API_KEY": "k"}, CATALOG, "2026-12-01")
    assert "gpt-image-1.5" not in {route.model for route in routes}


def test_an_azure_endpoint_makes_one_route_for_its_deployment() -> None:
    env = {
        "AZURE_OPENAI_ENDPOINT": "https://mine.openai.azure.com/",
        "AZURE_OPENAI_API_KEY": "k",
        "AZURE_OPENAI_DEPLOYMENT": "gpt-image-2.5-flare-eu",
    }
    upstreams, routes = configs_from_environment(env, CATALOG, TODAY)
    table = RouteTable(upstreams, routes, list(CATALOG.models))
    assert table.upstreams["azure"].base_url == "https://mine.openai.azure.com/openai/v1"
    (route,) = table.routes.values()
    assert (route.model, route.upstream_model) == ("gpt-image-2.5-flare", "gpt-image-2.5-flare-eu")


def test_the_shipped_prices_are_below_list_cost_and_that_is_found() -> None:
    _, routes = configs_from_environment({"OPENAI_API_KEY": "k"}, CATALOG, TODAY)
    assert "gpt-image-2" in models_sold_below_cost(CATALOG, VERSION, routes)


def write_price_file(tmp_path: Path, text: str) -> str:
    file = tmp_path / "prices.toml"
    file.write_text(text)
    return str(file)


def test_a_block_of_the_operators_own_extends_the_shipped_one(tmp_path: Path) -> None:
    text = """
version = "mine.1"
effective_from = 1795000000
extends = "2026-11-01.1"
[[price]]
model = "gpt-image-2"
per_1k_tokens = { image_output = "0.036", image_input = "0.01", image_cached_input = "0.01", text_input = "0.01", text_cached_input = "0.01" }
"""  # noqa: E501
    catalog = load_catalog((), [write_price_file(tmp_path, text)])
    assert catalog.price_block_at(1_795_000_000_000_000).version == "mine.1"
    assert catalog.price_block_at(1_794_999_999_000_000).version == VERSION
    mine, kept = catalog.price("mine.1", "gpt-image-2", "1K"), catalog.price("mine.1", "gpt-image-2-beta", "1K")
    assert isinstance(mine, TokenPrice)
    assert mine.image_output == 36_000_000_000
    assert kept == CallPrice(per_image=15_000_000)
    _, routes = configs_from_environment({"OPENAI_API_KEY": "k"}, catalog, TODAY)
    assert "gpt-image-2" not in models_sold_below_cost(catalog, "mine.1", routes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("version = 1", "version"),
        ('version = "a"\neffective_from = 1795000000\nextends = "nobody"', "extends is 'nobody', and no block"),
        ("not toml", "prices.toml"),
    ],
)
def test_a_price_file_that_does_not_fit_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CatalogError, match=message):
        load_catalog((), [write_price_file(tmp_path, text)])


def test_a_price_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="No such file"):
        load_catalog((), [str(tmp_path / "none.toml")])
