"""KEY-5: limits of a key: tasks beyond its slots wait, cost beyond its cap in flight is refused."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec
import pytest

from imagegate.domain.accounts import ApiKey, LimitScope
from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.domain.money import Nanos
from imagegate.domain.tasks import Task
from imagegate.store import accounts, api_keys, claims, settlement, tasks
from imagegate.store.cancellation import cancel_task
from imagegate.store.database import Database
from imagegate.store.holds import InFlightCapReached, InsufficientCredit
from imagegate.store.idempotency import IdempotencyKey
from imagegate.store.invariants import find_violations
from tests.conftest import OpenDatabase
from tests.store.helpers import LEASE_US, claim_tasks, create_customer, new_key, new_task, render_webhook

ERROR = TaskError(TaskErrorCode.service_error, "test")


async def create_limited_key(db: Database, account_id: str, **limits: Any) -> ApiKey:
    key = msgspec.structs.replace(new_key(account_id), **limits)
    return await db.write(api_keys.create_key, account_id, key, f"digest {key.id}")


async def submit_tasks(db: Database, key: ApiKey, number: int) -> list[str]:
    made = [new_task(key) for _ in range(number)]
    for new in made:
        assert await db.write(tasks.submit_task, key.account_id, new, None, 10_000) == tasks.TaskSubmitted()
    return [new.id for new in made]


async def claim(db: Database, account_id: str, limit: int = 50) -> list[Task]:
    return await db.write(claim_tasks, account_id, "one", LEASE_US, limit)


async def fail(db: Database, task: Task) -> None:
    done = await db.write(
        settlement.fail_task, task.account_id, task.id, task.claim_no, ERROR, f"cmt_{task.id}", render_webhook
    )
    assert done == tasks.Done()


def test_key_5_tasks_above_the_limit_wait_and_others_pass_them(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        account_id, free = await create_customer(db, 10**9)
        narrow = await create_limited_key(db, account_id, concurrent_tasks=2)
        waiting = await submit_tasks(db, narrow, 5)
        others = await submit_tasks(db, free, 3)
        first = await claim(db, account_id)
        assert {task.id for task in first} == {*waiting[:2], *others}
        assert await claim(db, account_id) == []
        await fail(db, next(task for task in first if task.id == waiting[1]))
        assert [task.id for task in await claim(db, account_id)] == [waiting[2]]
        held = next(task for task in first if task.id == waiting[0])
        await db.write(claims.release_task, account_id, held.id, held.claim_no)
        assert [task.id for task in await claim(db, account_id)] == [waiting[0]]
        await db.write(cancel_task, account_id, waiting[0], "cmt_cancel", render_webhook)
        await db.write(cancel_task, account_id, waiting[3], "cmt_cancel3", render_webhook)
        assert [task.id for task in await claim(db, account_id)] == [waiting[4]]
        assert await db.snapshot(find_violations, 0) == []

    asyncio.run(scenario())


def test_key_5_each_key_has_its_own_slots(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        account_id, _ = await create_customer(db, 10**9)
        keys = [await create_limited_key(db, account_id, concurrent_tasks=number) for number in (1, 3)]
        made = [await submit_tasks(db, key, 4) for key in keys]
        assert {task.id for task in await claim(db, account_id)} == {made[0][0], *made[1][:3]}

    asyncio.run(scenario())


def test_key_5_a_limit_that_changes_holds_for_what_is_queued(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        account_id, key = await create_customer(db, 10**9)

        async def change(limit: int | None) -> None:
            await db.write(api_keys.update_key, account_id, key.id, {"concurrent_tasks": limit})

        made = await submit_tasks(db, key, 6)
        await change(1)
        assert [task.id for task in await claim(db, account_id)] == made[:1]
        await change(3)
        assert [task.id for task in await claim(db, account_id)] == made[1:3]
        await change(2)
        assert await claim(db, account_id) == []
        assert await db.snapshot(find_violations, 0) == []
        await change(None)
        assert [task.id for task in await claim(db, account_id)] == made[3:]
        assert await db.snapshot(find_violations, 0) == []

    asyncio.run(scenario())


def test_key_5_the_tasks_of_a_deleted_key_still_run(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        account_id, _ = await create_customer(db, 10**9)
        key = await create_limited_key(db, account_id, concurrent_tasks=1)
        made = await submit_tasks(db, key, 2)
        await db.write(api_keys.delete_key, account_id, key.id)
        for task_id in made:
            claimed = await claim(db, account_id)
            assert [task.id for task in claimed] == [task_id]
            await fail(db, claimed[0])

    asyncio.run(scenario())


def test_key_5_workers_that_claim_at_once_keep_the_limit_together(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        databases = [open_database() for _ in range(3)]
        account_id, free = await create_customer(databases[0], 10**9)
        key = await create_limited_key(databases[0], account_id, concurrent_tasks=3)
        await submit_tasks(databases[0], key, 30)
        await submit_tasks(databases[0], free, 6)
        under_way: dict[str, Task] = {}
        ended = 0
        give_up = time.monotonic() + 60
        while ended < 30:
            assert time.monotonic() < give_up
            taken = await asyncio.gather(*(claim(databases[n % 3], account_id, 4) for n in range(9)))
            under_way |= {task.id: task for batch in taken for task in batch if task.key_id == key.id}
            assert 1 <= len(under_way) <= 3
            gone = list(under_way.values())[: 1 + ended % 2]
            await asyncio.gather(*(fail(databases[n % 3], task) for n, task in enumerate(gone)))
            for task in gone:
                del under_way[task.id]
            ended += len(gone)

    asyncio.run(scenario())


def test_key_5_many_waiting_tasks_do_not_hide_another(open_database: OpenDatabase) -> None:
    """Tasks that wait behind a key's limit hide no other task; `make bench` compares the cost with 10 and 1,000."""

    async def scenario() -> None:
        db = open_database()
        account_id, free = await create_customer(db, 10**9)
        key = await create_limited_key(db, account_id, concurrent_tasks=1)

        await asyncio.gather(
            *(db.write(tasks.submit_task, account_id, new_task(key), None, 10_000) for _ in range(1000))
        )
        for _ in range(20):
            await submit_tasks(db, free, 1)
            assert len([task for task in await claim(db, account_id) if task.key_id == free.id]) == 1

    asyncio.run(scenario())


def test_key_5_cost_in_flight_is_refused_until_a_task_ends(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        account_id, _ = await create_customer(db, 10**9)
        key = await create_limited_key(db, account_id, in_flight_cap=Nanos(2500))
        await submit_tasks(db, key, 2)
        before = await db.read(accounts.load_balance, account_id, key.id)
        use = IdempotencyKey("POST", "once", "print", 10**12)
        refused = await db.write(tasks.submit_task, account_id, new_task(key), use, 100)
        assert refused == InFlightCapReached(500)
        assert await db.read(accounts.load_balance, account_id, key.id) == before
        too_dear = await db.write(tasks.submit_task, account_id, new_task(key, 2501), None, 100)
        assert too_dear == InsufficientCredit(LimitScope.key, 2500)
        await fail(db, (await claim(db, account_id, 1))[0])
        assert await db.write(tasks.submit_task, account_id, new_task(key), use, 100) == tasks.TaskSubmitted()
        assert await db.snapshot(find_violations, 0) == []

    asyncio.run(scenario())


@pytest.mark.parametrize("first", ["in_flight_cap", "cap", "daily_cap"])
def test_key_5_a_limit_that_does_not_pass_by_itself_is_told_first(open_database: OpenDatabase, first: str) -> None:
    async def scenario() -> None:
        db = open_database()
        account_id, _ = await create_customer(db, 10**9)
        limits = {"in_flight_cap": Nanos(1000), **({first: Nanos(1000)} if first != "in_flight_cap" else {})}
        key = await create_limited_key(db, account_id, **limits)
        await submit_tasks(db, key, 1)
        answer = await db.write(tasks.submit_task, account_id, new_task(key), None, 100)
        scopes = {
            "cap": InsufficientCredit(LimitScope.key, 0),
            "daily_cap": InsufficientCredit(LimitScope.key_daily, 0),
        }
        assert answer == scopes.get(first, InFlightCapReached(0))

    asyncio.run(scenario())
