"""Upstreams, routes and dialects as the operator configures them, checked against each other.

Secrets are not here: a configuration names only where its key is kept.
"""

from __future__ import annotations

import functools
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

import msgspec

from imagegate.catalog.catalog import CatalogError
from imagegate.catalog.load import read_shipped
from imagegate.catalog.schema import Tier
from imagegate.domain.bounds import (
    Bounds,
    Problems,
    above_0,
    matching,
    parsed_by,
    read_table,
    whole,
)
from imagegate.domain.money import parse_usd
from imagegate.domain.prices import CallPrice, Price, TokenPrice
from imagegate.domain.texts import suggest

Protocol = Literal["openai", "task_api", "fal", "replicate", "embedded"]
OnUnknown = Literal["wait", "retry", "fail"]
EditStyle = Literal["multipart_image_array", "multipart_image", "json_images", "json_xai", "in_generations", "none"]

_NAME = matching("[a-z0-9][a-z0-9_-]{0,39}", "a-z, 0-9, - and _, at most 40 characters")
_TEXT = Bounds("a text in one line", str.isprintable)
_VARIABLE = matching("|[A-Za-z_][A-Za-z0-9_]*", "the name of a variable, never the key itself")
_MANY = whole(0, 1_000_000, " (0: no limit)")
_SIZES = matching(
    "auto|[0-9]{1,2}:[0-9]{1,2}|[0-9]{2,5}x[0-9]{2,5}", "auto, a ratio such as 1:1 or pixels such as 1024x1024"
)
_FORMATS = matching("png|jpeg|webp", "one of png, jpeg, webp")
_AUTH = matching(r"bearer|api-key|none|header:[A-Za-z0-9-]+", "bearer, api-key, none or header:NAME")
_USD = parsed_by(parse_usd, 'an amount of USD in quotes such as "0.03"')
_CACHED_USD = parsed_by(lambda text: text and parse_usd(text), _USD.allowed)
_IMAGE_COST = Bounds(
    'an amount of USD in quotes such as "0.03", or a table by tier such as { "1K" = "0.02", "2K" = "0.04" }',
    lambda cost: all(map(_USD.holds, cost.values() if isinstance(cost, dict) else [cost])) and cost != {},
)


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
    auth: Annotated[str, _AUTH] = "bearer"
    drop: tuple[str, ...] = ()
    add: dict[str, Any] = {}
    rename: dict[str, str] = {}
    size_style: Literal["wxh", "width_height", "ratio"] = "wxh"
    sizes: Annotated[tuple[str, ...], _SIZES] = ()
    size_auto: bool = True
    response_format: Literal["never", "b64_json", "base64", "url"] = "never"
    edits: EditStyle = "multipart_image_array"
    edits_field: str = ""
    mask: bool = True
    transparent: bool = True
    output_formats: Annotated[tuple[str, ...], _FORMATS] = ("png", "jpeg", "webp")
    qualities: dict[str, str] = {}
    max_n: Annotated[int, whole(1, 1000)] = 10
    max_refs: Annotated[int, whole(0, 1000)] = 16
    max_ref_bytes: Annotated[int, whole(1, 2**40)] = 50 * 1024 * 1024
    max_body_bytes: Annotated[int, whole(0, 2**40)] = 0
    usage: Literal["trust", "zero_absent", "absent"] = "trust"
    unknown_statuses: Annotated[tuple[int, ...], whole(100, 599)] = ()
    never_billed_statuses: Annotated[tuple[int, ...], whole(100, 599)] = ()
    idempotency: Literal["none", "header"] = "none"
    stream: bool = False
    tiers: dict[str, str] = {}
    error_shape: Literal["openai", "string", "detail"] = "openai"


class UpstreamConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[[upstream]]`: a service that makes images. `override` replaces single fields of the dialect.

    `concurrency` and `rate_per_min` of 0 mean no limit. `deployment` and `api_version` belong to Azure's dated paths.
    """

    name: Annotated[str, _NAME]
    protocol: Protocol
    dialect: Annotated[str, _TEXT] = "openai"
    base_url: Annotated[str, _TEXT] = ""
    api_key_env: Annotated[str, _VARIABLE] = ""
    api_key_file: Annotated[str, _TEXT] = ""
    deployment: Annotated[str, _TEXT] = ""
    api_version: Annotated[str, _TEXT] = ""
    concurrency: Annotated[int, _MANY] = 0
    rate_per_min: Annotated[int, _MANY] = 0
    timeout_s: Annotated[float, above_0(24 * 3600)] = 600.0
    connect_s: Annotated[float, above_0(3600)] = 5.0
    on_unknown: OnUnknown = "retry"
    override: dict[str, Any] = {}


class CostPerMillion(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """USD per million tokens as exact decimal strings. A cached rate left out is the full one."""

    image_output: Annotated[str, _USD]
    image_input: Annotated[str, _USD] = "0"
    image_cached_input: Annotated[str, _CACHED_USD] = ""
    text_input: Annotated[str, _USD] = "0"
    text_cached_input: Annotated[str, _CACHED_USD] = ""
    text_output: Annotated[str, _USD] = "0"


class RouteConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[[route]]`: this model from this upstream at this cost in USD; `cost_per_image` is one amount or one per tier.

    `max_n`, `max_refs`, `mask`, `sizes`, `qualities` and `output_formats` narrow what the dialect can do; left out,
    the dialect's own apply. `on_unknown` left out is the upstream's.
    """

    model: Annotated[str, _TEXT]
    upstream: Annotated[str, _TEXT]
    upstream_model: Annotated[str, _TEXT] = ""
    cost_per_million: CostPerMillion | None = None
    cost_per_image: Annotated[str | dict[Tier, str] | None, _IMAGE_COST] = None
    max_n: Annotated[int | None, whole(1, 1000)] = None
    max_refs: Annotated[int | None, whole(0, 1000)] = None
    mask: bool | None = None
    transparent: bool | None = None
    sizes: Annotated[tuple[str, ...] | None, _SIZES] = None
    qualities: Annotated[tuple[str, ...] | None, _TEXT] = None
    output_formats: Annotated[tuple[str, ...] | None, _FORMATS] = None
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

    `made` are routes that the environment made, and then so are all upstreams. `has_real_upstream`: whether any route
    leads to a real one. CatalogError tells all that does not fit together.
    """

    def __init__(
        self,
        upstreams: Sequence[UpstreamConfig],
        routes: Sequence[RouteConfig],
        models: Sequence[str],
        made: Sequence[RouteConfig] = (),
    ) -> None:
        self.upstreams = {row.name: row for row in upstreams}
        self.dialects: dict[str, Dialect] = {}
        self.routes: dict[str, Route] = {}
        problems = Problems()
        problems.found += _repeated(row.name for row in upstreams)
        for upstream in self.upstreams.values():
            with problems.collect():
                self.dialects[upstream.name] = resolve_dialect(upstream)
        for row in (*made, *routes):
            with problems.collect():
                self._add_route(row, models, made)
        problems.raise_as(CatalogError)

        self._by_model: defaultdict[str, list[Route]] = defaultdict(list)
        for route in self.routes.values():
            self._by_model[route.model].append(route)
        # Then the embedded engine serves only where a route names it.
        self.has_real_upstream = any(
            self.upstreams[route.upstream].protocol != "embedded" for route in self.routes.values()
        )

    def for_model(self, model: str) -> Sequence[Route]:
        return self._by_model.get(model, ())

    def _add_route(self, config: RouteConfig, models: Sequence[str], made: Sequence[RouteConfig]) -> None:
        label = route_label(config)
        upstream = self.upstreams.get(config.upstream)
        if upstream is None:
            raise CatalogError(f"{label}: there is no upstream {config.upstream!r}{self._describe_upstreams(made)}")
        if config.model not in models:
            known = ", ".join(models)
            raise CatalogError(f"{label}: there is no model {config.model!r}{suggest(config.model, models)} ({known})")
        dialect = self.dialects.get(config.upstream)
        if dialect is None:
            return  # what is wrong with its upstream is told already
        route = self._build_route(config, upstream, dialect, label)
        if not config.enabled:
            return
        if route.name in self.routes:
            other = "; the environment makes one already, and an [[upstream]] here would replace what it makes"
            raise CatalogError(
                f"{label}: two routes lead the same model to the same upstream model{other if made else ''}"
            )
        self.routes[route.name] = route

    def _describe_upstreams(self, made: Sequence[RouteConfig]) -> str:
        if not self.upstreams:
            return ": write its [[upstream]], there is none at all"
        return f"; there are: {', '.join(self.upstreams)}{' (from the environment)' if made else ''}"

    def _build_route(self, config: RouteConfig, upstream: UpstreamConfig, dialect: Dialect, label: str) -> Route:
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


def route_label(config: RouteConfig) -> str:
    """How messages call a route of the configuration."""
    return f"[[route]] {config.model!r} to {config.upstream!r}"


def upstream_label(name: str) -> str:
    return f"[[upstream]] {name!r}"


def _repeated(names: Iterable[str]) -> list[str]:
    counts = Counter(names).items()
    return [f"{upstream_label(name)}: {count} have this name, and only one may" for name, count in counts if count > 1]


def resolve_dialect(config: UpstreamConfig) -> Dialect:
    """The preset that the upstream names, with its overrides. CatalogError names what does not fit.

    A protocol other than `openai` has a preset of its own name, used where it names no other.
    """
    presets, label = load_dialects(), upstream_label(config.name)
    if config.protocol != "openai" and config.dialect == "openai":
        preset = presets.get(config.protocol, Dialect(name=config.protocol))
    elif config.dialect in presets:
        preset = presets[config.dialect]
    else:
        known = ", ".join(sorted(presets))
        raise CatalogError(f"{label}: dialect is {config.dialect!r}: must be one of {known}")
    return read_table(Dialect, {**msgspec.to_builtins(preset), **config.override}, f"{label}: override")


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
