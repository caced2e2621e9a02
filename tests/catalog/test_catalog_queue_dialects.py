"""What the shipped dialects say of upstreams with ids of their work."""

from __future__ import annotations

from typing import Any

import pytest

from imagegate.catalog.catalog import CatalogError
from imagegate.catalog.routes import Route, RouteConfig, RouteTable, UpstreamConfig


def route(**row: Any) -> Route:
    upstream = UpstreamConfig(name="there", base_url="https://there.example", **row)
    wanted = RouteConfig(model="gpt-image-2", upstream="there", cost_per_image="0.01")
    return RouteTable([upstream], [wanted], ["gpt-image-2"]).routes["gpt-image-2@there"]


def test_what_they_cannot_make_is_never_routed_to_them() -> None:
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


def test_a_dialect_that_nobody_knows_is_refused() -> None:
    with pytest.raises(CatalogError, match="evolink"):
        route(protocol="task_api", dialect="evolnik")
