"""Closes the days that are over: each is read in parts and written in short commands while the gateway serves.

After an upgrade of a big database that is every day there ever was, oldest first; until then readers add up the
entries of what is still open. A process that dies leaves a day open, and whoever comes next closes it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

from imagegate.domain.time import US_PER_DAY
from imagegate.logging import log_warning
from imagegate.runtime import Runtime
from imagegate.store import day_closing, hour_closing
from imagegate.store.database import Database
from imagegate.store.day_closing import OPERATORS_ACCOUNTS, Closing, DailySum
from imagegate.store.queries.ended_tasks import EndedTasks, count_ended

T = TypeVar("T")

_ACCOUNTS_LOOKED_AT = 2_000
_ACCOUNTS_TOGETHER = 50
# A few milliseconds of the writer's time.
_ROWS_PER_WRITE = 200


async def close_days(runtime: Runtime) -> None:
    """And hours, until all are closed that are over or the process is to end."""
    db, wake_ups = runtime.db, runtime.wake_ups
    if await db.read_report(day_closing.is_reopening_due):
        log_warning("days_reopened", reason="the clock was set back")
        await db.write(day_closing.reopen)
    while not wake_ups.draining and (hour := await db.read_report(hour_closing.find_next_hour)) is not None:
        await db.write(hour_closing.close_hour, hour, await db.read_report(hour_closing.sum_hour, hour))
    while not wake_ups.draining and (day := await db.read_report(day_closing.find_next_day)) is not None:
        await close_day(db, day)


async def close_day(db: Database, day: int, many: int = day_closing.MANY_ENTRIES) -> None:
    """A day with `many` entries of the operator's accounts is summed up by the hour."""
    times = await db.read_report(day_closing.split_day, day, many)
    async for accounts, sums in _sum_up(db, day, times):
        if not await _write(db, day, await db.read_report(day_closing.prepare_closing, day, accounts, sums)):
            return  # another process was faster
    parts = [await db.read_report(count_ended, start, end) for start, end in times]
    ended = sum(parts, EndedTasks())
    await db.write(day_closing.close_day, day, ended)


async def _sum_up(
    db: Database, day: int, times: Sequence[tuple[int, int]]
) -> AsyncIterator[tuple[Sequence[str], list[DailySum]]]:
    """Some accounts, and what they have on the day, until it is all of them that have anything."""
    # Those of the operator have as many entries as all others together.
    parts = [await db.read_report(day_closing.sum_part, OPERATORS_ACCOUNTS, *time) for time in times]
    yield OPERATORS_ACCOUNTS, day_closing.add_parts(one for part in parts for one in part)
    after, is_last = "", False
    while not is_last:
        found = await db.read_report(day_closing.list_accounts_of_day, day, after, _ACCOUNTS_LOOKED_AT)
        for some in _slices(found.ids, _ACCOUNTS_TOGETHER):
            yield some, await db.read_report(day_closing.sum_part, some, day * US_PER_DAY, (day + 1) * US_PER_DAY)
        after, is_last = found.last, not found.last


async def _write(db: Database, day: int, closing: Closing) -> bool:
    pieces = [Closing(sums=some, balances=[], obsolete=[]) for some in _slices(closing.sums, _ROWS_PER_WRITE)]
    pieces += [Closing(sums=[], balances=some, obsolete=[]) for some in _slices(closing.balances, _ROWS_PER_WRITE)]
    pieces += [Closing(sums=[], balances=[], obsolete=some) for some in _slices(closing.obsolete, _ROWS_PER_WRITE)]
    for piece in pieces:
        if not await db.write(day_closing.write_closing, day, piece):
            return False
    return True


def _slices(rows: Sequence[T], size: int) -> list[list[T]]:
    return [list(rows[start : start + size]) for start in range(0, len(rows), size)]
