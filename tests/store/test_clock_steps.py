"""A clock that is set while tasks are in flight: none of them is overdue for it, and none waits for it."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from imagegate.domain.tasks import Task
from imagegate.domain.time import US_PER_DAY, US_PER_HOUR, US_PER_SECOND, ClockStep, ClockWatch
from imagegate.domain.webhooks import DeliveryResult
from imagegate.store import claims, clock_steps, deliveries, sessions, tasks
from imagegate.store.database import Database
from imagegate.store.transaction import Tx
from tests.conftest import OpenDatabase
from tests.store.helpers import LEASE_US, FakeClock, claim_tasks, create_customer, new_task

STEPS = {
    "an hour on": US_PER_HOUR,
    "30 days on": 30 * US_PER_DAY,
    "ten years on": 3650 * US_PER_DAY,
    "two hours back": -2 * US_PER_HOUR,
    "400 days back": -400 * US_PER_DAY,
}
BACK = [how for how, size in STEPS.items() if size < 0]
HOST = "receiver.test"
HORIZONS = clock_steps.Horizons(
    deadline_us=US_PER_HOUR,
    lease_us=LEASE_US,
    requeue_us=60 * US_PER_SECOND,
    retry_us=4 * US_PER_SECOND,
    webhook_lease_us=40 * US_PER_SECOND,
    spool_wait_us=US_PER_HOUR,
)


def test_a_step_is_told_from_time_that_passes() -> None:
    watch = ClockWatch()
    assert watch.find_step(1_000_000_000, 5) is None, "nothing to compare with"
    assert watch.find_step(1_060_000_000, 60_000_005) is None
    step = watch.find_step(1_060_000_000 + US_PER_HOUR + US_PER_SECOND, 61_000_005)
    assert step == ClockStep(1_061_000_000, 1_061_000_000 + US_PER_HOUR)
    assert step.size == US_PER_HOUR
    assert watch.find_step(1_061_000_000 + US_PER_HOUR, 61_000_005) is None, "found once"
    back = watch.find_step(1_061_000_000, 61_000_005)
    assert back is not None
    assert back.size == -US_PER_HOUR


@pytest.mark.parametrize("how", STEPS)
def test_deadlines_run_on_elapsed_time(open_database: OpenDatabase, how: str) -> None:
    clock, size = FakeClock(), STEPS[how]
    db = open_database(clock)

    async def work() -> None:
        account, key = await create_customer(db, 10_000_000)
        made = [
            msgspec.structs.replace(new_task(key), created=clock.now, deadline=clock.now + US_PER_HOUR)
            for _ in range(2)
        ]
        for task in made:
            await db.write(tasks.submit_task, account, task, None, 100)
        [running] = await db.write(claim_tasks, account, "worker", LEASE_US, 1)
        expected = clock.now + US_PER_SECOND
        clock.now = expected + size
        step = ClockStep(expected, clock.now)
        await db.write(clock_steps.follow_step, step, HORIZONS)
        await db.write(clock_steps.follow_step, step, HORIZONS)  # by another process

        assert await db.read(tasks.list_overdue_tasks, 10) == []
        for task in made:
            found = await row(db, task)
            if size > 0:
                assert found.deadline - clock.now == US_PER_HOUR - US_PER_SECOND, "what was left is left"
            assert found.deadline - clock.now <= US_PER_HOUR
        claimed = await db.write(claim_tasks, account, "worker", LEASE_US, 1)
        assert {running.id, *(task.id for task in claimed)} == {task.id for task in made}, "nobody waits for the clock"

        late = msgspec.structs.replace(made[0], id="task-unified-1-aaaaaaaa", created=clock.now)
        late = msgspec.structs.replace(late, deadline=clock.now + US_PER_HOUR)
        await db.write(tasks.submit_task, account, late, None, 100)
        await db.write(clock_steps.follow_step, step, HORIZONS)
        if size > 0:
            assert (await row(db, late)).deadline == late.deadline, "made after the step: nothing to move"

    asyncio.run(work())


async def row(db: Database, task: Task) -> Task:
    found = await db.read(tasks.find_task, task.account_id, task.id)
    assert found is not None
    return found


@pytest.mark.parametrize("how", STEPS)
def test_patience_runs_on_elapsed_time(open_database: OpenDatabase, how: str) -> None:
    clock, size = FakeClock(), STEPS[how]
    db = open_database(clock)

    async def work() -> None:
        account, key = await create_customer(db, 10_000_000)
        task = msgspec.structs.replace(new_task(key), created=clock.now, deadline=clock.now + US_PER_HOUR)
        await db.write(tasks.submit_task, account, task, None, 100)
        [claimed] = await db.write(claim_tasks, account, "worker", LEASE_US, 1)
        due, since = clock.now + 30 * US_PER_SECOND, clock.now
        await db.write(claims.release_task, account, task.id, claimed.claim_no, due, since, "unavailable")
        expected = clock.now + US_PER_SECOND
        clock.now = expected + size
        await db.write(clock_steps.follow_step, ClockStep(expected, clock.now), HORIZONS)
        found = await row(db, task)
        assert found.waiting_since is not None
        assert 0 <= clock.now - found.waiting_since <= US_PER_SECOND
        [again] = await db.write(claim_tasks, account, "worker", LEASE_US, 1)
        assert again.id == task.id

    asyncio.run(work())


@pytest.mark.parametrize("how", STEPS)
def test_webhooks_run_on_elapsed_time(open_database: OpenDatabase, how: str) -> None:
    clock, size = FakeClock(), STEPS[how]
    db = open_database(clock)

    async def work() -> None:
        account, _ = await create_customer(db, 0)
        for name in ("sent", "failed"):
            await db.write(add, account, name)
        claimed = await db.write(deliveries.claim_deliveries, HOST, "us", 40 * US_PER_SECOND, 2)
        failed = next(one.delivery for one in claimed if one.delivery.id == "failed")
        result = DeliveryResult(duration_ms=1, status=500)
        await db.write(deliveries.end_attempt, account, "failed", failed.number, result, (4 * US_PER_SECOND,))
        expected = clock.now + US_PER_SECOND
        clock.now = expected + size
        await db.write(clock_steps.follow_step, ClockStep(expected, clock.now), HORIZONS)
        lost = await db.write(deliveries.recover_lost_attempts, "us", db.engine.shared, (US_PER_SECOND,), 10)
        assert lost == 0, "the request under way keeps its lease"
        assert await db.read(deliveries.list_due_hosts, "", 10) == [HOST], "the retry waits for no clock"
        clock.now += 41 * US_PER_SECOND
        lost = await db.write(deliveries.recover_lost_attempts, "us", db.engine.shared, (US_PER_SECOND,), 10)
        assert lost == 1, "and its lease still ends"

    asyncio.run(work())


@pytest.mark.parametrize("how", BACK)
def test_what_was_put_off_before_nobody_saw_the_step_is_pulled_in(open_database: OpenDatabase, how: str) -> None:
    """The clock was set while no process ran: the first sweep of the next one finds it out by itself."""
    clock, size = FakeClock(), STEPS[how]
    db = open_database(clock)

    async def work() -> None:
        account, key = await create_customer(db, 10_000_000)
        made = [
            msgspec.structs.replace(new_task(key), created=clock.now, deadline=clock.now + US_PER_HOUR)
            for _ in range(2)
        ]
        for task in made:
            await db.write(tasks.submit_task, account, task, None, 100)
        running, waiting = await db.write(claim_tasks, account, "dead", LEASE_US, 2)
        due = clock.now + 30 * US_PER_SECOND
        await db.write(claims.release_task, account, waiting.id, waiting.claim_no, due, clock.now, "unavailable")
        await db.write(add, account, "failed")
        [claimed] = await db.write(deliveries.claim_deliveries, HOST, "us", 40 * US_PER_SECOND, 1)
        result = DeliveryResult(duration_ms=1, status=500)
        await db.write(deliveries.end_attempt, account, "failed", claimed.delivery.number, result, (4_000_000,))
        clock.now += size
        await db.write(clock_steps.pull_in, HORIZONS)
        assert await db.read(deliveries.list_due_hosts, "", 10) == [HOST]
        claimed_again = await db.write(claim_tasks, account, "worker", LEASE_US, 5)
        assert [task.id for task in claimed_again] == [waiting.id]
        clock.now += LEASE_US + 1
        lost = await db.write(claims.recover_lost_tasks, "worker", True, 3, 10, lambda task: b"")
        assert running.id in lost, "the lease of the dead one ends"
        for task in made:
            assert (await row(db, task)).deadline - clock.now <= US_PER_HOUR

    asyncio.run(work())


def add(tx: Tx, account_id: str, delivery_id: str) -> None:
    deliveries.add_delivery(tx, account_id, delivery_id, None, f"https://{HOST}/hook", b"{}", f"cmt_{delivery_id}")


@pytest.mark.parametrize("how", BACK)
def test_sessions_end_where_the_clock_would_prolong_them(open_database: OpenDatabase, how: str) -> None:
    clock, size = FakeClock(), STEPS[how]
    db = open_database(clock)

    async def work() -> None:
        account, key = await create_customer(db, 0)
        await db.write(sessions.open_session, account, key.id, "digest", "")
        assert await db.read(sessions.find_session_key, account, key.id, "digest")
        clock.now += size
        assert await db.read(sessions.find_session_key, account, key.id, "digest") is None

    asyncio.run(work())
