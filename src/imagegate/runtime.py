"""The parts of a running gateway, handed to every flow."""

from __future__ import annotations

import dataclasses
import functools
import resource
import secrets
from collections import Counter

from imagegate.blobs import BlobStore
from imagegate.catalog.catalog import Catalog
from imagegate.concurrency import KeyedSlots, LiveAnswers, Sample, SharedRuns, TtlCache, WakeUps
from imagegate.counters import WorkCounters
from imagegate.disk import DiskWriter
from imagegate.domain.time import ClockWatch
from imagegate.egress import EgressClient, EgressRules, FetchLimiter
from imagegate.images.jobs.process_pool import ProcessPool
from imagegate.partial_images import PartialImages
from imagegate.routing.call_limits import CallLimits, most_calls
from imagegate.routing.circuit_breaker import Health
from imagegate.security.failed_logins import FailedLogins
from imagegate.security.keyring import Keyring
from imagegate.settings import Settings
from imagegate.spool import Spool
from imagegate.store.accounts import UnfinishedCount
from imagegate.store.database import Database
from imagegate.store.dialect import Clock, wall_clock
from imagegate.store.notifications import Notifications
from imagegate.tracing import Tracing
from imagegate.upstreams.base import UpstreamDeps
from imagegate.upstreams.registry import UpstreamRegistry

LOOPBACK = ("127.0.0.1", "::1", "[::1]", "localhost")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Runtime:
    """`clock` gives UTC microseconds, `boot_id` names this process as an owner of leases, `origin` begins links,
    `links_origin` those of the object store to which result links redirect.

    `disk` flushes what `spool` writes, and `blobs` where they are files. `image_pool` decodes untrusted images in
    processes of their own, `thumbnail_pool` those that no task waits for, at a lower priority. `thumbnail_runs` are the
    drawings under way and in line, by result. `fetch_limits` limits how many URLs are fetched at once, `call_limits`
    how many calls of upstreams run, `fetching` counts the tasks of each account that wait for references.
    `route_health` is the breakers' state, `unfinished_total` the number of unfinished tasks of all accounts and what
    this process added since; both at most a second old. `disk_full` is a tenth of a second old at most. `page_secret`
    is in the link to the page that the start prints: whoever has it is the person at this machine. `event_streams`
    counts the open ones of each key, `uploads_under_way` those of each account. `live_answers` are what synchronous
    requests wait for. `tracing` is None where no traces are recorded. `notifications` go to the other processes of the
    database, where there can be any. `price_catalogs` has the prices of each price version that was used, as they are
    on record, `price_conflicts` the versions that this process has otherwise and does not sell by.
    `waiting_for_storage` are the tasks here that the storage of images delays.
    """

    settings: Settings
    catalog: Catalog
    db: Database
    blobs: BlobStore
    spool: Spool
    disk: DiskWriter
    registry: UpstreamRegistry
    upstream_deps: UpstreamDeps
    egress_client: EgressClient
    egress_rules: EgressRules
    image_pool: ProcessPool
    thumbnail_pool: ProcessPool
    keyring: Keyring
    boot_id: str
    origin: str
    notifications: Notifications | None
    tracing: Tracing | None = None
    links_origin: str = ""
    clock: Clock = wall_clock
    page_secret: str = dataclasses.field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    fetch_limits: FetchLimiter = dataclasses.field(default_factory=FetchLimiter)
    route_health: TtlCache[dict[str, Health]] = dataclasses.field(default_factory=lambda: TtlCache(1.0))
    unfinished_total: TtlCache[UnfinishedCount] = dataclasses.field(default_factory=lambda: TtlCache(1.0))
    disk_full: Sample[bool] = dataclasses.field(default_factory=lambda: Sample(0.1))
    counters: WorkCounters = dataclasses.field(default_factory=WorkCounters)
    failed_logins: FailedLogins = dataclasses.field(default_factory=FailedLogins)
    clock_watch: ClockWatch = dataclasses.field(default_factory=ClockWatch)
    uploads_under_way: Counter[str] = dataclasses.field(default_factory=Counter)
    fetching: Counter[str] = dataclasses.field(default_factory=Counter)
    event_streams: Counter[str] = dataclasses.field(default_factory=Counter)
    price_catalogs: dict[str, Catalog] = dataclasses.field(default_factory=dict)
    price_conflicts: set[str] = dataclasses.field(default_factory=set)
    waiting_for_storage: set[str] = dataclasses.field(default_factory=set)
    wake_ups: WakeUps = dataclasses.field(default_factory=WakeUps)
    live_answers: LiveAnswers = dataclasses.field(default_factory=LiveAnswers)
    thumbnail_runs: SharedRuns = dataclasses.field(default_factory=SharedRuns)

    @functools.cached_property
    def partial_images(self) -> PartialImages:
        return PartialImages(self.settings.data_dir / "incoming")

    @functools.cached_property
    def call_limits(self) -> CallLimits:
        """How many calls of upstreams run at once: made at the first use, when the limit of open files is known."""
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        most = most_calls(self.settings.work.max_upstream_calls, files, self.settings.server.max_connections)
        return CallLimits(most, self.wake_ups.notify_place_free)

    @functools.cached_property
    def thumbnail_slots(self) -> KeyedSlots:
        """By account: one with many looks leaves room in the line for others."""
        return KeyedSlots(max(1, self.thumbnail_pool.size // 2))

    @property
    def credits_per_usd(self) -> int:
        return self.settings.credit.credits_per_usd

    @property
    def is_loopback_only(self) -> bool:
        """Whether only this machine is served: both the listening address and the public one are loopback."""
        host = self.origin.partition("://")[2].rpartition(":")[0]
        return self.settings.server.host in LOOPBACK and host in LOOPBACK

    @property
    def carries_out_tasks(self) -> bool:
        return self.settings.work.workers > 0

    @property
    def does_periodic_work(self) -> bool:
        """Sweeps, webhooks and thumbnails are the business of processes with workers; a single process does it all."""
        return self.carries_out_tasks or not self.db.engine.shared

    @property
    def page_link(self) -> str:
        """Opens the page signed in as the local account. The secret is in the fragment, which is sent to no server."""
        return f"{self.origin}/#open={self.page_secret}"

    def serves_model(self, model: str) -> bool:
        """Whether any enabled route serves this model of the catalog."""
        return bool(self.registry.route_table.for_model(model))

    async def close(self) -> None:
        await self.egress_client.close()
        await self.thumbnail_runs.close()
        await self.thumbnail_pool.close()
        await self.image_pool.close()
        await self.registry.close()
        await self.upstream_deps.resolver.close()
        self.upstream_deps.decoder.close()
        if self.tracing is not None:
            await self.tracing.close()
        self.db.close()
        self.disk.close()
        self.spool.close()
