"""NET-10: the bytes that an account may have fetched in an hour, counted where every process looks."""

from __future__ import annotations

import asyncio
import threading

from imagegate.store.database import Database
from imagegate.store.fetch_budget import Busy, Granted, Spent, book_fetch, hold_fetch
from tests.conftest import OpenDatabase
from tests.store.rows import customer

HOUR = 3_600_000_000
NOON = 500_000 * HOUR


async def granted(db: Database, account_id: str, most: int, budget: int) -> Granted:
    answer = await db.write(hold_fetch, account_id, most, budget)
    assert isinstance(answer, Granted), answer
    return answer


def test_what_is_held_and_not_used_comes_back(open_database: OpenDatabase) -> None:
    async def story() -> None:
        db = open_database(lambda: NOON)
        account_id, _ = await customer(db, 0)
        first, second = await granted(db, account_id, 50, 100), await granted(db, account_id, 50, 100)
        assert await db.write(hold_fetch, account_id, 50, 100) == Busy()
        await db.write(book_fetch, account_id, first, 10)
        assert await db.write(hold_fetch, account_id, 50, 100) == Busy(), "40 are left, and 50 may come back"
        await db.write(book_fetch, account_id, second, 60)
        assert (await granted(db, account_id, 50, 100)).most == 30, "all that is left, as nobody else may give more"
        await db.write(book_fetch, account_id, Granted(first.hour, 30), 30)
        assert await db.write(hold_fetch, account_id, 50, 100) == Spent()
        neighbour, _ = await customer(db, 0, "neighbour")
        await granted(db, neighbour, 50, 100)

    asyncio.run(story())


def test_each_hour_begins_anew_in_the_same_row(open_database: OpenDatabase) -> None:
    async def story() -> None:
        moment = [NOON]
        db = open_database(lambda: moment[0])
        account_id, _ = await customer(db, 0)
        late = await granted(db, account_id, 100, 100)
        for _ in range(5):
            moment[0] += HOUR
            grant = await granted(db, account_id, 100, 100)
            await db.write(book_fetch, account_id, late, 100)
            await db.write(book_fetch, account_id, grant, 100)
            assert await db.write(hold_fetch, account_id, 1, 100) == Spent()
        assert await db.read(lambda tx: tx.all("SELECT bytes, held FROM fetched")) == [{"bytes": 100, "held": 0}]

    asyncio.run(story())


def test_many_processes_never_pass_the_budget(open_database: OpenDatabase) -> None:
    """24 clients in threads of their own, over two doors: what was granted at any moment is within the budget."""
    doors = [open_database(lambda: NOON), open_database(lambda: NOON)]
    account_id, _ = asyncio.run(customer(doors[0], 0))
    came: list[int] = []

    async def many(db: Database, number: int) -> None:
        for turn in range(8):
            answer = await db.write(hold_fetch, account_id, 50, 1000)
            if isinstance(answer, Granted):
                size = min(answer.most, 7 * (number + turn) % 51)
                came.append(size)
                await asyncio.sleep(0.001)
                await db.write(book_fetch, account_id, answer, size)

    threads = [threading.Thread(target=lambda n=n: asyncio.run(many(doors[n % 2], n))) for n in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = asyncio.run(doors[0].read(lambda tx: tx.all("SELECT bytes, held FROM fetched")))
    assert rows == [{"bytes": sum(came), "held": 0}]
    assert 800 < sum(came) <= 1000
