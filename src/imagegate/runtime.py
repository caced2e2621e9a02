"""What a running gateway is made of, handed to every flow.

Knows: the parts and how they wake each other. Refuses to know: what is done with them.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import time
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Generic, TypeVar

from imagegate.blobs import LocalBlobStore
from imagegate.catalog.catalog import Catalog
from imagegate.domain.tasks import AttemptOutcome
from imagegate.egress import EgressClient, EgressRules, FetchLimiter
from imagegate.images.jobs.process_pool import ProcessPool
from imagegate.routing.circuit_breaker import Health
from imagegate.security.keyring import Keyring
from imagegate.settings import Settings
from imagegate.spool import Spool
from imagegate.store.database import Database
from imagegate.store.engines import Clock, wall_clock
from imagegate.upstreams.connect import UpstreamDeps
from imagegate.upstreams.registry import UpstreamRegistry

LOOPBACK = ("127.0.0.1", "::1", "[::1]", "localhost")

T = TypeVar("T")


class WakeUps:
    """Wake-ups inside this process. They only shorten waiting: whoever wakes looks at the database.

    `worker_running` tells whether this process carries tasks out at the moment, `closing` that it is about to end,
    `broken_invariants`
    which invariants the last sweep found broken, `cancel_requested` which running tasks their customers wish cancelled.
    """

    def __init__(self) -> None:
        self.tasks_due = asyncio.Event()
        self.webhooks_due = asyncio.Event()
        self.worker_running = False
        self.closing = False
        self.broken_invariants: frozenset[str] = frozenset()
        self.cancel_requested: set[str] = set()
        self._waiters: defaultdict[str, list[asyncio.Future[None]]] = defaultdict(list)

    def close(self) -> None:
        """Let everybody who waits go home with what there is."""
        self.closing = True
        for task_id in list(self._waiters):
            self.notify_task_changed(task_id)

    def notify_task_changed(self, task_id: str) -> None:
        for waiter in self._waiters.pop(task_id, []):
            if not waiter.done():
                waiter.set_result(None)

    def notify_task_ended(self, task_id: str) -> None:
        """Its webhook is due too."""
        self.cancel_requested.discard(task_id)
        self.notify_task_changed(task_id)
        self.webhooks_due.set()

    @contextlib.contextmanager
    def watch_task(self, task_id: str) -> Iterator[asyncio.Future[None]]:
        """A future that is done at the next change. Take it before looking, then nothing slips between."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters[task_id].append(waiter)
        try:
            yield waiter
        finally:
            waiters = self._waiters.get(task_id, [])
            if waiter in waiters:
                waiters.remove(waiter)
            if not waiters:
                self._waiters.pop(task_id, None)


class TtlCache(Generic[T]):
    """A value that is asked for often and may be `max_age_s` old: many who ask at once cost one question."""

    def __init__(self, max_age_s: float) -> None:
        self._max_age_s = max_age_s
        self._loaded_at = -max_age_s
        self._value: asyncio.Future[T] | None = None

    async def get(self, load: Callable[[], Awaitable[T]]) -> T:
        """Whoever asks while the answer is on its way waits for the same one; a failure is not kept."""
        now = time.monotonic()
        if self._value is None or now - self._loaded_at > self._max_age_s or _failed(self._value):
            self._loaded_at, self._value = now, asyncio.ensure_future(load())
        return await asyncio.shield(self._value)


def _failed(value: asyncio.Future[T]) -> bool:
    return value.done() and (value.cancelled() or value.exception() is not None)


class WorkerSlots:
    """Where tasks are at work, `size` at a time. One that only waits for the network leaves its place to others.

    Whoever comes back is served before anybody new; `free` counts what is left for those.
    """

    def __init__(self, size: int, wake: Callable[[], None]) -> None:
        self._free = size
        self._wake = wake
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._waiting: Counter[str] = Counter()

    @property
    def free(self) -> int:
        return max(0, self._free)

    def waiting_count(self, account_id: str) -> int:
        """How many of the account's tasks are away from their places."""
        return self._waiting[account_id]

    def acquire(self) -> None:
        self._free -= 1

    def release(self) -> None:
        self._free += 1
        while self._free > 0 and self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                self._free -= 1
        self._wake()

    @contextlib.asynccontextmanager
    async def release_while_waiting(self, account_id: str) -> AsyncIterator[None]:
        """The caller's place is another's meanwhile. One that fails is as good as gone and waits for none."""
        self._waiting[account_id] += 1
        self.release()
        try:
            yield
        except BaseException:
            self.acquire()
            raise
        else:
            await self._reacquire()
        finally:
            self._waiting[account_id] -= 1
            if not self._waiting[account_id]:
                del self._waiting[account_id]
            self._wake()

    async def _reacquire(self) -> None:
        if self._free > 0:
            self.acquire()
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if not waiter.done() or waiter.cancelled():
                self.acquire()
            raise


class CallCounters:
    """Calls to upstreams that ended in this process since its start: how many, and what they cost or may have cost, in
    nanos. By route and outcome."""

    def __init__(self) -> None:
        self.calls: Counter[tuple[str, AttemptOutcome]] = Counter()
        self.cost_nanos: Counter[tuple[str, AttemptOutcome]] = Counter()

    def count(self, route: str, outcome: AttemptOutcome, nanos: int) -> None:
        self.calls[route, outcome] += 1
        self.cost_nanos[route, outcome] += nanos


@dataclasses.dataclass(frozen=True, kw_only=True)
class Runtime:
    """`clock` gives UTC microseconds, `boot_id` names this process as an owner of leases, `origin` begins links.

    `image_pool` is where strangers' pictures are decoded, `worker_slots` bounds how many tasks are at work at once,
    `fetch_limits` how
    many URLs are fetched at once, `upstream_call_slots` how many calls are with upstreams. `route_health` is what
    routes are doing, as of
    a moment ago, `call_counters` what calls came to in this process.
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
    fetch_limits: FetchLimiter = dataclasses.field(default_factory=FetchLimiter)
    route_health: TtlCache[dict[str, Health]] = dataclasses.field(default_factory=lambda: TtlCache(1.0))
    call_counters: CallCounters = dataclasses.field(default_factory=CallCounters)
    wake_ups: WakeUps = dataclasses.field(default_factory=WakeUps)

    @functools.cached_property
    def worker_slots(self) -> WorkerSlots:
        return WorkerSlots(self.settings.work.workers, self.wake_ups.tasks_due.set)

    @functools.cached_property
    def upstream_call_slots(self) -> asyncio.Semaphore:
        return asyncio.Semaphore(self.settings.work.calls)

    @property
    def credits_per_usd(self) -> int:
        return self.settings.credit.credits_per_usd

    @property
    def is_loopback_only(self) -> bool:
        """Whether only this machine is served: both the address that is listened on and the public one are its own."""
        host = self.origin.partition("://")[2].rpartition(":")[0]
        return self.settings.server.host in LOOPBACK and host in LOOPBACK

    def serves_model(self, model: str) -> bool:
        """Whether any route leads somewhere for this row of the catalog."""
        return bool(self.registry.route_table.for_model(model))

    async def close(self) -> None:
        await self.egress_client.close()
        await self.image_pool.close()
        await self.registry.close()
        self.db.close()
