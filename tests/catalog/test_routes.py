"""What the shipped dialects say about upstreams that give their work an id."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.catalog.catalog import CatalogError
from imagegate.catalog.routes import Route, RouteConfig, RouteTable, UpstreamConfig


def route(**row: Any) -> Route:
    upstream = UpstreamConfig(name="there", base_url="https://there.example", **row)
    config = RouteConfig(model="gpt-image-2", upstream="there", cost_per_image="0.01")
    return RouteTable([upstream], [config], ["gpt-image-2"]).routes["gpt-image-2@there"]


def test_dialects_limit_what_is_routed_to_an_upstream() -> None:
    replicate = route(protocol="replicate")
    assert (replicate.sizes, replicate.size_auto, replicate.mask) == (("1:1", "3:2", "2:3"), False, False)
    fal = route(protocol="fal")
    assert (fal.sizes, fal.transparent, fal.mask, fal.max_n) == ((), False, True, 4)
    gateway = route(protocol="task_api")
    assert (gateway.sizes, gateway.transparent, gateway.mask, gateway.max_refs) == ((), True, True, 16)


def test_a_repeated_create_is_one_purchase_only_where_it_is_proven() -> None:
    rows = [
        UpstreamConfig(name="imagegate", protocol="task_api"),
        UpstreamConfig(name="evolink", protocol="task_api", dialect="evolink"),
        UpstreamConfig(name="overridden", protocol="task_api", override={"idempotency": "none"}),
    ]
    dialects = RouteTable(rows, [], []).dialects
    assert [dialects[row.name].idempotency for row in rows] == ["header", "none", "none"]


def test_an_unknown_dialect_is_refused() -> None:
    with pytest.raises(CatalogError, match="evolink"):
        route(protocol="task_api", dialect="evolnik")
