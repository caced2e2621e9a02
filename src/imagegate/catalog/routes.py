"""Upstreams, routes and dialects as the operator configures them, checked against each other.

Secrets are not here: a configuration names only where its key is kept.
"""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from imagegate.catalog.catalog import CatalogError
from imagegate.catalog.load import read_shipped
from imagegate.catalog.schema import Tier
from imagegate.domain.money import parse_usd
from imagegate.domain.prices import CallPrice, Price, TokenPrice

Protocol = Literal["openai", "task_api", "fal", "replicate", "embedded"]
OnUnknown = Literal["wait", "retry", "fail"]
EditStyle = Literal["multipart_image_array", "multipart_image", "json_images", "json_xai", "in_generations", "none"]

_UPSTREAM_NAME_RE = re.compile("[a-z0-9][a-z0-9_-]{0,39}")


class Dialect(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How one kind of server speaks the `openai` protocol.

    `auth`: bearer, api-key, none, or `header:<name>`. `drop`, `add` and `rename` are applied last, to JSON and form
    alike. `qualities` maps ours to theirs; empty keeps them. `usage`: `trust` what is reported, read zeros as
    `zero_absent`, or never look (`absent`). `edits_field` is where references go for `in_generations`.
    `sizes` lists the only sizes served, as WxH or ratios; empty means all. `tiers` maps 1K, 2K and 4K to what a
    `ratio` server calls them. `error_shape` is the only one whose presence in a 5xx proves that the server itself
    failed; an object under `error` is taken as proof from all of them.
    """

    name: str
    path_style: Literal["v1", "azure_dated"] = "v1"
    auth: str = "bearer"
    drop: tuple[str, ...] = ()
    add: dict[str, Any] = {}
    rename: dict[str, str] = {}
    size_style: Literal["wxh", "width_height", "ratio"] = "wxh"
    sizes: tuple[str, ...] = ()
    size_auto: bool = True
    response_format: Literal["never", "b64_json", "base64", "url"] = "never"
    edits: EditStyle = "multipart_image_array"
    edits_field: str = ""
    mask: bool = True
    transparent: bool = True
    output_formats: tuple[str, ...] = ("png", "jpeg", "webp")
    qualities: dict[str, str] = {}
    max_n: int = 10
    max_refs: int = 16
    max_ref_bytes: int = 50 * 1024 * 1024
    max_body_bytes: int = 0
    usage: Literal["trust", "zero_absent", "absent"] = "trust"
    unknown_statuses: tuple[int, ...] = ()
    never_billed_statuses: tuple[int, ...] = ()
    idempotency: Literal["none", "header"] = "none"
    stream: bool = False
    tiers: dict[str, str] = {}
    error_shape: Literal["openai", "string", "detail"] = "openai"


class UpstreamConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[[upstream]]`: a service that makes images. `override` replaces single fields of the dialect.

    `concurrency` and `rate_per_min` of 0 mean no limit. `deployment` and `api_version` belong to Azure's dated paths.
    """

    name: str
    protocol: Protocol
    dialect: str = "openai"
    base_url: str = ""
    api_key_env: str = ""
    api_key_file: str = ""
    deployment: str = ""
    api_version: str = ""
    concurrency: int = 0
    rate_per_min: int = 0
    timeout_s: float = 600.0
    connect_s: float = 5.0
    on_unknown: OnUnknown = "retry"
    override: dict[str, Any] = {}


class CostPerMillion(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """USD per million tokens as exact decimal strings. A cached rate left out is the full one."""

    image_output: str
    image_input: str = "0"
    image_cached_input: str = ""
    text_input: str = "0"
    text_cached_input: str = ""
    text_output: str = "0"


class RouteConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[[route]]`: this model from this upstream at this cost in USD; `cost_per_image` is one amount or one per tier.

    `max_n`, `max_refs`, `mask`, `sizes`, `qualities` and `output_formats` narrow what the dialect can do; left out,
    the dialect's own apply. `on_unknown` left out is the upstream's.
    """

    model: str
    upstream: str
    upstream_model: str = ""
    cost_per_million: CostPerMillion | None = None
    cost_per_image: str | dict[Tier, str] | None = None
    max_n: int | None = None
    max_refs: int | None = None
    mask: bool | None = None
    transparent: bool | None = None
    sizes: tuple[str, ...] | None = None
    qualities: tuple[str, ...] | None = None
    output_formats: tuple[str, ...] | None = None
    on_unknown: OnUnknown | None = None
    enabled: bool = True


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A route with everything that planning needs. `prices`: what it costs us by tier, `any` for all others."""

    name: str
    model: str
    upstream: str
    upstream_model: str
    prices: dict[str, Price]
    max_n: int
    max_refs: int
    mask: bool
    transparent: bool
    size_auto: bool
    sizes: tuple[str, ...]
    qualities: tuple[str, ...]
    max_ref_bytes: int
    on_unknown: OnUnknown
    concurrency: int
    rate_per_min: int

    def price_for_tier(self, tier: str) -> Price:
        return self.prices.get(tier) or self.prices["any"]


class RouteTable:
    """Every upstream and route of this installation. Built once per reload, never changed.

    `has_real_upstream`: whether any route leads to a real one.
    """

    def __init__(
        self, upstreams: Sequence[UpstreamConfig], routes: Sequence[RouteConfig], models: Sequence[str]
    ) -> None:
        self.upstreams = {row.name: row for row in upstreams}
        self.dialects = {row.name: resolve_dialect(row) for row in upstreams}
        if len(self.upstreams) != len(upstreams):
            raise CatalogError("two upstreams have the same name")
        for name in self.upstreams:
            if not _UPSTREAM_NAME_RE.fullmatch(name):
                raise CatalogError(f"upstream {name!r}: a name has a-z, 0-9, - and _, at most 40 characters")
        enabled_routes = [self._build_route(row, models) for row in routes if row.enabled]
        self.routes = {route.name: route for route in enabled_routes}
        if len(self.routes) != len(enabled_routes):
            raise CatalogError("two routes lead the same model to the same upstream model of the same upstream")

        self._by_model: defaultdict[str, list[Route]] = defaultdict(list)
        for route in self.routes.values():
            self._by_model[route.model].append(route)
        # Then the embedded engine serves only where a route names it.
        self.has_real_upstream = any(
            self.upstreams[route.upstream].protocol != "embedded" for route in self.routes.values()
        )

    def for_model(self, model: str) -> Sequence[Route]:
        return self._by_model.get(model, ())

    def _build_route(self, config: RouteConfig, models: Sequence[str]) -> Route:
        label = f"route of {config.model!r} to {config.upstream!r}"
        upstream = self.upstreams.get(config.upstream)
        if upstream is None:
            raise CatalogError(f"{label}: no such upstream")
        if config.model not in models:
            raise CatalogError(f"{label}: no such model")
        dialect = self.dialects[config.upstream]
        upstream_model = config.upstream_model or config.model
        return Route(
            name=f"{config.model}@{config.upstream}" + (f"/{upstream_model}" if upstream_model != config.model else ""),
            model=config.model,
            upstream=config.upstream,
            upstream_model=upstream_model,
            prices=_route_prices(config, upstream, label),
            max_n=_value_or(config.max_n, dialect.max_n),
            max_refs=0 if dialect.edits == "none" else _value_or(config.max_refs, dialect.max_refs),
            mask=_value_or(config.mask, dialect.mask) and dialect.edits != "none",
            transparent=_value_or(config.transparent, dialect.transparent),
            size_auto=dialect.size_auto,
            sizes=_value_or(config.sizes, dialect.sizes),
            qualities=_value_or(config.qualities, ()),
            max_ref_bytes=dialect.max_ref_bytes,
            on_unknown=config.on_unknown or upstream.on_unknown,
            concurrency=upstream.concurrency,
            rate_per_min=upstream.rate_per_min,
        )


def resolve_dialect(config: UpstreamConfig) -> Dialect:
    """The preset that the upstream names, with its overrides. CatalogError names what does not fit.

    A protocol other than `openai` has a preset of its own name, used where it names no other.
    """
    presets = load_dialects()
    if config.protocol != "openai" and config.dialect == "openai":
        preset = presets.get(config.protocol, Dialect(name=config.protocol))
    elif config.dialect in presets:
        preset = presets[config.dialect]
    else:
        known = ", ".join(sorted(presets))
        raise CatalogError(f"upstream {config.name!r}: dialect {config.dialect!r} is not one of {known}")
    try:
        return msgspec.convert({**msgspec.to_builtins(preset), **config.override}, Dialect)
    except msgspec.ValidationError as error:
        raise CatalogError(f"upstream {config.name!r}: override: {error}") from error


@functools.cache
def load_dialects() -> dict[str, Dialect]:
    presets = msgspec.convert(read_shipped("dialects.toml")["dialect"], list[Dialect])
    return {preset.name: preset for preset in presets}


def _route_prices(config: RouteConfig, upstream: UpstreamConfig, label: str) -> dict[str, Price]:
    """The route's cost by tier. The embedded engine costs nothing unless told otherwise."""
    if (config.cost_per_million is not None) and (config.cost_per_image is not None):
        raise CatalogError(f"{label}: give cost_per_million or cost_per_image, not both")
    try:
        if config.cost_per_million is not None:
            return {"any": _token_price(config.cost_per_million)}
        if config.cost_per_image is not None:
            return _image_prices(config.cost_per_image)
    except ValueError as error:
        raise CatalogError(f"{label}: {error}") from error
    if upstream.protocol == "embedded":
        return {"any": CallPrice(per_image=0)}
    raise CatalogError(f"{label}: its cost is missing: give cost_per_million = {{...}} or cost_per_image")


def _image_prices(costs: str | dict[Tier, str]) -> dict[str, Price]:
    """A tier that is not named costs as much as the most expensive named one."""
    amounts = {"any": costs} if isinstance(costs, str) else costs
    nanos = {str(tier): parse_usd(usd) for tier, usd in amounts.items()}
    return {tier: CallPrice(per_image=cost) for tier, cost in {"any": max(nanos.values()), **nanos}.items()}


def _token_price(cost: CostPerMillion) -> TokenPrice:
    full_rates = {"image_cached_input": cost.image_input, "text_cached_input": cost.text_input}
    return TokenPrice(**{name: parse_usd(getattr(cost, name) or full_rates[name]) for name in cost.__struct_fields__})


def _value_or(value: Any, default: Any) -> Any:
    return default if value is None else value
