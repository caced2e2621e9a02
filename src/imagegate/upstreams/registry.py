"""The upstreams of this process, and the roster of routes that lead to them.

Knows: what is in use now, and that a reload changes it for calls that begin afterwards. Refuses to know: which route a
request takes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from imagegate.catalog.catalog import Catalog, CatalogError
from imagegate.catalog.environment import configs_from_environment
from imagegate.catalog.routes import RouteConfig, RouteTable, UpstreamConfig
from imagegate.upstreams.base import Upstream
from imagegate.upstreams.connect import InvalidUpstreamConfig, UpstreamDeps, build_upstream, read_api_key
from imagegate.upstreams.embedded import NAME as EMBEDDED


class UpstreamRegistry:
    """`key_fingerprints` holds the fingerprint of each upstream's key: a changed key is a new chance. `route_configs`
    are its routes as they
    were written."""

    def __init__(
        self,
        roster: RouteTable,
        upstreams: Mapping[str, Upstream],
        keys: Mapping[str, str],
        rows: Sequence[RouteConfig] = (),
    ) -> None:
        self.route_table, self.upstreams, self.key_fingerprints, self.route_configs = (
            roster,
            dict(upstreams),
            dict(keys),
            tuple(rows),
        )
        self._retired: list[Upstream] = []

    def replace_with(self, newer: UpstreamRegistry) -> None:
        """Calls under way keep the upstream that they began with."""
        self._retired += self.upstreams.values()
        self.route_table, self.upstreams, self.key_fingerprints, self.route_configs = (
            newer.route_table,
            newer.upstreams,
            newer.key_fingerprints,
            newer.route_configs,
        )

    async def close(self) -> None:
        for upstream in [*self.upstreams.values(), *self._retired]:
            await upstream.close()


def build_registry(
    upstreams: Sequence[UpstreamConfig], routes: Sequence[RouteConfig], book: Catalog, deps: UpstreamDeps, today: str
) -> UpstreamRegistry:
    """The operator's rows; without any, what the environment holds keys for; without those, the embedded engine for
    every model. CatalogError says what does not fit. `today` as YYYY-MM-DD."""
    if not upstreams:
        upstreams, found_routes = configs_from_environment(deps.env, book, today)
        routes = [*routes, *found_routes]
    if not upstreams:
        upstreams, routes = _embedded_configs(book)
    roster = RouteTable(upstreams, routes, list(book.models))
    connected = {row.name: _build_checked(row, roster, deps) for row in upstreams}
    return UpstreamRegistry(roster, connected, {row.name: _key_fingerprint(row, deps) for row in upstreams}, routes)


def _embedded_configs(book: Catalog) -> tuple[list[UpstreamConfig], list[RouteConfig]]:
    row = UpstreamConfig(name=EMBEDDED, protocol="embedded", on_unknown="fail")
    return [row], [RouteConfig(model=model, upstream=EMBEDDED) for model in book.models]


def _build_checked(config: UpstreamConfig, route_table: RouteTable, deps: UpstreamDeps) -> Upstream:
    upstream = build_upstream(config, route_table.dialects[config.name], deps)
    if isinstance(upstream, InvalidUpstreamConfig):
        raise CatalogError(upstream.detail)
    return upstream


def _key_fingerprint(config: UpstreamConfig, deps: UpstreamDeps) -> str:
    """Tells keys apart and nothing else; empty for an upstream without a key."""
    named = bool(config.api_key_env or config.api_key_file)
    secret = read_api_key(config, deps.env) if named else ""
    return hashlib.sha256(secret.encode()).hexdigest()[:12] if isinstance(secret, str) and secret else ""
