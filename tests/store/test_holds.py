"""MON-2, MON-3: credit cannot be overdrawn by concurrency, and a refused submit beside it changes nothing."""

from __future__ import annotations

import asyncio
import random
import threading

import msgspec
import pytest

from imagegate.domain.accounts import ApiKey, LimitScope
from imagegate.domain.money import Nanos
from imagegate.store import accounts, api_keys, tasks
from imagegate.store.database import Database
from imagegate.store.holds import InsufficientCredit, TooManyUnfinishedTasks
from imagegate.store.idempotency import IdempotencyKey, KeyConflict, Replay, is_key_used
from imagegate.store.invariants import find_violations
from imagegate.store.transaction import Tx
from tests.conftest import OpenDatabase
from tests.store.helpers import create_customer, new_key, new_task

CLIENTS, REQUESTS, ROOM, HOLD = 32, 25, 100, 1000


def test_mon_2_exactly_as_many_holds_as_there_is_room_for(open_database: OpenDatabase) -> None:
    """32 clients in threads of their own, over two databases, so that two writers meet."""
    databases = [open_database(), open_database()]
    _, key = asyncio.run(create_customer(databases[0], ROOM * HOLD))
    granted: list[int] = []

    def client(number: int) -> None:
        granted.append(asyncio.run(_submit_many(databases[number % 2], key)))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(granted) == ROOM
    assert asyncio.run(databases[0].snapshot(find_violations, 0)) == []


async def _submit_many(db: Database, key: ApiKey) -> int:
    news = [new_task(key, HOLD) for _ in range(REQUESTS)]
    answers = await asyncio.gather(*(db.write(tasks.submit_task, key.account_id, new, None, 10**6) for new in news))
    assert all(isinstance(answer, tasks.TaskSubmitted | InsufficientCredit) for answer in answers)
    return sum(isinstance(answer, tasks.TaskSubmitted) for answer in answers)


def test_mon_3_a_refused_hold_leaves_nothing_and_does_not_use_its_key_up(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        account_id, key = await create_customer(db, 1500)
        use = IdempotencyKey("create", "once", "same", 10**9)
        small, large = new_task(key, 1000), new_task(key, 1000)
        first, second = await asyncio.gather(
            db.write(tasks.submit_task, account_id, small, None, 100),
            db.write(tasks.submit_task, account_id, large, use, 100),
        )
        assert {type(first), type(second)} == {tasks.TaskSubmitted, InsufficientCredit}
        account = await db.read(accounts.find_account, account_id)
        assert account is not None
        assert account.held == 1000
        fitting = new_task(key, 500)
        assert await db.write(tasks.submit_task, account_id, fitting, use, 100) == tasks.TaskSubmitted()
        assert await db.snapshot(find_violations, 0) == []

    asyncio.run(scenario())


def test_key_caps_bind_beside_the_account(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        account_id, key = await create_customer(db, 10_000, cap=1500)
        assert await db.write(tasks.submit_task, account_id, new_task(key), None, 100) == tasks.TaskSubmitted()
        refused = await db.write(tasks.submit_task, account_id, new_task(key), None, 100)
        assert refused == InsufficientCredit(LimitScope.key, 500)
        daily_id, daily = await create_customer(db, 10_000, "daily", daily_cap=1200)
        assert await db.write(tasks.submit_task, daily_id, new_task(daily), None, 100) == tasks.TaskSubmitted()
        assert await db.write(tasks.submit_task, daily_id, new_task(daily), None, 100) == InsufficientCredit(
            LimitScope.key_daily, 200
        )
        assert await db.snapshot(find_violations, 0) == []

    asyncio.run(scenario())


def test_unfinished_tasks_are_limited(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        account_id, key = await create_customer(db, 10_000)
        for _ in range(3):
            assert await db.write(tasks.submit_task, account_id, new_task(key), None, 3) == tasks.TaskSubmitted()
        assert await db.write(tasks.submit_task, account_id, new_task(key), None, 3) == TooManyUnfinishedTasks()

    asyncio.run(scenario())


def test_p8_one_idempotency_key_makes_one_task(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db, other = open_database(), open_database()
        account_id, key = await create_customer(db, 10**6)
        use = IdempotencyKey("create", "key", "same", 10**9)
        news = [new_task(key) for _ in range(32)]
        answers = await asyncio.gather(
            *((db, other)[n % 2].write(tasks.submit_task, account_id, new, use, 100) for n, new in enumerate(news))
        )
        submitted = [new.id for new, answer in zip(news, answers, strict=True) if answer == tasks.TaskSubmitted()]
        assert len(submitted) == 1
        assert sum(answer == Replay(submitted[0]) for answer in answers) == 31
        changed = IdempotencyKey("create", "key", "other", 10**9)
        assert await db.write(tasks.submit_task, account_id, new_task(key), changed, 100) == KeyConflict()
        account = await db.read(accounts.find_account, account_id)
        assert account is not None
        assert account.held == 1000

    asyncio.run(scenario())


def test_mon_10_a_repeated_submit_finds_its_own_commit(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        account_id, key = await create_customer(db, 10_000)
        new, use = new_task(key), IdempotencyKey("create", "key", "same", 10**9)
        tried = False

        def lost_answer(tx: Tx) -> tasks.TaskSubmitted | object:
            """The commit is made and its result lost: the writer runs the command again."""
            nonlocal tried
            again = Tx(tx._connection, is_retry=tried)
            tried = True
            return tasks.submit_task(again, account_id, new, use, 100)

        for _ in range(2):
            assert await db.write(lost_answer) == tasks.TaskSubmitted()
        account = await db.read(accounts.find_account, account_id)
        assert account is not None
        assert account.held == 1000

    asyncio.run(scenario())


def test_s2_one_commit_holds_key_hold_and_task(open_database: OpenDatabase) -> None:
    """A submit that dies before its commit leaves none of the rows, one that does not leaves all."""

    async def scenario() -> None:
        db = open_database()
        account_id, key = await create_customer(db, 10_000)
        new, use = new_task(key), IdempotencyKey("create", "key", "same", 10**9)

        def dies(tx: Tx) -> None:
            assert tasks.submit_task(tx, account_id, new, use, 100) == tasks.TaskSubmitted()
            raise KeyError("before the commit")

        async def standing() -> tuple[bool, bool, int]:
            account = await db.read(accounts.find_account, account_id)
            assert account is not None
            task = await db.read(tasks.find_task, account_id, new.id)
            return task is not None, await db.read(is_key_used, account_id, "create", "key"), account.held

        with pytest.raises(KeyError):
            await db.write(dies)
        assert await standing() == (False, False, 0)
        await db.write(tasks.submit_task, account_id, new, use, 100)
        assert await standing() == (True, True, 1000)

    asyncio.run(scenario())


def test_submits_that_run_together_end_as_if_one_after_the_other(open_database: OpenDatabase) -> None:
    """Caps, credit, the number of tasks and keys that repeat: each submit has the same answer in a group as alone."""
    db, chance = open_database(), random.Random(7)

    async def run(name: str, submits: list[tuple[int, int, str]], *, together: bool) -> object:
        """Answers with the position of a task in place of its id, and what is held afterwards."""
        account_id, key = await create_customer(db, 9000, name, cap=6000)
        other = msgspec.structs.replace(new_key(account_id, daily_cap=4000), in_flight_cap=Nanos(2500))
        await db.write(api_keys.create_key, account_id, other, name)
        calls: list[tuple[tasks.NewTask, IdempotencyKey | None, int]] = [
            (
                new_task((key, other)[which], amount),
                IdempotencyKey("create", once, f"same {amount}", 10**9) if once else None,
                12,
            )
            for which, amount, once in submits
        ]
        if together:
            answers = list(await db.write(tasks.submit_tasks, [(account_id, *call) for call in calls]))
        else:
            answers = [await db.write(tasks.submit_task, account_id, *call) for call in calls]
        position = {new.id: number for number, (new, *_) in enumerate(calls)}
        told = [position[one.task_id] if isinstance(one, Replay) else one for one in answers]
        account = await db.read(accounts.find_account, account_id)
        keys = [await db.read(api_keys.find_key, account_id, one.id) for one in (key, other)]
        assert account is not None
        return told, account.held, [(one.held, one.day_spent) for one in keys if one]

    async def scenario() -> None:
        for number in range(4):
            submits = [
                (chance.randrange(2), chance.choice([100, 700, 1500, 3000]), chance.choice(["", "", "a", "b"]))
                for _ in range(30)
            ]
            group = await run(f"group {number}", submits, together=True)
            assert group == await run(f"single {number}", submits, together=False)
        assert await db.snapshot(find_violations, 0) == []

    asyncio.run(scenario())
