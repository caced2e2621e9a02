"""Turns a reference that EXIF shows another way than it is stored: every upstream gets what people see."""

from __future__ import annotations

import asyncio
from pathlib import Path

from imagegate.domain.assets import Asset, AssetKind, FileFacts, new_asset
from imagegate.domain.tasks import Task
from imagegate.flows.execution.storage_wait import when_stored
from imagegate.images import ImageFacts, InvalidImage, inspect
from imagegate.images.jobs import transcode
from imagegate.images.jobs.decode import CPU_S, WALL_S, ImageSize
from imagegate.images.jobs.process_pool import JobFailed, WorkerDied
from imagegate.logging import log_warning
from imagegate.runtime import Runtime
from imagegate.spool import fsync_and_hash

# What encodes without a visible loss; 100 would double the bytes.
_COMPRESSION = 95
# The limits were set for decoding; encoding takes longer.
_LIMIT_FACTOR = 3


async def read_facts(source: Path, asset: Asset) -> ImageFacts:
    """The facts of a stored input, whose bytes are `source`; of a result that is beyond the limits of inputs what its
    row says."""
    try:
        return await asyncio.to_thread(inspect, source)
    except InvalidImage:
        return ImageFacts(asset.media_type, asset.width, asset.height, asset.bytes, has_alpha=False)  # type: ignore[arg-type]


async def turn_upright(runtime: Runtime, task: Task, asset: Asset, source: Path, target: Path) -> Asset | None:
    """The upright copy of `source`, by way of the file `target`; None where it is upright or cannot be turned.

    The asset's bytes are stored; its row is for a commit of the claim, so that a later claim finds it.
    """
    if (await read_facts(source, asset)).orientation == 1:
        return None
    request = transcode.TranscodeRequest(str(source), str(target), asset.media_type, _COMPRESSION)
    try:
        size = await runtime.image_pool.run(
            transcode.JOB, request, ImageSize, cpu_s=_LIMIT_FACTOR * CPU_S, wall_s=_LIMIT_FACTOR * WALL_S
        )
    except (JobFailed, WorkerDied) as error:
        log_warning("reference_not_turned", task=task.id, position=asset.position, reason=str(error))
        return None
    written, digest = await asyncio.to_thread(fsync_and_hash, target)
    facts = FileFacts(asset.media_type, written, digest, size.width, size.height)
    upright = new_asset(AssetKind.upright, task.account_id, task.id, facts, runtime.clock(), position=asset.position)
    await when_stored(runtime, task, lambda: runtime.blobs.put(target, upright))
    return upright
