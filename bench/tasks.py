"""Whole tasks: 64 clients that wait for their image, through the gateway and through each peer, in turns."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import uvloop

from bench.gateway import BenchGateway
from bench.http_load import drive
from bench.images import png
from bench.peers import PEERS
from bench.processes import OTHER_CORE, CpuMeter, GatewayServer, Upstream, pin
from bench.table import Row, limited, number

CLIENTS = 64
WARM_UP_S = 2.0
MEASURED_S = 5.0
OURS, BEFORE, DOWNLOADED = "imagegate", "imagegate before", "imagegate, and a download of the image"
Contestant = tuple[str, Callable[[Path, str], GatewayServer]]


class Target(NamedTuple):
    image: str
    cpu_ms: float
    rate: float
    share_of_cpu: dict[str, float]


TARGETS = (
    Target("tiny", 2.0, 350, {"LiteLLM": 1 / 4, "Portkey": 1.0}),
    Target("1.5MB", 6.0, 140, {"LiteLLM": 1 / 4, "Portkey": 1 / 5}),
)


@dataclass
class Total:
    """Over all rounds of one program."""

    count: int = 0
    seconds: float = 0.0
    cpu_s: float = 0.0
    load_cpu_s: float = 0.0  # of the clients and the upstream, which share the other core

    @property
    def cpu_ms(self) -> float:
        return 1000 * self.cpu_s / self.count

    @property
    def rate(self) -> float:
        return self.count / self.seconds

    def summary(self) -> str:
        shares = f"core {self.cpu_s / self.seconds:.0%}, load's core {self.load_cpu_s / self.seconds:.0%}"
        return f"{number(self.cpu_ms)} ms CPU, {number(self.rate)}/s ({shares})"


def measure(folder: Path, before: str = "", *, with_peers: bool = True) -> Iterator[Row]:
    """`before`: the Python of an environment with another version of ours, which then takes part."""
    pin(OTHER_CORE)
    others: list[Contestant] = [(peer.name, peer) for peer in PEERS if with_peers and peer.is_installed()]
    if before:
        others.append((BEFORE, functools.partial(BenchGateway, python=before)))
    ours: Contestant = (OURS, BenchGateway)
    with Upstream() as upstream:
        for target in TARGETS:
            # Ours before and after the others: a machine that becomes slower or faster meanwhile affects both.
            rounds = [ours, *others, (DOWNLOADED, BenchGateway), ours] if others else [ours]
            yield from _rows(target, _run(rounds, folder / target.image, target.image, upstream))


def _run(rounds: list[Contestant], folder: Path, image: str, upstream: Upstream) -> dict[str, Total]:
    totals: dict[str, Total] = {}
    for turn, (name, start) in enumerate(rounds):
        with start(folder / str(turn), upstream.base_url(image)) as gateway:
            follow_up = None
            if name == DOWNLOADED and isinstance(gateway, BenchGateway):
                follow_up = gateway.download_request
            _add_round(totals.setdefault(name, Total()), gateway, upstream, follow_up)
        _empty_files(folder / str(turn))
    return totals


def _empty_files(folder: Path) -> None:
    """Give back their space. They are not deleted: ext4 without a journal avoids inodes that were freed within the last
    minutes, and looks at each of them for every file that the next one makes."""
    for path in folder.rglob("*"):
        if path.is_file():
            os.truncate(path, 0)


def _add_round(
    total: Total, gateway: GatewayServer, upstream: Upstream, follow_up: Callable[[bytearray], bytes] | None
) -> None:
    request, meters = gateway.task_request(), (CpuMeter(gateway.pid), CpuMeter(upstream.pid))

    def begin() -> None:
        for meter in meters:
            meter.begin()

    def end() -> None:
        for meter in meters:
            meter.end()

    load = uvloop.run(
        drive(
            gateway.origin,
            lambda: request,
            clients=CLIENTS,
            seconds=MEASURED_S,
            warm_up_s=WARM_UP_S,
            expected=gateway.expected,
            follow_up=follow_up,
            begin=begin,
            end=end,
        )
    )
    total.count += load.count
    total.seconds += load.seconds
    total.cpu_s += meters[0].used
    total.load_cpu_s += meters[1].used + load.own_cpu_s


def _rows(target: Target, totals: dict[str, Total]) -> Iterator[Row]:
    what = f"{target.image} image"
    ours, size = totals[OURS], len(png(target.image))
    yield limited(
        f"{what}: CPU of all processes a task", ours.cpu_ms, "at most", target.cpu_ms, "ms", f"{size:,} bytes"
    )
    yield limited(f"{what}: tasks a second", ours.rate, "at least", target.rate, "/s")
    yield Row(f"{what}: {OURS}", ours.summary())
    for name, share in target.share_of_cpu.items():
        if (peer := totals.get(name)) is None:
            yield Row(f"{what}: {name}", "not installed: make bench-peers")
            continue
        yield Row(f"{what}: {name}", peer.summary())
        yield limited(f"{what}: our CPU, {name}'s = 1", ours.cpu_ms / peer.cpu_ms, "at most", share, "x")
    if downloaded := totals.get(DOWNLOADED):
        yield Row(f"{what}: {DOWNLOADED}", downloaded.summary())
    if before := totals.get(BEFORE):
        yield Row(f"{what}: {BEFORE}", before.summary())
        yield Row(f"{what}: our CPU, that of before = 1", f"{number(ours.cpu_ms / before.cpu_ms)} x")
