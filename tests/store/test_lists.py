"""Lists and searches end in time, take few places for each account, and hold up no look-up."""

from __future__ import annotations

import asyncio
import threading

import pytest

from imagegate.store.daily_sums import SUM_ENTRIES
from imagegate.store.database import MAX_LISTS_PER_ACCOUNT, REPORT_READERS
from imagegate.store.dialect import QueryTimeout
from imagegate.store.queries.ended_tasks import COUNT_ENDED
from imagegate.store.queries.stats import COUNT_UNFINISHED, COUNT_WEBHOOKS
from imagegate.store.transaction import Tx
from tests.conftest import OpenDatabase

# Counts to a number that no machine reaches.
ENDLESS = """WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000000)
    SELECT COUNT(*) AS n FROM n"""


def count_for_ever(tx: Tx) -> int:
    return tx.fetch_int(ENDLESS)


def one(tx: Tx) -> int:
    return tx.fetch_int("SELECT 1 AS n")


def one_and_then_for_ever(tx: Tx) -> int:
    return one(tx) + count_for_ever(tx)


def test_a_list_that_does_not_end_is_stopped_in_the_database(open_database: OpenDatabase) -> None:
    """With a single reader: were it only the caller that gave up, no later list would find one."""

    async def scenario() -> None:
        db = open_database(list_readers=1, list_timeout_s=1.5)
        for query in (count_for_ever, one_and_then_for_ever):
            with pytest.raises(QueryTimeout):
                await db.read_list("acc_a", query)
            assert await db.read_list("acc_a", one) == 1

    asyncio.run(scenario())


def test_look_ups_do_not_wait_for_lists(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database(readers=1, list_readers=2, list_timeout_s=0.5)
        lists = [asyncio.create_task(db.read_list(f"acc_{number}", count_for_ever)) for number in range(6)]
        await asyncio.sleep(0)
        assert await db.read(one) == 1
        assert await db.snapshot(one) == 1
        failures = await asyncio.gather(*lists, return_exceptions=True)
        assert {type(failure) for failure in failures} == {QueryTimeout}, "those that waited for a reader, too"

    asyncio.run(scenario())


def test_neither_look_ups_nor_lists_wait_for_reports(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database(readers=1, list_readers=1)
        release = threading.Event()

        def wait(tx: Tx) -> int:
            release.wait(30)
            return one(tx)

        reports = [asyncio.create_task(db.read_report(wait)) for _ in range(REPORT_READERS + 1)]
        await asyncio.sleep(0)
        assert await db.read(one) == 1
        assert await db.read_list("acc_a", one) == 1
        release.set()
        assert await asyncio.gather(*reports) == [1] * len(reports)

    asyncio.run(scenario())


def test_the_programs_own_work_on_many_rows_is_one_more_in_the_line_of_lists(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database(list_readers=1)
        release, began = threading.Event(), []

        def wait(tx: Tx, name: str) -> int:
            began.append(name)
            release.wait(30)
            return one(tx)

        async def purge() -> None:
            async with db.turn():
                began.append("purge")

        asked = []
        for name in ("first", "second", "purge", "third"):
            one_more = purge() if name == "purge" else db.read_list(name, wait, name)
            asked.append(asyncio.create_task(one_more))
            await asyncio.sleep(0.01)
        assert began == ["first"]
        release.set()
        await asyncio.gather(*asked)
        assert began == ["first", "second", "purge", "third"]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (COUNT_UNFINISHED, "INDEX tasks_deadline"),
        (COUNT_WEBHOOKS, "INDEX deliveries_due"),
        (COUNT_ENDED, "INDEX tasks_old"),
        (SUM_ENTRIES, "COVERING INDEX entries_account (account=? AND created>? AND created<?)"),
    ],
)
def test_totals_are_read_from_an_index(open_database: OpenDatabase, query: str, index: str) -> None:
    async def scenario() -> None:
        db = open_database()
        if db.engine.shared:
            return  # its planner goes by the number of rows
        plan = await db.read(
            lambda tx: tx.fetch_all(f"EXPLAIN QUERY PLAN {query}", {"account": "acc_a", "start": 0, "end": 1})
        )
        assert index in str(plan)

    asyncio.run(scenario())


def test_an_account_takes_few_places_and_those_that_left_count_until_their_query_ends(
    open_database: OpenDatabase,
) -> None:
    async def scenario() -> None:
        db = open_database(list_readers=MAX_LISTS_PER_ACCOUNT + 1, list_timeout_s=20)
        release, running = threading.Event(), threading.Semaphore(0)

        def wait(tx: Tx) -> int:
            running.release()
            release.wait(30)
            return one(tx)

        hogs = [asyncio.create_task(db.read_list("acc_hog", wait)) for _ in range(4)]
        for _ in range(MAX_LISTS_PER_ACCOUNT):
            assert await asyncio.to_thread(running.acquire, timeout=10)
        hogs[0].cancel()
        assert await db.read_list("acc_other", one) == 1
        assert not running.acquire(blocking=False), "no third list of the account, though a reader is free"
        release.set()
        results = await asyncio.gather(*hogs, return_exceptions=True)
        assert results[1:] == [1, 1, 1]
        assert isinstance(results[0], asyncio.CancelledError)

    asyncio.run(scenario())
