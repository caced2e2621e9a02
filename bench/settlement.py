"""Time from an image that is durable in the spool to its completed task, and the CPU of drawing its thumbnail later.

Prints medians of several rounds: the settlement of a 3840x2160 PNG, and a thumbnail by the worker's own function, warm,
for PNGs of two sizes.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np

from imagegate.app import open_runtime
from imagegate.domain.accounts import ApiKey
from imagegate.domain.usage import UsageSource
from imagegate.flows.execution.run import execute
from imagegate.flows.execution.state import Lease
from imagegate.images.jobs import thumbnail
from imagegate.images.jobs.encode import encode
from imagegate.images.jobs.png_encoder import Pixels
from imagegate.painter.paint import PaintRequest, paint
from imagegate.runtime import Runtime
from imagegate.settings import Settings, Storage
from imagegate.spool import SpooledImage, SpooledResponse, fsync_and_hash
from imagegate.store import attempts, claims, tasks

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.store.helpers import LEASE_US, ROUTE, create_customer, new_attempt, new_task

WIDTH, HEIGHT = 3840, 2160
ROUNDS = 7


def photo_pixels() -> Pixels:
    """Soft shapes with grain, which compress about as well as a photograph."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    soft = np.stack([np.sin(rows / 210 + n) + np.cos(columns / (330 + 40 * n)) for n in range(3)], axis=2)
    grain = np.random.default_rng(7).normal(0, 3, soft.shape)
    return np.clip(soft * 55 + 127 + grain, 0, 255).astype(np.uint8)


async def settle_one(runtime: Runtime, key: ApiKey, pixels: Pixels) -> float:
    """Seconds from the finished spool of one task to its end."""
    version = runtime.catalog.price_block_at(runtime.clock()).version
    new = msgspec.structs.replace(new_task(key), price_version=version)
    await runtime.db.write(tasks.submit_task, key.account_id, new, None, 10)
    (task,) = await runtime.db.write(claims.claim_due_tasks, key.account_id, runtime.boot_id, LEASE_US, 1)
    attempt = new_attempt(task)
    await runtime.db.write(attempts.begin_attempt, key.account_id, attempt, runtime.boot_id, ROUTE)
    path = runtime.spool.create_directory(attempt.id) / "0.png"
    encode(pixels, path, "png")
    size, digest = fsync_and_hash(path)
    image = SpooledImage("0.png", "image/png", WIDTH, HEIGHT, size, digest)
    runtime.spool.write_response(attempt.id, SpooledResponse((image,), None, UsageSource.upstream))
    started = time.perf_counter()
    await execute(runtime, task, Lease(60))
    return time.perf_counter() - started


async def measure_settlement(pixels: Pixels) -> None:
    with tempfile.TemporaryDirectory() as folder:
        runtime = await open_runtime(Settings(storage=Storage(data=folder)))
        _, key = await create_customer(runtime.db, 10**12)
        took = [await settle_one(runtime, key, pixels) for _ in range(ROUNDS + 1)]
        await runtime.close()
    print(f"{'settlement':<28}{statistics.median(took[1:]) * 1000:>8,.0f} ms")


def measure_thumbnail(name: str, source: Path) -> None:
    request = thumbnail.ThumbnailRequest(str(source), str(source.with_suffix(".webp")))
    took = []
    for _ in range(ROUNDS + 1):
        started = time.process_time()
        thumbnail.draw(request)
        took.append(time.process_time() - started)
    size = Path(request.target).stat().st_size / 1024
    print(f"{name:<28}{statistics.median(took[1:]) * 1000:>8,.1f} ms of CPU{size:>8,.0f} kB")


def main() -> None:
    pixels = photo_pixels()
    asyncio.run(measure_settlement(pixels))
    with tempfile.TemporaryDirectory() as folder:
        painted, photo = Path(folder) / "painted.png", Path(folder) / "photo.png"
        paint(PaintRequest("a forest", 1024, 1024, "high", 0, (), "", False, "png", 100, str(painted)))
        measure_thumbnail("thumbnail of 1024x1024", painted)
        encode(pixels, photo, "png")
        measure_thumbnail("thumbnail of 3840x2160", photo)


if __name__ == "__main__":
    main()
