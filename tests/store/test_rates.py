"""KEY-5: requests counted in one table by several processes."""

from __future__ import annotations

import asyncio
import time

from imagegate.domain.rates import MINUTE_US, Passed, Quota, Refused
from imagegate.store import rates
from imagegate.store.rates import order_of, take_shared
from tests.conftest import OpenDatabase

KEY, ACCOUNT = Quota("key", "key_1", 20), Quota("account", "acc_1", 30)


class Clock:
    def __init__(self) -> None:
        self.now = 1_795_000_000_000_000

    def __call__(self) -> int:
        return self.now


def test_key_5_doors_that_ask_at_once_share_one_quota(open_database: OpenDatabase) -> None:
    async def story() -> None:
        clock = Clock()
        doors = [open_database(clock) for _ in range(3)]
        asked = [doors[n % 3].write(take_shared, order_of((KEY,)), (KEY,)) for n in range(60)]
        answers = await asyncio.gather(*asked)
        assert sum(isinstance(answer, Passed) for answer in answers) == KEY.requests
        clock.now += KEY.step
        asked = [door.write(take_shared, order_of((KEY,)), (KEY,)) for door in doors]
        assert sum(isinstance(answer, Passed) for answer in await asyncio.gather(*asked)) == 1

    asyncio.run(story())


def test_key_5_the_keys_of_an_account_share_its_quota(open_database: OpenDatabase) -> None:
    async def story() -> None:
        clock = Clock()
        db = open_database(clock)
        other = Quota("key", "key_2", 20)
        for quota, passing in ((KEY, 20), (other, 10)):
            answers = [await db.write(take_shared, order_of((quota, ACCOUNT)), (quota, ACCOUNT)) for _ in range(25)]
            assert sum(isinstance(answer, Passed) for answer in answers) == passing
        last = answers[-1]
        assert isinstance(last, Refused)
        assert [one.remaining for one in last.spent] == [10, 0]

    asyncio.run(story())


def test_key_5_a_bucket_is_forgotten_only_once_it_is_whole(open_database: OpenDatabase) -> None:
    async def story() -> None:
        clock = Clock()
        db = open_database(clock)
        await db.write(take_shared, order_of((KEY,)), (KEY,))
        clock.now += MINUTE_US
        assert await db.write(rates.forget_whole) == 0
        clock.now += 2 * MINUTE_US
        assert await db.write(rates.forget_whole) == 1
        answer = await db.write(take_shared, order_of((KEY,)), (KEY,))
        assert answer.spent[0].remaining == KEY.requests - 1

    asyncio.run(story())


def test_key_5_processes_that_meet_in_many_buckets_do_not_stop_each_other(open_database: OpenDatabase) -> None:
    """Every request takes from two buckets, in batches of many: a circle of locks would cost a second each."""

    async def story() -> None:
        doors = [open_database(writers=2) for _ in range(2)]
        accounts = [Quota("account", f"acc_{n}", 10_000) for n in range(4)]
        keys = [Quota("key", f"key_{n}", 10_000) for n in range(16)]
        pairs = [(keys[(n * 7) % 16], accounts[(n * 7) % 16 % 4]) for n in range(400)]
        begun = time.monotonic()
        answers = await asyncio.gather(
            *(doors[n % 2].write(take_shared, order_of(pair), pair) for n, pair in enumerate(pairs)),
            *(door.write(rates.forget_whole) for door in doors),
        )
        assert sum(isinstance(answer, Passed) for answer in answers) == 400
        assert time.monotonic() - begun < 30
        last = await doors[0].write(take_shared, order_of(pairs[0]), pairs[0])
        assert isinstance(last, Passed)

    asyncio.run(story())
