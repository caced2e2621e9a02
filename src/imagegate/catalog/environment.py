"""Routes that follow from a vendor's key in the environment, at the vendor's list cost.

Knows: which variables vendors' own tools read, and what a model costs there. Refuses to know: the keys themselves; a
row names the variable. An operator's file with any upstream of its own replaces all of this.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources

import msgspec

from imagegate.catalog.catalog import Book
from imagegate.catalog.routes import Cost, RouteRow, UpstreamRow
from imagegate.domain.money import nanos_of_usd
from imagegate.domain.prices import TokenPrice

OPENAI_URL = "https://api.openai.com/v1"
AZURE_DEPLOYMENT = "gpt-image-2"


class ListCost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    model: str
    cost_per_million: Cost


def list_costs() -> dict[str, Cost]:
    text = (resources.files("imagegate.catalog") / "data" / "list-costs.toml").read_text("utf-8")
    return {row.model: row.cost_per_million for row in msgspec.convert(tomllib.loads(text)["cost"], list[ListCost])}


def rows_from_environment(
    env: Mapping[str, str], book: Book, today: str
) -> tuple[tuple[UpstreamRow, ...], tuple[RouteRow, ...]]:
    """Empty where no vendor's key is set. `today` as YYYY-MM-DD: a model that is shut down gets no route."""
    upstreams: list[UpstreamRow] = []
    routes: list[RouteRow] = []
    costs = {model: cost for model, cost in list_costs().items() if not _is_shut(book, model, today)}
    if env.get("OPENAI_API_KEY"):
        url = env.get("OPENAI_BASE_URL") or OPENAI_URL
        upstreams.append(UpstreamRow(name="openai", protocol="openai", base_url=url, api_key_env="OPENAI_API_KEY"))
        routes += [RouteRow(model=name, upstream="openai", cost_per_million=cost) for name, cost in costs.items()]
    if env.get("AZURE_OPENAI_API_KEY") and env.get("AZURE_OPENAI_ENDPOINT"):
        upstreams.append(_azure(env["AZURE_OPENAI_ENDPOINT"]))
        routes.append(_azure_route(env.get("AZURE_OPENAI_DEPLOYMENT") or AZURE_DEPLOYMENT, costs))
    return tuple(upstreams), tuple(routes)


def _azure(endpoint: str) -> UpstreamRow:
    return UpstreamRow(
        name="azure",
        protocol="openai",
        dialect="azure",
        base_url=endpoint.rstrip("/") + "/openai/v1",
        api_key_env="AZURE_OPENAI_API_KEY",
    )


def _azure_route(deployment: str, costs: Mapping[str, Cost]) -> RouteRow:
    """A deployment is of one model: the one it is named after, gpt-image-2 where its name says nothing."""
    named = [model for model in costs if deployment.startswith(model)]
    model = max(named, key=len, default="gpt-image-2")
    return RouteRow(model=model, upstream="azure", upstream_model=deployment, cost_per_million=costs[model])


def _is_shut(book: Book, model: str, today: str) -> bool:
    shutdown = book.models[model].shutdown
    return bool(shutdown) and shutdown <= today


def sold_below_cost(book: Book, version: str, rows: tuple[RouteRow, ...]) -> list[str]:
    """Models whose selling price is below the list cost of a route, for whoever starts the gateway."""
    found = []
    for row in rows:
        price = book.price(version, row.model, "1K")
        cost = row.cost_per_million
        if isinstance(price, TokenPrice) and cost is not None and price.image_output < nanos_of_usd(cost.image_output):
            found.append(row.model)
    return sorted(set(found))
