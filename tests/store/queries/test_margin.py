"""What was earned and spent: by model, by route, by day and in all, each list with the same sum as the ledger."""

from __future__ import annotations

import asyncio

from imagegate.domain.tasks import AttemptOutcome
from imagegate.domain.time import US_PER_DAY
from imagegate.store import refunds
from imagegate.store.queries.margin import MarginSum, sum_margin, sum_margin_by_day
from imagegate.store.queries.overview import load_overview
from imagegate.store.queries.stats import load_stats
from tests.conftest import OpenDatabase
from tests.store.helpers import create_customer, new_refund
from tests.store.queries.test_route_stats import make_task

DAY = 20_000
PRODUCED, UNKNOWN = AttemptOutcome.produced, AttemptOutcome.unknown


def test_both_lists_sum_to_the_ledger_and_no_nano_is_lost(open_database: OpenDatabase) -> None:
    now = [DAY * US_PER_DAY]
    db = open_database(lambda: now[0])

    async def scenario() -> None:
        account_id, key = await create_customer(db, 10**9)
        await make_task(db, key, 1000, ("a", PRODUCED, 2, 500), ("b", PRODUCED, 1, 100))  # thirds of 1000
        await make_task(db, key, 50, ("a", UNKNOWN, 0, 30), ("b", PRODUCED, 1, 60))
        given_back = await make_task(db, key, 70, ("a", PRODUCED, 1, 10))
        now[0] += US_PER_DAY - 1
        stats = await db.read(load_stats)
        found = await db.read(sum_margin, DAY, DAY)
        assert found.total == MarginSum(revenue=1120, cost=670, waste=30)
        assert found.total.margin == stats.today.margin, "as the metrics of the day say"
        assert found.models == [MarginSum(name="gpt-image-2", revenue=1120, cost=670, waste=30)]
        assert [(one.name, one.cost, one.waste) for one in found.routes] == [("a", 510, 30), ("b", 160, 0)]
        assert sum(one.revenue for one in found.routes) == 1120
        now[0] += 1
        await db.write(refunds.refund_task, account_id, new_refund(given_back))
        after = await db.read(sum_margin, DAY + 1, DAY + 1)
        assert after.total == MarginSum(refunds=70), "a refund counts on its own day"
        assert [(one.name, one.refunds) for one in after.routes] == [("a", 70)]
        assert (await db.read(sum_margin, DAY, DAY + 1)).total.margin == 1120 - 70 - 670 - 30
        assert (await db.read(sum_margin, DAY - 5, DAY - 1)).models == []
        days = await db.read(sum_margin_by_day, DAY - 1, DAY + 1)
        assert days == {DAY: MarginSum(revenue=1120, cost=670, waste=30), DAY + 1: MarginSum(refunds=70)}
        overview = await db.read(load_overview, DAY - 1, DAY + 1)
        assert [(one.day, one.margin, one.completed, one.failed) for one in overview.days] == [
            (DAY, days[DAY], 3, 0),
            (DAY + 1, days[DAY + 1], 0, 0),
        ]
        await db.write(lambda tx: tx.execute("DELETE FROM attempts"))  # as with tasks that are purged
        late = await db.read(sum_margin, DAY, DAY)
        assert late.total == found.total, "the ledger outlives the tasks"
        assert late.routes == [MarginSum(revenue=1120, cost=670, waste=30)]

    asyncio.run(scenario())
