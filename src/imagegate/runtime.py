"""The parts of a running gateway, handed to every flow."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import secrets
from collections import Counter

from imagegate.blobs import LocalBlobStore
from imagegate.catalog.catalog import Catalog
from imagegate.concurrency import CallCounters, Sample, TtlCache, WakeUps, WorkerSlots
from imagegate.domain.time import ClockWatch
from imagegate.egress import EgressClient, EgressRules, FetchLimiter
from imagegate.images.jobs.process_pool import ProcessPool
from imagegate.routing.circuit_breaker import Health
from imagegate.security.failed_logins import FailedLogins
from imagegate.security.keyring import Keyring
from imagegate.settings import Settings
from imagegate.spool import Spool
from imagegate.store.accounts import UnfinishedCount
from imagegate.store.database import Database
from imagegate.store.dialect import Clock, wall_clock
from imagegate.upstreams.base import UpstreamDeps
from imagegate.upstreams.registry import UpstreamRegistry

LOOPBACK = ("127.0.0.1", "::1", "[::1]", "localhost")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Runtime:
    """`clock` gives UTC microseconds, `boot_id` names this process as an owner of leases, `origin` begins links.

    `image_pool` decodes untrusted images in processes of their own. `worker_slots` limits how many tasks are carried
    out at once, `fetch_limits` how many URLs are fetched, `upstream_call_slots` how many calls wait for upstreams.
    `route_health` is the breakers' state, `unfinished_total` the number of unfinished tasks of all accounts and what
    this process added since; both at most a second old. `disk_full` is a tenth of a second old at most. `page_secret`
    is in the link to the page that the start prints: whoever has it is the person at this machine. `event_streams`
    counts the open ones of each key, `uploads_under_way` those of each account.
    """

    settings: Settings
    catalog: Catalog
    db: Database
    blobs: LocalBlobStore
    spool: Spool
    registry: UpstreamRegistry
    upstream_deps: UpstreamDeps
    egress_client: EgressClient
    egress_rules: EgressRules
    image_pool: ProcessPool
    keyring: Keyring
    boot_id: str
    origin: str
    clock: Clock = wall_clock
    page_secret: str = dataclasses.field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    fetch_limits: FetchLimiter = dataclasses.field(default_factory=FetchLimiter)
    route_health: TtlCache[dict[str, Health]] = dataclasses.field(default_factory=lambda: TtlCache(1.0))
    unfinished_total: TtlCache[UnfinishedCount] = dataclasses.field(default_factory=lambda: TtlCache(1.0))
    disk_full: Sample[bool] = dataclasses.field(default_factory=lambda: Sample(0.1))
    call_counters: CallCounters = dataclasses.field(default_factory=CallCounters)
    failed_logins: FailedLogins = dataclasses.field(default_factory=FailedLogins)
    clock_watch: ClockWatch = dataclasses.field(default_factory=ClockWatch)
    uploads_under_way: Counter[str] = dataclasses.field(default_factory=Counter)
    event_streams: Counter[str] = dataclasses.field(default_factory=Counter)
    wake_ups: WakeUps = dataclasses.field(default_factory=WakeUps)

    @functools.cached_property
    def worker_slots(self) -> WorkerSlots:
        return WorkerSlots(self.settings.work.workers, self.wake_ups.tasks_due.set)

    @functools.cached_property
    def upstream_call_slots(self) -> asyncio.Semaphore:
        return asyncio.Semaphore(self.settings.work.max_upstream_calls)

    @property
    def credits_per_usd(self) -> int:
        return self.settings.credit.credits_per_usd

    @property
    def is_loopback_only(self) -> bool:
        """Whether only this machine is served: both the listening address and the public one are loopback."""
        host = self.origin.partition("://")[2].rpartition(":")[0]
        return self.settings.server.host in LOOPBACK and host in LOOPBACK

    @property
    def page_link(self) -> str:
        """Opens the page signed in as the local account. The secret is in the fragment, which is sent to no server."""
        return f"{self.origin}/#open={self.page_secret}"

    def serves_model(self, model: str) -> bool:
        """Whether any enabled route serves this model of the catalog."""
        return bool(self.registry.route_table.for_model(model))

    async def close(self) -> None:
        await self.egress_client.close()
        await self.image_pool.close()
        await self.registry.close()
        await self.upstream_deps.resolver.close()
        self.db.close()
