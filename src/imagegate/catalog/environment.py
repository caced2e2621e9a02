"""Upstreams and routes that follow from a vendor's key in the environment, at the vendor's list cost.

Only the name of the variable is kept, never the key. A configuration with any upstream of its own replaces all of this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from imagegate.catalog.catalog import Catalog
from imagegate.catalog.load import read_shipped
from imagegate.catalog.routes import CostPerMillion, RouteConfig, UpstreamConfig
from imagegate.domain.money import parse_usd
from imagegate.domain.prices import TokenPrice

DEFAULT_OPENAI_URL = "https://api.openai.com/v1"
DEFAULT_AZURE_DEPLOYMENT = "gpt-image-2"


class ListCost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    model: str
    cost_per_million: CostPerMillion


def load_list_costs() -> dict[str, CostPerMillion]:
    rows = msgspec.convert(read_shipped("list-costs.toml")["cost"], list[ListCost])
    return {row.model: row.cost_per_million for row in rows}


def configs_from_environment(
    env: Mapping[str, str], catalog: Catalog, today: str
) -> tuple[tuple[UpstreamConfig, ...], tuple[RouteConfig, ...]]:
    """Both empty where no vendor's key is set. `today` as YYYY-MM-DD: a model past its shutdown gets no route."""
    upstreams: list[UpstreamConfig] = []
    routes: list[RouteConfig] = []
    costs = {model: cost for model, cost in load_list_costs().items() if not _is_shut_down(catalog, model, today)}
    if env.get("OPENAI_API_KEY"):
        url = env.get("OPENAI_BASE_URL") or DEFAULT_OPENAI_URL
        upstreams.append(UpstreamConfig(name="openai", protocol="openai", base_url=url, api_key_env="OPENAI_API_KEY"))
        routes += [RouteConfig(model=name, upstream="openai", cost_per_million=cost) for name, cost in costs.items()]
    if env.get("AZURE_OPENAI_API_KEY") and env.get("AZURE_OPENAI_ENDPOINT"):
        upstreams.append(_azure_upstream(env["AZURE_OPENAI_ENDPOINT"]))
        routes.append(_azure_route(env.get("AZURE_OPENAI_DEPLOYMENT") or DEFAULT_AZURE_DEPLOYMENT, costs))
    return tuple(upstreams), tuple(routes)


def describe_origin(upstream: str) -> str:
    """How messages call an upstream that the environment made."""
    variables = {"openai": "OPENAI_API_KEY and OPENAI_BASE_URL", "azure": "AZURE_OPENAI_API_KEY and _ENDPOINT"}
    return f"upstream {upstream!r} (from {variables[upstream]})"


def unused_variables(env: Mapping[str, str]) -> list[str]:
    """A warning where half of what makes an upstream is there."""
    pair = ("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT")
    given = [name for name in pair if env.get(name)]
    if len(given) != 1:
        return []
    (missing,) = set(pair) - set(given)
    return [f"{given[0]} is set without {missing}: the environment makes no upstream 'azure'"]


def _azure_upstream(endpoint: str) -> UpstreamConfig:
    return UpstreamConfig(
        name="azure",
        protocol="openai",
        dialect="azure",
        base_url=endpoint.rstrip("/") + "/openai/v1",
        api_key_env="AZURE_OPENAI_API_KEY",
    )


def _azure_route(deployment: str, costs: Mapping[str, CostPerMillion]) -> RouteConfig:
    """A deployment serves one model: the one it is named after, gpt-image-2 where its name matches none."""
    matches = [model for model in costs if deployment.startswith(model)]
    model = max(matches, key=len, default="gpt-image-2")
    return RouteConfig(model=model, upstream="azure", upstream_model=deployment, cost_per_million=costs[model])


def _is_shut_down(catalog: Catalog, model: str, today: str) -> bool:
    shutdown = catalog.models[model].shutdown
    return bool(shutdown) and shutdown <= today


def models_sold_below_cost(catalog: Catalog, version: str, routes: Sequence[RouteConfig]) -> list[str]:
    """Models whose selling price is below the list cost of one of the routes, for a warning at the start."""
    models = []
    for route in routes:
        price = catalog.price(version, route.model, "1K")
        cost = route.cost_per_million
        if isinstance(price, TokenPrice) and cost is not None and price.image_output < parse_usd(cost.image_output):
            models.append(route.model)
    return sorted(set(models))
