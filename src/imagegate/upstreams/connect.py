"""From the operator's row to an upstream that can be called.

Knows: which file speaks which protocol, and where secrets are read. Refuses to know: routes, and when to reload.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
from yarl import URL

from imagegate.catalog.routes import Dialect, UpstreamConfig
from imagegate.spool import Spool
from imagegate.upstreams.base import Upstream
from imagegate.upstreams.downloads import Fetch, Link
from imagegate.upstreams.embedded import Embedded
from imagegate.upstreams.fal import Fal
from imagegate.upstreams.openai.adapter import OpenAI
from imagegate.upstreams.replicate import Replicate
from imagegate.upstreams.task_api import TaskApi

_DEFAULT_BASE_URLS = {"openai": "https://api.openai.com/v1"}

_POLLING_UPSTREAMS: dict[str, type[TaskApi | Fal | Replicate]] = {
    "task_api": TaskApi,
    "fal": Fal,
    "replicate": Replicate,
}


class InvalidUpstreamConfig(msgspec.Struct, frozen=True):
    """The row cannot be used as it stands; `detail` tells the operator what to set. It holds no secret."""

    detail: str


class UpstreamDeps(msgspec.Struct, frozen=True, kw_only=True):
    """What every upstream of this process is given: where answers go, how results are fetched from what a row calls
    its base, how references become links, and where secrets are read."""

    spool: Spool
    fetch: Callable[[str], Fetch]
    link: Link
    env: Mapping[str, str] = os.environ
    painters: int = 0


def build_upstream(config: UpstreamConfig, dialect: Dialect, deps: UpstreamDeps) -> Upstream | InvalidUpstreamConfig:
    """Reads the row's secret, opens nothing. The upstream keeps the secret until it is made anew."""
    if config.protocol == "embedded":
        return Embedded(deps.spool, deps.painters)
    config = msgspec.structs.replace(config, base_url=config.base_url or _DEFAULT_BASE_URLS.get(dialect.name, ""))
    error = _base_url_error(config.base_url) or _azure_error(config, dialect)
    if error:
        return InvalidUpstreamConfig(f"upstream {config.name!r}: {error}")
    secret = "" if dialect.auth == "none" else read_api_key(config, deps.env)
    if isinstance(secret, InvalidUpstreamConfig):
        return secret
    fetch = deps.fetch(config.base_url)
    if config.protocol == "openai":
        return OpenAI(config, dialect, deps.spool, fetch, secret)
    return _POLLING_UPSTREAMS[config.protocol](config, dialect, deps.spool, fetch, deps.link, secret)


def read_api_key(config: UpstreamConfig, env: Mapping[str, str]) -> str | InvalidUpstreamConfig:
    """The row's key from the variable or the file that it names; usable as a header's value."""
    place = f"upstream {config.name!r}: "
    if config.api_key_env:
        place += f"the variable {config.api_key_env}"
        text = env.get(config.api_key_env, "")
    elif config.api_key_file:
        place += f"the file {config.api_key_file}"
        try:
            text = Path(config.api_key_file).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            return InvalidUpstreamConfig(f"{place} cannot be read: {error.__class__.__name__}")
    else:
        return InvalidUpstreamConfig(
            f"{place}name its key with api_key_env or api_key_file, or override auth with 'none'"
        )
    secret = text.strip()
    if not secret:
        return InvalidUpstreamConfig(f"{place} holds no key")
    if not (secret.isascii() and secret.isprintable()):
        return InvalidUpstreamConfig(f"{place} holds more than one line or characters that no key has")
    return secret


def _base_url_error(base_url: str) -> str:
    try:
        url = URL(base_url)
    except ValueError:
        return "base_url is no address"
    if url.scheme not in ("http", "https") or not url.host:
        return "base_url must begin with https:// or http:// and name a host"
    if url.user or url.password:
        return "base_url must hold no key; name it with api_key_env or api_key_file"
    return "base_url must end before any '?'" if url.query_string or url.fragment else ""


def _azure_error(config: UpstreamConfig, dialect: Dialect) -> str:
    return "api_version is missing" if dialect.path_style == "azure_dated" and not config.api_version else ""
