"""Rewrites a customer's mask into one that every upstream reads alike: a PNG whose alpha is either 0 or 255."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path

from imagegate.domain.assets import Asset, AssetKind, FileFacts, new_asset
from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.domain.tasks import Task
from imagegate.images import InvalidImage, inspect
from imagegate.images.jobs import mask
from imagegate.images.jobs.decode import CPU_S, WALL_S, ImageSize
from imagegate.images.jobs.process_pool import JobFailed, WorkerDied
from imagegate.logging import log_warning
from imagegate.runtime import Runtime
from imagegate.spool import fsync_and_hash

MEDIA_TYPE = "image/png"
_STORAGE_FULL = TaskError(TaskErrorCode.service_unavailable, "The service has no space left.", reason="storage_full")


async def rewrite_mask(runtime: Runtime, task: Task, original: Asset, first: Asset, target: Path) -> Asset | TaskError:
    """Check the mask against the first reference and rewrite it, by way of the file `target`.

    The asset's bytes are stored; its row is for a commit of the claim, so that a later claim finds it. The TaskError
    ends the task.
    """
    if original.media_type != MEDIA_TYPE:
        return _unusable("The mask must be a PNG with an alpha channel.", "unsupported_image_type")
    if (original.width, original.height) != (first.width, first.height):
        message = f"The mask is {original.width}x{original.height}, the first reference {first.width}x{first.height}."
        return TaskError(TaskErrorCode.image_dimension_mismatch, message, param="mask_url")
    source = await runtime.blobs.local_path(original.key)
    try:
        if not (await asyncio.to_thread(inspect, source)).has_alpha:
            return _unusable("The mask must be a PNG with an alpha channel.", "unsupported_image_type")
        request = mask.MaskRequest(str(source), str(target))
        await runtime.image_pool.run(mask.JOB, request, ImageSize, cpu_s=CPU_S, wall_s=WALL_S)
    except (JobFailed, WorkerDied, InvalidImage) as error:
        log_warning("mask_not_rewritten", task=task.id, reason=str(error))
        # The image process reports its OSError as text.
        is_disk_full = f"[Errno {errno.ENOSPC}]" in str(error)
        return _STORAGE_FULL if is_disk_full else _unusable("The mask cannot be read.", "corrupt")
    size, digest = await asyncio.to_thread(fsync_and_hash, target)
    facts = FileFacts(MEDIA_TYPE, size, digest, original.width, original.height)
    asset = new_asset(AssetKind.repaint, task.account_id, task.id, facts, runtime.clock())
    await runtime.blobs.put(target, asset.key)
    return asset


def _unusable(message: str, reason: str) -> TaskError:
    return TaskError(TaskErrorCode.image_processing_error, message, param="mask_url", reason=reason)
