"""Every setting, in five frozen groups, read once and passed on.

Knows: names, defaults, and the order of sources: command line over `IMAGEGATE_<NAME>` over the TOML file over the
default. Refuses to know: what any setting does. Field names are unique over all groups; docs/configuration.md has a
line for each, and a test compares them.
"""

from __future__ import annotations

import ipaddress
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from imagegate.catalog.routes import RouteConfig, UpstreamConfig
from imagegate.catalog.schema import Alias
from imagegate.domain.money import parse_usd
from imagegate.security.rate_limit import MAX_REQUESTS_PER_MINUTE

ENV_PREFIX = "IMAGEGATE_"
MAX_UPLOAD_BYTES = 100 * 1024 * 1024
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


class SettingsError(ValueError):
    """A setting that cannot be used; the text names it and its source."""


class Server(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the gateway listens and what it calls itself."""

    host: str = "127.0.0.1"
    port: int = 8000
    public_url: str = ""
    allowed_hosts: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    body_max_bytes: int = 1024 * 1024
    body_timeout_s: float = 15.0
    log_level: str = "info"
    metrics: bool = True


class Storage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where rows and bytes live."""

    data: str = "data"
    database: str = ""
    writer_batch: int = 256
    readers: int = 4
    result_hours: int = 24
    upload_hours: int = 72
    thumbnail_days: int = 30
    task_days: int = 30
    free_min_bytes: int = 1024**3
    free_min_percent: int = 5


class Credit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What money looks like at the edge."""

    credits_per_usd: int = 68
    demo_credits: int = 10_000
    auto_cap: str = "2048x2048"
    price_files: tuple[str, ...] = ()


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one caller may do."""

    unfinished_per_account: int = 10_000
    account_requests_per_minute: int = 0
    failed_logins_per_minute: int = 10
    idempotency_hours: int = 48
    reference_max_bytes: int = 50 * 1024 * 1024
    fetch_bytes_per_hour: int = 1024**3
    fetch_timeout_s: float = 60.0
    upload_max_bytes: int = 50 * 1024 * 1024
    upload_timeout_s: float = 300.0
    files_per_account: int = 100
    egress_allow: tuple[str, ...] = ()
    egress_deny: tuple[str, ...] = ()
    egress_ports: tuple[int, ...] = ()
    egress_contact: str = ""
    key_cache_s: float = 2.0


class Work(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How tasks are carried out."""

    workers: int = 8
    calls: int = 256
    lease_s: float = 60.0
    poll_s: float = 5.0
    deadline_s: float = 3600.0
    drain_s: float = 30.0
    crashes_max: int = 3
    sweep_s: float = 60.0
    painters: int = 0
    decoders: int = 0
    hook_timeout_s: float = 10.0
    hook_retry_s: tuple[float, ...] = (1.0, 2.0, 4.0)
    tries_per_slice: int = 3
    repeat_usd_per_day: str = "5"
    repeat_percent: int = 1


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    server: Server = Server()
    storage: Storage = Storage()
    credit: Credit = Credit()
    limits: Limits = Limits()
    work: Work = Work()
    alias: tuple[Alias, ...] = ()
    upstream: tuple[UpstreamConfig, ...] = ()
    route: tuple[RouteConfig, ...] = ()

    @property
    def data_dir(self) -> Path:
        return Path(self.storage.data).expanduser().absolute()


GROUPS: dict[str, type[msgspec.Struct]] = {
    "server": Server,
    "storage": Storage,
    "credit": Credit,
    "limits": Limits,
    "work": Work,
}


def load_settings(
    file: Path | None = None, env: Mapping[str, str] = os.environ, overrides: Mapping[str, Any] | None = None
) -> Settings:
    """Read all sources. `overrides` holds command-line values by field name. SettingsError names what is wrong."""
    tree = _read_file(file)
    for group, kind in GROUPS.items():
        for field in kind.__struct_fields__:
            override = (overrides or {}).get(field)  # an option that was not given is None, and hides nothing
            value = env.get(ENV_PREFIX + field.upper()) if override is None else override
            if value is not None:
                tree.setdefault(group, {})[field] = _split_list(value, kind, field)
    try:
        settings = msgspec.convert(tree, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"configuration: {error}") from error
    return _validate(settings)


def _read_file(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot read {file}: {error.strerror}") from error
    except ValueError as error:
        raise SettingsError(f"{file} is not valid TOML: {error}") from error


def _split_list(value: Any, kind: type[msgspec.Struct], field: str) -> Any:
    """A list in the environment is written with commas."""
    if isinstance(value, str) and isinstance(getattr(kind(), field), tuple):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _validate(settings: Settings) -> Settings:
    rules = [
        ("log_level", settings.server.log_level.upper() in LOG_LEVELS, f"one of {', '.join(LOG_LEVELS).lower()}"),
        ("port", 0 <= settings.server.port <= 65535, "0 to 65535"),
        ("credits_per_usd", settings.credit.credits_per_usd > 0, "above 0"),
        (
            "account_requests_per_minute",
            0 <= settings.limits.account_requests_per_minute <= MAX_REQUESTS_PER_MINUTE,
            f"0 (no limit) to {MAX_REQUESTS_PER_MINUTE}",
        ),
        ("key_cache_s", 0 <= settings.limits.key_cache_s <= 5, "0 to 5"),
        ("trusted_proxies", all(map(_is_network, settings.server.trusted_proxies)), "addresses or networks"),
        ("lease_s", settings.work.lease_s > 0, "above 0"),
        ("workers", settings.work.workers >= 0, "0 (serve only) or more"),
        ("hook_timeout_s", settings.work.hook_timeout_s > 0, "above 0"),
        ("hook_retry_s", all(wait >= 0 for wait in settings.work.hook_retry_s), "waits of 0 seconds or more"),
        ("calls", settings.work.calls > 0, "above 0"),
        ("tries_per_slice", settings.work.tries_per_slice > 0, "above 0"),
        ("repeat_usd_per_day", _is_amount(settings.work.repeat_usd_per_day), "an amount of USD such as 5 or 0.50"),
        ("repeat_percent", 0 <= settings.work.repeat_percent <= 100, "0 to 100"),
        ("writer_batch", settings.storage.writer_batch > 0, "above 0"),
        ("thumbnail_days", settings.storage.thumbnail_days >= 0, "0 (none are made) or more"),
        ("task_days", settings.storage.task_days >= 1, "1 or more"),
        ("decoders", settings.work.decoders >= 0, "0 (one per processor) or more"),
        ("readers", settings.storage.readers > 0, "above 0"),
        ("fetch_bytes_per_hour", settings.limits.fetch_bytes_per_hour > 0, "above 0"),
        ("fetch_timeout_s", settings.limits.fetch_timeout_s > 0, "above 0"),
        ("upload_max_bytes", 0 < settings.limits.upload_max_bytes <= MAX_UPLOAD_BYTES, f"1 to {MAX_UPLOAD_BYTES}"),
        (
            "public_url",
            _is_origin(settings.server.public_url),
            "an origin such as https://images.example.com",
        ),
    ]
    for name, holds, allowed in rules:
        if not holds:
            raise SettingsError(f"setting {name} must be {allowed}")
    return settings


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _is_amount(text: str) -> bool:
    try:
        parse_usd(text)
    except ValueError:
        return False
    return True


def _is_origin(url: str) -> bool:
    return not url or (url.startswith(("http://", "https://")) and not url.endswith("/"))
