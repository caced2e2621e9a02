"""A small picture of a result, made beside it and kept longer.

Knows: that the child draws it, how long we wait for that, and that a task never waits longer or fails for want of it.
Refuses to know: what becomes of it. Its blob has a key of its own each time: one that is published by a process that
dies before the commit is an orphan, and never what a later commit means.
"""

from __future__ import annotations

import asyncio

import msgspec

from imagegate.domain import ids
from imagegate.domain.assets import AssetKind, new_blob_key
from imagegate.domain.tasks import Task
from imagegate.images.jobs import thumbnail
from imagegate.images.jobs.decode import CPU_S, WALL_S
from imagegate.images.jobs.process_pool import JobFailed, WorkerDied
from imagegate.logging import log
from imagegate.runtime import Runtime
from imagegate.spool import SpooledImage, fsync_and_hash
from imagegate.store.assets import NewAsset

MAX_EDGE_PX = 1024
_TIMEOUT_S = 15.0  # with the wait for a child that is free


class Thumbnail(msgspec.Struct, frozen=True):
    """Its bytes are stored; the row is for the settling commit."""

    asset: NewAsset


class NoThumbnail(msgspec.Struct, frozen=True):
    """None is wanted, or none could be made."""


async def make_thumbnail(runtime: Runtime, task: Task, attempt_id: str, image: SpooledImage) -> Thumbnail | NoThumbnail:
    """Draw the spooled image small and publish it."""
    if runtime.settings.storage.thumbnail_days == 0:
        return NoThumbnail()
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            return await _make(runtime, task, attempt_id, image)
    except (WorkerDied, JobFailed, OSError) as error:  # TimeoutError is an OSError
        log("no thumbnail", task=task.id, reason=str(error) or "it took too long")
        return NoThumbnail()


async def _make(runtime: Runtime, task: Task, attempt_id: str, image: SpooledImage) -> Thumbnail:
    asset_id = ids.new_id("ast", runtime.clock())
    key = new_blob_key(task.account_id, asset_id, thumbnail.MEDIA_TYPE, task.created)
    target = runtime.spool.path(attempt_id, f"{asset_id}.webp")
    order = thumbnail.ThumbnailRequest(str(runtime.spool.path(attempt_id, image.name)), str(target), MAX_EDGE_PX)
    drawn = await runtime.image_pool.run(thumbnail.JOB, order, thumbnail.ThumbnailResult, cpu_s=CPU_S, wall_s=WALL_S)
    size, digest = await asyncio.to_thread(fsync_and_hash, target)
    await runtime.blobs.put(target, key)
    return Thumbnail(
        NewAsset(
            id=asset_id,
            task_id=task.id,
            kind=AssetKind.thumbnail,
            position=0,
            key=key,
            media_type=thumbnail.MEDIA_TYPE,
            bytes=size,
            width=drawn.width,
            height=drawn.height,
            sha256=digest,
        )
    )
