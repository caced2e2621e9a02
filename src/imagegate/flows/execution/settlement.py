"""Settle a task with what its calls delivered: bytes to storage first, then everything else in one commit.

If we die before the commit, the spool still has it all and the next claim settles; after it, only the spool is left to
sweep. Refuses to know: how the pictures were made.
"""

from __future__ import annotations

import time

from imagegate.crash_points import crash_point
from imagegate.domain import ids
from imagegate.domain.assets import EXTENSION_BY_MEDIA_TYPE, AssetKind
from imagegate.domain.tasks import Attempt, ImageResult, Task
from imagegate.domain.time import US_PER_DAY, US_PER_HOUR, US_PER_SECOND
from imagegate.flows.execution.billing import BilledPart, make_bill
from imagegate.flows.execution.lease import Lease
from imagegate.flows.execution.post_processing import convert_formats
from imagegate.flows.execution.thumbnail import Thumbnail, make_thumbnail
from imagegate.flows.views.task import task_encoder
from imagegate.runtime import Runtime
from imagegate.spool import SpooledImage, SpooledResponse
from imagegate.store import assets, settlement

ImageBatch = tuple[Attempt, SpooledResponse]


async def settle(runtime: Runtime, task: Task, batches: list[ImageBatch], lease: Lease) -> None:
    """[ task done (fenced), assets, hold settled, entries, webhook ]."""
    batches = await convert_formats(runtime, task, batches)
    images = [(attempt, image) for attempt, answer in batches for image in answer.images]
    keys = [blob_key(task, attempt.id, image.name) for attempt, image in images]
    for (attempt, image), key in zip(images, keys, strict=True):
        await runtime.blobs.put(runtime.spool.path(attempt.id, image.name), key)
    preview = await make_thumbnail(runtime, task, images[0][0].id, images[0][1])
    lease.ensure_valid()
    done = _settlement(runtime, task, batches, keys, preview.asset if isinstance(preview, Thumbnail) else None)
    await runtime.db.write(
        settlement.complete_task, task.account_id, task.id, task.claim_no, done, task_encoder(runtime)
    )
    crash_point("settle.post_commit")
    for attempt, _ in batches:
        runtime.spool.discard(attempt.id)
    runtime.wake_ups.notify_task_ended(task.id)


def _settlement(
    runtime: Runtime, task: Task, batches: list[ImageBatch], keys: list[str], thumbnail: assets.NewAsset | None
) -> settlement.Settlement:
    answers = [answer for _, answer in batches]
    images = [image for answer in answers for image in answer.images]
    bill = make_bill(runtime, task, [_billed_part(answer) for answer in answers])
    return settlement.Settlement(
        charge=bill.charge,
        price=bill.price,
        usage=bill.usage,
        usage_source=bill.source,
        engine=next((answer.engine for answer in answers if answer.engine), None),
        results=_results(answers),
        assets=_assets(runtime, task, images, keys),
        retention_us=runtime.settings.storage.result_hours * US_PER_HOUR,
        thumbnail=thumbnail,
        thumbnail_retention_us=runtime.settings.storage.thumbnail_days * US_PER_DAY,
        commit_id=ids.new_id("cmt", runtime.clock()),
    )


def _billed_part(answer: SpooledResponse) -> BilledPart:
    return BilledPart(answer.usage, answer.usage_source, [(image.width, image.height) for image in answer.images])


def _results(answers: list[SpooledResponse]) -> tuple[ImageResult, ...]:
    made = [(image, answer.quality) for answer in answers for image in answer.images]
    return tuple(
        ImageResult(
            index, EXTENSION_BY_MEDIA_TYPE[one.media_type], one.media_type, one.width, one.height, one.bytes, quality
        )
        for index, (one, quality) in enumerate(made)
    )


def _assets(runtime: Runtime, task: Task, images: list[SpooledImage], keys: list[str]) -> tuple[assets.NewAsset, ...]:
    return tuple(
        assets.NewAsset(
            id=ids.new_id("ast", runtime.clock()),
            task_id=task.id,
            kind=AssetKind.result,
            position=position,
            key=key,
            media_type=image.media_type,
            bytes=image.bytes,
            width=image.width,
            height=image.height,
            sha256=image.sha256,
        )
        for position, (image, key) in enumerate(zip(images, keys, strict=True))
    )


def blob_key(task: Task, attempt_id: str, name: str) -> str:
    """The same for every repeat of the same attempt: a blob published twice is one blob."""
    day = time.strftime("%Y/%m/%d", time.gmtime(task.created // US_PER_SECOND))
    return f"t/{task.account_id}/{day}/{attempt_id}-{name}"
