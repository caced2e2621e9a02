"""Pictures of another file type than asked are written anew in the child, before they are settled.

Knows: that a transcode never buys anything, and that a picture which cannot be transcoded is delivered as it came: it
was bought. If we die in the middle it is simply done again. Refuses to know: how a picture is decoded.
"""

from __future__ import annotations

import asyncio

import msgspec

from imagegate.domain.assets import EXTENSION
from imagegate.domain.tasks import Attempt, Task
from imagegate.images.jobs import transcode
from imagegate.images.jobs.decode import CPU_S, WALL_S
from imagegate.images.jobs.process_pool import ChildDied, ChildRefused
from imagegate.logging import log
from imagegate.runtime import Runtime
from imagegate.spool import SpooledAnswer, SpooledImage, seal

_SLACK = 3  # encoding takes longer than the looking that these limits were made for


async def conform(
    runtime: Runtime, task: Task, slices: list[tuple[Attempt, SpooledAnswer]]
) -> list[tuple[Attempt, SpooledAnswer]]:
    """The same answers, their pictures of the type that the order asks for where that can be had."""
    return [(attempt, await _answer(runtime, task, attempt, answer)) for attempt, answer in slices]


async def _answer(runtime: Runtime, task: Task, attempt: Attempt, answer: SpooledAnswer) -> SpooledAnswer:
    asked = f"image/{task.order.output_format}"
    if all(image.media_type == asked for image in answer.images):
        return answer
    images = [await _image(runtime, task, attempt, image, asked) for image in answer.images]
    return msgspec.structs.replace(answer, images=tuple(images))


async def _image(runtime: Runtime, task: Task, attempt: Attempt, image: SpooledImage, asked: str) -> SpooledImage:
    if image.media_type == asked:
        return image
    name = f"{image.name.partition('.')[0]}-as.{EXTENSION[asked]}"
    target = runtime.spool.path(attempt.id, name)
    order = transcode.TranscodeOrder(
        str(runtime.spool.path(attempt.id, image.name)), str(target), asked, task.order.output_compression
    )
    try:
        made = await runtime.pixels.run(
            transcode.JOB, order, transcode.Transcoded, cpu_s=_SLACK * CPU_S, wall_s=_SLACK * WALL_S
        )
    except (ChildDied, ChildRefused) as error:
        log("delivered as it came", task=task.id, image=image.name, reason=str(error))
        return image
    size, digest = await asyncio.to_thread(seal, target)
    return SpooledImage(name, asked, made.width, made.height, size, digest)
