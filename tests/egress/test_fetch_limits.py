"""NET-10: four fetches of an account and sixteen in all, and an account that waits keeps nobody else waiting."""

from __future__ import annotations

import asyncio
from collections import Counter

from imagegate.egress import FetchLimiter


def test_four_of_each_and_sixteen_in_all() -> None:
    async def story() -> tuple[int, Counter[str], list[str]]:
        turns, here, most, highest = FetchLimiter(), Counter[str](), Counter[str](), 0
        order: list[str] = []

        async def fetch(account_id: str) -> None:
            nonlocal highest
            async with turns.account_slot(account_id), turns.overall_slot:
                here[account_id] += 1
                most[account_id] = max(most[account_id], here[account_id])
                highest = max(highest, here.total())
                order.append(account_id)
                await asyncio.sleep(0.001)
                here[account_id] -= 1

        names = ["greedy"] * 100 + [f"other {n % 9}" for n in range(90)]
        await asyncio.gather(*map(fetch, names))
        assert not turns._account_slots._slots, "nothing is kept of accounts that do not fetch"
        return highest, most, order

    highest, most, order = asyncio.run(story())
    assert highest == 16
    assert max(most.values()) == 4
    assert order.index("other 0") <= 16, "nobody stands behind a hundred of another's"


def test_whoever_gives_up_leaves_the_line() -> None:
    async def story() -> None:
        turns = FetchLimiter(per_account=1, overall=1)
        async with turns.account_slot("a"):
            waiting = asyncio.create_task(turns.account_slot("a").__aenter__())
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        async with asyncio.timeout(1), turns.account_slot("a"), turns.overall_slot:
            pass
        assert turns._account_slots._slots == {}

    asyncio.run(story())
