"""One process: its start, its memory when idle and with images of any size, and what a thumbnail costs."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import uvloop

from bench.gateway import BenchGateway
from bench.http_load import send_each
from bench.images import png
from bench.processes import OTHER_CORE, Upstream, cpu_s, own_pss_bytes, pin, pss_bytes, sampled
from bench.table import Row, limited
from imagegate.images.jobs import thumbnail
from imagegate.images.jobs.decode import ImageSize
from imagegate.images.jobs.process_pool import ProcessPool

STARTS = 5
IMAGES, CLIENTS = 24, 4
THUMBNAILS = 20
_IDLE_AFTER_S = 3.0


def measure(folder: Path) -> Iterator[Row]:
    pin(OTHER_CORE)
    with Upstream() as upstream:
        yield from _starts(folder, upstream)
        yield from _image_sizes(folder, upstream)
    yield from _thumbnails(folder)


def _starts(folder: Path, upstream: Upstream) -> Iterator[Row]:
    starts = []
    for _ in range(STARTS):
        with BenchGateway(folder / "start", upstream.base_url("tiny")) as gateway:
            starts.append(gateway.start_s)
            cpu = cpu_s(gateway.pid)
            time.sleep(_IDLE_AFTER_S if len(starts) == STARTS else 0)
            idle = pss_bytes(gateway.pid)
    median, note = statistics.median(starts[1:]), f"{cpu:.2f} s CPU; with a new folder {starts[0]:.2f} s"
    yield limited("start to first 200, median", median, "at most", 1.2, "s", note)
    yield limited("memory when idle, all processes", idle / 1e6, "at most", 80, "MB")


def _image_sizes(folder: Path, upstream: Upstream) -> Iterator[Row]:
    """Of the serving process: child processes hold the pixels of an image, whose number is limited."""
    peaks = []
    for image in ("1MB", "20MB"):
        with BenchGateway(folder / image, upstream.base_url(image)) as gateway:
            request = gateway.task_request()
            uvloop.run(send_each(gateway.origin, [request] * CLIENTS, CLIENTS, gateway.expected))
            with sampled(lambda: float(own_pss_bytes(gateway.pid))) as memory:
                uvloop.run(send_each(gateway.origin, [request] * IMAGES, CLIENTS, gateway.expected))
        peaks.append(max(memory) / 1e6)
    note = f"{peaks[0]:.0f} and {peaks[1]:.0f} MB"
    what = f"memory with 20 MB images beyond that with 1 MB images, {CLIENTS} at a time"
    yield limited(what, peaks[1] - peaks[0], "at most", 20, "MB", note)


def _thumbnails(folder: Path) -> Iterator[Row]:
    for image, limit in (("tiny", 15), ("1.5MB", 15)):
        source = folder / f"{image}.png"
        source.write_bytes(png(image))
        cpu = asyncio.run(_thumbnail_cpu(source))
        yield limited(f"thumbnail of a 1024x1024 PNG, {image}: CPU", 1000 * cpu, "at most", limit, "ms")


async def _thumbnail_cpu(source: Path) -> float:
    """Seconds in a worker that is running already."""
    pool = ProcessPool(1)
    request = thumbnail.ThumbnailRequest(str(source), str(source.with_suffix(".webp")), edge=512)
    for _ in range(2):
        await pool.run(thumbnail.JOB, request, ImageSize, cpu_s=20, wall_s=60)
    before = cpu_s(os.getpid()) - time.process_time()
    for _ in range(THUMBNAILS):
        await pool.run(thumbnail.JOB, request, ImageSize, cpu_s=20, wall_s=60)
    used = cpu_s(os.getpid()) - time.process_time() - before
    await pool.close()
    return used / THUMBNAILS
