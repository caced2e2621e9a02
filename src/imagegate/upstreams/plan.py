"""Which upstreams and routes there will be: configured, from the environment, or the embedded engine. Opens nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
from yarl import URL

from imagegate.catalog.catalog import Catalog, CatalogError
from imagegate.catalog.environment import configs_from_environment, describe_origin, unused_variables
from imagegate.catalog.routes import Dialect, RouteConfig, RouteTable, UpstreamConfig, resolve_dialect, upstream_label
from imagegate.domain.bounds import Problems, show
from imagegate.upstreams.embedded import NAME as EMBEDDED

_DEFAULT_BASE_URLS: Final = {
    "openai": "https://api.openai.com/v1",
    "fal": "https://queue.fal.run",
    "replicate": "https://api.replicate.com",
}


class PreparedUpstream(msgspec.Struct, frozen=True):
    """What an upstream is built from. `api_key` is empty for one without a key."""

    config: UpstreamConfig
    dialect: Dialect
    api_key: str


class UpstreamPlan(msgspec.Struct, frozen=True, kw_only=True):
    """All upstreams with their keys, and the routes that fit to them.

    `routes` as they were configured, `made` those that the environment made; `warnings` are of one line each.
    """

    upstreams: tuple[PreparedUpstream, ...]
    route_table: RouteTable
    routes: tuple[RouteConfig, ...]
    made: tuple[RouteConfig, ...]
    warnings: tuple[str, ...]


def plan_upstreams(
    upstreams: Sequence[UpstreamConfig],
    routes: Sequence[RouteConfig],
    catalog: Catalog,
    env: Mapping[str, str],
    today: str,
) -> UpstreamPlan:
    """The configured upstreams; without any, those that the environment holds keys for; without those and without a
    route, the embedded engine for every model. `today` as YYYY-MM-DD. CatalogError tells all that is wrong."""
    made: Sequence[RouteConfig] = ()
    warnings = [] if upstreams else unused_variables(env)
    if not upstreams:
        upstreams, made = configs_from_environment(env, catalog, today)
    if not upstreams and not routes:
        upstreams, routes = _embedded_configs(catalog)
    problems = Problems()
    with problems.collect():
        table = RouteTable(upstreams, routes, list(catalog.models), made)
    prepared = []
    for config in upstreams:
        label = describe_origin(config.name) if made else upstream_label(config.name)
        with problems.collect():
            prepared.append(prepare_upstream(config, resolve_dialect(config), env, label))
    problems.raise_as(CatalogError)
    idle = {config.name for config in upstreams} - {route.upstream for route in table.routes.values()}
    warnings += [f"{upstream_label(name)} has no [[route]]: nothing is sent to it" for name in sorted(idle)]
    return UpstreamPlan(
        upstreams=tuple(prepared),
        route_table=table,
        routes=(*made, *routes),
        made=tuple(made),
        warnings=tuple(warnings),
    )


def _embedded_configs(catalog: Catalog) -> tuple[list[UpstreamConfig], list[RouteConfig]]:
    config = UpstreamConfig(name=EMBEDDED, protocol="embedded", on_unknown="fail")
    return [config], [RouteConfig(model=model, upstream=EMBEDDED) for model in catalog.models]


def prepare_upstream(
    config: UpstreamConfig, dialect: Dialect, env: Mapping[str, str], label: str = ""
) -> PreparedUpstream:
    """Reads the upstream's key. CatalogError tells the operator what to change. It holds no secret."""
    label = label or upstream_label(config.name)
    if config.protocol == "embedded":
        return PreparedUpstream(config, dialect, "")
    config = msgspec.structs.replace(config, base_url=config.base_url or _DEFAULT_BASE_URLS.get(dialect.name, ""))
    error = _base_url_error(config.base_url) or _azure_error(config, dialect)
    if error:
        raise CatalogError(f"{label}: {error}")
    return PreparedUpstream(config, dialect, "" if dialect.auth == "none" else _read_api_key(config, env, f"{label}: "))


def _read_api_key(config: UpstreamConfig, env: Mapping[str, str], label: str) -> str:
    """The key in the variable or the file that the configuration names; fit for a header."""
    if config.api_key_env and config.api_key_file:
        raise CatalogError(f"{label}give api_key_env or api_key_file, not both")
    if config.api_key_env:
        label += f"the variable {config.api_key_env}"
        text = env.get(config.api_key_env, "")
    elif config.api_key_file:
        label += f"the file {config.api_key_file}"
        try:
            text = Path(config.api_key_file).read_text("utf-8")
        except OSError as error:
            raise CatalogError(f"{label} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise CatalogError(f"{label} is not text") from None
    else:
        raise CatalogError(f"{label}name its key with api_key_env or api_key_file, or override auth with 'none'")
    key = text.strip()
    if not key:
        raise CatalogError(f"{label} holds no key")
    if not (key.isascii() and key.isprintable()):
        raise CatalogError(f"{label} holds more than one line or characters that no key has")
    return key


def _base_url_error(base_url: str) -> str:
    if not base_url:
        return "base_url is missing"
    try:
        url = URL(base_url)
    except ValueError:
        return f"base_url is {show(base_url)}: must be a URL"
    if url.scheme not in ("http", "https") or not url.host:
        return f"base_url is {show(base_url)}: must begin with https:// or http:// and name a host"
    if url.user or url.password:
        return f"base_url is {show(base_url)}: must not contain a key; name it with api_key_env or api_key_file"
    return f"base_url is {show(base_url)}: must not contain '?' or '#'" if url.query_string or url.fragment else ""


def _azure_error(config: UpstreamConfig, dialect: Dialect) -> str:
    return "api_version is missing" if dialect.path_style == "azure_dated" and not config.api_version else ""
