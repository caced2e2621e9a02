"""What time does: leases run out, deadlines pass, results and keys end. Every step repeats safely."""

from __future__ import annotations

import asyncio
import time

from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.flows.execute import fail
from imagegate.flows.view import task_body
from imagegate.runtime import PER_SECOND, Runtime
from imagegate.store import assets, attempts, claims, idempotency, tasks
from imagegate.store.invariants import broken_cheap
from imagegate.telemetry import log_error

_AT_ONCE = 500
TIMEOUT = TaskError(TaskErrorCode.generation_timeout, "The task did not end before its deadline.")


async def reclaim(runtime: Runtime) -> int:
    """Take back what dead workers hold; the number of tasks."""
    work = runtime.settings.work
    count = 0
    while True:
        reclaimed = await runtime.db.write(
            claims.reclaim_lost, runtime.boot_id, runtime.db.engine.shared, work.crashes_max, _AT_ONCE,
            task_body(runtime),
        )  # fmt: skip
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
    """Delete the bytes, then mark the row: their links ended before."""
    expired = await runtime.db.read(assets.expired_assets, _AT_ONCE)
    for asset in expired:
        await runtime.blobs.delete(asset.key)
    if expired:
        await runtime.db.write(assets.mark_deleted, [asset.id for asset in expired])
    return len(expired)


async def sweep_spool(runtime: Runtime) -> None:
    """Discard what a process left behind that died between its last commit and its own discarding."""
    for attempt_id in await asyncio.to_thread(runtime.spool.attempts):
        if not await runtime.db.read(attempts.is_sending, attempt_id):
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
    await fail_overdue(runtime)
    await delete_expired(runtime)
    await sweep_spool(runtime)
    await runtime.db.write(idempotency.forget_expired)
    await look_at_books(runtime)
    runtime.signals.work.set()
