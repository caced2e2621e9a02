"""A customer's mask becomes one that every upstream reads alike.

Knows: what a mask must be, that a child writes it anew, and whose fault it is when that fails. Refuses to know: where
the mask came from. What is made is an asset of the task, so that a later claim finds it.
"""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path

import msgspec

from imagegate.domain import ids
from imagegate.domain.assets import Asset, AssetKind, new_blob_key
from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.domain.tasks import Task
from imagegate.images import InvalidImage, inspect
from imagegate.images.jobs import mask
from imagegate.images.jobs.decode import CPU_S, WALL_S
from imagegate.images.jobs.process_pool import JobFailed, WorkerDied
from imagegate.logging import log
from imagegate.runtime import Runtime
from imagegate.spool import fsync_and_hash
from imagegate.store.assets import NewAsset

MEDIA_TYPE = "image/png"
_STORAGE_FULL = TaskError(TaskErrorCode.service_unavailable, "The service has no space left.", reason="storage_full")


class RewrittenMask(msgspec.Struct, frozen=True):
    """Its bytes are stored; the row is for a commit of the claim."""

    asset: NewAsset


class InvalidMask(msgspec.Struct, frozen=True):
    """A mask that ends the task."""

    error: TaskError


async def rewrite_mask(
    runtime: Runtime, task: Task, original: Asset, first: Asset, target: Path
) -> RewrittenMask | InvalidMask:
    """Check the mask against the first reference and write it anew, by way of the file `target`."""
    if original.media_type != MEDIA_TYPE:
        return _unusable("The mask must be a PNG with an alpha channel.", "unsupported_image_type")
    if (original.width, original.height) != (first.width, first.height):
        message = f"The mask is {original.width}x{original.height}, the first reference {first.width}x{first.height}."
        return InvalidMask(TaskError(TaskErrorCode.image_dimension_mismatch, message, param="mask_url"))
    source = await runtime.blobs.local_path(original.key)
    try:
        if not (await asyncio.to_thread(inspect, source)).has_alpha:
            return _unusable("The mask must be a PNG with an alpha channel.", "unsupported_image_type")
        order = mask.MaskRequest(str(source), str(target))
        await runtime.image_pool.run(mask.JOB, order, mask.MaskResult, cpu_s=CPU_S, wall_s=WALL_S)
    except (JobFailed, WorkerDied, InvalidImage) as error:
        log("mask not rewritten", task=task.id, reason=str(error))
        full = f"[Errno {errno.ENOSPC}]" in str(error)
        return InvalidMask(_STORAGE_FULL) if full else _unusable("The mask cannot be read.", "corrupt")
    return RewrittenMask(await _store_mask(runtime, task, original, target))


async def _store_mask(runtime: Runtime, task: Task, original: Asset, target: Path) -> NewAsset:
    asset_id = ids.new_id("ast", runtime.clock())
    key = new_blob_key(task.account_id, asset_id, MEDIA_TYPE, runtime.clock())
    size, digest = await asyncio.to_thread(fsync_and_hash, target)
    await runtime.blobs.put(target, key)
    return NewAsset(
        id=asset_id,
        task_id=task.id,
        kind=AssetKind.repaint,
        position=0,
        key=key,
        media_type=MEDIA_TYPE,
        bytes=size,
        width=original.width,
        height=original.height,
        sha256=digest,
    )


def _unusable(message: str, reason: str) -> InvalidMask:
    return InvalidMask(TaskError(TaskErrorCode.image_processing_error, message, param="mask_url", reason=reason))
