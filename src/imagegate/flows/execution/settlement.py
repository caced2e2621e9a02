"""Ends a task: completed with what its calls delivered, or failed.

The bytes go to storage first, then everything else is one commit. If the process dies before that commit, the spool
still has everything and the next claim settles; after it, only the spool is left to sweep.
"""

from __future__ import annotations

import asyncio

from imagegate.crash_points import crash_point
from imagegate.domain import ids
from imagegate.domain.assets import EXTENSION_BY_MEDIA_TYPE, Asset, AssetKind, FileFacts, blob_key, new_asset
from imagegate.domain.errors import TaskError
from imagegate.domain.tasks import ImageResult, Task
from imagegate.domain.time import US_PER_DAY, US_PER_HOUR
from imagegate.flows.execution.billing import Bill, make_bill
from imagegate.flows.execution.outcome import count_end, record_end
from imagegate.flows.execution.post_processing import convert_formats
from imagegate.flows.execution.state import Execution, ImageBatch, recovery_mode
from imagegate.flows.prices import catalog_of
from imagegate.flows.task_end import count_task_end
from imagegate.flows.traces import trace_part
from imagegate.flows.views.task import task_encoder
from imagegate.images.jobs.decode import is_decodable
from imagegate.runtime import Runtime
from imagegate.spool import SpooledImage, SpooledResponse
from imagegate.store import settlement
from imagegate.store.attempts import mark_spooled
from imagegate.store.dialect import DatabaseError
from imagegate.store.tasks import Done
from imagegate.upstreams.base import RecoveryMode


async def settle(execution: Execution) -> None:
    """[ task done (fenced), assets, hold settled, entries, webhook ]."""
    runtime, task = execution.runtime, execution.task
    try:
        done, batches = await _prepare(execution)
    except Exception as error:
        runtime.counters.storage_errors += not isinstance(error, DatabaseError)
        # The task may end in another way: what the call came to must not be lost with it.
        if execution.unrecorded is not None:
            end, execution.unrecorded = execution.unrecorded, None
            await record_end(execution, end)
        raise
    began = runtime.clock()
    settled = await runtime.db.write(
        settlement.settle_task,
        task.account_id,
        task.id,
        task.claim_no,
        done,
        execution.unrecorded,
        task_encoder(runtime),
    )
    crash_point("settle.post_commit")
    if execution.unrecorded is not None:
        count_end(runtime, execution.unrecorded, settled.attempt)
    if isinstance(settled.task, Done):
        trace_part(runtime, task, "settle", began)
        count_task_end(runtime, task, charge=done.charge, images=len(done.results))
        for attempt, _ in batches:
            runtime.spool.discard(attempt.id)
    # Else the task is another worker's, who may go on from these very files; the sweep deletes them when it has ended.
    runtime.wake_ups.notify_task_ended(task.id)


async def _prepare(execution: Execution) -> tuple[settlement.Settlement, list[ImageBatch]]:
    """The bytes in storage, and everything that the commit says of them."""
    runtime, task = execution.runtime, execution.task
    batches = await convert_formats(runtime, task, execution.state.batches)
    images = [(attempt.id, image) for attempt, response in batches for image in response.images]
    # The same for every repeat of the same attempt: a blob published twice is one blob.
    keys = [blob_key(task.account_id, f"{attempt_id}-{image.name}", task.created) for attempt_id, image in images]
    files = [runtime.spool.path(attempt_id, image.name) for attempt_id, image in images]
    assets = _assets(runtime, task, [image for _, image in images], keys)
    began = runtime.clock()
    puts = (runtime.blobs.put(file, asset) for file, asset in zip(files, assets, strict=True))
    await asyncio.gather(*puts, _record_spooled(execution))
    stored_bytes = sum(image.bytes for _, image in images)
    trace_part(runtime, task, "store results", began, images=len(images), bytes=stored_bytes)
    bill = make_bill(await catalog_of(runtime, task.price_version), task, [response for _, response in batches])
    # Nothing may be charged by a worker whose lease may have passed to another.
    execution.lease.ensure_valid()
    return _settlement(runtime, bill, batches, assets), batches


async def _record_spooled(execution: Execution) -> None:
    """Beside the way to storage, which may be long: if this worker dies on it, its task waits for this spool."""
    runtime, end = execution.runtime, execution.unrecorded
    if end is None or end.attempt.spool is None:
        return
    # A call that can be taken up again elsewhere costs nothing there.
    if recovery_mode(runtime, end.attempt) == RecoveryMode.never:
        await runtime.db.write(mark_spooled, execution.task.account_id, end.attempt.id)


async def fail_task(runtime: Runtime, task: Task, error: TaskError) -> None:
    """[ task failed, hold released, webhook ]; nothing happens where the task is no longer ours."""
    commit_id = ids.new_id("cmt", runtime.clock())
    failed = await runtime.db.write(
        settlement.fail_task, task.account_id, task.id, task.claim_no, error, commit_id, task_encoder(runtime)
    )
    if isinstance(failed, Done):
        count_task_end(runtime, task, error=error.code)
    runtime.wake_ups.notify_task_ended(task.id)


def _settlement(
    runtime: Runtime, bill: Bill, batches: list[ImageBatch], assets: tuple[Asset, ...]
) -> settlement.Settlement:
    storage = runtime.settings.storage
    responses = [response for _, response in batches]
    return settlement.Settlement(
        charge=bill.charge,
        price=bill.price,
        usage=bill.usage,
        usage_source=bill.source,
        engine=next((response.engine for response in responses if response.engine), None),
        results=_results(responses, with_thumbnails=storage.thumbnail_days > 0),
        assets=assets,
        retention_us=storage.result_hours * US_PER_HOUR,
        thumbnail_retention_us=storage.thumbnail_days * US_PER_DAY,
        commit_id=ids.new_id("cmt", runtime.clock()),
    )


def _results(responses: list[SpooledResponse], *, with_thumbnails: bool) -> tuple[ImageResult, ...]:
    delivered = [(image, image.media_type, response.quality) for response in responses for image in response.images]
    return tuple(
        ImageResult(
            index,
            EXTENSION_BY_MEDIA_TYPE[kind],
            kind,
            image.width,
            image.height,
            image.bytes,
            quality,
            with_thumbnails and is_decodable(image.width, image.height, kind),
        )
        for index, (image, kind, quality) in enumerate(delivered)
    )


def _assets(runtime: Runtime, task: Task, images: list[SpooledImage], keys: list[str]) -> tuple[Asset, ...]:
    facts = (FileFacts(one.media_type, one.bytes, one.sha256, one.width, one.height) for one in images)
    return tuple(
        new_asset(AssetKind.result, task.account_id, task.id, one, runtime.clock(), position=position, key=key)
        for position, (one, key) in enumerate(zip(facts, keys, strict=True))
    )
