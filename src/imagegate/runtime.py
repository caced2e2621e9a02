"""What a running gateway is made of, handed to every flow.

Knows: the parts and how they wake each other. Refuses to know: what is done with them.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections import defaultdict
from collections.abc import Iterator

from imagegate.catalog.book import Book
from imagegate.outbound import EgressRules, Outbound
from imagegate.pixels.pool import ChildPool
from imagegate.secret import Keyring
from imagegate.settings import Settings
from imagegate.spool import Spool
from imagegate.storage import LocalBlobs
from imagegate.store.database import Database
from imagegate.store.engines import Clock, wall_clock
from imagegate.upstreams.protocol import Upstream

PER_SECOND = 1_000_000


class Signals:
    """Wake-ups inside this process. They only shorten waiting: whoever wakes looks at the database.

    `working` tells whether this process carries tasks out at the moment, `closing` that it is about to end, `broken`
    which invariants the last sweep found broken.
    """

    def __init__(self) -> None:
        self.work = asyncio.Event()
        self.hooks = asyncio.Event()
        self.working = False
        self.closing = False
        self.broken: frozenset[str] = frozenset()
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Runtime:
    """`clock` gives UTC microseconds, `boot_id` names this process as an owner of leases, `origin` begins links.

    `pixels` is where strangers' pictures are decoded; `fetching` bounds how many references are fetched at once.
    """

    settings: Settings
    book: Book
    db: Database
    blobs: LocalBlobs
    spool: Spool
    upstreams: dict[str, Upstream]
    outbound: Outbound
    egress: EgressRules
    pixels: ChildPool
    keyring: Keyring
    boot_id: str
    origin: str
    clock: Clock = wall_clock
    fetching: asyncio.Semaphore = dataclasses.field(default_factory=lambda: asyncio.Semaphore(16))
    signals: Signals = dataclasses.field(default_factory=Signals)

    @property
    def credits_per_usd(self) -> int:
        return self.settings.credit.credits_per_usd

    async def close(self) -> None:
        await self.outbound.close()
        await self.pixels.close()
        for upstream in self.upstreams.values():
            await upstream.close()
        self.db.close()
