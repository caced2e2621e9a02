"""Time from an image that is durable in the spool to its completed task.

Prints the median of several rounds for a 3840x2160 PNG: without a thumbnail, with one by a running worker, and with one
by a new worker.
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
from imagegate.images.jobs.encode import encode
from imagegate.images.jobs.png_encoder import Pixels
from imagegate.images.jobs.process_pool import ProcessPool
from imagegate.runtime import Runtime
from imagegate.settings import Settings, Storage
from imagegate.spool import SpooledImage, SpooledResponse, fsync_and_hash
from imagegate.store import attempts, tasks

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.store.helpers import LEASE_US, ROUTE, claim_tasks, create_customer, new_attempt, new_task

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
    (task,) = await runtime.db.write(claim_tasks, key.account_id, runtime.boot_id, LEASE_US, 1)
    attempt = new_attempt(task)
    await runtime.db.write(attempts.begin_attempt, key.account_id, attempt, runtime.boot_id, ROUTE)
    path = runtime.spool.path(attempt.id, "0.png")
    encode(pixels, path, "png")
    size, digest = fsync_and_hash(path)
    image = SpooledImage("0.png", "image/png", WIDTH, HEIGHT, size, digest)
    await runtime.spool.save_response(attempt.id, SpooledResponse((image,), None, UsageSource.upstream))
    started = time.perf_counter()
    await execute(runtime, task, Lease(60))
    took = time.perf_counter() - started
    ended = await runtime.db.read(tasks.find_task, task.account_id, task.id)
    assert ended is not None
    assert (ended.thumbnail_expires is not None) == bool(runtime.settings.storage.thumbnail_days)
    return took


async def measure(name: str, days: int, idle_s: float, pixels: Pixels) -> None:
    with tempfile.TemporaryDirectory() as folder:
        runtime = await open_runtime(Settings(storage=Storage(data=folder, thumbnail_days=days)))
        object.__setattr__(runtime, "pixels", ProcessPool(1, idle_s=idle_s))
        _, key = await create_customer(runtime.db, 10**12)
        took = []
        for _ in range(ROUNDS + 1):
            took.append(await settle_one(runtime, key, pixels))
            await asyncio.sleep(2 * idle_s if idle_s < 1 else 0)
        await runtime.close()
    print(f"{name:<28}{statistics.median(took[1:]) * 1000:>8,.0f} ms")


def main() -> None:
    pixels = photo_pixels()
    asyncio.run(measure("without a thumbnail", 0, 30, pixels))
    asyncio.run(measure("thumbnail, running worker", 30, 30, pixels))
    asyncio.run(measure("thumbnail, new worker", 30, 0.1, pixels))


if __name__ == "__main__":
    main()
