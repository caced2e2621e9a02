"""How long an idle gateway takes from the arrival of a create to its request to the upstream."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import uvloop

from bench.gateway import BenchGateway
from bench.http_load import Connection, expect
from bench.postgres import postgres_database
from bench.processes import OTHER_CORE, Upstream, pin
from bench.table import Row, limited

TASKS = 100
_PAUSE_S = 0.05
LIMITS_MS = {"SQLite": 5, "PostgreSQL": 20}


def measure(folder: Path) -> Iterator[Row]:
    pin(OTHER_CORE)
    with Upstream() as upstream, postgres_database(folder / "pg") as url:
        for name, env in (("SQLite", {}), ("PostgreSQL", {"IMAGEGATE_DATABASE": url})):
            with BenchGateway(folder / name, upstream.base_url("tiny"), env=env) as gateway:
                latencies = uvloop.run(_latencies(gateway, upstream))
            what = f"idle latency, create sent to upstream's request received, {name}"
            slowest = sorted(latencies)[int(0.95 * len(latencies))]
            yield limited(
                f"{what}: median", statistics.median(latencies), "at most", LIMITS_MS[name], "ms", f"p95 {slowest:.1f}"
            )


async def _latencies(gateway: BenchGateway, upstream: Upstream) -> list[float]:
    """In ms. Both moments are of the same clock: of the last byte of ours that is sent, and the first that arrives."""
    request, connection = gateway.task_request(), await Connection.open(gateway.origin)
    await connection.send(request)  # the first task of a process connects, and loads what only tasks need
    expect(connection, gateway.expected)
    await asyncio.to_thread(upstream.report, reset=True)
    sent_at = []
    for _ in range(TASKS):
        await asyncio.sleep(_PAUSE_S)
        sent_at.append(time.monotonic())
        await connection.send(request)
        expect(connection, gateway.expected)
    connection.close()
    report = await asyncio.to_thread(upstream.report)
    return [1000 * (at - sent) for at, sent in zip(report["arrivals"], sent_at, strict=True)]
