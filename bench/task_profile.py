"""Where the CPU time of a task goes: that of each thread as the system counts it, and samples of what Python runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import uvloop

from bench.gateway import BenchGateway
from bench.http_load import Load, drive
from bench.processes import OTHER_CORE, Upstream, pin
from bench.table import Row, number
from bench.tasks import CLIENTS, WARM_UP_S

SECONDS = 6.0
SAMPLES_PER_S = 200
_THREAD = re.compile(r'thread \((\d+)\): "?([^";]+)')
_LOOP = "MainThread"
# What a function does with all that it calls. Names as in the samples: `Class.function` or `function`.
_PARTS = {
    "requests of clients": "RequestMiddleware.__call__",
    "calls of upstreams": "make_call",
    "of which aiohttp: sending, and the head of the response": "send_request",
    "of which connecting: no purchase is sent over a used connection": "BaseConnector.connect",
    "reading responses into files, and their checks": "JobThread.run_batch",
    "outcomes, with their log lines": "record_outcome",
    "settlements, without their commit": "settle",
    "commands of the store": "Writer._run_batch",
    "queries": "Readers._work",
}


def measure(folder: Path) -> Iterator[Row]:
    pin(OTHER_CORE)
    with Upstream() as upstream:
        for image in ("tiny", "1.5MB"):
            with BenchGateway(folder / image, upstream.base_url(image)) as gateway:
                yield from _profile(gateway, folder / f"{image}.txt", f"{image} image")


def _profile(gateway: BenchGateway, samples: Path, what: str) -> Iterator[Row]:
    """First without the sampler, which stops the program for each sample."""
    before: dict[int, float] = {}
    names: dict[int, str] = {}
    request = gateway.task_request()
    load = _drive(gateway, request, lambda: before.update(_thread_cpu_s(gateway.pid)))
    cpu_s = {thread: seconds - before.get(thread, 0) for thread, seconds in _thread_cpu_s(gateway.pid).items()}
    sampling = threading.Thread(target=_sample, args=(gateway.pid, samples))
    _drive(gateway, request, sampling.start)
    sampling.join()
    if not samples.exists():
        yield Row(f"{what}: profile", "py-spy may not read other processes here")
        return
    total, parts = 0, Counter[str]()
    for line in samples.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        thread, *frames = stack.split(";")
        found = _THREAD.match(thread)
        assert found is not None, thread
        names[int(found[1])] = _LOOP if found[2] == _LOOP else re.sub(r"\W?\d+$", "", found[2])
        total += int(count)
        functions = {frame.partition(" (")[0] for frame in frames}
        parts.update({label: int(count) for label, function in _PARTS.items() if function in functions})
    of_threads: dict[str, float] = defaultdict(float)
    for thread_id, seconds in cpu_s.items():
        of_threads[names.get(thread_id, "others")] += seconds
    for thread_name, used_s in sorted(of_threads.items(), key=lambda item: -item[1]):
        yield Row(f"{what}: CPU of thread {thread_name}", f"{number(1000 * used_s / load.count)} ms a task")
    for label in _PARTS:
        yield Row(f"{what}: {label}", f"{parts[label] / total:.0%} of the time in which Python runs")


def _drive(gateway: BenchGateway, request: bytes, begin: Callable[[], None]) -> Load:
    return uvloop.run(
        drive(
            gateway.origin,
            lambda: request,
            clients=CLIENTS,
            seconds=SECONDS,
            warm_up_s=WARM_UP_S,
            expected=gateway.expected,
            begin=begin,
        )
    )


def _sample(pid: int, samples: Path) -> None:
    """Only of threads that hold Python's lock: all others wait for it, or are in C."""
    sampler = [str(Path(sys.executable).with_name("py-spy")), "record", "--gil", "--threads", "--pid", str(pid)]
    how = ["--rate", str(SAMPLES_PER_S), "--duration", str(int(SECONDS) - 1)]
    subprocess.run([*sampler, *how, "--format", "raw", "--output", str(samples)], check=False, capture_output=True)


def _thread_cpu_s(pid: int) -> dict[int, float]:
    """By the system's id of the thread."""
    ticks, found = os.sysconf("SC_CLK_TCK"), dict[int, float]()
    for folder in Path(f"/proc/{pid}/task").iterdir():
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        found[int(folder.name)] = (int(fields[11]) + int(fields[12])) / ticks
    return found
