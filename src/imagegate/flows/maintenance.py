"""Periodic work: leases run out, deadlines pass, results expire, old rows are purged. Every step is repeatable."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from imagegate.crash_points import crash_point
from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.domain.time import US_PER_DAY, US_PER_SECOND
from imagegate.flows.clock import follow_clock, pull_in
from imagegate.flows.day_closing import close_days
from imagegate.flows.discard import discard_blobs
from imagegate.flows.execution.settlement import fail_task
from imagegate.flows.secret_check import watch_secret
from imagegate.flows.submit import answers_kept_us
from imagegate.flows.task_end import count_task_end
from imagegate.flows.views.task import task_encoder
from imagegate.logging import log, log_error, log_warning
from imagegate.runtime import Runtime
from imagegate.store import (
    answers,
    assets,
    attempts,
    audit,
    claims,
    files,
    idempotency,
    integrity,
    purge,
    rate_buckets,
    sessions,
    tasks,
)
from imagegate.store.dialect import DatabaseError, QueryTimeout
from imagegate.store.invariants import find_cheap_violations
from imagegate.store.writer import ACCOUNT_RANK

# Small batches: each is a few milliseconds of the writer, and other commands get their turn in between.
_BATCH_SIZE = 100
# At most 53,000 old rows a minute, and no more than this share of the time: where the writer is busy, or many lists are
# asked for, the purge is what waits.
_PURGE_S_PER_ROW, _MAX_PURGE_SHARE = 0.00112, 0.75
# It rests for so many times as long as lists kept it waiting: they will want the processor for the next ones, too.
_RESTS = 3
# Tasks in one commit: others wait for it in SQLite; they do not in PostgreSQL, where it costs as much as many tasks.
_PURGED_TASKS = {"sqlite": 8, "postgres": 32}
_PURGED_ROWS = 8  # of another kind
_PURGE_LOCK_KEY = (ACCOUNT_RANK, "")
_MAX_PURGE_S = 10.0  # of one kind of rows, before others get their turn
_LOOKED_AT = 64  # old tasks that a reader looks at together: most are read from the disk, where others commit
# What old tasks are kept by ends with a sweep, which purges them then. What it misses, such as a star that was taken
# away, or what another process did that was killed, is found by looking at all of them again.
_PURGE_ROUND_S = 24 * 3600
# Of a table that is checked while much is written.
_MAX_CHECKS, _CHECK_PAUSE_S = 20, 60.0
DEADLINE_EXCEEDED = TaskError(TaskErrorCode.generation_timeout, "The task did not end before its deadline.")


async def reclaim_lost_tasks(runtime: Runtime) -> int:
    """Requeue the tasks of dead workers; returns how many."""
    db, owner, max_crashes = runtime.db, runtime.boot_id, runtime.settings.work.max_crashes
    count = 0
    while True:
        reclaimed = await db.write(
            claims.recover_lost_tasks,
            owner,
            db.engine.shared,
            max_crashes,
            _BATCH_SIZE,
            task_encoder(runtime),
            runtime.settings.work.spool_wait_us,
        )
        for task_id in reclaimed:
            runtime.wake_ups.notify_task_changed(task_id)
        if reclaimed:
            runtime.wake_ups.notify_tasks_due()
        for task in await db.read(claims.list_crash_loops, reclaimed):
            count_task_end(runtime, task, error=TaskErrorCode.service_error)
        count += len(reclaimed)
        if len(reclaimed) < _BATCH_SIZE:
            return count


async def fail_overdue_tasks(runtime: Runtime) -> None:
    """Fail what is past its deadline; a worker that still has it loses its claim."""
    for task in await runtime.db.read(tasks.list_overdue_tasks, _BATCH_SIZE):
        await fail_task(runtime, task, DEADLINE_EXCEEDED)


async def delete_expired_assets(runtime: Runtime) -> int:
    """Delete the bytes, then mark the row; returns the number of assets. Their links have expired already.

    Old tasks that were kept by these bytes alone are purged.
    """
    count = 0
    while expired := await runtime.db.read(assets.list_expired_assets, _BATCH_SIZE):
        if not await discard_blobs(runtime, [asset.key for asset in expired]):
            break
        crash_point("gc.blob_deleted")
        await runtime.db.write(assets.mark_assets_deleted, [asset.id for asset in expired])
        crash_point("gc.row_deleted")
        await _purge_freed(runtime, [asset.task_id for asset in expired if asset.task_id])
        count += len(expired)
    return count


class PurgeWalk:
    """How far a process has looked through the old tasks: those behind it are gone, or kept by something."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self.last = purge.BEGINNING
        self._round_ends = time.monotonic() + _PURGE_ROUND_S

    def begin_again_in_time(self) -> None:
        if time.monotonic() > self._round_ends:
            self._begin()


async def purge_old(runtime: Runtime, walk: PurgeWalk | None = None) -> bool:
    """Purge expired idempotency keys, answers and sessions, then old audit rows, files, test webhooks and tasks.

    Days that are over are summed up first: what is not is not purged. True where the time for one run ended before that
    was done.
    """
    # The check of the file reads a table at a time in one snapshot, and the log of what is written meanwhile grows.
    if runtime.wake_ups.file_check_running:
        return False
    await close_days(runtime)
    write, size = runtime.db.write, _PURGED_ROWS
    keep_us = runtime.settings.storage.task_days * US_PER_DAY
    audit_us = runtime.settings.storage.audit_days * US_PER_DAY

    async def purge_keys() -> int:
        freed = await write(idempotency.purge_expired_keys, size)
        await _purge_freed(runtime, freed)
        return len(freed)

    kinds: tuple[Callable[[], Awaitable[int]], ...] = (
        purge_keys,
        lambda: write(answers.purge_answers, answers_kept_us(runtime), size),
        lambda: write(sessions.purge_ended_sessions, size),
        lambda: write(audit.purge_audit, audit_us, size),
        lambda: write(files.purge_files, keep_us, size),
        lambda: write(purge.purge_test_webhooks, keep_us, size),
    )
    left = [await _purge_rows(runtime, purge_batch) for purge_batch in kinds]
    return await _purge_tasks(runtime, walk or PurgeWalk()) or any(left)


async def _purge_rows(runtime: Runtime, purge_batch: Callable[[], Awaitable[int]]) -> bool:
    """Whether some are left."""
    end = time.monotonic() + _MAX_PURGE_S
    while True:
        began = time.monotonic()
        if await purge_batch() < _PURGED_ROWS:
            return False
        await _pause(_PURGED_ROWS, time.monotonic() - began)
        if time.monotonic() > end or runtime.wake_ups.draining:
            return True


async def _purge_tasks(runtime: Runtime, walk: PurgeWalk) -> bool:
    """Whether some are left."""
    keep_us = runtime.settings.storage.task_days * US_PER_DAY
    end = time.monotonic() + _MAX_PURGE_S
    walk.begin_again_in_time()
    old = await _find_old(runtime, keep_us, walk.last)
    while old.last is not None:
        # The next ones are read from the disk meanwhile.
        _, following = await asyncio.gather(
            _purge_listed(runtime, keep_us, old.task_ids), _find_old(runtime, keep_us, old.last)
        )
        walk.last, old = old.last, following
        if time.monotonic() > end or runtime.wake_ups.draining:
            return True
    await _purge_listed(runtime, keep_us, old.task_ids)
    return False


async def _find_old(runtime: Runtime, keep_us: int, after: purge.Ended) -> purge.OldTasks:
    old = await runtime.db.read_report(purge.list_old_tasks, keep_us, after, _LOOKED_AT)
    await runtime.db.read_report(purge.read_ahead, old.task_ids)
    return old


async def _purge_freed(runtime: Runtime, task_ids: Sequence[str]) -> None:
    """Purge those of these tasks that are old and that nothing keeps any more."""
    if runtime.wake_ups.file_check_running:
        return  # the next round finds them
    keep_us = runtime.settings.storage.task_days * US_PER_DAY
    freed = await runtime.db.read_report(purge.find_freed_tasks, keep_us, sorted(set(task_ids)))
    await _purge_listed(runtime, keep_us, freed)


async def _purge_listed(runtime: Runtime, keep_us: int, task_ids: Sequence[str]) -> None:
    size = _PURGED_TASKS[runtime.db.engine.name]
    for first in range(0, len(task_ids), size):
        some, asked = task_ids[first : first + size], time.monotonic()
        async with runtime.db.turn():
            began = time.monotonic()
            await runtime.db.write_apart(_PURGE_LOCK_KEY, purge.purge_tasks, keep_us, some)
        await _pause(len(some), time.monotonic() - began, began - asked)


async def _pause(rows: int, took_s: float, waited_s: float = 0.0) -> None:
    await asyncio.sleep(max(rows * _PURGE_S_PER_ROW, took_s / _MAX_PURGE_SHARE) - took_s + _RESTS * waited_s)


async def sweep_spool(runtime: Runtime) -> None:
    """Discard what a process left that died after its last commit and before its own discarding."""
    needed = set()
    for attempt_id in await asyncio.to_thread(runtime.spool.list_attempt_ids):
        if await runtime.db.read(attempts.is_spool_needed, attempt_id):
            needed.add(attempt_id)
        else:
            runtime.spool.discard(attempt_id)
    await asyncio.to_thread(runtime.spool.delete_logs_without, needed)


async def delete_orphan_blobs(runtime: Runtime) -> None:
    """Delete blobs without a row: a process died between the two. After a day no commit can still be coming."""
    cutoff, began = time.time() - 24 * 3600, time.monotonic()
    async for page in runtime.blobs.list_pages():
        old = [key for key, changed in page if changed < cutoff]
        live = await runtime.db.read_report(assets.find_live_keys, old)
        await discard_blobs(runtime, [key for key in old if key not in live])
        # There may be a million: they are looked through for half of the time at most.
        await asyncio.sleep(time.monotonic() - began)
        began = time.monotonic()
        if runtime.wake_ups.draining:
            return


async def check_invariants(runtime: Runtime) -> None:
    """Check the cheap invariants; what is broken goes to the log and the metrics."""
    grace_us = int(2 * runtime.settings.work.sweep_s * US_PER_SECOND)
    found = await runtime.db.read_report(find_cheap_violations, grace_us)
    runtime.wake_ups.broken_invariants = frozenset(one.id for one in found)
    for one in found:
        log_error("invariant_broken", invariant=one.id, description=one.description, rows=len(one.rows))


async def check_integrity(runtime: Runtime) -> None:
    """Check the whole database table by table, while it serves; no more work is taken where one is damaged."""
    wake_ups = runtime.wake_ups
    wake_ups.file_check_running = True
    try:
        for table in await runtime.db.read_report(integrity.list_tables):
            if found := await _find_damage(runtime, table):
                wake_ups.database_damage = found
                log_error("database_damaged", table=table, error=found)
    finally:
        wake_ups.file_check_running = False
    log("database_checked", damaged=bool(wake_ups.database_damage))


async def _find_damage(runtime: Runtime, table: str) -> str:
    """What is wrong with the table, or nothing. One statement reads all of it, as it was when that began: while so much
    is written that the log grows too long for it, it is stopped, and tried again later."""
    for _ in range(_MAX_CHECKS):
        try:
            return await runtime.db.read_report(integrity.check_table, table)
        except QueryTimeout:
            await asyncio.sleep(_CHECK_PAUSE_S)
        except DatabaseError as error:
            return str(error)
    log_warning("table_not_checked", table=table, message="too much was written while it was read")
    return ""


async def look_after_process(runtime: Runtime) -> None:
    """What every process has to know for itself, also one that leaves the sweeps to others."""
    await watch_secret(runtime)
    await check_invariants(runtime)


async def wake_waiting(runtime: Runtime) -> None:
    """A break has ended: the tasks that wait for a route look, in parts, so that no write waits for all of them."""
    count = _BATCH_SIZE
    while count == _BATCH_SIZE:
        count = await runtime.db.write(tasks.wake_waiting_tasks, _BATCH_SIZE)
        runtime.wake_ups.notify_tasks_due()


async def sweep(runtime: Runtime) -> None:
    await follow_clock(runtime)
    await watch_secret(runtime)
    await pull_in(runtime)
    await reclaim_lost_tasks(runtime)
    crash_point("sweep.mid")
    await fail_overdue_tasks(runtime)
    await delete_expired_assets(runtime)
    await sweep_spool(runtime)
    if runtime.db.engine.shared:
        await runtime.db.write(rate_buckets.purge_full_buckets)
    await check_invariants(runtime)
    runtime.wake_ups.tasks_due.set()
