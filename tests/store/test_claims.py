"""TSK-2 to TSK-7, MON-5 to MON-9: leases, fencing and the commits that end a task."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
import pytest

from imagegate.domain.accounts import ApiKey
from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.domain.tasks import AttemptOutcome, Task, TaskState
from imagegate.store import accounts, attempts, claims, ledger, settlement, tasks
from imagegate.store.accounts import list_accounts_with_work
from imagegate.store.database import Database
from imagegate.store.invariants import find_violations
from imagegate.store.queries.task_filter import TaskFilter
from imagegate.store.queries.tasks import list_tasks_before
from imagegate.store.transaction import Tx
from tests.conftest import OpenDatabase
from tests.store.helpers import (
    LEASE_US,
    ROUTE,
    FakeClock,
    claim_tasks,
    create_customer,
    new_attempt,
    new_settlement,
    new_task,
    render_webhook,
    sum_entries,
)
from tests.store.queries.test_task_filter import note_plans

WAIT_US = 10 * LEASE_US
ERROR = TaskError(TaskErrorCode.service_error, "test")


async def claim_new_task(db: Database, owner: str = "one", posted: int = 10_000) -> tuple[ApiKey, Task]:
    account_id, key = await create_customer(db, posted)
    await db.write(tasks.submit_task, account_id, new_task(key), None, 100)
    return key, (await db.write(claim_tasks, account_id, owner, LEASE_US, 1))[0]


async def load_task(db: Database, task: Task) -> Task:
    found = await db.read(tasks.find_task, task.account_id, task.id)
    assert found is not None
    return found


def test_mon_5_settling_is_one_commit_and_happens_once(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        key, task = await claim_new_task(db)
        attempt = new_attempt(task)
        assert await db.write(attempts.begin_attempt, key.account_id, attempt, "one", ROUTE) == tasks.Done()
        ended = msgspec.structs.replace(attempt, outcome=AttemptOutcome.produced, images=1)
        await db.write(
            attempts.end_attempt, key.account_id, attempts.AttemptEnd(ended, "", lambda _, health, __: health)
        )
        done = new_settlement(task, 700)
        for _ in range(2):
            answer = await db.write(
                settlement.complete_task, key.account_id, task.id, task.claim_no, done, render_webhook
            )
            assert answer == tasks.Done()
        again = new_settlement(task, 800)
        assert (
            await db.write(settlement.complete_task, key.account_id, task.id, task.claim_no, again, render_webhook)
            == tasks.LostLease()
        )
        account = await db.read(accounts.find_account, key.account_id)
        assert account is not None
        assert (account.posted, account.held) == (9300, 0)
        assert (await db.read(attempts.list_attempts, key.account_id, task.id))[0].outcome == AttemptOutcome.produced
        assert await db.snapshot(find_violations, 0) == []

    asyncio.run(scenario())


def test_mon_6_what_exceeds_the_hold_is_the_operators(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        key, task = await claim_new_task(db)
        done = new_settlement(task, charge=1000, price=1700)
        await db.write(settlement.complete_task, key.account_id, task.id, task.claim_no, done, render_webhook)
        account = await db.read(accounts.find_account, key.account_id)
        assert account is not None
        assert account.posted == 9000
        assert await db.read(sum_entries) == 0
        assert await db.snapshot(find_violations, 0) == []

    asyncio.run(scenario())


def test_mon_9_failing_releases_the_hold_in_the_same_commit(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        key, task = await claim_new_task(db)
        await db.write(attempts.begin_attempt, key.account_id, new_attempt(task), "one", ROUTE)
        assert (
            await db.write(settlement.fail_task, key.account_id, task.id, 1, ERROR, "cmt_1", render_webhook)
            == tasks.Done()
        )
        assert (
            await db.write(settlement.fail_task, key.account_id, task.id, 1, ERROR, "cmt_2", render_webhook)
            == tasks.LostLease()
        )
        account = await db.read(accounts.find_account, key.account_id)
        assert account is not None
        assert (account.posted, account.held) == (10_000, 0)
        assert (await load_task(db, task)).charge == 0
        assert await db.snapshot(find_violations, 0) == []

    asyncio.run(scenario())


def test_tsk_2_every_write_of_an_old_claim_is_refused(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        key, old = await claim_new_task(db, "dead")
        assert await db.write(claims.recover_lost_tasks, "alive", False, 3, 10, render_webhook) == [old.id]
        new = (await db.write(claim_tasks, key.account_id, "alive", LEASE_US, 1))[0]
        assert (new.claim_no, new.crashes) == (2, 1)
        account_id, number = key.account_id, old.claim_no
        refused = [
            await db.write(attempts.begin_attempt, account_id, new_attempt(old), "dead", ROUTE),
            await db.write(attempts.update_progress, account_id, old.id, number, 50),
            await db.write(claims.release_task, account_id, old.id, number),
            await db.write(settlement.fail_task, account_id, old.id, number, ERROR, "cmt_x", render_webhook),
            await db.write(
                settlement.complete_task, account_id, old.id, number, new_settlement(old, 5), render_webhook
            ),
        ]
        assert refused == [tasks.LostLease()] * 5
        assert await db.write(claims.renew_leases, "dead", [(old.id, number)], LEASE_US) == [old.id]
        assert await db.write(claims.renew_leases, "alive", [(old.id, 2)], LEASE_US) == []
        assert (await load_task(db, old)).state == TaskState.running
        assert await db.snapshot(find_violations, 0) == []

    asyncio.run(scenario())


def test_tsk_3_on_a_shared_engine_the_lease_decides(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        clock = FakeClock()
        db = open_database(clock)
        _, task = await claim_new_task(db, "one")
        assert await db.write(claims.recover_lost_tasks, "two", True, 3, 10, render_webhook) == []
        clock.now += LEASE_US
        assert await db.write(claims.recover_lost_tasks, "two", True, 3, 10, render_webhook) == [task.id]

    asyncio.run(scenario())


def test_tsk_4_a_task_that_kills_its_workers_is_ended(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        key, task = await claim_new_task(db, "boot0")
        for number in range(1, 4):
            await db.write(claims.recover_lost_tasks, f"boot{number}", False, 3, 10, render_webhook)
            assert (await load_task(db, task)).state == TaskState.queued
            await db.write(claim_tasks, key.account_id, f"boot{number}", LEASE_US, 1)
        await db.write(claims.recover_lost_tasks, "boot4", False, 3, 10, render_webhook)
        ended = await load_task(db, task)
        assert ended.state == TaskState.failed
        assert ended.error is not None
        assert ended.error.reason == "worker_crash_loop"
        assert await db.snapshot(find_violations, 0) == []

    asyncio.run(scenario())


def test_a_drained_task_is_no_crash(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        key, task = await claim_new_task(db)
        assert await db.write(claims.release_task, key.account_id, task.id, 1) == tasks.Done()
        back = await load_task(db, task)
        assert (back.state, back.crashes, back.claim_no) == (TaskState.queued, 0, 1)

    asyncio.run(scenario())


def test_progress_never_falls_and_never_reaches_100_before_the_end(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        key, task = await claim_new_task(db)
        for asked, shown in ((40, 40), (30, 40), (100, 99)):
            await db.write(attempts.update_progress, key.account_id, task.id, 1, asked)
            assert (await load_task(db, task)).progress == shown
        assert await db.snapshot(find_violations, 0) == []

    asyncio.run(scenario())


def test_two_workers_never_claim_the_same_task(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        databases = [open_database(), open_database()]
        account_id, key = await create_customer(databases[0], 10**6)
        for _ in range(40):
            await databases[0].write(tasks.submit_task, account_id, new_task(key), None, 100)
        taken = await asyncio.gather(
            *(databases[n % 2].write(claim_tasks, account_id, f"w{n}", LEASE_US, 3) for n in range(20))
        )
        names = [task.id for batch in taken for task in batch]
        assert len(names) == len(set(names)) == 40

    asyncio.run(scenario())


def test_accounts_with_work_are_only_those_that_have_some(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        key, task = await claim_new_task(db)
        await create_customer(db, 10, "idle")
        assert await db.read(list_accounts_with_work, "", 10) == [key.account_id]
        await db.write(settlement.fail_task, key.account_id, task.id, 1, ERROR, "cmt_1", render_webhook)
        assert await db.read(list_accounts_with_work, "", 10) == []

    asyncio.run(scenario())


def test_overdue_tasks_are_found_by_the_databases_clock(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        clock = FakeClock()
        db = open_database(clock)
        _, task = await claim_new_task(db)
        clock.now = task.deadline - 1
        assert await db.read(tasks.list_overdue_tasks, 10) == []
        clock.now = task.deadline
        assert [late.id for late in await db.read(tasks.list_overdue_tasks, 10)] == [task.id]

    asyncio.run(scenario())


def test_mon_11_a_grant_is_booked_once_per_ref_and_never_below_what_is_held(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        key, _ = await claim_new_task(db, posted=1500)
        for _ in range(2):
            assert await db.write(ledger.grant, key.account_id, 100, "grant:once", "test") == ledger.GrantPosted()
        taken = await db.write(ledger.grant, key.account_id, -601, "grant:back", "test")
        assert taken == ledger.GrantRefused()
        assert await db.write(ledger.grant, key.account_id, -600, "grant:back", "test") == ledger.GrantPosted()
        account = await db.read(accounts.find_account, key.account_id)
        assert account is not None
        assert account.available == 0
        assert await db.snapshot(find_violations, 0) == []

    asyncio.run(scenario())


def first_call(task: Task) -> claims.FirstCall:
    return claims.FirstCall(new_attempt(task), ROUTE, "")


def test_tsk_5_a_claim_marks_the_first_call_and_tells_of_both_in_one_step(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        account_id, key = await create_customer(db, 10_000)
        new = new_task(key)
        await db.write(tasks.submit_task, account_id, new, None, 100)
        planned: list[Task] = []

        def plan(_: Tx, task: Task) -> claims.FirstCall:
            planned.append(task)
            return first_call(task)

        [claimed] = await db.write(claims.claim_due_tasks, account_id, "one", LEASE_US, 9, plan, [])
        assert (planned[-1].claim_no, planned[-1].state, claimed.task) == (1, TaskState.running, planned[-1])
        stored = await load_task(db, claimed.task)
        assert (stored.status, stored.claim_no, stored.owner, stored.is_buying) == ("processing", 1, "one", True)
        [attempt] = await db.read(attempts.list_attempts, account_id, new.id)
        assert attempt == claimed.attempt
        steps = await db.read(lambda tx: tx.fetch_all("SELECT state, sent FROM task_steps ORDER BY seq"))
        assert steps == [{"state": "queued", "sent": 0}, {"state": "running", "sent": 1}]

    asyncio.run(scenario())


def test_tsk_8_tasks_without_a_place_stay_in_the_queue_and_hold_up_no_other_model(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        account_id, key = await create_customer(db, 10**6)
        for model in ["full"] * 40 + ["free"] * 3:
            new = new_task(key)
            order = msgspec.structs.replace(new.order, model=model)
            await db.write(tasks.submit_task, account_id, msgspec.structs.replace(new, order=order), None, 100)

        def plan(_: Tx, task: Task) -> claims.FirstCall | claims.NoPlace:
            return claims.NoPlace() if task.order.model == "full" else first_call(task)

        claimed = await db.write(claims.claim_due_tasks, account_id, "one", LEASE_US, 2, plan, [])
        assert [one.task.order.model for one in claimed] == ["free", "free"]
        waiting = await db.read(lambda tx: tx.fetch_int("SELECT COUNT(*) FROM tasks WHERE state = 'queued'"))
        assert waiting == 41

    asyncio.run(scenario())


def test_mon_6_a_claim_whose_commit_was_lost_on_the_way_back_is_told_again(open_database: OpenDatabase) -> None:
    """Its calls are marked as sending: a worker that never heard of them could not make them."""

    async def scenario() -> None:
        db = open_database()
        account_id, key = await create_customer(db, 10_000)
        for _ in range(3):
            await db.write(tasks.submit_task, account_id, new_task(key), None, 100)
        tried: list[claims.Claimed] = []

        def claim(tx: Tx) -> list[claims.Claimed]:
            return claims.claim_due_tasks(tx, account_id, "one", LEASE_US, 2, lambda _, task: first_call(task), tried)

        def claim_again(tx: Tx) -> list[claims.Claimed]:
            tx.is_retry = True
            return claim(tx)

        claimed = await db.write(claim)
        assert await db.write(claim_again) == claimed
        await db.write(claims.release_task, account_id, claimed[0].task.id, 1)
        assert [one.task for one in await db.write(claim_again)] == [claimed[1].task]

    asyncio.run(scenario())


def spooled_task(number: int, outcome: str) -> Callable[[Tx, str, Task], None]:
    def write(tx: Tx, account_id: str, task: Task) -> None:
        attempt = msgspec.structs.replace(new_attempt(task), id=f"att_{number}_{task.id}", spool="fld_mine")
        attempts.add_attempt(tx, account_id, attempt, "dead")
        if outcome == "spooled":
            attempts.mark_spooled(tx, account_id, attempt.id)
        elif outcome == "produced":
            tx.execute("UPDATE attempts SET outcome = 'produced' WHERE id = :id", {"id": attempt.id})

    return write


@pytest.mark.parametrize("how", ["lost", "released"])
def test_what_was_bought_waits_for_the_spool_that_has_it_and_then_goes_on_anywhere(
    open_database: OpenDatabase, how: str
) -> None:
    async def scenario(db: Database, clock: FakeClock) -> None:
        account_id, key = await create_customer(db, 10_000)

        async def claim(spool: str) -> list[str]:
            return [one.id for one in await db.write(claim_tasks, account_id, "alive", LEASE_US, 9, spool)]

        waiting = {}
        for number, outcome in enumerate(("sending", "spooled", "produced")):
            await db.write(tasks.submit_task, account_id, new := new_task(key), None, 10)
            [task] = await db.write(claim_tasks, account_id, "dead", LEASE_US, 1)
            await db.write(spooled_task(number, outcome), account_id, task)
            waiting[outcome] = new.id
        if how == "released":
            for task_id in waiting.values():
                await db.write(claims.release_task, account_id, task_id, 1, 0, None, None, WAIT_US)
        else:
            clock.now += LEASE_US + 5
            await db.write(claims.recover_lost_tasks, "alive", True, 3, 10, render_webhook, WAIT_US - 5)
        assert await claim("fld_other") == [waiting["sending"]], "nobody has what it may have bought"
        assert await claim("fld_mine") == [waiting["spooled"], waiting["produced"]]
        clock.now += LEASE_US
        await db.write(claims.recover_lost_tasks, "alive", True, 3, 10, render_webhook, WAIT_US)
        clock.now += WAIT_US - 1
        assert await claim("fld_other") == [waiting["sending"]]
        clock.now += 1
        assert await claim("fld_other") == [waiting["spooled"], waiting["produced"]]
        left = await db.read(lambda tx: tx.fetch_all("SELECT id FROM attempts WHERE spool IS NOT NULL OR spooled = 1"))
        assert [row["id"] for row in left] == [f"att_0_{waiting['sending']}"], "nobody waits for the others any more"

    clock = FakeClock()
    db = open_database(clock)
    asyncio.run(scenario(db, clock))


def explain_backlog(db: Database, run: Callable[[Tx, str], None]) -> str:
    """The plans of what reads a backlog that came after PostgreSQL has looked at the table."""
    steps: list[str] = []

    def explain(tx: Tx, account_id: str) -> None:
        note_plans(tx, "EXPLAIN" if db.engine.shared else "EXPLAIN QUERY PLAN", steps)
        run(tx, account_id)

    async def scenario() -> None:
        account_id, key = await create_customer(db, 10**6)
        if db.engine.shared:
            await db.write(lambda tx, _: tx.execute_nowait("ANALYZE tasks"), "")
        for _ in range(200):
            await db.write(tasks.submit_task, account_id, new_task(key), None, 1000)
        await db.write(explain, account_id)

    asyncio.run(scenario())
    return "\n".join(steps)


def test_a_claim_reads_its_part_of_a_backlog_that_the_planner_does_not_know(open_database: OpenDatabase) -> None:
    def claim(tx: Tx, account_id: str) -> None:
        [row] = claims._select_due(tx, account_id, 1, set(), "")
        claims._select_due(tx, account_id, 1, {"another"}, "")
        claims._is_claimed(tx, tasks.task_from_row(row))

    db = open_database()
    plan = explain_backlog(db, claim)
    assert plan.count("tasks_claimable" if db.engine.shared else "tasks_due") == 2, plan
    assert ("tasks_pkey" if db.engine.shared else "sqlite_autoindex_tasks_1") in plan, "an id"
    others = {f"tasks_{name}" for name in ("deadline", "of_key", "unfinished", "waiting")}
    assert not [name for name in others if name in plan], plan


def test_a_list_reads_its_page_of_a_backlog_that_the_planner_does_not_know(open_database: OpenDatabase) -> None:
    def list_pending(tx: Tx, account_id: str) -> None:
        list_tasks_before(tx, TaskFilter(account_id=account_id, status="pending"), None, 20)

    plan = explain_backlog(open_database(), list_pending)
    assert "tasks_unfinished" in plan
    assert not [name for name in ("tasks_deadline", "tasks_of_key") if name in plan], plan
