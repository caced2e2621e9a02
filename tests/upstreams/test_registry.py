"""From the operator's configuration to an upstream, or to a sentence that says what is missing."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest

from imagegate.catalog.catalog import CatalogError
from imagegate.catalog.routes import Protocol, UpstreamConfig, resolve_dialect
from imagegate.http.client import parse_retry_after
from imagegate.spool import Spool
from imagegate.upstreams.base import RecoveryMode, Upstream, UpstreamDeps
from imagegate.upstreams.embedded import Embedded
from imagegate.upstreams.openai.adapter import OpenAI
from imagegate.upstreams.registry import ADAPTERS, ConnectedUpstream, build_upstream
from tests.upstreams.helpers import fake_fetch


def connected(tmp_path: Path, env: dict[str, str] | None = None, **fields: Any) -> ConnectedUpstream:
    config = UpstreamConfig(**{"name": "there", "protocol": "openai", **fields})
    deps = UpstreamDeps(spool=Spool(tmp_path / "spool"), fetch=lambda _: fake_fetch, link=str, env=env or {})
    return build_upstream(config, resolve_dialect(config), deps)


def adapter(tmp_path: Path, env: dict[str, str] | None = None, **fields: Any) -> Upstream:
    return connected(tmp_path, env, **fields).adapter


def test_every_protocol_of_the_configuration_has_an_adapter() -> None:
    assert set(ADAPTERS) == set(get_args(Protocol))


def test_the_key_comes_from_the_variable_or_the_file(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("sk-1\n")
    assert isinstance(adapter(tmp_path, {"KEY": " sk-1\n"}, api_key_env="KEY"), OpenAI)
    assert isinstance(adapter(tmp_path, api_key_file=str(key)), OpenAI)
    assert isinstance(adapter(tmp_path, dialect="sd-server", base_url="http://127.0.0.1:1234/v1"), OpenAI)
    assert isinstance(adapter(tmp_path, protocol="embedded"), Embedded)


@pytest.mark.parametrize(
    ("fields", "env", "told"),
    [
        ({}, {}, "[[upstream]] 'there': name its key with api_key_env"),
        ({"api_key_env": "KEY"}, {}, "the variable KEY holds no key"),
        ({"api_key_env": "KEY", "api_key_file": "/key"}, {"KEY": "k"}, "give api_key_env or api_key_file, not both"),
        ({"api_key_env": "KEY"}, {"KEY": "a\nb"}, "the variable KEY holds more than one line"),
        ({"api_key_env": "KEY"}, {"KEY": "schlüssel"}, "the variable KEY holds more than one line or characters"),
        ({"api_key_file": "/nowhere/key"}, {}, "the file /nowhere/key cannot be read: No such file or directory"),
        ({"dialect": "generic", "api_key_env": "KEY"}, {"KEY": "k"}, "base_url is missing"),
        ({"base_url": "ftp://x"}, {}, "base_url is 'ftp://x': must begin with https://"),
        ({"base_url": "https://me:pw@x/v1"}, {}, "base_url is 'https://…@x/v1': must not contain a key"),
        ({"base_url": "https://x/v1?a=b"}, {}, "base_url is 'https://x/v1?a=b': must not contain '?'"),
        ({"base_url": "https://[x/v1"}, {}, "base_url is 'https://[x/v1': must be a URL"),
        ({"dialect": "azure-dated", "base_url": "https://x"}, {}, "api_version is missing"),
    ],
)
def test_what_is_missing_is_said(fields: dict[str, Any], env: dict[str, str], told: str, tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=re.escape(told)):
        connected(tmp_path, env, **fields)


def test_a_call_may_be_repeated_only_where_the_server_is_known_to_know_it_again(tmp_path: Path) -> None:
    plain = connected(tmp_path, {"K": "k"}, api_key_env="K")
    proven = connected(tmp_path, {"K": "k"}, api_key_env="K", override={"idempotency": "header"})
    assert (plain.recovery_mode, proven.recovery_mode) == (RecoveryMode.never, RecoveryMode.by_key)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0),
        ({"retry-after": "20"}, 20),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "x", "retry-after": "3"}, 3),
        ({"retry-after": "-3"}, 0),
        ({"retry-after": "nan"}, 0),
        ({"retry-after": "inf"}, 0),
        ({"retry-after": "1e9"}, 86_400),
        ({"retry-after": "soon"}, 0),
        ({"retry-after": "Sun, 22 Nov 2026 10:00:30 GMT"}, 30),
        ({"retry-after": "Sun, 22 Nov 2026 09:00:00 GMT"}, 0),
        ({"retry-after": "Sun, 99 Nov 2026 09:00:00 GMT"}, 0),
    ],
)
def test_how_long_to_stay_away(headers: dict[str, str], seconds: float) -> None:
    assert parse_retry_after(headers, datetime(2026, 11, 22, 10, tzinfo=UTC)) == seconds
