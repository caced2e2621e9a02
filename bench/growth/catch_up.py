"""What the program makes in the background of what is there: sums of closed days, and the index of words."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import psycopg

from bench.growth.place import Place
from bench.growth.rows import DAY, SECOND
from imagegate.concurrency import WakeUps
from imagegate.flows import search_index as search_flow
from imagegate.flows.day_closing import close_days
from imagegate.store.database import Database, create_engine

if TYPE_CHECKING:
    from imagegate.runtime import Runtime

# A day is closed some minutes after its end, and words of the newest tasks are looked for in the tasks themselves.
NEVER_INDEXED = 900 * SECOND
TASKS_PER_WRITE = 1_000  # where nobody waits for the writer


class Progress:
    """How far a program has come that serves meanwhile, and how long that took."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._started = time.monotonic()
        self._before = self._indexed()
        self.days_s: float | None = None
        self.words_s: float | None = None

    def watch(self, seconds: float) -> bool:
        """Until all is made or so much time is over; return whether it is."""
        [(newest,)] = self._place.query("SELECT created FROM tasks WHERE deleted IS NULL ORDER BY created DESC LIMIT 1")
        while (elapsed := time.monotonic() - self._started) < seconds:
            now = time.time_ns() // 1000
            [(day,)] = self._place.query("SELECT MAX(day) FROM closed_days")
            [(upto,)] = self._place.query("SELECT created FROM search_progress")
            if self.days_s is None and day == now // DAY - 1:
                self.days_s = elapsed
            if self.words_s is None and upto >= min(newest, now - NEVER_INDEXED):
                self.words_s = elapsed
            if self.days_s is not None and self.words_s is not None:
                break
            time.sleep(0.5)
        return self.days_s is not None and self.words_s is not None

    def figures(self) -> dict[str, Any]:
        elapsed = self.words_s or time.monotonic() - self._started
        indexed = self._indexed() - self._before
        return {
            "days closed s": self.days_s,
            "words indexed s": self.words_s,
            "tasks indexed per minute": indexed / elapsed * 60 if indexed else None,
        }

    def _indexed(self) -> int:
        [(count,)] = self._place.query("SELECT COUNT(*) FROM task_search")
        return int(count)


def catch_up(place: Place) -> None:
    """Make the rest at once: in bigger steps, without pauses for others, and without PostgreSQL's index of groups of
    letters, which is quicker made anew."""
    search_flow._TASKS_PER_WRITE[place.engine] = TASKS_PER_WRITE  # noqa: SLF001  no setting: nobody else wants it
    search_flow._MAX_MERGES = 100  # noqa: SLF001
    search_flow._PAUSE_S[place.engine] = 0  # noqa: SLF001
    if place.engine == "sqlite":
        asyncio.run(_catch_up(str(place.file)))
        return
    with psycopg.connect(place.url, autocommit=True) as connection:
        [(index,)] = connection.execute("SELECT indexdef FROM pg_indexes WHERE indexname = 'task_grams'").fetchall()
        connection.execute("DROP INDEX task_grams")
        asyncio.run(_catch_up(place.url))
        connection.execute("SET maintenance_work_mem = '1GB'")
        connection.execute(index)
        connection.execute("VACUUM (ANALYZE)")  # as autovacuum has done it by the time that so many rows have come


async def _catch_up(url: str) -> None:
    database = Database(create_engine(url, None))
    runtime = cast("Runtime", SimpleNamespace(db=database, wake_ups=WakeUps()))
    try:
        await close_days(runtime)
        while await search_flow.follow_tasks(runtime):
            pass
    finally:
        database.close()
