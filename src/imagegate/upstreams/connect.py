"""From the operator's row to an upstream that can be called.

Knows: which file speaks which protocol, and where secrets are read. Refuses to know: routes, and when to reload.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
from yarl import URL

from imagegate.catalog.routes import Dialect, UpstreamRow
from imagegate.spool import Spool
from imagegate.upstreams.base import Upstream
from imagegate.upstreams.downloads import Fetch, Link
from imagegate.upstreams.embedded import Embedded
from imagegate.upstreams.fal import Fal
from imagegate.upstreams.openai.adapter import OpenAI
from imagegate.upstreams.replicate import Replicate
from imagegate.upstreams.task_api import TaskApi

_OFFICIAL = {"openai": "https://api.openai.com/v1"}

_KINDS: dict[str, type[TaskApi | Fal | Replicate]] = {"task_api": TaskApi, "fal": Fal, "replicate": Replicate}


class NotConnected(msgspec.Struct, frozen=True):
    """The row cannot be used as it stands; `detail` tells the operator what to set. It holds no secret."""

    detail: str


class Plugs(msgspec.Struct, frozen=True, kw_only=True):
    """What every upstream of this process is given: where answers go, how results are fetched from what a row calls
    its base, how references become links, and where secrets are read."""

    spool: Spool
    fetch: Callable[[str], Fetch]
    link: Link
    env: Mapping[str, str] = os.environ
    painters: int = 0


def connect(row: UpstreamRow, dialect: Dialect, plugs: Plugs) -> Upstream | NotConnected:
    """Reads the row's secret, opens nothing. The upstream keeps the secret until it is made anew."""
    if row.protocol == "embedded":
        return Embedded(plugs.spool, plugs.painters)
    row = msgspec.structs.replace(row, base_url=row.base_url or _OFFICIAL.get(dialect.name, ""))
    fault = _address_fault(row.base_url) or _azure_fault(row, dialect)
    if fault:
        return NotConnected(f"upstream {row.name!r}: {fault}")
    secret = "" if dialect.auth == "none" else read_secret(row, plugs.env)
    if isinstance(secret, NotConnected):
        return secret
    fetch = plugs.fetch(row.base_url)
    if row.protocol == "openai":
        return OpenAI(row, dialect, plugs.spool, fetch, secret)
    return _KINDS[row.protocol](row, dialect, plugs.spool, fetch, plugs.link, secret)


def read_secret(row: UpstreamRow, env: Mapping[str, str]) -> str | NotConnected:
    """The row's key from the variable or the file that it names; usable as a header's value."""
    place = f"upstream {row.name!r}: "
    if row.api_key_env:
        place += f"the variable {row.api_key_env}"
        text = env.get(row.api_key_env, "")
    elif row.api_key_file:
        place += f"the file {row.api_key_file}"
        try:
            text = Path(row.api_key_file).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            return NotConnected(f"{place} cannot be read: {error.__class__.__name__}")
    else:
        return NotConnected(f"{place}name its key with api_key_env or api_key_file, or override auth with 'none'")
    secret = text.strip()
    if not secret:
        return NotConnected(f"{place} holds no key")
    if not (secret.isascii() and secret.isprintable()):
        return NotConnected(f"{place} holds more than one line or characters that no key has")
    return secret


def _address_fault(base_url: str) -> str:
    try:
        url = URL(base_url)
    except ValueError:
        return "base_url is no address"
    if url.scheme not in ("http", "https") or not url.host:
        return "base_url must begin with https:// or http:// and name a host"
    if url.user or url.password:
        return "base_url must hold no key; name it with api_key_env or api_key_file"
    return "base_url must end before any '?'" if url.query_string or url.fragment else ""


def _azure_fault(row: UpstreamRow, dialect: Dialect) -> str:
    return "api_version is missing" if dialect.path_style == "azure_dated" and not row.api_version else ""
