"""Pictures of another file type than asked are written anew in the child, before they are settled.

Knows: that a transcode never buys anything, and that a picture which cannot be transcoded is delivered as it came: it
was bought. If we die in the middle it is simply done again. Refuses to know: how a picture is decoded.
"""

from __future__ import annotations

import asyncio

import msgspec

from imagegate.domain.assets import EXTENSION_BY_MEDIA_TYPE
from imagegate.domain.tasks import Attempt, Task
from imagegate.images.jobs import transcode
from imagegate.images.jobs.decode import CPU_S, WALL_S
from imagegate.images.jobs.process_pool import JobFailed, WorkerDied
from imagegate.logging import log
from imagegate.runtime import Runtime
from imagegate.spool import SpooledImage, SpooledResponse, fsync_and_hash

_LIMIT_FACTOR = 3  # encoding takes longer than the looking that these limits were made for


async def convert_formats(
    runtime: Runtime, task: Task, batches: list[tuple[Attempt, SpooledResponse]]
) -> list[tuple[Attempt, SpooledResponse]]:
    """The same answers, their pictures of the type that the order asks for where that can be had."""
    return [(attempt, await _convert_response(runtime, task, attempt, answer)) for attempt, answer in batches]


async def _convert_response(runtime: Runtime, task: Task, attempt: Attempt, answer: SpooledResponse) -> SpooledResponse:
    media_type = f"image/{task.order.output_format}"
    if all(image.media_type == media_type for image in answer.images):
        return answer
    images = [await _convert_image(runtime, task, attempt, image, media_type) for image in answer.images]
    return msgspec.structs.replace(answer, images=tuple(images))


async def _convert_image(
    runtime: Runtime, task: Task, attempt: Attempt, image: SpooledImage, media_type: str
) -> SpooledImage:
    if image.media_type == media_type:
        return image
    name = f"{image.name.partition('.')[0]}-as.{EXTENSION_BY_MEDIA_TYPE[media_type]}"
    target = runtime.spool.path(attempt.id, name)
    order = transcode.TranscodeRequest(
        str(runtime.spool.path(attempt.id, image.name)), str(target), media_type, task.order.output_compression
    )
    try:
        transcoded = await runtime.image_pool.run(
            transcode.JOB, order, transcode.TranscodeResult, cpu_s=_LIMIT_FACTOR * CPU_S, wall_s=_LIMIT_FACTOR * WALL_S
        )
    except (WorkerDied, JobFailed) as error:
        log("delivered as it came", task=task.id, image=image.name, reason=str(error))
        return image
    size, digest = await asyncio.to_thread(fsync_and_hash, target)
    return SpooledImage(name, media_type, transcoded.width, transcoded.height, size, digest)
