"""Single requests against bare ASGI and msgspec on the same server: a durable create, a task, the page."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import uvloop
from tests.support.gateway import free_port

from bench.gateway import BODY, BenchGateway
from bench.http_load import Load, drive, request_bytes
from bench.processes import OTHER_CORE, CpuMeter, Server, Upstream, pin
from bench.table import Row, limited, number

CLIENTS = 128
SECONDS = 4.0
# Nobody works on the tasks, and none is refused: only creates are measured.
CREATES = {
    "IMAGEGATE_UNFINISHED_PER_ACCOUNT": "1000000",
    "IMAGEGATE_UNFINISHED_TOTAL": "1000000",
}


def measure(folder: Path) -> Iterator[Row]:
    pin(OTHER_CORE)
    with Upstream() as upstream:
        base_url = upstream.base_url("tiny")
        with BenchGateway(folder / "served", base_url) as gateway:
            yield from _get_rows(folder, gateway)
        with BenchGateway(folder / "created", base_url, "--no-workers", env=CREATES) as gateway:
            yield from _create_rows(folder, gateway)


def _get_rows(folder: Path, gateway: BenchGateway) -> Iterator[Row]:
    key = gateway.new_key()
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=gateway.origin, headers=headers, trust_env=False, verify=False) as client:
        made = client.post("/v1/images/generations", json=BODY, headers={"Prefer": "wait=60"}, timeout=90).json()
    path = f"/v1/tasks/{made['id']}"
    ours, bare = _beside_bare(folder, gateway, request_bytes(gateway.origin + path, **headers), made, b'"completed"')
    yield from _ratio_rows("GET of an ended task", ours, bare)
    load = _drive(gateway, gateway.origin, request_bytes(f"{gateway.origin}/"), b"<html")
    yield limited("GET / (the page): CPU", _cpu_ms(load), "at most", 1, "ms", f"{load.rate:,.0f}/s")


def _create_rows(folder: Path, gateway: BenchGateway) -> Iterator[Row]:
    key = gateway.new_key()
    headers = {"Authorization": f"Bearer {key}"}
    made = httpx.post(f"{gateway.origin}/v1/images/generations", json=BODY, headers=headers, trust_env=False).json()
    ours, bare = _beside_bare(folder, gateway, gateway.create_request(key), made, b'"status":"pending"')
    yield from _ratio_rows("durable create", ours, bare)
    yield limited(f"durable create, {CLIENTS} clients: p99", ours.percentile_ms(0.99), "at most", 75, "ms")


def _ratio_rows(what: str, ours: Load, bare: Load) -> Iterator[Row]:
    for name, load in (("imagegate", ours), ("bare ASGI + msgspec", bare)):
        times = f"p50 {number(load.percentile_ms(0.5))} ms, p99 {number(load.percentile_ms(0.99))} ms"
        share = f"load's core {load.own_cpu_s / load.seconds:.0%}"
        figure = f"{load.rate:,.0f}/s, {number(_cpu_ms(load))} ms CPU, {times} ({share})"
        yield Row(f"{what}, {CLIENTS} clients: {name}", figure)
    yield limited(f"{what}: rate, that of bare ASGI = 1", ours.rate / bare.rate, "at least", 0.5, "x")


def _beside_bare(
    folder: Path, gateway: BenchGateway, request: bytes, task: dict[str, object], expected: bytes
) -> tuple[Load, Load]:
    """Ours before and after the other one."""
    file, port = folder / "task.json", free_port()
    file.write_text(json.dumps(task))
    origin = f"http://127.0.0.1:{port}"
    ours = _drive(gateway, gateway.origin, request, expected)
    command = [sys.executable, "-m", "bench.bare_asgi", str(port), str(file)]
    with Server(command, origin, folder / "bare.log") as server:
        bare = _drive(server, origin, request, expected)
    return _sum(ours, _drive(gateway, gateway.origin, request, expected)), bare


def _drive(server: Server, origin: str, request: bytes, expected: bytes) -> Load:
    cpu = CpuMeter(server.pid)
    load = uvloop.run(
        drive(
            origin,
            lambda: request,
            clients=CLIENTS,
            seconds=SECONDS,
            warm_up_s=1,
            expected=expected,
            begin=cpu.begin,
            end=cpu.end,
        )
    )
    load.server_cpu_s = cpu.used
    return load


def _cpu_ms(load: Load) -> float:
    return 1000 * load.server_cpu_s / load.count


def _sum(one: Load, other: Load) -> Load:
    return Load(
        one.count + other.count,
        one.seconds + other.seconds,
        one.own_cpu_s + other.own_cpu_s,
        one.server_cpu_s + other.server_cpu_s,
        one.latencies + other.latencies,
    )
