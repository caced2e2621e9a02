"""KEY-5: requests counted in one table by several processes."""

from __future__ import annotations

import asyncio

from imagegate.domain.time import US_PER_MINUTE
from imagegate.security.rate_limit import Allowed, Denied, Quota
from imagegate.store import rate_buckets
from imagegate.store.database import Database, create_engine
from imagegate.store.rate_buckets import lock_key, take_shared
from tests.conftest import OpenDatabase
from tests.store.helpers import FakeClock, deadlocks

KEY, ACCOUNT = Quota("key", "key_1", 20), Quota("account", "acc_1", 30)


def test_key_5_doors_that_ask_at_once_share_one_quota(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        clock = FakeClock()
        databases = [open_database(clock, batch=1) for _ in range(3)]
        asked = [databases[n % 3].write_ordered(lock_key((KEY,)), take_shared, (KEY,)) for n in range(60)]
        answers = await asyncio.gather(*asked)
        assert sum(isinstance(answer, Allowed) for answer in answers) == KEY.requests
        clock.now += KEY.interval_us
        asked = [database.write_ordered(lock_key((KEY,)), take_shared, (KEY,)) for database in databases]
        assert sum(isinstance(answer, Allowed) for answer in await asyncio.gather(*asked)) == 1

    asyncio.run(scenario())


def test_key_5_the_keys_of_an_account_share_its_quota(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        clock = FakeClock()
        db = open_database(clock)
        other = Quota("key", "key_2", 20)
        for quota, passing in ((KEY, 20), (other, 10)):
            answers = [
                await db.write_ordered(lock_key((quota, ACCOUNT)), take_shared, (quota, ACCOUNT)) for _ in range(25)
            ]
            assert sum(isinstance(answer, Allowed) for answer in answers) == passing
        last = answers[-1]
        assert isinstance(last, Denied)
        assert [one.remaining for one in last.statuses] == [10, 0]

    asyncio.run(scenario())


def test_key_5_a_bucket_is_forgotten_only_once_it_is_whole(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        clock = FakeClock()
        db = open_database(clock)
        await db.write_ordered(lock_key((KEY,)), take_shared, (KEY,))
        clock.now += US_PER_MINUTE
        assert await db.write(rate_buckets.purge_full_buckets) == 0
        clock.now += 2 * US_PER_MINUTE
        assert await db.write(rate_buckets.purge_full_buckets) == 1
        answer = await db.write_ordered(lock_key((KEY,)), take_shared, (KEY,))
        assert answer.statuses[0].remaining == KEY.requests - 1

    asyncio.run(scenario())


def test_key_5_processes_that_meet_in_many_buckets_never_wait_in_a_circle(postgres_url: str) -> None:
    """Every request takes from two buckets, in batches of a few. A circle of locks would be broken, a second later."""

    async def scenario() -> None:
        databases = [Database(create_engine(postgres_url), batch=4, writers=2) for _ in range(2)]
        databases[0].migrate()
        accounts = [Quota("account", f"acc_{n}", 10_000) for n in range(4)]
        keys = [Quota("key", f"key_{n}", 10_000) for n in range(16)]
        pairs = [(keys[(n * 7) % 16], accounts[(n * 7) % 16 % 4]) for n in range(800)]
        answers = await asyncio.gather(
            *(databases[n % 2].write_ordered(lock_key(pair), take_shared, pair) for n, pair in enumerate(pairs)),
            *(database.write(rate_buckets.purge_full_buckets) for database in databases),
        )
        assert sum(isinstance(answer, Allowed) for answer in answers) == 800
        for database in databases:
            database.close()

    asyncio.run(scenario())
    assert deadlocks(postgres_url) == 0
