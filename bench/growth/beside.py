"""What one operation does to others: a small account's requests while somebody else asks for what is costly."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import uvloop

from bench.growth.measure import Figures, percentiles
from bench.growth.operations import create_request
from bench.growth.place import OPERATOR, Place
from bench.growth.prompts import NONE
from bench.growth.served import Gateway, Owner, find_owners
from bench.http_load import Connection, request_bytes
from bench.processes import OTHER_CORE, pin, sampled, unpin

MEASURED_S = 30.0
PROBES_PER_S = {"healthz": 20, "GET task": 20, "create": 20}
SEARCHES = 4
PURGED_DAYS = 31  # two thirds of the tasks are older
SWEEP_S = 5


@dataclass(frozen=True)
class Scenario:
    """`loops` are asked again and again, each by a client of its own; `settings` are those of the gateway."""

    name: str
    loops: Callable[[Owner, str], list[Loop]] = lambda owner, operator: []
    settings: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Loop:
    paths: tuple[str, ...]
    key: str
    pause_s: float = 0.0


def _searches(big: Owner, operator: str) -> list[Loop]:
    paths = (f"/v1/tasks?q={NONE}", f"/v1/tasks?cursor=&q={NONE}")
    return [Loop(paths, big.key) for _ in range(SEARCHES)]


def _dashboard(big: Owner, operator: str) -> list[Loop]:
    """What the overviews of a customer and of an operator ask for."""
    customer = (
        "/v1/credits",
        "/v1/tasks?page_size=5",
        "/v1/tasks?status=processing",
        "/v1/tasks?status=completed&page_size=1",
        "/v1/usage?group_by=day,model",
        "/v1/ledger",
    )
    return [Loop(customer, big.key), Loop(("/v1/admin/overview", "/v1/admin/tasks", "/v1/admin/routes"), operator)]


def _scrapes(big: Owner, operator: str) -> list[Loop]:
    return [Loop(("/metrics",), operator, 1.0)]


def _all_reads(big: Owner, operator: str) -> list[Loop]:
    return [*_searches(big, operator), *_dashboard(big, operator), *_scrapes(big, operator)]


_SWEEPS, _PURGE = {"sweep_s": SWEEP_S}, {"sweep_s": SWEEP_S, "task_days": PURGED_DAYS}
SCENARIOS = (
    Scenario("nothing", settings={"sweep_s": 3600}),
    Scenario(f"{SEARCHES} searches without a hit", _searches, {"sweep_s": 3600}),
    Scenario("a dashboard", _dashboard, {"sweep_s": 3600}),
    Scenario("/metrics each second", _scrapes, {"sweep_s": 3600}),
    Scenario(f"sweeps each {SWEEP_S} s", settings=_SWEEPS),
    Scenario("purge of old tasks", settings=_PURGE),
    Scenario("all at once", _all_reads, _PURGE),
)


def beside(place: Place, tell: Callable[[str], None]) -> Figures:
    """Figures by scenario; rows are purged by the last ones."""
    pin(OTHER_CORE)
    owners, found = find_owners(place), Figures()
    for scenario in SCENARIOS:
        before = _count(place)
        gateway = Gateway(place, settings=scenario.settings)
        with gateway, sampled(lambda: _log_bytes(place), 0.2) as log:
            figures = uvloop.run(_measure(gateway.origin, owners, place.keys[OPERATOR], scenario))
        figures["write-ahead log MB"] = max(log) / 1e6
        figures["purged"] = max(0, before - _count(place))
        found[scenario.name] = figures
        tell(f"{scenario.name}: {figures}")
    unpin()
    return found


def _log_bytes(place: Place) -> float:
    log = place.file.with_name(f"{place.file.name}-wal")
    return log.stat().st_size if log.exists() else 0


def _count(place: Place) -> int:
    """Tasks; an index has them all."""
    [(count,)] = place.query("SELECT COUNT(*) FROM tasks")
    return int(count)


async def _measure(origin: str, owners: list[Owner], operator: str, scenario: Scenario) -> Figures:
    big, small = owners
    of_small = {"Authorization": f"Bearer {small.key}"}
    turns = itertools.cycle([request_bytes(f"{origin}/v1/tasks/{task}", **of_small) for task in small.some])
    create, health = create_request(origin, small.key), request_bytes(f"{origin}/healthz")
    probes = {"healthz": lambda: health, "GET task": lambda: next(turns), "create": lambda: create}
    async with _running([_loop(origin, loop) for loop in scenario.loops(big, operator)]) as loops:
        await asyncio.sleep(1)
        until = time.monotonic() + MEASURED_S
        names = list(probes)
        times = await asyncio.gather(*(_probe(origin, probes[name], PROBES_PER_S[name], until) for name in names))
    asked = sum(task.result() for task in loops if not task.cancelled())
    return {**dict(zip(names, times, strict=True)), "asked beside": asked}


async def _probe(origin: str, request: Callable[[], bytes], per_s: int, until: float) -> Figures:
    """As clients that do not know of each other: what waits behind a slow one waits on a connection of its own."""
    times: list[float] = []
    statuses: Counter[int] = Counter()
    idle: list[Connection] = []

    async def send() -> None:
        sent = time.perf_counter()
        while idle and idle[-1].is_lost:
            idle.pop()
        connection = idle.pop() if idle else await Connection.open(origin)
        await connection.send(request())
        times.append(time.perf_counter() - sent)
        statuses[connection.status] += 1
        idle.append(connection)

    sending: list[asyncio.Task[None]] = []
    while time.monotonic() < until:
        sending.append(asyncio.create_task(send()))
        await asyncio.sleep(1 / per_s)
    await asyncio.gather(*sending)
    return {**percentiles(times), "statuses": {str(code): count for code, count in statuses.items()}}


@contextlib.asynccontextmanager
async def _running(loops: list[Coroutine[Any, Any, int]]) -> AsyncIterator[list[asyncio.Task[int]]]:
    tasks = [asyncio.create_task(loop) for loop in loops]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _loop(origin: str, loop: Loop) -> int:
    """Until it is cancelled; how many requests were answered."""
    asked = 0
    requests = [request_bytes(f"{origin}{path}", Authorization=f"Bearer {loop.key}") for path in loop.paths]
    with contextlib.suppress(asyncio.CancelledError):
        connection = await Connection.open(origin)
        for request in itertools.cycle(requests):
            await connection.send(request)
            asked += 1
            await asyncio.sleep(loop.pause_s)
    return asked
