"""Several processes on PostgreSQL and S3: what each more worker brings, and how soon one process hears of another.

All processes of ours, PostgreSQL, the store, the upstream and the clients share the machine's cores.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import secrets
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import uvloop
from tests.support.gateway import free_port
from tests.support.routed_gateway import route_config, upstream_config
from tests.support.s3_server import S3Server

from bench.gateway import BODY, CREDITS
from bench.http_load import Connection, drive, expect, request_bytes
from bench.postgres import postgres_database
from bench.processes import CpuMeter, Server, Upstream, clean_environment, unpin
from bench.table import Row, limited, number

WORKERS = (1, 2, 4)
CLIENTS = 64
WARM_UP_S, MEASURED_S = 3.0, 10.0
TASKS, CANCELS = 1000, 200
UPSTREAM_S = 0.02  # of the stand-in, so that nobody waits for the task before it has been claimed
CANCELLED_UPSTREAM_S = 30
WAKE_UP_MS = 100


class Cluster:
    """One `serve --no-workers` for each of `gateways`, and so many workers, each with a data folder of its own."""

    def __init__(self, folder: Path, base_url: str, database: str, s3: S3Server, gateways: int, workers: int) -> None:
        folder.mkdir(parents=True)
        self._config = folder / "gateway.toml"
        rows = upstream_config("stand-in", base_url, concurrency=1000) + route_config("stand-in")
        self._config.write_text(rows)
        self._environment = {
            "SIMULATOR_KEY": "a-key",
            "IMAGEGATE_DATABASE": database,
            "IMAGEGATE_SECRET": secrets.token_hex(32),
            "IMAGEGATE_PUBLIC_URL": "http://gateway.test",
            "IMAGEGATE_STORAGE": s3.url(),
            **s3.env,
        }
        self.gateways = [self._server(folder / f"gateway-{n}", "serve", "--no-workers") for n in range(gateways)]
        self.workers = [self._server(folder / f"worker-{n}", "worker") for n in range(workers)]
        self._folder = folder
        self._stack = contextlib.ExitStack()

    def _server(self, data: Path, *command: str) -> Server:
        port = free_port()
        where = ["--data", str(data), "--config", str(self._config), "--port", str(port)]
        program = [sys.executable, "-m", "imagegate", *command, *where]
        url = f"http://127.0.0.1:{port}/healthz"
        return Server(program, url, data.with_suffix(".log"), core=None, env=self._environment)

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            for server in [*self.gateways, *self.workers]:
                stack.enter_context(server)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def origin(self, number: int = 0) -> str:
        return self.gateways[number].url.removesuffix("/healthz")

    def new_key(self) -> str:
        new = ["keys", "create", "--account", "bench", "--credits", CREDITS, "--json"]
        where = ["--data", str(self._folder / "gateway-0"), "--config", str(self._config)]
        command = [sys.executable, "-m", "imagegate", *new, *where]
        made = subprocess.run(command, check=True, capture_output=True, env=clean_environment(**self._environment))
        key: str = json.loads(made.stdout)["key"]
        return key

    def create_request(self, key: str, number: int = 0, **headers: str) -> bytes:
        url = f"{self.origin(number)}/v1/images/generations"
        return request_bytes(url, "POST", BODY, Authorization=f"Bearer {key}", **headers)


def measure(folder: Path) -> Iterator[Row]:
    unpin()
    with Upstream(pinned=False) as upstream, S3Server(folder / "s3") as s3:
        yield from _throughput(folder, upstream, s3)
        with postgres_database(folder / "pg-wake-ups") as database:
            base_url = upstream.base_url("tiny", UPSTREAM_S)
            with Cluster(folder / "wake-ups", base_url, database, s3, gateways=2, workers=2) as cluster:
                yield from _wake_ups(cluster, upstream)
        with postgres_database(folder / "pg-cancels") as database:
            base_url = upstream.base_url("tiny", CANCELLED_UPSTREAM_S)
            with Cluster(folder / "cancels", base_url, database, s3, gateways=2, workers=2) as cluster:
                yield from _cancels(cluster)


def _throughput(folder: Path, upstream: Upstream, s3: S3Server) -> Iterator[Row]:
    rates: dict[int, float] = {}
    for count in WORKERS:
        with (
            postgres_database(folder / f"pg-{count}") as database,
            Cluster(folder / f"workers-{count}", upstream.base_url("tiny"), database, s3, 1, count) as cluster,
        ):
            request = cluster.create_request(cluster.new_key(), Prefer="wait=60")
            meters = {
                "gateway": CpuMeter(cluster.gateways[0].pid),
                **{f"worker {number}": CpuMeter(worker.pid) for number, worker in enumerate(cluster.workers)},
                "store": CpuMeter(s3.pid),
            }

            def begin(meters: dict[str, CpuMeter] = meters) -> None:
                for meter in meters.values():
                    meter.begin()

            def end(meters: dict[str, CpuMeter] = meters) -> None:
                for meter in meters.values():
                    meter.end()

            load = uvloop.run(
                drive(
                    cluster.origin(),
                    functools.partial(bytes, request),
                    clients=CLIENTS,
                    seconds=MEASURED_S,
                    warm_up_s=WARM_UP_S,
                    expected=b'"status":"completed"',
                    begin=begin,
                    end=end,
                )
            )
        rates[count] = load.rate
        shares = ", ".join(f"{name} {meter.used / load.seconds:.0%}" for name, meter in meters.items())
        note = f"{number(rates[count] / rates[1])}x; of one core: {shares}, clients {load.own_cpu_s / load.seconds:.0%}"
        yield Row(f"{count} worker{'s' * (count > 1)}: tasks a second", f"{number(load.rate)} /s ({note})")


def _wake_ups(cluster: Cluster, upstream: Upstream) -> Iterator[Row]:
    upstream.report(reset=True)
    claims, ends = uvloop.run(_wait_across(cluster, upstream))
    what = f"{TASKS:,} tasks, another process"
    yield _percentiles(f"{what}: create sent to the worker's request received by the upstream", claims)
    yield _percentiles(f"{what}: the upstream's response to the waiting client's", ends)


async def _wait_across(cluster: Cluster, upstream: Upstream) -> tuple[list[float], list[float]]:
    """In ms: from the create to the worker's call, and from the end of the call to the news at the client."""
    key = await asyncio.to_thread(cluster.new_key)
    request = cluster.create_request(key, Prefer="wait=60")
    connection, sent, answered = await Connection.open(cluster.origin()), [], []
    await connection.send(request)  # connects, and loads what only tasks need
    await asyncio.to_thread(upstream.report, reset=True)
    for _ in range(TASKS):
        sent.append(time.monotonic())
        await connection.send(request)
        answered.append(time.monotonic())
        expect(connection, b'"status":"completed"')
    connection.close()
    arrivals = (await asyncio.to_thread(upstream.report))["arrivals"]
    claims = [1000 * (at - start) for at, start in zip(arrivals, sent, strict=True)]
    ends = [1000 * (end - at - UPSTREAM_S) for at, end in zip(arrivals, answered, strict=True)]
    return claims, ends


def _cancels(cluster: Cluster) -> Iterator[Row]:
    news = uvloop.run(_cancel_across(cluster))
    yield _percentiles(f"{CANCELS} cancels at one gateway: news at a client that waits at another", news)


async def _cancel_across(cluster: Cluster) -> list[float]:
    key, headers = await asyncio.to_thread(cluster.new_key), {}
    headers["Authorization"] = f"Bearer {key}"
    here, there, took = await Connection.open(cluster.origin(0)), await Connection.open(cluster.origin(1)), []
    for _ in range(CANCELS):
        await here.send(cluster.create_request(key))
        task_id = here.json()["id"]
        waiting = there.send(request_bytes(f"{cluster.origin(1)}/v1/tasks/{task_id}?wait=30", **headers))
        await asyncio.sleep(0.05)
        started = time.monotonic()
        url = f"{cluster.origin(0)}/v1/tasks/{task_id}/cancel"
        cancelled = here.send(request_bytes(url, "POST", **headers, Content_Length="0"))
        await waiting
        took.append(1000 * (time.monotonic() - started))
        await cancelled
        expect(there, b'"status":"failed"')
    here.close()
    there.close()
    return took


def _percentiles(what: str, values_ms: list[float]) -> Row:
    slowest = sorted(values_ms)[int(0.99 * len(values_ms))]
    return limited(f"{what}: p99", slowest, "at most", WAKE_UP_MS, "ms", f"median {statistics.median(values_ms):.1f}")
