"""A clock that is set while tasks are in flight: none of them is overdue for it, and none waits for it."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from imagegate.domain.tasks import Task
from imagegate.domain.time import US_PER_HOUR, US_PER_SECOND, ClockStep, ClockWatch
from imagegate.store import claims, clock_steps, tasks
from imagegate.store.database import Database
from tests.conftest import OpenDatabase
from tests.store.helpers import LEASE_US, FakeClock, create_customer, new_task

STEPS = {"an hour on": US_PER_HOUR, "ten years on": 10 * 365 * 24 * US_PER_HOUR, "two hours back": -2 * US_PER_HOUR}


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
        [running] = await db.write(claims.claim_due_tasks, account, "worker", LEASE_US, 1)
        expected = clock.now + US_PER_SECOND
        clock.now = expected + size
        step = ClockStep(expected, clock.now)
        await db.write(clock_steps.follow_step, step, US_PER_HOUR)
        await db.write(clock_steps.follow_step, step, US_PER_HOUR)  # by another process

        assert await db.read(tasks.list_overdue_tasks, 10) == []
        for task in made:
            found = await row(db, task)
            if size > 0:
                assert found.deadline - clock.now == US_PER_HOUR - US_PER_SECOND, "what was left is left"
            assert found.deadline - clock.now <= US_PER_HOUR
        claimed = await db.write(claims.claim_due_tasks, account, "worker", LEASE_US, 1)
        assert {running.id, *(task.id for task in claimed)} == {task.id for task in made}, "nobody waits for the clock"

        late = msgspec.structs.replace(made[0], id="task-unified-1-aaaaaaaa", created=clock.now)
        late = msgspec.structs.replace(late, deadline=clock.now + US_PER_HOUR)
        await db.write(tasks.submit_task, account, late, None, 100)
        await db.write(clock_steps.follow_step, step, US_PER_HOUR)
        if size > 0:
            assert (await row(db, late)).deadline == late.deadline, "made after the step: nothing to move"

    asyncio.run(work())


async def row(db: Database, task: Task) -> Task:
    found = await db.read(tasks.find_task, task.account_id, task.id)
    assert found is not None
    return found
