"""Every setting with its bounds, in six frozen groups that are read once and passed on.

Field names are unique over all groups, and docs/configuration.md has a line for each.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import unquote

import msgspec

from imagegate.catalog.routes import RouteConfig, UpstreamConfig
from imagegate.catalog.schema import Alias
from imagegate.domain.bounds import ConfigurationError, above_0, number, one_of, whole
from imagegate.domain.time import US_PER_SECOND
from imagegate.security.rate_limit import MAX_REQUESTS_PER_MINUTE
from imagegate.settings.kinds import (
    ALLOWED,
    CONTACT,
    DATABASE,
    DENIED,
    FILE_SCHEME,
    FOLDER,
    HOST,
    HOSTS,
    MANY,
    MONTH_S,
    NAME_SERVERS,
    NETWORKS,
    OBJECT_SCHEMES,
    ORIGIN,
    ORIGINS,
    PAIRS,
    PASSWORD,
    PATH,
    PER_MINUTE,
    PIXELS,
    PORTS,
    PROCESSES,
    STORAGE,
    USD,
    WORKERS,
)

ENV_PREFIX = "IMAGEGATE_"
MAX_UPLOAD_BYTES = 100 * 1024 * 1024
_WEBHOOK_LEASE_MARGIN_S = 30  # for the commits before and after a request
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


class SettingsError(ConfigurationError):
    """Settings that cannot be used; the text names each and its source."""


class Server(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the gateway listens and what it calls itself."""

    host: Annotated[str, HOST] = "127.0.0.1"
    port: Annotated[int, whole(0, 65535)] = 8000
    public_url: Annotated[str, ORIGIN] = ""
    allowed_hosts: Annotated[tuple[str, ...], HOSTS] = ()
    trusted_proxies: Annotated[tuple[str, ...], NETWORKS] = ()
    max_body_bytes: Annotated[int, whole(1, 1024**3)] = 1024 * 1024
    body_timeout_s: Annotated[float, above_0(3600)] = 15.0
    head_timeout_s: Annotated[float, above_0(3600)] = 10.0
    send_timeout_s: Annotated[float, above_0(3600)] = 30.0
    max_connections: Annotated[int, whole(1, MANY)] = 10_000
    connections_per_address: Annotated[int, whole(1, MANY)] = 2000
    log_level: Annotated[str, one_of(*LOG_LEVELS)] = "info"
    log_format: Annotated[str, one_of(*LOG_FORMATS)] = "auto"
    access_log: bool = False
    metrics: bool = True
    metrics_token: Annotated[str, PASSWORD] = ""


class Storage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where rows and bytes live."""

    data: Annotated[str, PATH] = "data"
    database: Annotated[str, DATABASE] = ""
    storage: Annotated[str, STORAGE] = ""
    storage_links: Annotated[str, one_of(*STORAGE_LINKS)] = "stream"
    spool: Annotated[str, FOLDER] = ""
    writer_batch: Annotated[int, whole(1, 100_000)] = 256
    readers: Annotated[int, whole(1, 1000)] = 4
    list_readers: Annotated[int, whole(0, 1000, " (0: one fewer than processors, at most four)")] = 0
    list_timeout_s: Annotated[float, above_0(3600)] = 3.0
    result_hours: Annotated[int, whole(0, 100 * 365 * 24)] = 24
    upload_hours: Annotated[int, whole(0, 100 * 365 * 24)] = 72
    thumbnail_days: Annotated[int, whole(0, 100 * 365, " (0: none are made)")] = 30
    task_days: Annotated[int, whole(1, 100 * 365)] = 30
    audit_days: Annotated[int, whole(1, 100 * 365)] = 400
    min_free_bytes: Annotated[int, whole(0, 2**60)] = 1024**3
    min_free_percent: Annotated[int, whole(0, 100)] = 5


class Credit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What money looks like at the edge."""

    credits_per_usd: Annotated[int, whole(1, MANY)] = 68
    demo_credits: Annotated[int, whole(0, 1000 * MANY)] = 10_000
    auto_cap: Annotated[str, PIXELS] = "2048x2048"
    price_files: Annotated[tuple[str, ...], PATH] = ()


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one caller may do."""

    unfinished_per_account: Annotated[int, whole(1, 1000 * MANY)] = 10_000
    unfinished_total: Annotated[int, whole(1, 1000 * MANY)] = 50_000
    account_requests_per_minute: Annotated[int, PER_MINUTE] = 0
    failed_logins_per_minute: Annotated[int, whole(0, MAX_REQUESTS_PER_MINUTE)] = 10
    visitor_requests_per_minute: Annotated[int, whole(0, MAX_REQUESTS_PER_MINUTE)] = 300
    webhook_sends_per_minute: Annotated[int, PER_MINUTE] = 30
    new_keys_per_minute: Annotated[int, PER_MINUTE] = 30
    event_streams_per_key: Annotated[int, whole(1, MANY)] = 1000
    idempotency_hours: Annotated[int, whole(1, 100 * 365 * 24)] = 48
    max_reference_bytes: Annotated[int, whole(1, 1024**3)] = 50 * 1024 * 1024
    fetch_bytes_per_hour: Annotated[int, whole(1, 2**60)] = 1024**3
    fetch_timeout_s: Annotated[float, above_0(3600)] = 60.0
    max_upload_bytes: Annotated[int, whole(1, MAX_UPLOAD_BYTES)] = 50 * 1024 * 1024
    upload_timeout_s: Annotated[float, above_0(24 * 3600)] = 300.0
    files_per_account: Annotated[int, whole(0, MANY)] = 100
    egress_allow: Annotated[tuple[str, ...], ALLOWED] = ()
    egress_deny: Annotated[tuple[str, ...], DENIED] = ()
    egress_ports: Annotated[tuple[int, ...], PORTS] = ()
    egress_contact: Annotated[str, CONTACT] = ""
    dns_servers: Annotated[tuple[str, ...], NAME_SERVERS] = ()
    key_cache_s: Annotated[float, number(0, 5)] = 2.0


class OpenAI(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the OpenAI surface treats clients that were made for the vendor's own service."""

    openai_models: Annotated[tuple[str, ...], PAIRS] = ()
    openai_cors_origins: Annotated[tuple[str, ...], ORIGINS] = ("*",)
    openai_base_hint: bool = True


class Work(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How tasks are carried out. `workers` of 0 is what `serve --no-workers` sets, and no source can."""

    workers: Annotated[int, WORKERS] = 10_000
    max_upstream_calls: Annotated[int, whole(1, MANY)] = 10_000
    lease_s: Annotated[float, above_0(24 * 3600)] = 60.0
    poll_s: Annotated[float, above_0(3600)] = 5.0
    deadline_s: Annotated[float, number(0, MONTH_S)] = 3600.0
    drain_s: Annotated[float, number(0, MONTH_S, " (0: as long as sent calls take)")] = 0.0
    outage_patience_s: Annotated[float, number(0, MONTH_S)] = 600.0
    max_crashes: Annotated[int, whole(0, 1000)] = 3
    sweep_s: Annotated[float, above_0(24 * 3600)] = 60.0
    max_embedded_processes: Annotated[int, PROCESSES] = 0
    max_image_processes: Annotated[int, PROCESSES] = 0
    webhook_timeout_s: Annotated[float, above_0(3600)] = 10.0
    webhook_retry_s: Annotated[tuple[float, ...], number(0, MONTH_S)] = (1.0, 2.0, 4.0)
    max_attempts_per_slice: Annotated[int, whole(1, 1000)] = 3
    repeat_usd_per_day: Annotated[str, USD] = "5"
    repeat_percent: Annotated[int, whole(0, 100)] = 1

    @property
    def webhook_lease_s(self) -> float:
        return self.webhook_timeout_s + _WEBHOOK_LEASE_MARGIN_S

    @property
    def spool_wait_us(self) -> int:
        """How long a task waits for the spool that has what it bought: as for a route that is out of order."""
        return int(self.outage_patience_s * US_PER_SECOND)


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All groups, and what is no setting: `file` as it was named, which names of RENAMED the sources used, and further
    `warnings` of one line each, for whoever shows them."""

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
    file: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def data_dir(self) -> Path:
        return Path(self.storage.data).expanduser().absolute()

    @property
    def blob_dir(self) -> Path | None:
        """The folder of images; None where they are in an object store."""
        storage = self.storage.storage
        if storage.startswith(OBJECT_SCHEMES):
            return None
        if storage.startswith(FILE_SCHEME):
            return Path(unquote(storage.removeprefix(FILE_SCHEME)))
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
