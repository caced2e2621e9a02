"""KEY-5: requests counted in one table by several processes."""

from __future__ import annotations

import asyncio

from imagegate.domain.rates import MINUTE_US, Passed, Quota, Refused
from imagegate.store import rates
from imagegate.store.rates import ORDER, take_shared
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
        asked = [doors[n % 3].write(take_shared, ORDER + KEY.bucket, (KEY,)) for n in range(60)]
        answers = await asyncio.gather(*asked)
        assert sum(isinstance(answer, Passed) for answer in answers) == KEY.requests
        clock.now += KEY.step
        asked = [door.write(take_shared, ORDER + KEY.bucket, (KEY,)) for door in doors]
        assert sum(isinstance(answer, Passed) for answer in await asyncio.gather(*asked)) == 1

    asyncio.run(story())


def test_key_5_the_keys_of_an_account_share_its_quota(open_database: OpenDatabase) -> None:
    async def story() -> None:
        clock = Clock()
        db = open_database(clock)
        other = Quota("key", "key_2", 20)
        for quota, passing in ((KEY, 20), (other, 10)):
            answers = [await db.write(take_shared, ORDER + quota.bucket, (quota, ACCOUNT)) for _ in range(25)]
            assert sum(isinstance(answer, Passed) for answer in answers) == passing
        last = answers[-1]
        assert isinstance(last, Refused)
        assert [one.remaining for one in last.spent] == [10, 0]

    asyncio.run(story())


def test_key_5_a_bucket_is_forgotten_only_once_it_is_whole(open_database: OpenDatabase) -> None:
    async def story() -> None:
        clock = Clock()
        db = open_database(clock)
        await db.write(take_shared, ORDER + KEY.bucket, (KEY,))
        clock.now += MINUTE_US
        assert await db.write(rates.forget_whole) == 0
        clock.now += 2 * MINUTE_US
        assert await db.write(rates.forget_whole) == 1
        answer = await db.write(take_shared, ORDER + KEY.bucket, (KEY,))
        assert answer.spent[0].remaining == KEY.requests - 1

    asyncio.run(story())
