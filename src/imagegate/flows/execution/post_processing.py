"""What is made of delivered images before they are settled: the requested file type, and a thumbnail.

Both run in the image processes and buy nothing: if the process dies in between they are simply done again. Neither
can fail a task, because its images are paid for.
"""

from __future__ import annotations

import asyncio

import msgspec

from imagegate.domain import ids
from imagegate.domain.assets import EXTENSION_BY_MEDIA_TYPE, Asset, AssetKind, FileFacts, new_asset
from imagegate.domain.tasks import Attempt, Task
from imagegate.flows.execution.state import ImageBatch
from imagegate.images.jobs import thumbnail, transcode
from imagegate.images.jobs.decode import CPU_S, WALL_S, ImageSize
from imagegate.images.jobs.process_pool import JobFailed, WorkerDied
from imagegate.logging import log_warning
from imagegate.runtime import Runtime
from imagegate.spool import SpooledImage, fsync_and_hash

MAX_THUMBNAIL_EDGE_PX = 1024
# The limits were set for decoding; encoding takes longer.
_TRANSCODE_LIMIT_FACTOR = 3
# Includes the wait for a free image process: a task does not wait longer for its thumbnail.
_THUMBNAIL_TIMEOUT_S = 15.0


async def convert_formats(runtime: Runtime, task: Task, batches: list[ImageBatch]) -> list[ImageBatch]:
    """The same batches with every image in the file type that the order asks for.

    An image that cannot be transcoded is delivered as it arrived.
    """
    converted = []
    for attempt, response in batches:
        images = [await _convert_image(runtime, task, attempt, image) for image in response.images]
        converted.append((attempt, msgspec.structs.replace(response, images=tuple(images))))
    return converted


async def _convert_image(runtime: Runtime, task: Task, attempt: Attempt, image: SpooledImage) -> SpooledImage:
    media_type = f"image/{task.order.output_format}"
    if image.media_type == media_type:
        return image
    name = f"{image.name.partition('.')[0]}-as.{EXTENSION_BY_MEDIA_TYPE[media_type]}"
    target = runtime.spool.path(attempt.id, name)
    request = transcode.TranscodeRequest(
        str(runtime.spool.path(attempt.id, image.name)), str(target), media_type, task.order.output_compression
    )
    try:
        transcoded = await runtime.image_pool.run(
            transcode.JOB,
            request,
            ImageSize,
            cpu_s=_TRANSCODE_LIMIT_FACTOR * CPU_S,
            wall_s=_TRANSCODE_LIMIT_FACTOR * WALL_S,
        )
    except (WorkerDied, JobFailed) as error:
        log_warning("image_not_transcoded", task=task.id, image=image.name, reason=str(error))
        return image
    size, digest = await asyncio.to_thread(fsync_and_hash, target)
    return SpooledImage(name, media_type, transcoded.width, transcoded.height, size, digest)


async def make_thumbnail(runtime: Runtime, task: Task, attempt_id: str, image: SpooledImage) -> Asset | None:
    """Publish a thumbnail of the spooled image; the row is for the settling commit.

    None where the settings want none, or none could be made. Its blob gets a new key each time: one that was published
    by a process that died before the commit is an orphan, and never what a later commit means.
    """
    if runtime.settings.storage.thumbnail_days == 0:
        return None
    try:
        async with asyncio.timeout(_THUMBNAIL_TIMEOUT_S):
            return await _draw_thumbnail(runtime, task, attempt_id, image)
    except (WorkerDied, JobFailed, OSError) as error:  # TimeoutError is an OSError
        log_warning("thumbnail_not_made", task=task.id, reason=str(error) or "timeout")
        return None


async def _draw_thumbnail(runtime: Runtime, task: Task, attempt_id: str, image: SpooledImage) -> Asset:
    target = runtime.spool.path(attempt_id, f"{ids.new_id('thm', runtime.clock())}.webp")
    request = thumbnail.ThumbnailRequest(
        str(runtime.spool.path(attempt_id, image.name)), str(target), MAX_THUMBNAIL_EDGE_PX
    )
    drawn = await runtime.image_pool.run(thumbnail.JOB, request, ImageSize, cpu_s=CPU_S, wall_s=WALL_S)
    size, digest = await asyncio.to_thread(fsync_and_hash, target)
    facts = FileFacts(thumbnail.MEDIA_TYPE, size, digest, drawn.width, drawn.height)
    asset = new_asset(AssetKind.thumbnail, task.account_id, task.id, facts, task.created)
    await runtime.blobs.put(target, asset.key)
    return asset
