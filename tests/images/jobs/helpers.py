"""Jobs of image processes, run as the gateway runs them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import msgspec
from PIL import Image

from imagegate.images.jobs.encode import EXIF_TAGS
from imagegate.images.jobs.process_pool import ProcessPool

T = TypeVar("T")


@asynccontextmanager
async def open_pool(size: int = 1, idle_s: float = 30.0) -> AsyncIterator[ProcessPool]:
    pool = ProcessPool(size, idle_s=idle_s)
    try:
        yield pool
    finally:
        await pool.close()


def run_job(job: str, request: msgspec.Struct, result: type[T], *, cpu_s: float = 5.0, wall_s: float = 10.0) -> T:
    """One job in a process of its own."""

    async def run() -> T:
        async with open_pool() as pool:
            return await pool.run(job, request, result, cpu_s=cpu_s, wall_s=wall_s)

    return asyncio.run(run())


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata that `encode` wrote, by its own names."""
    with Image.open(path, formats=("PNG", "JPEG", "WEBP")) as image:
        if image.format == "PNG":
            return {str(name): str(text) for name, text in image.info.items() if isinstance(text, str)}
        exif = image.getexif()
    return {name: str(exif[tag]) for name, tag in EXIF_TAGS.items() if tag in exif}
