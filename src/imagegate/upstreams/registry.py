"""The upstreams of this process: built from the operator's configuration, with what every protocol needs around it."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, quote_plus

import msgspec

from imagegate.catalog.routes import Dialect, RouteConfig, RouteTable, UpstreamConfig
from imagegate.upstreams.base import Adapter, Call, CallHooks, Outcome, Produced, Upstream, UpstreamDeps
from imagegate.upstreams.embedded import Embedded
from imagegate.upstreams.fal import Fal
from imagegate.upstreams.openai.adapter import OpenAI
from imagegate.upstreams.plan import PreparedUpstream, UpstreamPlan, prepare_upstream
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


def build_registry(plan: UpstreamPlan, deps: UpstreamDeps) -> UpstreamRegistry:
    """The upstreams of a plan, each with its key. Nothing is opened."""
    built = {one.config.name: _connect(one, deps) for one in plan.upstreams}
    fingerprints = {name: upstream.key_fingerprint for name, upstream in built.items()}
    return UpstreamRegistry(plan.route_table, built, fingerprints, plan.routes)


def build_upstream(config: UpstreamConfig, dialect: Dialect, deps: UpstreamDeps) -> ConnectedUpstream:
    """One upstream by itself. Its key is kept until it is built anew. CatalogError tells what to change."""
    return _connect(prepare_upstream(config, dialect, deps.env), deps)


def _connect(prepared: PreparedUpstream, deps: UpstreamDeps) -> ConnectedUpstream:
    config, dialect, api_key = prepared.config, prepared.dialect, prepared.api_key
    adapter = ADAPTERS[config.protocol](config, dialect, deps, api_key)
    return ConnectedUpstream(adapter.name, adapter, deps, api_key)
