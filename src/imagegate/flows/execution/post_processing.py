"""What is made of delivered images before they are settled: the requested file type.

It runs in the image processes and buys nothing: if the process dies in between it is simply done again. It cannot fail
a task, because its images are paid for.
"""

from __future__ import annotations

import asyncio

import msgspec

from imagegate.domain.assets import EXTENSION_BY_MEDIA_TYPE
from imagegate.domain.tasks import Attempt, Task
from imagegate.flows.execution.state import ImageBatch
from imagegate.images.jobs import transcode
from imagegate.images.jobs.decode import CPU_S, WALL_S, ImageSize
from imagegate.images.jobs.process_pool import JobFailed, WorkerDied
from imagegate.logging import log_warning
from imagegate.runtime import Runtime
from imagegate.spool import SpooledImage, fsync_and_hash

# The limits were set for decoding; encoding takes longer.
_TRANSCODE_LIMIT_FACTOR = 3


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
