"""Many at once in one process: tasks with a slow upstream, results that land together, clients that wait."""

from __future__ import annotations

import asyncio
import json
import resource
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import uvloop

from bench.gateway import BenchGateway
from bench.http_load import Connection, LoadError, expect, request_bytes, send_each
from bench.processes import OTHER_CORE, Upstream, cpu_s, pin, pss_bytes, sampled
from bench.table import Row, limited, number

MANY = 10_000
SLOW_S = 10
TOGETHER = 500
KEYS = 10
SILENCE_S = 16.0  # longer than the pause between two signs of life of an event stream
WAKE_UPS = 20
CLIENTS = 128
_CONNECT_PAUSE_S = 0.06  # after so many: connections in a second that a gateway accepts without a queue
_QUIET_CPU_S = 0.1
GIVE_UP_S = 120
# Nobody works on what is waited for. Others may still connect, to cancel.
WAITING = {"IMAGEGATE_MAX_CONNECTIONS": str(MANY + 100)}


def measure(folder: Path) -> Iterator[Row]:
    pin(OTHER_CORE)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with Upstream() as upstream:
        yield from _in_flight(folder / "in-flight", upstream)
        yield from _landing(folder / "landing", upstream)
        for name, path in (("long-poll", "?wait=60"), ("events", "/events")):
            yield from _waiting(folder / name, upstream, name, path)


def _in_flight(folder: Path, upstream: Upstream) -> Iterator[Row]:
    what = f"{MANY:,} tasks on an upstream that takes {SLOW_S} s"
    base_url = upstream.base_url("tiny", SLOW_S)
    with BenchGateway(folder, base_url, upstream={"concurrency": MANY}) as gateway:
        key = gateway.new_key()
        upstream.report(reset=True)
        before, cpu = pss_bytes(gateway.pid), cpu_s(gateway.pid)
        started = time.perf_counter()
        with sampled(lambda: float(pss_bytes(gateway.pid)), 0.5) as memory:
            uvloop.run(send_each(gateway.origin, [gateway.create_request(key)] * MANY, CLIENTS))
            created_s = time.perf_counter() - started
            done = _wait_for_all(gateway, key, upstream, MANY)
            took = time.perf_counter() - started
        cpu = cpu_s(gateway.pid) - cpu
        peak = int(upstream.report()["peak"])
    yield Row(f"{what}: created in, in flight at most", f"{number(created_s)} s, {peak:,}")
    note = f"{cpu / took:.0%} of the core, {1000 * cpu / done:.1f} ms CPU each" if done == MANY else f"{done:,} done"
    yield limited(f"{what}: first create to last task done", took, "at most", 16, "s", note)
    yield limited(f"{what}: memory each, of those in flight", (max(memory) - before) / peak / 1000, "at most", 20, "kB")


def _landing(folder: Path, upstream: Upstream) -> Iterator[Row]:
    what = f"{TOGETHER} results of 1.5 MB that land together"
    base_url = upstream.base_url("1.5MB", together=TOGETHER)
    with BenchGateway(folder, base_url, upstream={"concurrency": MANY}) as gateway:
        key = gateway.new_key()
        upstream.report(reset=True)
        with sampled(lambda: float(pss_bytes(gateway.pid)), 0.05) as memory:
            uvloop.run(send_each(gateway.origin, [gateway.create_request(key)] * TOGETHER, CLIENTS))
            done = _wait_for_all(gateway, key, upstream, TOGETHER)
    if done < TOGETHER:
        raise LoadError(f"{what}: {done} done in {GIVE_UP_S} s")
    yield limited(f"{what}: memory of all processes", max(memory) / 1e6, "at most", 250, "MB")


def _wait_for_all(gateway: BenchGateway, key: str, upstream: Upstream, count: int) -> int:
    """Until so many tasks are completed, or until it is given up; how many are.

    The gateway is asked only once the upstream has answered all.
    """
    give_up, done = time.monotonic() + GIVE_UP_S, 0
    while upstream.report()["answered"] < count and time.monotonic() < give_up:
        time.sleep(0.2)
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=gateway.origin, headers=headers, trust_env=False, verify=False, timeout=60) as client:
        while done < count:
            done = client.get("/v1/tasks?status=completed&page_size=1").raise_for_status().json()["total"]
            if time.monotonic() > give_up:
                break
            time.sleep(0.1)
    return done


def _waiting(folder: Path, upstream: Upstream, name: str, path: str) -> Iterator[Row]:
    with BenchGateway(folder, upstream.base_url("tiny"), "--no-workers", env=WAITING) as gateway:
        found = uvloop.run(_wait_and_wake(gateway, path))
    what = f"{MANY:,} clients with {KEYS} keys that wait by {name}"
    yield limited(f"{what}: memory each", found["bytes"] / MANY / 1000, "at most", 25, "kB")
    yield limited(f"{what}: core in silence", 100 * found["silence"], "at most", 2, "%")
    wakes = sorted(found["wakes"])
    note = f"median {1000 * wakes[len(wakes) // 2]:.1f}"
    yield limited(
        f"{what}: cancel sent to news received, slowest of {WAKE_UPS}", 1000 * wakes[-1], "at most", 50, "ms", note
    )


async def _wait_and_wake(gateway: BenchGateway, path: str) -> dict[str, Any]:
    keys = await _new_keys(gateway)
    waits = []
    for key in keys:
        creates = [gateway.create_request(key)] * (MANY // KEYS)
        bodies = await send_each(gateway.origin, creates, CLIENTS, b'"status":"pending"')
        headers = {"Authorization": f"Bearer {key}"}
        for body in bodies:
            url = f"{gateway.origin}/v1/tasks/{json.loads(body)['id']}"
            cancel = request_bytes(f"{url}/cancel", "POST", **headers, Content_Length="0")
            waits.append((request_bytes(url + path, **headers), cancel))
    await asyncio.sleep(1)
    before = await asyncio.to_thread(pss_bytes, gateway.pid)
    waiting = await _connect(gateway, [request for request, _ in waits])
    await _settle(gateway)
    memory = await asyncio.to_thread(pss_bytes, gateway.pid) - before
    cpu, started = cpu_s(gateway.pid), time.perf_counter()
    await asyncio.sleep(SILENCE_S)
    silence = (cpu_s(gateway.pid) - cpu) / (time.perf_counter() - started)
    canceller, wakes = await Connection.open(gateway.origin), []
    for turn in range(WAKE_UPS):
        position = turn * (MANY // WAKE_UPS) + turn
        news = waiting[position].watch(b'"request_cancelled"')
        sent = time.perf_counter()
        done = canceller.send(waits[position][1])
        await asyncio.wait_for(news, 10)
        wakes.append(time.perf_counter() - sent)
        await done
        expect(canceller)
    if sum(connection.is_answered for connection in waiting) > WAKE_UPS:
        raise LoadError("clients were answered before anything had happened")
    for connection in [*waiting, canceller]:
        connection.close()
    return {"bytes": memory, "silence": silence, "wakes": wakes}


async def _new_keys(gateway: BenchGateway) -> list[str]:
    """Of one account."""
    first = await asyncio.to_thread(gateway.new_key)
    headers = {"Authorization": f"Bearer {first}"}
    makes = [
        request_bytes(f"{gateway.origin}/v1/keys", "POST", {"name": f"key {number}"}, **headers)
        for number in range(KEYS - 1)
    ]
    return [first, *(json.loads(body)["key"] for body in await send_each(gateway.origin, makes, 1))]


async def _connect(gateway: BenchGateway, requests: list[bytes]) -> list[Connection]:
    """A connection for each request, which has been sent and not been answered in full."""
    opened = []
    for position, request in enumerate(requests):
        connection = await Connection.open(gateway.origin)
        connection.send(request)
        opened.append(connection)
        if position % CLIENTS == 0:
            await asyncio.sleep(_CONNECT_PAUSE_S)
    return opened


async def _settle(gateway: BenchGateway) -> None:
    """Until the gateway has nothing to do, or the time that is left of a long-poll would not suffice."""
    for _ in range(20):
        cpu = cpu_s(gateway.pid)
        await asyncio.sleep(1)
        if cpu_s(gateway.pid) - cpu < _QUIET_CPU_S:
            return
