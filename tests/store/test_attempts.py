"""Work of unknown outcome is bought once more per task at most, and within the budget of the day."""

from __future__ import annotations

import asyncio
import queue
from typing import Any

import msgspec

from imagegate.counters import DatabaseCounters
from imagegate.domain.money import Nanos
from imagegate.domain.tasks import Attempt, AttemptOutcome, Task
from imagegate.routing.circuit_breaker import Health
from imagegate.store import attempts, settlement, tasks
from imagegate.store.database import Database, create_engine
from imagegate.store.dialect import LOCK_ROWS, Connection, Row
from imagegate.store.invariants import find_violations
from imagegate.store.postgres import PostgresEngine
from imagegate.store.route_health import load_health
from imagegate.store.writer import ACCOUNT_RANK, SUBMIT_RANK, QueuedCommand, Writer
from tests.conftest import OpenDatabase
from tests.store.helpers import (
    LEASE_US,
    ROUTE,
    claim_tasks,
    create_customer,
    deadlocks,
    new_attempt,
    new_settlement,
    new_task,
    render_webhook,
)

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


def test_processes_that_settle_claim_and_submit_never_wait_in_a_circle(postgres_url: str) -> None:
    """The rows of upstreams and of accounts meet in every batch, in whatever order it came. A circle of locks would be
    broken, a second later."""

    async def scenario() -> None:
        databases = [Database(create_engine(postgres_url), batch=8) for _ in range(2)]
        customers = [await create_customer(databases[0], 10**6, f"customer {number}") for number in range(4)]
        routes = [msgspec.structs.replace(ROUTE, name=f"route {n}", upstream=f"upstream {n % 2}") for n in range(4)]

        async def finish_one(number: int) -> None:
            db, (account_id, key) = databases[number % 2], customers[number // 2 % 4]
            await db.write(tasks.submit_task, account_id, new_task(key), None, 1_000)
            claimed: list[Task] = []
            while not claimed:  # what the other process has locked at this moment is passed over
                claimed = await db.write(claim_tasks, account_id, "one", LEASE_US, 1)
            for task in claimed:
                route = routes[number % 4]
                attempt = msgspec.structs.replace(new_attempt(task), route=route.name, upstream=route.upstream)
                assert await db.write(attempts.begin_attempt, account_id, attempt, "one", route) == tasks.Done()
                ended = msgspec.structs.replace(attempt, outcome=AttemptOutcome.produced, images=1, cost=COST)
                end = attempts.AttemptEnd(ended, f"cmt_{attempt.id}", count_health)
                done = new_settlement(task, 700)
                settled = await db.write(
                    settlement.settle_task, account_id, task.id, task.claim_no, done, end, render_webhook
                )
                assert settled.task == tasks.Done()

        async def finish_many(first: int) -> None:
            for number in range(6):
                await finish_one(first + number)

        for number in range(4):  # the first call of each route inserts its rows
            await finish_one(number)
        chains = []
        for first in range(40):
            chains.append(asyncio.create_task(finish_many(first)))
            await asyncio.sleep(0.005)  # else all of them do the same at the same time
        await asyncio.gather(*chains)
        health = await databases[0].read(load_health)
        assert sum(one.anomalies for scope, one in health.items() if scope.startswith("upstream")) == 244
        assert await databases[0].snapshot(find_violations, 10**15) == []
        for database in databases:
            database.close()

    asyncio.run(scenario())
    assert deadlocks(postgres_url) == 0


def count_health(_: str, health: Health, __: int) -> Health:
    return msgspec.structs.replace(health, anomalies=health.anomalies + 1)


class RecordingEngine(PostgresEngine):
    """Remembers the statements that wait for rows, in their order."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.locking: list[str] = []

    def connect(self, *, readonly: bool) -> Connection:
        connection = super().connect(readonly=readonly)
        run = connection.execute

        def execute(sql: str, params: dict[str, Any]) -> tuple[int, list[Row]]:
            if LOCK_ROWS in sql or sql.lstrip().startswith("UPDATE"):
                self.locking.append(sql)
            return run(sql, params)

        connection.execute = execute  # type: ignore[method-assign]
        return connection


def test_a_batch_locks_the_health_of_routes_before_any_account(postgres_url: str) -> None:
    """Whatever came first: another process may have the one, and want the other."""

    async def scenario() -> None:
        db = Database(create_engine(postgres_url))
        account_id, key = await create_customer(db, 10**6)
        await db.write(tasks.submit_task, account_id, new_task(key), None, 100)
        [task] = await db.write(claim_tasks, account_id, "one", LEASE_US, 1)
        attempt = msgspec.structs.replace(new_attempt(task), upstream="embedded")
        assert await db.write(attempts.begin_attempt, account_id, attempt, "one", ROUTE) == tasks.Done()
        ended = msgspec.structs.replace(attempt, outcome=AttemptOutcome.produced, images=1)
        end = attempts.AttemptEnd(ended, "cmt_end", count_health)
        settle = (account_id, task.id, task.claim_no, new_settlement(task, 700), end, render_webhook)
        commands = [
            QueuedCommand(tasks.submit_task, (account_id, new_task(key), None, 100), (SUBMIT_RANK, account_id)),
            QueuedCommand(settlement.settle_task, settle, (ACCOUNT_RANK, account_id)),
        ]
        inbox: queue.SimpleQueue[QueuedCommand | None] = queue.SimpleQueue()
        for command in (*commands, None):
            inbox.put(command)
        engine = RecordingEngine(postgres_url)
        writer = Writer(engine, inbox, 8, DatabaseCounters())
        writer.start()
        await asyncio.gather(*(command.future for command in commands))
        writer.join()
        health = [number for number, sql in enumerate(engine.locking) if "FROM route_health" in sql]
        accounts = [number for number, sql in enumerate(engine.locking) if "accounts" in sql or "api_keys" in sql]
        assert health[-1] < accounts[0], engine.locking
        db.close()

    asyncio.run(scenario())
