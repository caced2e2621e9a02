"""What a running gateway is made of, handed to every flow.

Knows: the parts and how they wake each other. Refuses to know: what is done with them.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from typing import Generic, TypeVar

from imagegate.breaker import Health
from imagegate.catalog.book import Book
from imagegate.outbound import EgressRules, Outbound
from imagegate.secret import Keyring
from imagegate.settings import Settings
from imagegate.spool import Spool
from imagegate.storage import LocalBlobs
from imagegate.store.database import Database
from imagegate.store.engines import Clock, wall_clock
from imagegate.upstreams.fleet import Fleet

PER_SECOND = 1_000_000

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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Runtime:
    """`clock` gives UTC microseconds, `boot_id` names this process as an owner of leases, `origin` begins links.

    `fetching` bounds how many references are fetched at once. `health` is what routes are doing, as of a moment ago.
    """

    settings: Settings
    book: Book
    db: Database
    blobs: LocalBlobs
    spool: Spool
    fleet: Fleet
    outbound: Outbound
    egress: EgressRules
    keyring: Keyring
    boot_id: str
    origin: str
    clock: Clock = wall_clock
    fetching: asyncio.Semaphore = dataclasses.field(default_factory=lambda: asyncio.Semaphore(16))
    health: Recent[dict[str, Health]] = dataclasses.field(default_factory=lambda: Recent(1.0))
    signals: Signals = dataclasses.field(default_factory=Signals)

    @property
    def credits_per_usd(self) -> int:
        return self.settings.credit.credits_per_usd

    def serves(self, model: str) -> bool:
        """Whether any route leads somewhere for this row of the catalog."""
        return bool(self.fleet.roster.of_model(model))

    async def close(self) -> None:
        await self.outbound.close()
        await self.fleet.close()
        self.db.close()
