"""Keeps the index of words behind the tasks: some of them at a time, so that nobody else's commands wait for it."""

from __future__ import annotations

import asyncio

from imagegate.runtime import Runtime
from imagegate.store import search_index
from imagegate.store.database import Database
from imagegate.store.writer import SUBMIT_RANK

_LOCK_KEY = (SUBMIT_RANK, "search_progress")
_MAX_WRITES = 50
# So many are a commit of some 5 to 20 ms, for which the commands of others wait; they have the writer in between. That
# makes 100,000 tasks a minute in SQLite, and 30,000 in PostgreSQL, whose index takes each group of letters by itself.
_TASKS_PER_WRITE = {"sqlite": 100, "postgres": 25}
_PAUSE_S = {"sqlite": 0.05, "postgres": 0.02}
_MAX_MERGES = 8  # for each of them: what they bring takes two in the long run


async def follow_tasks(runtime: Runtime) -> bool:
    """Take the index some tasks further; return whether there are many more that it could have already."""
    db, size = runtime.db, _TASKS_PER_WRITE[runtime.db.engine.name]
    for _ in range(_MAX_WRITES):
        batch = await db.read_report(search_index.read_batch, size)
        async with db.turn():
            if batch is not None:
                await db.write_apart(_LOCK_KEY, search_index.add_batch, batch)
                has_more = len(batch.tasks) == size  # fewer at a time would be a commit for each
            else:
                has_more = await db.write_apart(_LOCK_KEY, search_index.take_back)
        if not await _merge(db) and not has_more:
            return False
        await asyncio.sleep(_PAUSE_S[db.engine.name])
    return True


async def _merge(db: Database) -> bool:
    """Whether there may be more to merge: of what was added, and of what was deleted meanwhile."""
    for _ in range(_MAX_MERGES):
        async with db.turn():
            if not await db.write_apart(_LOCK_KEY, search_index.merge_pieces):
                return False
    return True


async def check_index(runtime: Runtime) -> None:
    """Look for tasks that the index has missed, in a part of it; what is found is put right by `follow_tasks`."""
    check = await runtime.db.read_report(search_index.check_parts)
    async with runtime.db.turn():
        await runtime.db.write_apart(_LOCK_KEY, search_index.note_check, check)
