"""Every setting, in six frozen groups that are read once and passed on.

Sources, the first that has a value wins: command line, `IMAGEGATE_<NAME>`, the file that `IMAGEGATE_<NAME>_FILE` names,
TOML file, default. Field names are unique
over all groups, and docs/configuration.md has a line for each.
"""

from __future__ import annotations

import functools
import ipaddress
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import msgspec

from imagegate.catalog.routes import RouteConfig, UpstreamConfig
from imagegate.catalog.schema import Alias
from imagegate.domain.money import parse_usd
from imagegate.domain.time import US_PER_SECOND
from imagegate.security.rate_limit import MAX_REQUESTS_PER_MINUTE
from imagegate.security.variables import read_variable

ENV_PREFIX = "IMAGEGATE_"
MAX_UPLOAD_BYTES = 100 * 1024 * 1024
_MIN_TOKEN_CHARS = 16
_WEBHOOK_LEASE_MARGIN_S = 30  # for the commits before and after a request
OBJECT_SCHEMES = ("s3://", "gs://", "az://")
_FILE_SCHEME = "file://"
STORAGE_LINKS = ("stream", "redirect")
LOG_FORMATS = ("auto", "console", "json")
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")

# Names of earlier releases, still read: by their new name.
RENAMED = {
    "body_max_bytes": "max_body_bytes",
    "free_min_bytes": "min_free_bytes",
    "free_min_percent": "min_free_percent",
    "reference_max_bytes": "max_reference_bytes",
    "upload_max_bytes": "max_upload_bytes",
    "calls": "max_upstream_calls",
    "crashes_max": "max_crashes",
    "painters": "max_embedded_processes",
    "decoders": "max_image_processes",
    "hook_timeout_s": "webhook_timeout_s",
    "hook_retry_s": "webhook_retry_s",
    "tries_per_slice": "max_attempts_per_slice",
    "blobs": "storage",
}


class SettingsError(ValueError):
    """A setting that cannot be used; the text names it and its source."""


class Server(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the gateway listens and what it calls itself."""

    host: str = "127.0.0.1"
    port: int = 8000
    public_url: str = ""
    allowed_hosts: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    max_body_bytes: int = 1024 * 1024
    body_timeout_s: float = 15.0
    head_timeout_s: float = 10.0
    send_timeout_s: float = 30.0
    max_connections: int = 10_000
    connections_per_address: int = 2000
    log_level: str = "info"
    log_format: str = "auto"
    access_log: bool = False
    metrics: bool = True
    metrics_token: str = ""


class Storage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where rows and bytes live."""

    data: str = "data"
    database: str = ""
    storage: str = ""
    storage_links: str = "stream"
    spool: str = ""
    writer_batch: int = 256
    readers: int = 4
    list_readers: int = 4
    list_timeout_s: float = 3.0
    result_hours: int = 24
    upload_hours: int = 72
    thumbnail_days: int = 30
    task_days: int = 30
    audit_days: int = 400
    min_free_bytes: int = 1024**3
    min_free_percent: int = 5


class Credit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What money looks like at the edge."""

    credits_per_usd: int = 68
    demo_credits: int = 10_000
    auto_cap: str = "2048x2048"
    price_files: tuple[str, ...] = ()


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one caller may do."""

    unfinished_per_account: int = 10_000
    unfinished_total: int = 50_000
    account_requests_per_minute: int = 0
    failed_logins_per_minute: int = 10
    webhook_sends_per_minute: int = 30
    new_keys_per_minute: int = 30
    event_streams_per_key: int = 1000
    idempotency_hours: int = 48
    max_reference_bytes: int = 50 * 1024 * 1024
    fetch_bytes_per_hour: int = 1024**3
    fetch_timeout_s: float = 60.0
    max_upload_bytes: int = 50 * 1024 * 1024
    upload_timeout_s: float = 300.0
    files_per_account: int = 100
    egress_allow: tuple[str, ...] = ()
    egress_deny: tuple[str, ...] = ()
    egress_ports: tuple[int, ...] = ()
    egress_contact: str = ""
    dns_servers: tuple[str, ...] = ()
    key_cache_s: float = 2.0


class OpenAI(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the OpenAI surface treats clients that were made for the vendor's own service."""

    openai_models: tuple[str, ...] = ()
    openai_cors_origins: tuple[str, ...] = ("*",)
    openai_base_hint: bool = True


class Work(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How tasks are carried out."""

    workers: int = 10_000
    max_upstream_calls: int = 10_000
    lease_s: float = 60.0
    poll_s: float = 5.0
    deadline_s: float = 3600.0
    drain_s: float = 0.0
    outage_patience_s: float = 600.0
    max_crashes: int = 3
    sweep_s: float = 60.0
    max_embedded_processes: int = 0
    max_image_processes: int = 0
    webhook_timeout_s: float = 10.0
    webhook_retry_s: tuple[float, ...] = (1.0, 2.0, 4.0)
    max_attempts_per_slice: int = 3
    repeat_usd_per_day: str = "5"
    repeat_percent: int = 1

    @property
    def webhook_lease_s(self) -> float:
        return self.webhook_timeout_s + _WEBHOOK_LEASE_MARGIN_S

    @property
    def spool_wait_us(self) -> int:
        """How long a task waits for the spool that has what it bought: as for a route that is out of order."""
        return int(self.outage_patience_s * US_PER_SECOND)


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All groups. `old_names` is no setting: which names of RENAMED the sources used, for whoever warns of them."""

    server: Server = Server()
    storage: Storage = Storage()
    credit: Credit = Credit()
    limits: Limits = Limits()
    work: Work = Work()
    openai: OpenAI = OpenAI()
    alias: tuple[Alias, ...] = ()
    upstream: tuple[UpstreamConfig, ...] = ()
    route: tuple[RouteConfig, ...] = ()
    old_names: tuple[str, ...] = ()

    @property
    def data_dir(self) -> Path:
        return Path(self.storage.data).expanduser().absolute()

    @property
    def blob_dir(self) -> Path | None:
        """The folder of images; None where they are in an object store."""
        storage = self.storage.storage
        if storage.startswith(OBJECT_SCHEMES):
            return None
        if storage.startswith(_FILE_SCHEME):
            return Path(unquote(storage.removeprefix(_FILE_SCHEME)))
        return self._folder(storage, "blobs")

    @property
    def spool_dir(self) -> Path:
        return self._folder(self.storage.spool, "spool")

    def _folder(self, setting: str, name: str) -> Path:
        return Path(setting).expanduser().absolute() if setting else self.data_dir / name


GROUPS: dict[str, type[msgspec.Struct]]
GROUPS = {
    "server": Server,
    "storage": Storage,
    "credit": Credit,
    "limits": Limits,
    "work": Work,
    "openai": OpenAI,
}


def load_settings(
    file: Path | None = None, env: Mapping[str, str] = os.environ, overrides: Mapping[str, Any] | None = None
) -> Settings:
    """Read all sources. `overrides` holds command-line values by field name. SettingsError names what is wrong."""
    tree = _read_file(file)
    old_names = _rename_fields(tree) | {old for old in RENAMED if _variable(old) in env}
    given = {name: value for name, value in (overrides or {}).items() if value is not None}
    for group, kind in GROUPS.items():
        for field in kind.__struct_fields__:
            value = given.get(field, _from_environment(field, env))
            if value is not None:
                tree.setdefault(group, {})[field] = _split_list(value, kind, field)
    try:
        settings = msgspec.convert(tree, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"configuration: {error}") from error
    return _validate(msgspec.structs.replace(settings, old_names=tuple(sorted(old_names))))


def _variable(field: str) -> str:
    return ENV_PREFIX + field.upper()


def _from_environment(field: str, env: Mapping[str, str]) -> str | None:
    """The field's variable, else that of its old name."""
    names = [field, *(old for old, new in RENAMED.items() if new == field)]
    given = (read_variable(_variable(name), env) for name in names)
    return next((value for value in given if value is not None), None)


def _rename_fields(tree: dict[str, Any]) -> set[str]:
    """Old names in the file's groups become new ones; a field that has both keeps the new one. Returns the old ones."""
    found = set()
    for group in (tree[name] for name in GROUPS.keys() & tree.keys() if isinstance(tree[name], dict)):
        for old in RENAMED.keys() & group.keys():
            value = group.pop(old)
            group.setdefault(RENAMED[old], value)
            found.add(old)
    return found


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
        ("log_level", settings.server.log_level.lower() in LOG_LEVELS, f"one of {', '.join(LOG_LEVELS)}"),
        ("log_format", settings.server.log_format in LOG_FORMATS, f"one of {', '.join(LOG_FORMATS)}"),
        (
            "metrics_token",
            not settings.server.metrics_token or len(settings.server.metrics_token) >= _MIN_TOKEN_CHARS,
            f"empty, or at least {_MIN_TOKEN_CHARS} characters",
        ),
        ("port", 0 <= settings.server.port <= 65535, "0 to 65535"),
        ("head_timeout_s", settings.server.head_timeout_s > 0, "above 0"),
        ("send_timeout_s", settings.server.send_timeout_s > 0, "above 0"),
        ("max_connections", settings.server.max_connections > 0, "above 0"),
        ("connections_per_address", settings.server.connections_per_address > 0, "above 0"),
        ("event_streams_per_key", settings.limits.event_streams_per_key > 0, "above 0"),
        ("credits_per_usd", settings.credit.credits_per_usd > 0, "above 0"),
        *(
            (
                name,
                0 <= getattr(settings.limits, name) <= MAX_REQUESTS_PER_MINUTE,
                f"0 (no limit) to {MAX_REQUESTS_PER_MINUTE}",
            )
            for name in ("account_requests_per_minute", "webhook_sends_per_minute", "new_keys_per_minute")
        ),
        ("key_cache_s", 0 <= settings.limits.key_cache_s <= 5, "0 to 5"),
        (
            "trusted_proxies",
            all(
                _parses(text, functools.partial(ipaddress.ip_network, strict=False))
                for text in settings.server.trusted_proxies
            ),
            "addresses or networks",
        ),
        ("lease_s", settings.work.lease_s > 0, "above 0"),
        ("workers", settings.work.workers >= 0, "0 (serve only) or more"),
        ("drain_s", settings.work.drain_s >= 0, "0 (as long as sent calls take) or more"),
        ("outage_patience_s", settings.work.outage_patience_s >= 0, "0 or more"),
        ("unfinished_total", settings.limits.unfinished_total > 0, "above 0"),
        ("webhook_timeout_s", settings.work.webhook_timeout_s > 0, "above 0"),
        ("webhook_retry_s", all(wait >= 0 for wait in settings.work.webhook_retry_s), "waits of 0 seconds or more"),
        ("max_upstream_calls", settings.work.max_upstream_calls > 0, "above 0"),
        ("max_attempts_per_slice", settings.work.max_attempts_per_slice > 0, "above 0"),
        (
            "repeat_usd_per_day",
            _parses(settings.work.repeat_usd_per_day, parse_usd),
            "an amount of USD such as 5 or 0.50",
        ),
        ("repeat_percent", 0 <= settings.work.repeat_percent <= 100, "0 to 100"),
        (
            "storage",
            _is_storage(settings.storage.storage),
            "a folder, file:///folder, or s3://, gs:// or az:// with bucket and prefix (credentials: the environment)",
        ),
        (
            "storage_links",
            settings.storage.storage_links in STORAGE_LINKS,
            f"one of {', '.join(STORAGE_LINKS)}",
        ),
        (
            "storage_links",
            settings.storage.storage_links == "stream" or settings.blob_dir is None,
            "stream where storage is a folder: only an object store has links of its own",
        ),
        ("writer_batch", settings.storage.writer_batch > 0, "above 0"),
        ("thumbnail_days", settings.storage.thumbnail_days >= 0, "0 (none are made) or more"),
        ("audit_days", settings.storage.audit_days >= 1, "1 or more"),
        ("task_days", settings.storage.task_days >= 1, "1 or more"),
        ("max_image_processes", settings.work.max_image_processes >= 0, "0 (one per processor) or more"),
        ("readers", settings.storage.readers > 0, "above 0"),
        ("list_readers", settings.storage.list_readers > 0, "above 0"),
        ("list_timeout_s", settings.storage.list_timeout_s > 0, "above 0"),
        ("fetch_bytes_per_hour", settings.limits.fetch_bytes_per_hour > 0, "above 0"),
        ("fetch_timeout_s", settings.limits.fetch_timeout_s > 0, "above 0"),
        ("max_upload_bytes", 0 < settings.limits.max_upload_bytes <= MAX_UPLOAD_BYTES, f"1 to {MAX_UPLOAD_BYTES}"),
        (
            "dns_servers",
            all(_parses(text, _parse_name_server) for text in settings.limits.dns_servers),
            "addresses, with a port where it is not 53",
        ),
        ("public_url", _is_origin(settings.server.public_url), "an origin such as https://images.example.com"),
        (
            "openai_models",
            all(re.fullmatch(r"[^=\s]+=[^=\s]+", pair) for pair in settings.openai.openai_models),
            "pairs such as dall-e-3=gpt-image-2",
        ),
        (
            "openai_cors_origins",
            all(origin == "*" or _is_origin(origin) for origin in settings.openai.openai_cors_origins),
            "* or origins such as https://app.example.com",
        ),
    ]
    for name, holds, allowed in rules:
        if not holds:
            raise SettingsError(f"setting {name} must be {allowed}")
    return settings


def _parses(text: str, parse: Callable[[str], object]) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


def _parse_name_server(text: str) -> None:
    """`ADDRESS` or `ADDRESS:PORT`; an IPv6 address with a port stands in brackets."""
    address, _, port = text.rpartition(":") if re.fullmatch(r"[0-9.]+:[0-9]+|\[.*\]:[0-9]+", text) else (text, "", "53")
    ipaddress.ip_address(address.removeprefix("[").removesuffix("]"))
    if not 0 < int(port) <= 65535:
        raise ValueError(f"{port} is not a port")


def _is_storage(text: str) -> bool:
    if text.startswith(OBJECT_SCHEMES):
        # No credentials, ports, queries or fragments, and nothing that a server might take for another folder.
        return (
            re.fullmatch(r"[a-z0-9]+://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9](/[A-Za-z0-9_][A-Za-z0-9._-]*)*/?", text)
            is not None
        )
    if text.startswith(_FILE_SCHEME):
        return text.startswith(f"{_FILE_SCHEME}/") and not re.search("[?#]", text)
    return not re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", text)


def _is_origin(url: str) -> bool:
    return not url or (url.startswith(("http://", "https://")) and not url.endswith("/"))
