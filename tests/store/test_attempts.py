"""Work of unknown outcome is bought once more per task at most, and within the budget of the day."""

from __future__ import annotations

import asyncio

import msgspec

from imagegate.domain.money import Nanos
from imagegate.domain.tasks import Attempt, AttemptOutcome
from imagegate.routing.circuit_breaker import Health
from imagegate.store import attempts, tasks
from imagegate.store.database import Database
from imagegate.store.invariants import find_violations
from tests.conftest import OpenDatabase
from tests.store.helpers import LEASE_US, ROUTE, claim_tasks, create_customer, new_attempt, new_task

COST = 100


def keep_health(_: str, health: Health, __: int) -> Health:
    return health


async def end_unknown(db: Database, attempt: Attempt) -> None:
    """An attempt that was sent, whose outcome nobody knows."""
    assert await db.write(attempts.begin_attempt, attempt.account_id, attempt, "one", ROUTE) == tasks.Done()
    ended = msgspec.structs.replace(attempt, upstream="embedded", outcome=AttemptOutcome.unknown, cost=COST)
    answer = await db.write(
        attempts.end_attempt, attempt.account_id, attempts.AttemptEnd(ended, f"cmt_{attempt.id}", keep_health)
    )
    assert answer == attempts.AttemptEnded(ended_break=False)


def test_tasks_that_ask_at_once_share_the_budget_of_the_day(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        databases = [open_database() for _ in range(2)]
        db = databases[0]
        account_id, key = await create_customer(db, 10**6)
        for _ in range(12):
            await db.write(tasks.submit_task, account_id, new_task(key), None, 100)
        claimed = await db.write(claim_tasks, account_id, "one", LEASE_US, 12)
        unknown = [new_attempt(task) for task in claimed]
        for attempt in unknown:
            await end_unknown(db, attempt)

        async def permit(number: int, attempt: Attempt, budget: int) -> bool:
            command = attempts.permit_repeat
            return await databases[number % 2].write(command, account_id, attempt.id, Nanos(budget), 0)

        permitted = await asyncio.gather(*(permit(number, one, 5 * COST) for number, one in enumerate(unknown)))
        assert sum(permitted) == 5
        again = await asyncio.gather(*(permit(number, one, 5 * COST) for number, one in enumerate(unknown)))
        assert again == permitted, "asking again takes nothing more from the budget"

        task = claimed[permitted.index(True)]
        second = msgspec.structs.replace(new_attempt(task), started=1)
        await end_unknown(db, second)
        assert not await permit(0, second, 10**6), "the task has been bought once more already"
        assert await db.snapshot(find_violations, 10**15) == []

    asyncio.run(scenario())
