"""What a route brought and cost, over tasks that one route made, that two shared, and that were given back."""

from __future__ import annotations

import asyncio

import msgspec

from imagegate.domain.accounts import Key
from imagegate.domain.tasks import Outcome
from imagegate.routing.circuit_breaker import Health
from imagegate.store import attempts, claims, refunds, settlement, tasks
from imagegate.store.attempts import Ended
from imagegate.store.database import Database
from imagegate.store.queries.route_stats import Spend, spend_by_route
from imagegate.store.route_health import Gate
from tests.conftest import OpenDatabase
from tests.store.rows import LEASE_US, body_of, customer, new_attempt, new_refund, new_settlement, new_task


def test_a_shared_task_brings_each_route_its_part_and_a_refunded_one_nothing(open_database: OpenDatabase) -> None:
    db = open_database(lambda: 1_000_000_000)

    async def story() -> None:
        account_id, key = await customer(db, 10**9)
        await _make(db, key, 900, ("a", Outcome.produced, 2, 500), ("b", Outcome.produced, 1, 100))
        await _make(db, key, 50, ("a", Outcome.unknown, 0, 30), ("b", Outcome.produced, 1, 60))
        given_back = await _make(db, key, 70, ("a", Outcome.produced, 1, 10))
        await db.write(refunds.refund_task, account_id, new_refund(given_back))
        told = {one.route: one for one in await db.read(spend_by_route, 0)}
        common = {"calls": 3, "unknown": 1, "duplicates": 0}
        assert told["a"] == Spend(route="a", images=3, cost=540, brought=600, produced=2, **common)
        assert told["b"] == Spend(
            route="b", images=2, cost=160, brought=350, produced=2, **common | {"calls": 2, "unknown": 0}
        )
        assert await db.read(spend_by_route, 1_000_000_001) == []

    asyncio.run(story())


async def _make(db: Database, key: Key, charge: int, *calls: tuple[str, Outcome, int, int]) -> str:
    """A settled task of these calls: route, outcome, pictures, cost."""
    await db.write(tasks.submit_task, key.account_id, new_task(key), None, 1000)
    (task,) = await db.write(claims.claim_due, key.account_id, "test", LEASE_US, 1)
    for route, outcome, images, cost in calls:
        attempt = msgspec.structs.replace(new_attempt(task), route=route)
        await db.write(attempts.begin_attempt, key.account_id, attempt, "test", Gate(route=route, upstream="up"))
        ended = Ended(attempt_id=attempt.id, route=route, upstream="up", outcome=outcome, images=images, cost=cost)
        await db.write(attempts.end_attempt, key.account_id, ended, _unmoved)
    await db.write(
        settlement.complete_task, key.account_id, task.id, task.claim_no, new_settlement(task, charge), body_of
    )
    return task.id


def _unmoved(_: str, health: Health, __: int) -> Health:
    return health
