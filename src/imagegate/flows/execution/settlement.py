"""Settle a task with what its calls delivered: bytes to storage first, then everything else in one commit.

If we die before the commit, the spool still has it all and the next claim settles; after it, only the spool is left to
sweep. Refuses to know: how the pictures were made.
"""

from __future__ import annotations

import time

from imagegate.crash_points import point
from imagegate.domain import ids
from imagegate.domain.assets import EXTENSION, AssetKind
from imagegate.domain.tasks import Attempt, Result, Task
from imagegate.flows.execution.billing import Part, make_bill
from imagegate.flows.execution.lease import Lease
from imagegate.flows.execution.post_processing import conform
from imagegate.flows.execution.thumbnail import Thumbnail, make_thumbnail
from imagegate.flows.views.task import task_body
from imagegate.runtime import PER_SECOND, Runtime
from imagegate.spool import SpooledAnswer, SpooledImage
from imagegate.store import assets, settlement

Slice = tuple[Attempt, SpooledAnswer]


async def settle(runtime: Runtime, task: Task, slices: list[Slice], lease: Lease) -> None:
    """[ task done (fenced), assets, hold settled, entries, webhook ]."""
    slices = await conform(runtime, task, slices)
    images = [(attempt, image) for attempt, answer in slices for image in answer.images]
    keys = [blob_key(task, attempt.id, image.name) for attempt, image in images]
    for (attempt, image), key in zip(images, keys, strict=True):
        await runtime.blobs.put(runtime.spool.path(attempt.id, image.name), key)
    small = await make_thumbnail(runtime, task, images[0][0].id, images[0][1])
    lease.must_be_sure()
    done = _settlement(runtime, task, slices, keys, small.asset if isinstance(small, Thumbnail) else None)
    await runtime.db.write(settlement.complete_task, task.account_id, task.id, task.claim_no, done, task_body(runtime))
    point("settle.post_commit")
    for attempt, _ in slices:
        runtime.spool.discard(attempt.id)
    runtime.signals.task_ended(task.id)


def _settlement(
    runtime: Runtime, task: Task, slices: list[Slice], keys: list[str], thumbnail: assets.NewAsset | None
) -> settlement.Settlement:
    answers = [answer for _, answer in slices]
    images = [image for answer in answers for image in answer.images]
    bill = make_bill(runtime, task, [_part(answer) for answer in answers])
    return settlement.Settlement(
        charge=bill.charge,
        price=bill.price,
        usage=bill.usage,
        usage_source=bill.source,
        engine=next((answer.engine for answer in answers if answer.engine), None),
        results=_results(answers),
        assets=_assets(runtime, task, images, keys),
        keep_us=runtime.settings.storage.result_hours * 3600 * PER_SECOND,
        thumbnail=thumbnail,
        keep_thumbnail_us=runtime.settings.storage.thumbnail_days * 24 * 3600 * PER_SECOND,
        commit_id=ids.new_id("cmt", runtime.clock()),
    )


def _part(answer: SpooledAnswer) -> Part:
    return Part(answer.usage, answer.usage_source, [(image.width, image.height) for image in answer.images])


def _results(answers: list[SpooledAnswer]) -> tuple[Result, ...]:
    made = [(image, answer.quality) for answer in answers for image in answer.images]
    return tuple(
        Result(index, EXTENSION[one.media_type], one.media_type, one.width, one.height, one.bytes, quality)
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
    day = time.strftime("%Y/%m/%d", time.gmtime(task.created // PER_SECOND))
    return f"t/{task.account_id}/{day}/{attempt_id}-{name}"
