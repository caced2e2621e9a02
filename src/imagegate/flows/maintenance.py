"""What time does: leases run out, deadlines pass, results and keys end. Every step repeats safely."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable

from imagegate.crash_points import point
from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.flows.execution.run import fail
from imagegate.flows.views.task import task_body
from imagegate.logging import log_error
from imagegate.runtime import PER_SECOND, Runtime
from imagegate.store import assets, attempts, claims, files, idempotency, purge, rate_buckets, sessions, tasks
from imagegate.store.invariants import broken_cheap

_AT_ONCE = 500
_PURGED_AT_ONCE, _PURGES = 50, 100  # short commands, between which everybody else has a turn
DAY_US = 24 * 3600 * PER_SECOND
TIMEOUT = TaskError(TaskErrorCode.generation_timeout, "The task did not end before its deadline.")


async def reclaim(runtime: Runtime) -> int:
    """Take back what dead workers hold; the number of tasks."""
    work = runtime.settings.work
    count = 0
    while True:
        reclaimed = await runtime.db.write(
            claims.reclaim_lost,
            runtime.boot_id,
            runtime.db.engine.shared,
            work.crashes_max,
            _AT_ONCE,
            task_body(runtime),
        )
        for task_id in reclaimed:
            runtime.signals.task_changed(task_id)
        count += len(reclaimed)
        if len(reclaimed) < _AT_ONCE:
            return count


async def fail_overdue(runtime: Runtime) -> None:
    """Close what is past its deadline; a worker that still has it loses its claim to it."""
    for task in await runtime.db.read(tasks.overdue, _AT_ONCE):
        await fail(runtime, task, TIMEOUT)


async def delete_expired(runtime: Runtime) -> int:
    """Delete the bytes, then mark the row: their links ended before. The number of assets."""
    count = 0
    while expired := await runtime.db.read(assets.expired_assets, _AT_ONCE):
        for asset in expired:
            await runtime.blobs.delete(asset.key)
            point("gc.blob_deleted")
        await runtime.db.write(assets.mark_deleted, [asset.id for asset in expired])
        point("gc.row_deleted")
        count += len(expired)
    return count


async def forget_old(runtime: Runtime) -> None:
    """Rows that nobody will ask for again: keys that are used up, then tasks, files and test webhooks of long ago."""
    keep = runtime.settings.storage.task_days * DAY_US
    await _in_turns(lambda: runtime.db.write(idempotency.forget_expired, _PURGED_AT_ONCE))
    await _in_turns(lambda: runtime.db.write(sessions.forget_ended, _PURGED_AT_ONCE))
    for command in (purge.purge_tasks, files.purge_files, purge.purge_tests):
        await _in_turns(functools.partial(runtime.db.write, command, keep, _PURGED_AT_ONCE))


async def _in_turns(step: Callable[[], Awaitable[int]]) -> None:
    """Until nothing is left, or it is enough for this time."""
    for _ in range(_PURGES):
        if await step() < _PURGED_AT_ONCE:
            return


async def sweep_spool(runtime: Runtime) -> None:
    """Discard what a process left behind that died between its last commit and its own discarding."""
    for attempt_id in await asyncio.to_thread(runtime.spool.attempts):
        if not await runtime.db.read(attempts.is_needed, attempt_id):
            await asyncio.to_thread(runtime.spool.discard, attempt_id)


async def delete_orphans(runtime: Runtime) -> None:
    """Blobs whose row never came, or is gone: a process died between the two. A day old, nobody waits for them."""
    old = time.time() - 24 * 3600
    for key, changed in await runtime.blobs.every():
        if changed < old and not await runtime.db.read(assets.is_live, key):
            await runtime.blobs.delete(key)


async def look_at_books(runtime: Runtime) -> None:
    """Ask the cheap invariants, and tell whoever reads the log or the metrics."""
    grace_us = int(2 * runtime.settings.work.sweep_s * PER_SECOND)
    found = await runtime.db.snapshot(broken_cheap, grace_us)
    runtime.signals.broken = frozenset(one.id for one in found)
    for one in found:
        log_error("an invariant does not hold", invariant=one.id, says=one.says, rows=len(one.rows))


async def sweep(runtime: Runtime) -> None:
    await reclaim(runtime)
    point("sweep.mid")
    await fail_overdue(runtime)
    await delete_expired(runtime)
    await sweep_spool(runtime)
    if runtime.db.engine.shared:
        await runtime.db.write(rate_buckets.forget_whole)
    await look_at_books(runtime)
    runtime.signals.work.set()
