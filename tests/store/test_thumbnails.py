"""Results whose thumbnails are still to be drawn: kept, taken by one at a time, and given up after some tries."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

from imagegate.domain.tasks import Task
from imagegate.domain.time import US_PER_DAY, US_PER_HOUR, US_PER_MINUTE
from imagegate.store import assets, settlement, tasks, thumbnails
from imagegate.store.database import Database
from imagegate.store.dialect import Row
from imagegate.store.invariants import find_violations
from imagegate.store.thumbnails import MAX_PAUSE_US, MAX_TRIES
from imagegate.store.transaction import Params, Tx
from tests.conftest import OpenDatabase
from tests.store.helpers import (
    LEASE_US,
    FakeClock,
    claim_tasks,
    create_customer,
    draw_thumbnail,
    new_settlement,
    new_task,
    render_webhook,
)

FAR = 10**16


async def complete_tasks(db: Database, count: int) -> list[Task]:
    """Tasks that have ended."""
    account_id, key = await create_customer(db, 100_000)
    for _ in range(count):
        await db.write(tasks.submit_task, account_id, new_task(key), None, 100)
    assert await db.read(tasks.has_unfinished_tasks)
    done = await db.write(claim_tasks, account_id, "one", LEASE_US, count)
    for task in done:
        result = await db.write(
            settlement.complete_task, account_id, task.id, 1, new_settlement(task, 4), render_webhook
        )
        assert result == tasks.Done()
    assert not await db.read(tasks.has_unfinished_tasks), "the gateway is idle"
    return done


async def expired(db: Database) -> set[str | None]:
    return {one.task_id for one in await db.read(assets.list_expired_assets, 100)}


async def taken(db: Database, before: int = FAR, limit: int = 100) -> list[str]:
    return [one.task_id for one in await db.write(thumbnails.claim_undrawn, before, 5 * US_PER_MINUTE, limit)]


def test_a_result_is_deleted_only_when_its_thumbnail_is_drawn_or_has_failed(open_database: OpenDatabase) -> None:
    clock = FakeClock()
    db = open_database(clock)

    async def scenario() -> None:
        drawn, failed, undrawn = await complete_tasks(db, 3)
        clock.now += US_PER_DAY
        assert await expired(db) == set()
        assert await draw_thumbnail(db, drawn)
        assert not await draw_thumbnail(db, drawn), "of two drawings one is added"
        result = await db.read(thumbnails.find_undrawn, failed.id, 0)
        assert result is not None
        await db.write(thumbnails.record_failed_try, failed.account_id, result.id, True)
        assert await expired(db) == {drawn.id, failed.id}
        assert await db.read(thumbnails.has_undrawn, FAR)
        assert await taken(db) == [undrawn.id]
        assert await db.snapshot(find_violations, 0) == []

    asyncio.run(scenario())


class ExplainingTx(Tx):
    """Gathers the plans of what it is given to run."""

    def __init__(self, tx: Tx, explain: str) -> None:
        super().__init__(tx._connection)
        self._explain = explain
        self.plan = ""

    def fetch_all(self, sql: str, params: Params = {}) -> list[Row]:  # noqa: B006
        self.plan += str(super().fetch_all(f"{self._explain} {sql}", params))
        return []


def test_what_may_be_deleted_and_what_is_to_be_drawn_is_found_by_index(open_database: OpenDatabase) -> None:
    """However many rows there are: neither of them passes what only the other one wants."""
    db = open_database()
    explain = "EXPLAIN" if db.engine.shared else "EXPLAIN QUERY PLAN"

    def plan_of(tx: Tx, query: Callable[..., object], *args: object) -> str:
        if db.engine.shared:
            tx.execute("SET LOCAL enable_seqscan = off")  # these tables are empty
        explaining = ExplainingTx(tx, explain)
        query(explaining, *args)
        return explaining.plan

    async def scenario() -> None:
        for query, args, index in (
            (assets.list_expired_assets, (500,), "assets_expiring"),
            (thumbnails.has_undrawn, (FAR,), "assets_without_thumbnail"),
            (thumbnails.claim_undrawn, (FAR, 1, 8), "assets_without_thumbnail"),
            (tasks.has_unfinished_tasks, (), "tasks_"),
        ):
            plan = await db.write(plan_of, query, *args)
            assert index in plan
            assert not re.search(r"SCAN assets(?! USING)|Seq Scan|SORT|Sort|TEMP B-TREE", plan), plan

    asyncio.run(scenario())


def test_one_takes_what_is_deleted_first_and_others_what_it_leaves(open_database: OpenDatabase) -> None:
    clock = FakeClock()
    db = open_database(clock)

    async def scenario() -> None:
        first, second = await complete_tasks(db, 2)
        later = "UPDATE assets SET expires = expires + 1 WHERE task_id = :id"
        await db.write(lambda tx: tx.execute(later, {"id": second.id}))
        soon = clock.now + US_PER_HOUR
        assert await taken(db, before=soon) == [], "nothing is deleted as soon as that"
        assert await taken(db, limit=1) == [first.id]
        assert await taken(db) == [second.id]
        assert await taken(db) == [], "both are being drawn"
        clock.now += 5 * US_PER_MINUTE
        assert set(await taken(db)) == {first.id, second.id}, "whoever had them has died"
        clock.now -= MAX_PAUSE_US
        assert set(await taken(db)) == {first.id, second.id}, "a clock that is set back holds up nothing"

    asyncio.run(scenario())


def test_a_drawing_that_fails_is_tried_again_less_and_less_often_and_then_given_up(open_database: OpenDatabase) -> None:
    clock = FakeClock()
    db = open_database(clock)

    async def scenario() -> None:
        [task] = await complete_tasks(db, 1)
        for pause in (1, 4, 16):
            [one] = await db.write(thumbnails.claim_undrawn, FAR, US_PER_MINUTE, 9)
            await db.write(thumbnails.record_failed_try, task.account_id, one.id, False)
            clock.now += pause * US_PER_MINUTE - 1
            assert await taken(db) == []
            clock.now += 1
        [last] = await db.write(thumbnails.claim_undrawn, FAR, US_PER_MINUTE, 9)
        assert last.tries == MAX_TRIES - 1
        await db.write(thumbnails.record_failed_try, task.account_id, last.id, False)
        assert not await db.read(thumbnails.has_undrawn, FAR)
        clock.now += US_PER_DAY
        assert await expired(db) == {task.id}

    asyncio.run(scenario())
