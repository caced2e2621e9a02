"""A ledger with a month that can be archived: bookings as the program makes them, with a clock of the past."""

from __future__ import annotations

import msgspec

from imagegate.domain.accounts import ApiKey, EntryKind
from imagegate.domain.months import Month
from imagegate.domain.time import US_PER_DAY, US_PER_HOUR
from imagegate.store import ledger, refunds, settlement, tasks
from imagegate.store.database import Database
from imagegate.store.transaction import Tx
from tests.store.helpers import (
    LEASE_US,
    FakeClock,
    claim_tasks,
    close_days,
    create_customer,
    new_refund,
    new_settlement,
    new_task,
    purge_old_tasks,
    render_webhook,
)

MARCH, APRIL = Month(2026, 3), Month(2026, 4)
BOOKINGS = 12  # of each customer in March, two lines each; every second task cost something, every third more


async def run_task(db: Database, clock: FakeClock, key: ApiKey, charge: int, price: int) -> str:
    """A task from its create to its settlement, with what its call cost."""
    new = new_task(key)
    new = msgspec.structs.replace(new, created=clock.now, deadline=clock.now + US_PER_HOUR)
    await db.write(tasks.submit_task, key.account_id, new, None, 100)
    [task] = await db.write(claim_tasks, key.account_id, "one", LEASE_US, 1)
    settled = new_settlement(task, charge, price)
    await db.write(settlement.complete_task, key.account_id, task.id, task.claim_no, settled, render_webhook)
    await db.write(_post_cost, task.id, f"att_{task.id}", EntryKind.cost)
    return task.id


def _post_cost(tx: Tx, task_id: str, attempt_id: str, kind: EntryKind) -> None:
    ledger.post_cost(tx, task_id, attempt_id, 7, kind, f"cmt_{attempt_id}")


def post_purged(tx: Tx, account_id: str, key_id: str, start: int, count: int) -> None:
    """What the ledger has of tasks that are purged: over five days."""
    for number in range(count):
        task_id = f"task-unified-{number}-{account_id[-8:]}"
        with_time = f"cmt_{account_id}_{number}"
        ledger.post_charge(tx, account_id, task_id, 100 + number, 100 + number, with_time)
        if number % 2 == 0:
            _post_cost(tx, task_id, f"att_1{number}_{account_id}", EntryKind.cost)
        if number % 3 == 0:
            _post_cost(tx, task_id, f"att_2{number}_{account_id}", EntryKind.waste)
        tx.execute(
            """UPDATE entries SET created = :created, key_id = :key, model = 'gpt-image-2', images = 1
            WHERE task_id = :task""",
            {"created": start + number * 10 * US_PER_HOUR, "key": key_id, "task": task_id},
        )
        tx.execute(
            "UPDATE accounts SET posted = posted - :charge WHERE id = :id",
            {"charge": 100 + number, "id": account_id},
        )


async def fill(db: Database, clock: FakeClock) -> tuple[str, str]:
    """Two customers with charges in March, one of them with a refund and an overrun; all days are closed, and all
    tasks purged. Return their ids."""
    start = MARCH.end - 6 * US_PER_DAY
    clock.now = start
    first, key = await create_customer(db, 100_000, "first")
    second, other_key = await create_customer(db, 100_000, "second")
    clock.now += US_PER_HOUR
    refunded = await run_task(db, clock, key, 300, 300)
    await run_task(db, clock, key, 400, 450)
    await db.write(ledger.grant, first, 5, "mine:1", "test")
    clock.now += US_PER_DAY
    assert isinstance(await db.write(refunds.refund_task, first, new_refund(refunded)), refunds.Refund)
    await db.write(post_purged, first, key.id, start + 1, BOOKINGS)
    await db.write(post_purged, second, other_key.id, start + US_PER_HOUR, BOOKINGS)
    clock.now = APRIL.start + 1
    await db.write(_post_cost, "task-unified-9-april000", "att_april", EntryKind.cost)
    clock.now = APRIL.start + US_PER_HOUR
    await close_days(db)
    await db.write(forget_bytes)
    assert await db.write(purge_old_tasks, US_PER_DAY, 50) == 2
    return first, second


def forget_bytes(tx: Tx) -> None:
    tx.execute("UPDATE assets SET deleted = :now, thumbnail_due = NULL")
