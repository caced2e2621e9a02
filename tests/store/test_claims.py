"""TSK-2 to TSK-7, MON-5 to MON-9: leases, fencing and the commits that end a task."""

from __future__ import annotations

import asyncio

from imagegate.domain.accounts import Key
from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.domain.tasks import Outcome, Task, TaskState
from imagegate.store import accounts, attempts, claims, ledger, settlement, tasks
from imagegate.store.accounts import accounts_with_work
from imagegate.store.database import Database
from imagegate.store.invariants import broken_invariants, ledger_total
from tests.conftest import OpenDatabase
from tests.store.rows import GATE, LEASE_US, body_of, customer, new_attempt, new_settlement, new_task

ERROR = TaskError(TaskErrorCode.service_error, "test")


class FakeClock:
    """UTC microseconds that only move when told."""

    def __init__(self) -> None:
        self.now = 1_795_000_000_000_000

    def __call__(self) -> int:
        return self.now


async def claimed(db: Database, owner: str = "one", posted: int = 10_000) -> tuple[Key, Task]:
    account_id, key = await customer(db, posted)
    await db.write(tasks.submit_task, account_id, new_task(key), None, 100)
    return key, (await db.write(claims.claim_due, account_id, owner, LEASE_US, 1))[0]


async def stored(db: Database, task: Task) -> Task:
    found = await db.read(tasks.find_task, task.account_id, task.id)
    assert found is not None
    return found


def test_mon_5_settling_is_one_commit_and_happens_once(open_database: OpenDatabase) -> None:
    async def story() -> None:
        db = open_database()
        key, task = await claimed(db)
        attempt = new_attempt(task)
        assert await db.write(attempts.begin_attempt, key.account_id, attempt, "one", GATE) == tasks.Done()
        ended = attempts.Ended(attempt_id=attempt.id, route="r", upstream="u", outcome=Outcome.produced, images=1)
        await db.write(attempts.end_attempt, key.account_id, ended, lambda _, health, __: health)
        done = new_settlement(task, 700)
        for _ in range(2):
            answer = await db.write(settlement.complete_task, key.account_id, task.id, task.claim_no, done, body_of)
            assert answer == tasks.Done()
        again = new_settlement(task, 800)
        assert (
            await db.write(settlement.complete_task, key.account_id, task.id, task.claim_no, again, body_of)
            == tasks.LostLease()
        )
        account = await db.read(accounts.find_account, key.account_id)
        assert account is not None
        assert (account.posted, account.held) == (9300, 0)
        assert (await db.read(attempts.list_attempts, key.account_id, task.id))[0].outcome == Outcome.produced
        assert await db.snapshot(broken_invariants, 0) == []

    asyncio.run(story())


def test_mon_6_what_exceeds_the_hold_is_the_operators(open_database: OpenDatabase) -> None:
    async def story() -> None:
        db = open_database()
        key, task = await claimed(db)
        done = new_settlement(task, charge=1000, price=1700)
        await db.write(settlement.complete_task, key.account_id, task.id, task.claim_no, done, body_of)
        account = await db.read(accounts.find_account, key.account_id)
        assert account is not None
        assert account.posted == 9000
        assert await db.read(ledger_total) == 0
        assert await db.snapshot(broken_invariants, 0) == []

    asyncio.run(story())


def test_mon_9_failing_releases_the_hold_in_the_same_commit(open_database: OpenDatabase) -> None:
    async def story() -> None:
        db = open_database()
        key, task = await claimed(db)
        await db.write(attempts.begin_attempt, key.account_id, new_attempt(task), "one", GATE)
        assert await db.write(settlement.fail_task, key.account_id, task.id, 1, ERROR, "cmt_1", body_of) == tasks.Done()
        assert (
            await db.write(settlement.fail_task, key.account_id, task.id, 1, ERROR, "cmt_2", body_of)
            == tasks.LostLease()
        )
        account = await db.read(accounts.find_account, key.account_id)
        assert account is not None
        assert (account.posted, account.held) == (10_000, 0)
        assert (await stored(db, task)).charge == 0
        assert await db.snapshot(broken_invariants, 0) == []

    asyncio.run(story())


def test_tsk_2_every_write_of_an_old_claim_is_refused(open_database: OpenDatabase) -> None:
    async def story() -> None:
        db = open_database()
        key, old = await claimed(db, "dead")
        assert await db.write(claims.reclaim_lost, "alive", False, 3, 10, body_of) == [old.id]
        new = (await db.write(claims.claim_due, key.account_id, "alive", LEASE_US, 1))[0]
        assert (new.claim_no, new.crashes) == (2, 1)
        account_id, number = key.account_id, old.claim_no
        refused = [
            await db.write(attempts.begin_attempt, account_id, new_attempt(old), "dead", GATE),
            await db.write(attempts.advance, account_id, old.id, number, 50),
            await db.write(claims.hand_back, account_id, old.id, number),
            await db.write(settlement.fail_task, account_id, old.id, number, ERROR, "cmt_x", body_of),
            await db.write(settlement.complete_task, account_id, old.id, number, new_settlement(old, 5), body_of),
        ]
        assert refused == [tasks.LostLease()] * 5
        assert await db.write(claims.renew_leases, "dead", [(old.id, number)], LEASE_US) == [old.id]
        assert await db.write(claims.renew_leases, "alive", [(old.id, 2)], LEASE_US) == []
        assert (await stored(db, old)).state == TaskState.running
        assert await db.snapshot(broken_invariants, 0) == []

    asyncio.run(story())


def test_tsk_3_on_a_shared_engine_the_lease_decides(open_database: OpenDatabase) -> None:
    async def story() -> None:
        clock = FakeClock()
        db = open_database(clock)
        _, task = await claimed(db, "one")
        assert await db.write(claims.reclaim_lost, "two", True, 3, 10, body_of) == []
        clock.now += LEASE_US
        assert await db.write(claims.reclaim_lost, "two", True, 3, 10, body_of) == [task.id]

    asyncio.run(story())


def test_tsk_4_a_task_that_kills_its_workers_is_ended(open_database: OpenDatabase) -> None:
    async def story() -> None:
        db = open_database()
        key, task = await claimed(db, "boot0")
        for number in range(1, 4):
            await db.write(claims.reclaim_lost, f"boot{number}", False, 3, 10, body_of)
            assert (await stored(db, task)).state == TaskState.queued
            await db.write(claims.claim_due, key.account_id, f"boot{number}", LEASE_US, 1)
        await db.write(claims.reclaim_lost, "boot4", False, 3, 10, body_of)
        ended = await stored(db, task)
        assert ended.state == TaskState.failed
        assert ended.error is not None
        assert ended.error.reason == "worker_crash_loop"
        assert await db.snapshot(broken_invariants, 0) == []

    asyncio.run(story())


def test_a_drained_task_is_no_crash(open_database: OpenDatabase) -> None:
    async def story() -> None:
        db = open_database()
        key, task = await claimed(db)
        assert await db.write(claims.hand_back, key.account_id, task.id, 1) == tasks.Done()
        back = await stored(db, task)
        assert (back.state, back.crashes, back.claim_no) == (TaskState.queued, 0, 1)

    asyncio.run(story())


def test_progress_never_falls_and_never_reaches_100_before_the_end(open_database: OpenDatabase) -> None:
    async def story() -> None:
        db = open_database()
        key, task = await claimed(db)
        for asked, shown in ((40, 40), (30, 40), (100, 99)):
            await db.write(attempts.advance, key.account_id, task.id, 1, asked)
            assert (await stored(db, task)).progress == shown
        assert await db.snapshot(broken_invariants, 0) == []

    asyncio.run(story())


def test_two_workers_never_claim_the_same_task(open_database: OpenDatabase) -> None:
    async def story() -> None:
        doors = [open_database(), open_database()]
        account_id, key = await customer(doors[0], 10**6)
        for _ in range(40):
            await doors[0].write(tasks.submit_task, account_id, new_task(key), None, 100)
        taken = await asyncio.gather(
            *(doors[n % 2].write(claims.claim_due, account_id, f"w{n}", LEASE_US, 3) for n in range(20))
        )
        names = [task.id for batch in taken for task in batch]
        assert len(names) == len(set(names)) == 40

    asyncio.run(story())


def test_accounts_with_work_are_only_those_that_have_some(open_database: OpenDatabase) -> None:
    async def story() -> None:
        db = open_database()
        key, task = await claimed(db)
        await customer(db, 10, "idle")
        assert await db.read(accounts_with_work, "", 10) == [key.account_id]
        await db.write(settlement.fail_task, key.account_id, task.id, 1, ERROR, "cmt_1", body_of)
        assert await db.read(accounts_with_work, "", 10) == []

    asyncio.run(story())


def test_overdue_tasks_are_found_by_the_databases_clock(open_database: OpenDatabase) -> None:
    async def story() -> None:
        clock = FakeClock()
        db = open_database(clock)
        _, task = await claimed(db)
        clock.now = task.deadline - 1
        assert await db.read(tasks.overdue, 10) == []
        clock.now = task.deadline
        assert [late.id for late in await db.read(tasks.overdue, 10)] == [task.id]

    asyncio.run(story())


def test_mon_11_a_grant_is_booked_once_per_ref_and_never_below_what_is_held(open_database: OpenDatabase) -> None:
    async def story() -> None:
        db = open_database()
        key, _ = await claimed(db, posted=1500)
        for _ in range(2):
            assert await db.write(ledger.grant, key.account_id, 100, "grant:once", "test") == ledger.Granted()
        taken = await db.write(ledger.grant, key.account_id, -601, "grant:back", "test")
        assert taken == ledger.GrantRefused()
        assert await db.write(ledger.grant, key.account_id, -600, "grant:back", "test") == ledger.Granted()
        account = await db.read(accounts.find_account, key.account_id)
        assert account is not None
        assert account.available == 0
        assert await db.snapshot(broken_invariants, 0) == []

    asyncio.run(story())
