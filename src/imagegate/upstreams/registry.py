"""The upstreams of this process: built from the operator's configuration, with what every protocol needs around it."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, quote_plus

import msgspec
from yarl import URL

from imagegate.catalog.catalog import Catalog, CatalogError
from imagegate.catalog.environment import configs_from_environment
from imagegate.catalog.routes import Dialect, RouteConfig, RouteTable, UpstreamConfig
from imagegate.upstreams.base import Adapter, Call, CallHooks, Outcome, Produced, Upstream, UpstreamDeps
from imagegate.upstreams.embedded import NAME as EMBEDDED
from imagegate.upstreams.embedded import Embedded
from imagegate.upstreams.fal import Fal
from imagegate.upstreams.openai.adapter import OpenAI
from imagegate.upstreams.replicate import Replicate
from imagegate.upstreams.task_api import TaskApi

# By the `protocol` of an upstream's configuration (catalog/routes.py).
ADAPTERS: Final[Mapping[str, Adapter]] = {
    "openai": OpenAI,
    "task_api": TaskApi,
    "fal": Fal,
    "replicate": Replicate,
    "embedded": Embedded,
}
_DEFAULT_BASE_URLS: Final = {
    "openai": "https://api.openai.com/v1",
    "fal": "https://queue.fal.run",
    "replicate": "https://api.replicate.com",
}
_MAX_TEXT_CHARS: Final = 1000
_MAX_REQUEST_ID_CHARS: Final = 200
# A shorter beginning of the key at the end of a text that was cut off is more likely to be chance.
_MIN_KEY_PREFIX_CHARS: Final = 6


@dataclass
class UpstreamRegistry:
    """`key_fingerprints`: a fingerprint of each upstream's key, so that a changed key is noticed. `route_configs` are
    the routes as they were configured."""

    route_table: RouteTable
    upstreams: Mapping[str, Upstream]
    key_fingerprints: Mapping[str, str]
    route_configs: Sequence[RouteConfig] = ()
    _retired: list[Upstream] = field(default_factory=list, init=False)

    def replace_with(self, newer: UpstreamRegistry) -> None:
        """Calls under way keep the upstream that they began with; it is closed with the registry."""
        self._retired += self.upstreams.values()
        self.route_table, self.upstreams = newer.route_table, newer.upstreams
        self.key_fingerprints, self.route_configs = newer.key_fingerprints, newer.route_configs

    async def close(self) -> None:
        for upstream in [*self.upstreams.values(), *self._retired]:
            await upstream.close()


class ConnectedUpstream:
    """An adapter with what every protocol needs around it: no outcome carries our key or text that cannot be stored,
    and what was produced is durable before it is reported."""

    def __init__(self, name: str, adapter: Upstream, deps: UpstreamDeps, api_key: str) -> None:
        self.name = name
        self.recovery_mode = adapter.recovery_mode
        self.adapter = adapter
        # Tells keys apart and nothing else. 12 digits of hex: enough to notice a change, useless for guessing the key.
        self.key_fingerprint = hashlib.sha256(api_key.encode()).hexdigest()[:12] if api_key else ""
        self._spool = deps.spool
        self._cleaner = _TextCleaner(api_key)

    async def produce(self, call: Call, hooks: CallHooks) -> Outcome:
        outcome: Outcome = self._cleaner.clean_struct(await self.adapter.produce(call, hooks))
        if isinstance(outcome, Produced):
            await self._spool.save_response(call.attempt_id, outcome.answer)
        return outcome

    async def close(self) -> None:
        await self.adapter.close()


class _TextCleaner:
    """Makes the texts of an upstream's outcome fit to be stored and shown: printable, bounded, without its key."""

    def __init__(self, api_key: str) -> None:
        self._api_key = api_key
        spellings = {api_key, quote(api_key, safe=""), quote_plus(api_key)}
        spellings |= {base64.b64encode(text.encode()).decode() for text in (api_key, f":{api_key}", f"{api_key}:")}
        # The longest first: one spelling may begin with another.
        ordered = sorted(spellings, key=len, reverse=True)
        # Any case, because error codes are read in lower case.
        self._pattern = re.compile("|".join(map(re.escape, ordered)), re.IGNORECASE) if api_key else None

    def clean_struct(self, struct: Any) -> Any:
        changes: dict[str, Any] = {}
        for name in struct.__struct_fields__:
            value = getattr(struct, name)
            if name in ("detail", "message"):
                changes[name] = self.clean(value, _MAX_TEXT_CHARS)
            elif name in ("request_id", "quality"):
                changes[name] = self.clean(value, _MAX_REQUEST_ID_CHARS)
            elif name in ("error", "answer"):
                changes[name] = self.clean_struct(value)
        return msgspec.structs.replace(struct, **changes)

    def clean(self, text: str, max_chars: int) -> str:
        printable = "".join(char if char.isprintable() else " " for char in text)
        return self._without_key(printable)[:max_chars]

    def _without_key(self, text: str) -> str:
        if self._pattern is None:
            return text
        text = self._pattern.sub("(secret)", text)
        # A text may have been cut off in the middle of the key.
        for length in range(len(self._api_key) - 1, _MIN_KEY_PREFIX_CHARS - 1, -1):
            if text.lower().endswith(self._api_key[:length].lower()):
                return f"{text[:-length]}(secret)"
        return text


def build_registry(
    upstreams: Sequence[UpstreamConfig], routes: Sequence[RouteConfig], catalog: Catalog, deps: UpstreamDeps, today: str
) -> UpstreamRegistry:
    """The configured upstreams; without any, those that the environment holds keys for; without those, the embedded
    engine for every model. `today` as YYYY-MM-DD. CatalogError says what is wrong."""
    if not upstreams:
        upstreams, found_routes = configs_from_environment(deps.env, catalog, today)
        routes = [*routes, *found_routes]
    if not upstreams:
        upstreams, routes = _embedded_configs(catalog)
    route_table = RouteTable(upstreams, routes, list(catalog.models))
    built = {config.name: build_upstream(config, route_table.dialects[config.name], deps) for config in upstreams}
    fingerprints = {name: upstream.key_fingerprint for name, upstream in built.items()}
    return UpstreamRegistry(route_table, built, fingerprints, routes)


def _embedded_configs(catalog: Catalog) -> tuple[list[UpstreamConfig], list[RouteConfig]]:
    config = UpstreamConfig(name=EMBEDDED, protocol="embedded", on_unknown="fail")
    return [config], [RouteConfig(model=model, upstream=EMBEDDED) for model in catalog.models]


def build_upstream(config: UpstreamConfig, dialect: Dialect, deps: UpstreamDeps) -> ConnectedUpstream:
    """Reads the upstream's key and opens nothing. The key is kept until the upstream is built anew.

    CatalogError tells the operator what to change. It holds no secret.
    """
    api_key = ""
    if config.protocol != "embedded":
        config = msgspec.structs.replace(config, base_url=config.base_url or _DEFAULT_BASE_URLS.get(dialect.name, ""))
        error = _base_url_error(config.base_url) or _azure_error(config, dialect)
        if error:
            raise CatalogError(f"upstream {config.name!r}: {error}")
        api_key = "" if dialect.auth == "none" else _read_api_key(config, deps.env)
    adapter = ADAPTERS[config.protocol](config, dialect, deps, api_key)
    return ConnectedUpstream(adapter.name, adapter, deps, api_key)


def _read_api_key(config: UpstreamConfig, env: Mapping[str, str]) -> str:
    """The key in the variable or the file that the configuration names; fit for a header."""
    label = f"upstream {config.name!r}: "
    if config.api_key_env:
        label += f"the variable {config.api_key_env}"
        text = env.get(config.api_key_env, "")
    elif config.api_key_file:
        label += f"the file {config.api_key_file}"
        try:
            text = Path(config.api_key_file).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CatalogError(f"{label} cannot be read: {error.__class__.__name__}") from None
    else:
        raise CatalogError(f"{label}name its key with api_key_env or api_key_file, or override auth with 'none'")
    key = text.strip()
    if not key:
        raise CatalogError(f"{label} holds no key")
    if not (key.isascii() and key.isprintable()):
        raise CatalogError(f"{label} holds more than one line or characters that no key has")
    return key


def _base_url_error(base_url: str) -> str:
    try:
        url = URL(base_url)
    except ValueError:
        return "base_url is not a URL"
    if url.scheme not in ("http", "https") or not url.host:
        return "base_url must begin with https:// or http:// and name a host"
    if url.user or url.password:
        return "base_url must not contain a key; name it with api_key_env or api_key_file"
    return "base_url must not contain '?' or '#'" if url.query_string or url.fragment else ""


def _azure_error(config: UpstreamConfig, dialect: Dialect) -> str:
    return "api_version is missing" if dialect.path_style == "azure_dated" and not config.api_version else ""
