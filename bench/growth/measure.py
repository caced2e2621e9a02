"""What each operation takes on a database that was built, asked by one client over one connection."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import uvloop

from bench.growth.catch_up import Progress, catch_up
from bench.growth.operations import Operation, create_request, operations
from bench.growth.place import OPERATOR, Place
from bench.growth.served import Gateway, Owner, find_owners
from bench.http_load import Connection, drive
from bench.processes import OTHER_CORE, Upstream, pin, pss_bytes, unpin

SAMPLES = 100
SLOW_S = 0.1  # then fewer samples do
MIN_SLOW_SAMPLES, MAX_SLOW_S = 3, 6.0
GIVE_UP_S = 10.0  # after a call as long, what there is is taken
CREATES, CLIENTS, CREATED_S = 300, 16, 2.0
WARM_UP_S, WORKED_S = 1.0, 8.0
WATCHED_S = 120  # of what the program does in the background after an upgrade

Figures = dict[str, Any]


def measure(place: Place, tell: Callable[[str], None]) -> Figures:
    """All figures of the database; its rows are changed by it."""
    pin(OTHER_CORE)
    figures: Figures = {}
    with Gateway(place) as gateway:
        progress = Progress(place)
        is_done = progress.watch(WATCHED_S)
        figures |= progress.figures()
    tell(f"first start {gateway.start_s:.1f} s, in the background: {figures}")
    if not is_done:
        unpin()
        catch_up(place)
        pin(OTHER_CORE)
        tell("the rest of it at once")
    figures["sizes"] = table_sizes(place)
    with Gateway(place) as gateway:
        figures["start s"] = gateway.start_s
        time.sleep(2)
        figures["memory after start MB"] = pss_bytes(gateway.pid) / 1e6
        owners = find_owners(place)
        figures["operations"] = uvloop.run(_ask_all(gateway.origin, owners, place.keys[OPERATOR], tell))
        figures["memory after reads MB"] = pss_bytes(gateway.pid) / 1e6
        figures["operations"] |= uvloop.run(_creates(gateway.origin, owners))
    tell("creates")
    figures["claim and settle per s"] = _work(place)
    tell(f"claim and settle {figures['claim and settle per s']:.1f}/s")
    unpin()
    return figures


def crash(place: Place, tell: Callable[[str], None]) -> Figures:
    """The start after a kill, and the whole check."""
    with Gateway(place) as gateway:
        uvloop.run(_creates(gateway.origin, find_owners(place)))
        gateway.kill()
    with Gateway(place) as gateway:
        pass  # what is checked while it serves begins here, and ends at its stop
    tell(f"start after a kill {gateway.start_s:.1f} s")
    seconds, done = place.run("check")
    said = (done.stdout + done.stderr).strip().splitlines()
    tell(f"check {seconds:.1f} s: {done.returncode}, {said[:5]}")
    return {"start after a kill s": gateway.start_s, "check s": seconds, "check": [done.returncode, *said[:5]]}


def migrate(place: Place, tell: Callable[[str], None]) -> float:
    """The seconds of `imagegate migrate` on a database of an earlier program."""
    seconds, done = place.run("migrate")
    tell(f"{seconds:.1f} s: {(done.stdout + done.stderr).strip()[-300:]}")
    done.check_returncode()
    return seconds


async def _ask_all(origin: str, owners: list[Owner], operator: str, tell: Callable[[str], None]) -> Figures:
    found: Figures = {}
    for operation in operations(origin, owners, operator):
        found[operation.name] = figure = await _ask(origin, operation)
        tell(f"{operation.name}: {figure}")
    return found


async def _ask(origin: str, operation: Operation) -> Figures:
    """Of each request, and of each page of a walk, which begins anew at its end."""
    connection = await Connection.open(origin)
    times: list[float] = []
    statuses: Counter[int] = Counter()
    request, started, pages = operation.request(), time.perf_counter(), 0
    while True:
        sent = time.perf_counter()
        await connection.send(request)
        times.append(time.perf_counter() - sent)
        statuses[connection.status] += 1
        request = operation.request()
        next_page = operation.walks and connection.status == 200 and connection.json().get("next_cursor")
        if next_page and time.perf_counter() - started < MAX_SLOW_S:
            request = request.replace(b"cursor=&", f"cursor={next_page}&".encode())
        else:
            pages = pages or len(times)
            if _is_enough(times, time.perf_counter() - started, operation):
                break
        if operation.pause_s:
            connection.close()  # the gateway would, while nobody asks
            await asyncio.sleep(operation.pause_s)
            connection = await Connection.open(origin)
    connection.close()
    found = percentiles(times) | {"first": round(1000 * times[0], 3)}
    if operation.walks:
        found |= {"pages": pages}
    return {**found, "statuses": {str(code): count for code, count in statuses.items()}}


def _is_enough(times: list[float], seconds: float, operation: Operation) -> bool:
    if times[-1] > GIVE_UP_S or seconds > MAX_SLOW_S + 3 * operation.pause_s:
        return True
    slow = sorted(times)[len(times) // 2] > SLOW_S
    return len(times) >= (MIN_SLOW_SAMPLES if slow else SAMPLES)


def percentiles(times: list[float]) -> Figures:
    ordered = sorted(times)
    last = ordered[math.ceil(0.99 * len(ordered)) - 1]
    return {
        "n": len(ordered),
        "p50": round(1000 * ordered[len(ordered) // 2], 3),
        "p99": round(1000 * last, 3),
        "max": round(1000 * ordered[-1], 3),
    }


async def _creates(origin: str, owners: list[Owner]) -> Figures:
    """Their tasks stay queued: nobody works on them."""
    found: Figures = {}
    for owner in owners:
        connection, times = await Connection.open(origin), []
        request = create_request(origin, owner.key)
        for _ in range(CREATES):
            sent = time.perf_counter()
            await connection.send(request)
            times.append(time.perf_counter() - sent)
        found[f"create {owner.name}"] = {**percentiles(times), "statuses": {str(connection.status): 1}}
        connection.close()
    request = create_request(origin, owners[0].key)
    load = await drive(origin, lambda: request, clients=CLIENTS, seconds=CREATED_S)
    many = {**percentiles(load.latencies), "per s": round(load.rate, 1), "statuses": {"200": load.count}}
    found[f"create {CLIENTS} clients"] = many
    return found


def _work(place: Place) -> float:
    """Tasks per second from the claim to the settlement: of those that wait, with an upstream that answers at once."""

    def waiting() -> int:
        [(count,)] = place.query("SELECT SUM(unfinished) FROM accounts")
        return int(count)

    with Upstream() as upstream, Gateway(place, base_url=upstream.base_url("tiny")):
        time.sleep(WARM_UP_S)
        before, started = waiting(), time.perf_counter()
        time.sleep(WORKED_S)
        left, seconds = waiting(), time.perf_counter() - started
    if not left:
        raise RuntimeError("all tasks were done before the end")
    return (before - left) / seconds


def table_sizes(place: Place) -> Figures:
    """Bytes of each table with its indexes, and of the whole."""
    if place.engine == "sqlite":
        tables = dict(place.query("SELECT name, tbl_name FROM sqlite_schema WHERE type IN ('table', 'index')"))
        found: Counter[str] = Counter()
        for name, size in place.query("SELECT name, SUM(pgsize) FROM dbstat GROUP BY name"):
            found[tables.get(name, name)] += size
        return {**found, "whole": sum(found.values())}
    rows = place.query("SELECT relname, pg_total_relation_size(relid) FROM pg_stat_user_tables")
    [(whole,)] = place.query("SELECT pg_database_size(current_database())")
    return {**dict(rows), "whole": whole}
