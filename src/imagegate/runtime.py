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

from imagegate.blobs import LocalBlobs
from imagegate.catalog.catalog import Book
from imagegate.domain.tasks import Outcome
from imagegate.egress import EgressRules, Outbound, Turns
from imagegate.images.jobs.process_pool import ChildPool
from imagegate.routing.circuit_breaker import Health
from imagegate.security.keyring import Keyring
from imagegate.settings import Settings
from imagegate.spool import Spool
from imagegate.store.database import Database
from imagegate.store.engines import Clock, wall_clock
from imagegate.upstreams.connect import Plugs
from imagegate.upstreams.registry import Fleet

PER_SECOND = 1_000_000
LOOPBACK = ("127.0.0.1", "::1", "[::1]", "localhost")

T = TypeVar("T")


class Signals:
    """Wake-ups inside this process. They only shorten waiting: whoever wakes looks at the database.

    `working` tells whether this process carries tasks out at the moment, `closing` that it is about to end, `broken`
    which invariants the last sweep found broken, `unwanted` which running tasks their customers wish cancelled.
    """

    def __init__(self) -> None:
        self.work = asyncio.Event()
        self.hooks = asyncio.Event()
        self.working = False
        self.closing = False
        self.broken: frozenset[str] = frozenset()
        self.unwanted: set[str] = set()
        self._changed: defaultdict[str, list[asyncio.Future[None]]] = defaultdict(list)

    def close(self) -> None:
        """Let everybody who waits go home with what there is."""
        self.closing = True
        for task_id in list(self._changed):
            self.task_changed(task_id)

    def task_changed(self, task_id: str) -> None:
        for waiter in self._changed.pop(task_id, []):
            if not waiter.done():
                waiter.set_result(None)

    def task_ended(self, task_id: str) -> None:
        """Its webhook is due too."""
        self.unwanted.discard(task_id)
        self.task_changed(task_id)
        self.hooks.set()

    @contextlib.contextmanager
    def watching(self, task_id: str) -> Iterator[asyncio.Future[None]]:
        """A future that is done at the next change. Take it before looking, then nothing slips between."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._changed[task_id].append(waiter)
        try:
            yield waiter
        finally:
            waiters = self._changed.get(task_id, [])
            if waiter in waiters:
                waiters.remove(waiter)
            if not waiters:
                self._changed.pop(task_id, None)


class Recent(Generic[T]):
    """A value that is asked for often and may be `max_age_s` old: many who ask at once cost one question."""

    def __init__(self, max_age_s: float) -> None:
        self._max_age_s = max_age_s
        self._asked = -max_age_s
        self._value: asyncio.Future[T] | None = None

    async def fresh(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Whoever asks while the answer is on its way waits for the same one; a failure is not kept."""
        now = time.monotonic()
        if self._value is None or now - self._asked > self._max_age_s or _failed(self._value):
            self._asked, self._value = now, asyncio.ensure_future(ask())
        return await asyncio.shield(self._value)


def _failed(value: asyncio.Future[T]) -> bool:
    return value.done() and (value.cancelled() or value.exception() is not None)


class Places:
    """Where tasks are at work, `size` at a time. One that only waits for the network leaves its place to others.

    Whoever comes back is served before anybody new; `free` counts what is left for those.
    """

    def __init__(self, size: int, wake: Callable[[], None]) -> None:
        self._free = size
        self._wake = wake
        self._back: deque[asyncio.Future[None]] = deque()
        self._away: Counter[str] = Counter()

    @property
    def free(self) -> int:
        return max(0, self._free)

    def away(self, account_id: str) -> int:
        """How many of the account's tasks are away from their places."""
        return self._away[account_id]

    def take(self) -> None:
        self._free -= 1

    def give(self) -> None:
        self._free += 1
        while self._free > 0 and self._back:
            coming = self._back.popleft()
            if not coming.done():
                coming.set_result(None)
                self._free -= 1
        self._wake()

    @contextlib.asynccontextmanager
    async def left_by(self, account_id: str) -> AsyncIterator[None]:
        """The caller's place is another's meanwhile. One that fails is as good as gone and waits for none."""
        self._away[account_id] += 1
        self.give()
        try:
            yield
        except BaseException:
            self.take()
            raise
        else:
            await self._come_back()
        finally:
            self._away[account_id] -= 1
            if not self._away[account_id]:
                del self._away[account_id]
            self._wake()

    async def _come_back(self) -> None:
        if self._free > 0:
            self.take()
            return
        coming: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._back.append(coming)
        try:
            await coming
        except asyncio.CancelledError:
            if not coming.done() or coming.cancelled():
                self.take()
            raise


class Tally:
    """Calls to upstreams that ended in this process since its start: how many, and what they cost or may have cost, in
    nanos. By route and outcome."""

    def __init__(self) -> None:
        self.calls: Counter[tuple[str, Outcome]] = Counter()
        self.nanos: Counter[tuple[str, Outcome]] = Counter()

    def count(self, route: str, outcome: Outcome, nanos: int) -> None:
        self.calls[route, outcome] += 1
        self.nanos[route, outcome] += nanos


@dataclasses.dataclass(frozen=True, kw_only=True)
class Runtime:
    """`clock` gives UTC microseconds, `boot_id` names this process as an owner of leases, `origin` begins links.

    `pixels` is where strangers' pictures are decoded, `places` bounds how many tasks are at work at once, `turns` how
    many URLs are fetched at once, `calling` how many calls are with upstreams. `health` is what routes are doing, as of
    a moment ago, `tally` what calls came to in this process.
    """

    settings: Settings
    book: Book
    db: Database
    blobs: LocalBlobs
    spool: Spool
    fleet: Fleet
    plugs: Plugs
    outbound: Outbound
    egress: EgressRules
    pixels: ChildPool
    keyring: Keyring
    boot_id: str
    origin: str
    clock: Clock = wall_clock
    turns: Turns = dataclasses.field(default_factory=Turns)
    health: Recent[dict[str, Health]] = dataclasses.field(default_factory=lambda: Recent(1.0))
    tally: Tally = dataclasses.field(default_factory=Tally)
    signals: Signals = dataclasses.field(default_factory=Signals)

    @functools.cached_property
    def places(self) -> Places:
        return Places(self.settings.work.workers, self.signals.work.set)

    @functools.cached_property
    def calling(self) -> asyncio.Semaphore:
        return asyncio.Semaphore(self.settings.work.calls)

    @property
    def credits_per_usd(self) -> int:
        return self.settings.credit.credits_per_usd

    @property
    def on_loopback(self) -> bool:
        """Whether only this machine is served: both the address that is listened on and the public one are its own."""
        host = self.origin.partition("://")[2].rpartition(":")[0]
        return self.settings.server.host in LOOPBACK and host in LOOPBACK

    def serves(self, model: str) -> bool:
        """Whether any route leads somewhere for this row of the catalog."""
        return bool(self.fleet.roster.of_model(model))

    async def close(self) -> None:
        await self.outbound.close()
        await self.pixels.close()
        await self.fleet.close()
        self.db.close()
