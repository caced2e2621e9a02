"""What a route earned and cost, over tasks of one route, of two, and refunded ones."""

from __future__ import annotations

import asyncio

import msgspec

from imagegate.domain.accounts import ApiKey
from imagegate.domain.tasks import AttemptOutcome
from imagegate.routing.circuit_breaker import Health
from imagegate.store import attempts, refunds, settlement, tasks
from imagegate.store.database import Database
from imagegate.store.queries.route_stats import RouteSpend, sum_spend_by_route
from tests.conftest import OpenDatabase
from tests.store.helpers import (
    LEASE_US,
    ROUTE,
    claim_tasks,
    create_customer,
    new_attempt,
    new_refund,
    new_settlement,
    new_task,
    render_webhook,
)


def test_a_shared_task_brings_each_route_its_part_and_a_refunded_one_nothing(open_database: OpenDatabase) -> None:
    db = open_database(lambda: 1_000_000_000)

    async def scenario() -> None:
        account_id, key = await create_customer(db, 10**9)
        await make_task(db, key, 900, ("a", AttemptOutcome.produced, 2, 500), ("b", AttemptOutcome.produced, 1, 100))
        await make_task(db, key, 50, ("a", AttemptOutcome.unknown, 0, 30), ("b", AttemptOutcome.produced, 1, 60))
        given_back = await make_task(db, key, 70, ("a", AttemptOutcome.produced, 1, 10))
        await db.write(refunds.refund_task, account_id, new_refund(given_back))
        spend = {one.route: one for one in await db.read(sum_spend_by_route, 0)}
        common = {"calls": 3, "unknown": 1, "duplicates": 0}
        assert spend["a"] == RouteSpend(route="a", images=3, cost=540, revenue=600, produced=2, **common)
        assert spend["b"] == RouteSpend(
            route="b", images=2, cost=160, revenue=350, produced=2, **common | {"calls": 2, "unknown": 0}
        )
        assert await db.read(sum_spend_by_route, 1_000_000_001) == []

    asyncio.run(scenario())


async def make_task(db: Database, key: ApiKey, charge: int, *calls: tuple[str, AttemptOutcome, int, int]) -> str:
    """Settle a task of these calls: route, outcome, images, cost."""
    await db.write(tasks.submit_task, key.account_id, new_task(key), None, 1000)
    (task,) = await db.write(claim_tasks, key.account_id, "test", LEASE_US, 1)
    for route, outcome, images, cost in calls:
        attempt = msgspec.structs.replace(new_attempt(task), route=route, upstream="up")
        called = msgspec.structs.replace(ROUTE, name=route, upstream="up")
        await db.write(attempts.begin_attempt, key.account_id, attempt, "test", called)
        ended = msgspec.structs.replace(attempt, outcome=outcome, images=images, cost=cost)
        await db.write(attempts.end_attempt, key.account_id, attempts.AttemptEnd(ended, "", _unmoved))
    await db.write(
        settlement.complete_task, key.account_id, task.id, task.claim_no, new_settlement(task, charge), render_webhook
    )
    return task.id


def _unmoved(_: str, health: Health, __: int) -> Health:
    return health
