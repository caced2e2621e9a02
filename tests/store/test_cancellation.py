"""TSK-1: a cancel ends a task that was not sent, and is stored for one that was; the two never meet."""

from __future__ import annotations

import asyncio

import pytest

from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.domain.tasks import Task, TaskState
from imagegate.store import accounts, attempts, claims, deliveries, settlement, tasks
from imagegate.store.cancellation import AlreadyFinished, Cancelled, NoSuchTask, cancel_task
from imagegate.store.database import Database
from imagegate.store.invariants import find_violations
from imagegate.store.tasks import CancelRequested
from tests.conftest import OpenDatabase
from tests.store.helpers import (
    LEASE_US,
    ROUTE,
    claim_tasks,
    create_customer,
    new_attempt,
    new_settlement,
    new_task,
    render_webhook,
)

ERROR = TaskError(TaskErrorCode.service_error, "test")
URL = "https://hook.test/"


async def submit_new_task(db: Database) -> tasks.NewTask:
    account_id, key = await create_customer(db, 10_000)
    new = new_task(key, callback_url=URL)
    await db.write(tasks.submit_task, account_id, new, None, 100)
    return new


async def claim_task(db: Database, new: tasks.NewTask, owner: str = "one") -> Task:
    return (await db.write(claim_tasks, new.account_id, owner, LEASE_US, 1))[0]


async def cancel(
    db: Database, new: tasks.NewTask, commit: str = "cmt_c"
) -> Cancelled | CancelRequested | AlreadyFinished | NoSuchTask:
    return await db.write(cancel_task, new.account_id, new.id, commit, render_webhook)


async def load_task(db: Database, new: tasks.NewTask) -> Task:
    found = await db.read(tasks.find_task, new.account_id, new.id)
    assert found is not None
    return found


async def is_cancelled(db: Database, new: tasks.NewTask) -> None:
    """Failed, nothing charged, nothing held, one webhook, all of one commit."""
    task = await load_task(db, new)
    assert (task.state, task.cancelled, task.charge, task.cancellable) == (TaskState.failed, True, 0, False)
    account = await db.read(accounts.find_account, new.account_id)
    assert account is not None
    assert (account.posted, account.held) == (10_000, 0)
    sent = (await db.read(deliveries.list_deliveries, new.account_id, None, 9)).rows
    assert [one.body.encode() for one in sent] == [render_webhook(task)]
    assert await db.snapshot(find_violations, 0) == []


@pytest.mark.parametrize("state", ["queued", "running", "handed back", "crashed"])
def test_before_anything_is_sent_it_ends_the_task(open_database: OpenDatabase, state: str) -> None:
    async def scenario() -> None:
        db = open_database()
        new = await submit_new_task(db)
        if state != "queued":
            await claim_task(db, new)
        if state == "handed back":
            await db.write(claims.release_task, new.account_id, new.id, 1)
        if state == "crashed":
            await db.write(claims.recover_lost_tasks, "two", False, 3, 10, render_webhook)
        assert (await load_task(db, new)).cancellable
        for number in range(3):
            assert await cancel(db, new, f"cmt_{number}") == Cancelled()
        await is_cancelled(db, new)
        attempt = new_attempt(await load_task(db, new))
        assert await db.write(attempts.begin_attempt, new.account_id, attempt, "one", ROUTE) == tasks.LostLease()

    asyncio.run(scenario())


@pytest.mark.parametrize("end", ["completed", "failed"])
def test_once_sent_it_is_a_wish_and_the_task_ends_as_it_ends(open_database: OpenDatabase, end: str) -> None:
    async def scenario() -> None:
        db = open_database()
        new = await submit_new_task(db)
        task = await claim_task(db, new)
        attempt = new_attempt(task)
        assert await db.write(attempts.begin_attempt, new.account_id, attempt, "one", ROUTE) == tasks.Done()
        assert not (await load_task(db, new)).cancellable
        for _ in range(2):
            assert await cancel(db, new) == CancelRequested()
        further = new_attempt(task)
        assert await db.write(attempts.begin_attempt, new.account_id, further, "one", ROUTE) == CancelRequested()
        assert len(await db.read(attempts.list_attempts, new.account_id, new.id)) == 1
        if end == "completed":
            done = new_settlement(task, 700)
            assert (
                await db.write(settlement.complete_task, new.account_id, new.id, 1, done, render_webhook)
                == tasks.Done()
            )
        else:
            assert (
                await db.write(settlement.fail_task, new.account_id, new.id, 1, ERROR, "cmt", render_webhook)
                == tasks.Done()
            )
        assert await cancel(db, new) == AlreadyFinished()
        assert (await load_task(db, new)).state == end
        assert await db.snapshot(find_violations, 0) == []

    asyncio.run(scenario())


def test_a_wish_outlives_the_worker(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        new = await submit_new_task(db)
        attempt = new_attempt(await claim_task(db, new))
        await db.write(attempts.begin_attempt, new.account_id, attempt, "one", ROUTE)
        assert await cancel(db, new) == CancelRequested()
        await db.write(claims.recover_lost_tasks, "two", False, 3, 10, render_webhook)
        assert await cancel(db, new) == CancelRequested(), "what the dead worker sent may have been carried out"
        again = await claim_task(db, new, "two")
        assert (
            await db.write(attempts.begin_attempt, new.account_id, new_attempt(again), "two", ROUTE)
            == CancelRequested()
        )

    asyncio.run(scenario())


def test_another_accounts_task_is_unknown(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        new = await submit_new_task(db)
        other, _ = await create_customer(db, 1, "other")
        assert await db.write(cancel_task, other, new.id, "cmt_c", render_webhook) == NoSuchTask()
        assert (await load_task(db, new)).state == TaskState.queued

    asyncio.run(scenario())


def test_a_cancel_never_meets_a_sent_request(open_database: OpenDatabase) -> None:
    """Two processes at the same moment: either the task is cancelled and nothing is sent, or it is sent and ends."""

    async def scenario() -> None:
        databases = [open_database(), open_database()]
        account_id, key = await create_customer(databases[0], 10**6)
        seen: set[bool] = set()
        for number in range(40):
            new = new_task(key, callback_url=URL)
            await databases[0].write(tasks.submit_task, account_id, new, None, 100)
            attempt = new_attempt(await claim_task(databases[0], new))
            sending = databases[0].write(attempts.begin_attempt, account_id, attempt, "one", ROUTE)
            cancelling = databases[1].write(cancel_task, account_id, new.id, "cmt_c", render_webhook)
            marked, answer = await asyncio.gather(*((sending, cancelling) if number % 2 else (cancelling, sending)))
            pair = (marked, answer) if number % 2 else (answer, marked)
            assert pair in ((tasks.Done(), CancelRequested()), (tasks.LostLease(), Cancelled()))
            seen.add(pair[0] == tasks.Done())
            if pair[0] == tasks.Done():
                done = new_settlement(await load_task(databases[0], new), 1)
                assert (
                    await databases[0].write(settlement.complete_task, account_id, new.id, 1, done, render_webhook)
                    == tasks.Done()
                )
        print("sent first, cancelled first:", seen)
        assert await databases[0].snapshot(find_violations, 0) == []

    asyncio.run(scenario())
