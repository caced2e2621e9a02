"""Thumbnails: drawn at the first look, or in the background before the result is deleted; no task waits for one.

The bytes of a result stay until its thumbnail is drawn or has failed. If the process dies while it draws, the thumbnail
is simply drawn again; a blob that was published without its row is an orphan like any other.
"""

from __future__ import annotations

import asyncio
import functools
import secrets

from imagegate.blobs import BlobDamaged, BlobNotFound, StorageUnavailable
from imagegate.crash_points import crash_point
from imagegate.domain.assets import Asset, AssetKind, FileFacts, new_asset
from imagegate.domain.errors import NotFound, ServiceUnavailable
from imagegate.domain.time import US_PER_SECOND
from imagegate.flows.discard import discard_blobs
from imagegate.images.jobs import thumbnail
from imagegate.images.jobs.decode import CPU_S, ImageSize
from imagegate.images.jobs.process_pool import JobFailed, WorkerDied
from imagegate.logging import log_warning
from imagegate.runtime import Runtime
from imagegate.spool import fsync_and_hash
from imagegate.store import thumbnails
from imagegate.store.assets import find_output_asset
from imagegate.store.thumbnails import Undrawn

# How long a look waits for its turn and its drawing, and how many of an account wait at a time: a page of 100 rows.
LOOK_TIMEOUT_S = 10.0
MAX_LOOKS_PER_ACCOUNT = 100
_RETRY_AFTER_S = 2
# How long other processes leave what one has taken: longer than a whole batch at a low priority.
_LEASE_US = 300 * US_PER_SECOND
# Longer than for other images: it gives way to all other processes.
_WALL_S = 60.0
# What says nothing about the image: no space, or a store that is away for the moment. Decoders raise OSError too.
_PASSING_FAILURES = {"OSError", "FileNotFoundError", "PermissionError", "BlockingIOError"}


async def find_thumbnail(runtime: Runtime, task_id: str, position: int) -> Asset | None:
    """The thumbnail behind a verified link, drawn now where nobody has looked before.

    None where it is deleted. NotFound where it cannot be drawn, ServiceUnavailable where it cannot be drawn in time.
    """
    asset = await _read(runtime, task_id, position)
    if asset is None:
        undrawn = await runtime.db.read(thumbnails.find_undrawn, task_id, position)
        if undrawn is not None:
            await _draw_for_look(runtime, undrawn)
        asset = await _read(runtime, task_id, position)
    if asset is not None:
        return None if asset.deleted else asset
    if await runtime.db.read(find_output_asset, task_id, AssetKind.result, position) is None:
        return None
    undrawn = await runtime.db.read(thumbnails.find_undrawn, task_id, position)
    if undrawn is not None:
        raise _not_now(runtime, undrawn)
    raise NotFound("No thumbnail could be made of this image", reason="thumbnail_failed")


async def _read(runtime: Runtime, task_id: str, position: int) -> Asset | None:
    return await runtime.db.read(find_output_asset, task_id, AssetKind.thumbnail, position)


async def _draw_for_look(runtime: Runtime, undrawn: Undrawn) -> None:
    """Draw it, or wait for whoever does. ServiceUnavailable where that takes too long."""
    if undrawn.tries and 0 < undrawn.due - runtime.clock() <= thumbnails.MAX_PAUSE_US:
        raise _not_now(runtime, undrawn)
    runs = runtime.thumbnail_runs
    if undrawn.id not in runs and runtime.thumbnail_slots.count(undrawn.account_id) >= MAX_LOOKS_PER_ACCOUNT:
        raise _not_now(runtime, undrawn)
    try:
        async with asyncio.timeout(LOOK_TIMEOUT_S):
            await runs.start(undrawn.id, functools.partial(_draw_in_turn, runtime, undrawn))
    except TimeoutError:
        raise _not_now(runtime, undrawn) from None


def _not_now(runtime: Runtime, undrawn: Undrawn) -> ServiceUnavailable:
    pause_us = min(undrawn.due - runtime.clock(), thumbnails.MAX_PAUSE_US) if undrawn.tries else 0
    return ServiceUnavailable(
        "This thumbnail is not drawn yet, please try again later",
        reason="thumbnail_not_ready",
        headers={"Retry-After": str(max(pause_us // US_PER_SECOND + 1, _RETRY_AFTER_S))},
    )


async def _draw_in_turn(runtime: Runtime, undrawn: Undrawn) -> None:
    async with runtime.thumbnail_slots.slot(undrawn.account_id):
        await _draw(runtime, undrawn)


async def draw_undrawn(runtime: Runtime, before: int, limit: int) -> int:
    """Draw up to `limit` thumbnails of results that are to be deleted by `before`, the earliest first; return how many
    were taken."""
    if not await runtime.db.read(thumbnails.has_undrawn, before):
        return 0
    claimed = await runtime.db.write(thumbnails.claim_undrawn, before, _LEASE_US, limit)
    runs = [runtime.thumbnail_runs.start(one.id, functools.partial(_draw, runtime, one)) for one in claimed]
    await asyncio.gather(*runs)
    return len(claimed)


async def _draw(runtime: Runtime, undrawn: Undrawn) -> None:
    """Draw, publish, then [ thumbnail, no longer to be drawn ]. A failure is recorded."""
    if undrawn.expires <= runtime.clock():
        await runtime.db.write(thumbnails.record_failed_try, undrawn.account_id, undrawn.id, True)
        return
    try:
        asset = await _draw_and_publish(runtime, undrawn)
    except StorageUnavailable as error:  # says nothing about the image, however often
        log_warning("thumbnail_waiting_for_storage", task=undrawn.task_id, error=str(error))
        return
    except (WorkerDied, JobFailed, BlobNotFound, BlobDamaged, OSError) as error:
        if runtime.thumbnail_pool.closed:  # the process ends: it says nothing about the image
            return
        is_final = isinstance(error, JobFailed) and error.kind not in _PASSING_FAILURES
        await _record_failure(runtime, undrawn, str(error), is_final=is_final)
        return
    crash_point("thumbnail.published")
    if not await runtime.db.write(thumbnails.add_thumbnail, undrawn.account_id, undrawn, asset):
        await discard_blobs(runtime, [asset.key])  # another process was quicker, under a key of its own


async def _draw_and_publish(runtime: Runtime, undrawn: Undrawn) -> Asset:
    folder = runtime.settings.data_dir / "incoming"
    target = folder / f"thumbnail-{secrets.token_hex(8)}.webp"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        async with runtime.blobs.local_copy(undrawn) as source:
            request = thumbnail.ThumbnailRequest(str(source), str(target))
            drawn = await runtime.thumbnail_pool.run(thumbnail.JOB, request, ImageSize, cpu_s=CPU_S, wall_s=_WALL_S)
        # Durable before its row: from the row on the result may be deleted.
        size, digest = await asyncio.to_thread(fsync_and_hash, target)
        facts = FileFacts(thumbnail.MEDIA_TYPE, size, digest, drawn.width, drawn.height)
        asset = new_asset(
            AssetKind.thumbnail, undrawn.account_id, undrawn.task_id, facts, undrawn.created, position=undrawn.position
        )
        await runtime.blobs.put(target, asset)
    finally:
        await asyncio.to_thread(target.unlink, missing_ok=True)
    return asset


async def _record_failure(runtime: Runtime, undrawn: Undrawn, reason: str, *, is_final: bool) -> None:
    log_warning(
        "thumbnail_not_drawn", task=undrawn.task_id, position=undrawn.position, reason=reason, is_final=is_final
    )
    await runtime.db.write(thumbnails.record_failed_try, undrawn.account_id, undrawn.id, is_final)
