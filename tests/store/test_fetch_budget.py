"""NET-10: the bytes that an account may have fetched in an hour, counted where every process looks."""

from __future__ import annotations

import asyncio
import threading

from imagegate.domain.time import US_PER_HOUR
from imagegate.store.database import Database
from imagegate.store.dialect import Row
from imagegate.store.fetch_budget import BudgetExhausted, BudgetReserved, FetchAllowance, reserve_fetch, settle_fetch
from imagegate.store.transaction import Tx
from tests.conftest import OpenDatabase
from tests.store.helpers import FakeClock, create_customer

HOUR = US_PER_HOUR
NOON = 500_000 * HOUR


def load_rows(tx: Tx) -> list[Row]:
    return tx.fetch_all("SELECT fetched_bytes, reserved_bytes FROM fetch_budgets")


async def reserve(db: Database, account_id: str, most: int, budget: int) -> FetchAllowance:
    answer = await db.write(reserve_fetch, account_id, most, budget)
    assert isinstance(answer, FetchAllowance), answer
    return answer


def test_what_is_held_and_not_used_comes_back(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database(lambda: NOON)
        account_id, _ = await create_customer(db, 0)
        first, second = await reserve(db, account_id, 50, 100), await reserve(db, account_id, 50, 100)
        assert await db.write(reserve_fetch, account_id, 50, 100) == BudgetReserved()
        await db.write(settle_fetch, account_id, first, 10)
        assert await db.write(reserve_fetch, account_id, 50, 100) == BudgetReserved(), (
            "40 are left, and 50 may come back"
        )
        await db.write(settle_fetch, account_id, second, 60)
        assert (await reserve(db, account_id, 50, 100)).max_bytes == 30, (
            "all that is left, as nobody else may give more"
        )
        await db.write(settle_fetch, account_id, FetchAllowance(first.hour, 30), 30)
        assert await db.write(reserve_fetch, account_id, 50, 100) == BudgetExhausted()
        neighbour, _ = await create_customer(db, 0, "neighbour")
        await reserve(db, neighbour, 50, 100)

    asyncio.run(scenario())


def test_each_hour_begins_anew_in_the_same_row(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        clock = FakeClock(NOON)
        db = open_database(clock)
        account_id, _ = await create_customer(db, 0)
        late = await reserve(db, account_id, 100, 100)
        for _ in range(5):
            clock.now += HOUR
            grant = await reserve(db, account_id, 100, 100)
            await db.write(settle_fetch, account_id, late, 100)
            await db.write(settle_fetch, account_id, grant, 100)
            assert await db.write(reserve_fetch, account_id, 1, 100) == BudgetExhausted()
        assert await db.read(load_rows) == [{"fetched_bytes": 100, "reserved_bytes": 0}]

    asyncio.run(scenario())


def test_many_processes_never_pass_the_budget(open_database: OpenDatabase) -> None:
    """24 clients in threads of their own, over two databases: what was reserved at any moment is within the budget."""
    databases = [open_database(lambda: NOON), open_database(lambda: NOON)]
    account_id, _ = asyncio.run(create_customer(databases[0], 0))
    came: list[int] = []

    async def many(db: Database, number: int) -> None:
        for step in range(8):
            answer = await db.write(reserve_fetch, account_id, 50, 1000)
            if isinstance(answer, FetchAllowance):
                size = min(answer.max_bytes, 7 * (number + step) % 51)
                came.append(size)
                await asyncio.sleep(0.001)
                await db.write(settle_fetch, account_id, answer, size)

    threads = [threading.Thread(target=lambda n=n: asyncio.run(many(databases[n % 2], n))) for n in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = asyncio.run(databases[0].read(load_rows))
    assert rows == [{"fetched_bytes": sum(came), "reserved_bytes": 0}]
    assert 800 < sum(came) <= 1000
