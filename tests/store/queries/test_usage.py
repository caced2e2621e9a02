"""Section 12, /v1/usage: over any history the totals of each grouping sum to what was charged and not refunded."""

from __future__ import annotations

import asyncio
import random

import msgspec
import pytest

from imagegate.domain.accounts import ApiKey
from imagegate.domain.time import US_PER_DAY
from imagegate.store import api_keys, attempts, refunds, settlement, tasks
from imagegate.store.database import Database
from imagegate.store.queries.usage import sum_usage
from tests.conftest import OpenDatabase
from tests.store.helpers import (
    LEASE_US,
    ROUTE,
    claim_tasks,
    create_customer,
    new_attempt,
    new_key,
    new_refund,
    new_settlement,
    new_task,
    render_webhook,
)

FIRST = 20_000


@pytest.mark.parametrize("seed", range(4))
def test_s12_usage_sums_to_what_was_charged_in_every_grouping(open_database: OpenDatabase, seed: int) -> None:
    chance, now = random.Random(seed), [FIRST * US_PER_DAY]
    db = open_database(lambda: now[0])

    async def scenario() -> None:
        account_id, key = await create_customer(db, 10**9)
        other = new_key(account_id)
        await db.write(api_keys.create_key, account_id, other, "other")
        stranger_id, stranger = await create_customer(db, 10**9, "stranger")
        charged: dict[tuple[int, str, str], list[int]] = {}
        for _ in range(25):
            now[0] += chance.randrange(US_PER_DAY // 2)
            model, maker = chance.choice(["a", "b"]), chance.choice([key, other])
            task_id, charge = await _settle_one(db, maker, model, chance.randrange(1, 1000))
            charged.setdefault((now[0] // US_PER_DAY, model, maker.id), []).append(charge)
            if chance.random() < 0.3:
                now[0] += chance.randrange(2 * US_PER_DAY)
                await db.write(refunds.refund_task, account_id, new_refund(task_id))
                charged.setdefault((now[0] // US_PER_DAY, model, maker.id), []).append(-charge)
            await _settle_one(db, stranger, model, 5)
        last = now[0] // US_PER_DAY
        whole = await db.read(sum_usage, account_id, ("day", "model", "key"), FIRST, last)
        assert {(one.day, one.model, one.key): one.amount for one in whole} == {
            place: sum(charges) for place, charges in charged.items()
        }
        assert sum(one.refunded for one in whole) == -sum(min(0, part) for all_ in charged.values() for part in all_)
        assert sum(one.tasks for one in whole) == sum(one.images for one in whole) == 25
        paid = sum(sum(charges) for charges in charged.values())
        for groups in [(), ("day",), ("model",), ("key",), ("key", "day"), ("model", "key")]:
            assert sum(one.amount for one in await db.read(sum_usage, account_id, groups, FIRST, last)) == paid
        for day in range(FIRST, last + 1):
            alone = await db.read(sum_usage, account_id, ("day",), day, day)
            assert alone == [
                one for one in await db.read(sum_usage, account_id, ("day",), FIRST, last) if one.day == day
            ]
        assert sum(one.amount for one in await db.read(sum_usage, stranger_id, (), FIRST, last)) == 125

    asyncio.run(scenario())


async def _settle_one(db: Database, key: ApiKey, model: str, charge: int) -> tuple[str, int]:
    new = new_task(key, 1000)
    new = msgspec.structs.replace(new, order=msgspec.structs.replace(new.order, model=model))
    await db.write(tasks.submit_task, key.account_id, new, None, 1000)
    (task,) = await db.write(claim_tasks, key.account_id, "test", LEASE_US, 1)
    attempt = new_attempt(task)
    await db.write(attempts.begin_attempt, key.account_id, attempt, "test", ROUTE)
    await db.write(
        settlement.complete_task,
        key.account_id,
        task.id,
        task.claim_no,
        new_settlement(task, charge),
        render_webhook,
    )
    return task.id, charge
