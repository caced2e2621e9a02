"""Flat growth: what is older than the history is deleted whole, and the ledger stays as it was."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from imagegate.domain.accounts import ApiKey
from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.domain.time import US_PER_DAY, US_PER_MINUTE
from imagegate.domain.webhooks import DeliveryResult
from imagegate.store import assets, attempts, deliveries, files, idempotency, purge, settlement, tasks
from imagegate.store.database import Database
from imagegate.store.files import find_file_by_id
from imagegate.store.idempotency import IdempotencyKey
from imagegate.store.invariants import find_violations
from imagegate.store.queries.admin import list_overruns_page
from imagegate.store.queries.statement import StatementFilter, list_statement_lines
from imagegate.store.queries.usage import sum_usage
from imagegate.store.transaction import Tx
from tests.conftest import OpenDatabase
from tests.store.helpers import (
    LEASE_US,
    ROUTE,
    FakeClock,
    claim_tasks,
    close_days,
    create_customer,
    draw_thumbnail,
    new_attempt,
    new_file,
    new_settlement,
    new_task,
    purge_old_tasks,
    render_webhook,
    sum_entries,
)

DAY = US_PER_DAY
ERROR = TaskError(TaskErrorCode.service_error, "test")
OF_TASKS = ("tasks", "holds", "task_steps", "attempts", "deliveries", "delivery_attempts")


def count_rows(tx: Tx) -> dict[str, int]:
    counted = (*OF_TASKS, "assets", "files", "entries", "idempotency")
    return {table: tx.fetch_int(f"SELECT COUNT(*) AS number FROM {table}") for table in counted}


def list_hosts(tx: Tx) -> list[str]:
    return [row["host"] for row in tx.fetch_all("SELECT host FROM webhook_hosts")]


async def submit(db: Database, key: ApiKey, use: IdempotencyKey | None = None, url: str | None = None) -> tasks.NewTask:
    now = await db.read(lambda tx: tx.now)
    new = msgspec.structs.replace(new_task(key, callback_url=url), created=now, deadline=now + DAY)
    await db.write(tasks.submit_task, key.account_id, new, use, 100)
    return new


async def complete_new_task(db: Database, key: ApiKey, use: IdempotencyKey | None = None, price: int = 900) -> str:
    """Settle a task with an overrun; its webhook was delivered at the second attempt."""
    await submit(db, key, use, "https://hook.test/1")
    (task,) = await db.write(claim_tasks, key.account_id, "one", LEASE_US, 1)
    attempt = new_attempt(task)
    await db.write(attempts.begin_attempt, key.account_id, attempt, "one", ROUTE)
    done = new_settlement(task, 400, price)
    await db.write(settlement.complete_task, key.account_id, task.id, 1, done, render_webhook)
    assert await draw_thumbnail(db, task)
    for status in (500, 204):
        for sent in await db.write(deliveries.claim_deliveries, "hook.test", "one", LEASE_US, 9):
            one, result = sent.delivery, DeliveryResult(duration_ms=1, status=status)
            await db.write(deliveries.end_attempt, key.account_id, one.id, one.number, result, (0, 0, 0))
    return task.id


async def fail_new_task(db: Database, key: ApiKey) -> None:
    new = await submit(db, key)
    await db.write(settlement.fail_task, key.account_id, new.id, 0, ERROR, f"cmt_{new.id}", render_webhook)


async def delete_bytes(db: Database) -> None:
    gone = await db.read(assets.list_expired_assets, 1000)
    await db.write(assets.mark_assets_deleted, [asset.id for asset in gone])


async def load_money(db: Database, account_id: str) -> dict[str, Any]:
    lines = (await db.snapshot(list_statement_lines, account_id, StatementFilter(limit=200))).rows
    return {
        "total": await db.read(sum_entries),
        "usage": await db.read(sum_usage, account_id, ("day", "model", "key"), 19_000, 21_000),
        "overruns": await db.read(list_overruns_page, None, 100),
        "entries": [line for line in lines if line.type not in ("hold", "release")],
        "balance": lines[0].available_after,
    }


def test_an_old_task_goes_with_all_that_is_its_own_and_the_books_stay(open_database: OpenDatabase) -> None:
    clock = FakeClock(20_000 * DAY)
    db = open_database(clock)

    async def scenario() -> None:
        account_id, key = await create_customer(db, 100_000)
        await complete_new_task(db, key)
        await fail_new_task(db, key)
        clock.now += 31 * DAY
        await delete_bytes(db)
        young = await complete_new_task(db, key)
        await submit(db, key)
        before = await load_money(db, account_id)
        assert await db.write(purge_old_tasks, 30 * DAY, 50) == 0, "their day is not summed up"
        await close_days(db)
        assert await load_money(db, account_id) == before
        assert await db.write(purge_old_tasks, 30 * DAY, 50) == 2
        assert await db.read(count_rows) == {
            "tasks": 2,
            "holds": 2,
            "task_steps": 5,
            "attempts": 1,
            "deliveries": 1,
            "delivery_attempts": 2,
            "assets": 2,
            "files": 0,
            "entries": 2 + 3 + 3,
            "idempotency": 0,
        }
        assert await db.read(tasks.find_task, account_id, young) is not None
        assert await load_money(db, account_id) == before
        assert [line.price_version for line in before["entries"]] == ["test.1", "test.1", None]
        assert await db.snapshot(find_violations, US_PER_MINUTE) == []
        assert await db.write(purge_old_tasks, 30 * DAY, 50) == 0

    asyncio.run(scenario())


def test_what_is_not_over_stays(open_database: OpenDatabase) -> None:
    """Bytes that are there, a webhook on its way, a key that may be used again, and a task that is not old enough."""
    clock = FakeClock(20_000 * DAY)
    db = open_database(clock)

    async def scenario() -> None:
        account_id, key = await create_customer(db, 100_000)
        keyed = await complete_new_task(db, key, IdempotencyKey("create", "key", "same", 40 * DAY))
        clock.now += 31 * DAY
        await close_days(db)
        assert await db.write(purge_old_tasks, 30 * DAY, 50) == 0, "its bytes are not deleted"
        assert await db.write(purge.purge_tasks, 30 * DAY, [keyed]) == 0, "a command believes no list"
        await delete_bytes(db)
        assert await db.write(purge_old_tasks, 30 * DAY, 50) == 0, "its key is not forgotten"
        assert await db.write(idempotency.purge_expired_keys, 50) == []
        clock.now += 10 * DAY
        assert await db.write(idempotency.purge_expired_keys, 50) == [keyed]
        await db.write(deliveries.replay_delivery, account_id, f"evt_{keyed}", 0)
        assert await db.write(purge_old_tasks, 30 * DAY, 50) == 0, "its webhook is on its way again"
        for sent in await db.write(deliveries.claim_deliveries, "hook.test", "one", LEASE_US, 9):
            result = DeliveryResult(duration_ms=1, status=204)
            await db.write(deliveries.end_attempt, account_id, sent.delivery.id, sent.delivery.number, result, ())
        assert await db.write(purge_old_tasks, 42 * DAY, 50) == 0, "it is not that old"
        assert await db.snapshot(find_violations, US_PER_MINUTE) == []
        assert await db.write(purge_old_tasks, 41 * DAY, 50) == 1
        assert await db.read(tasks.find_task, account_id, keyed) is None
        assert await db.snapshot(find_violations, US_PER_MINUTE) == []

    asyncio.run(scenario())


def test_each_command_takes_a_few_oldest_first(open_database: OpenDatabase) -> None:
    clock = FakeClock(20_000 * DAY)
    db = open_database(clock)

    async def scenario() -> None:
        _, key = await create_customer(db, 100_000)
        for _ in range(7):
            await fail_new_task(db, key)
            clock.now += 1000
        clock.now += 30 * DAY
        await close_days(db)
        left = [7]
        while await db.write(purge_old_tasks, 30 * DAY, 3):
            left.append((await db.read(count_rows))["tasks"])
            assert await db.snapshot(find_violations, US_PER_MINUTE) == []
        assert left == [7, 4, 1, 0]

    asyncio.run(scenario())


def test_ended_files_go_with_their_rows_and_the_count_of_the_account_holds(open_database: OpenDatabase) -> None:
    clock = FakeClock(20_000 * DAY)
    db = open_database(clock)

    async def scenario() -> None:
        account_id, _ = await create_customer(db, 0)
        old, removed, live = new_file(account_id), new_file(account_id), new_file(account_id)
        for new in (old, removed):
            await db.write(files.add_file, account_id, new, 3 * DAY, 100)
        await db.write(files.remove_file, account_id, removed.id)
        clock.now += 32 * DAY
        assert await db.write(files.purge_files, 30 * DAY, 50) == 0, "their bytes are not deleted"
        await delete_bytes(db)
        assert await db.write(files.purge_files, 30 * DAY, 50) == 0, "their links answer 410 a while longer"
        clock.now += DAY
        assert await db.write(files.purge_files, 30 * DAY, 50) == 2
        assert await db.read(find_file_by_id, old.id) is None
        assert {"files": 0, "assets": 0}.items() <= (await db.read(count_rows)).items()
        assert await db.snapshot(find_violations, US_PER_MINUTE) == []
        await db.write(files.add_file, account_id, live, 3 * DAY, 1)
        assert await db.read(find_file_by_id, live.id) is not None, "there is room for one again"
        assert await db.snapshot(find_violations, US_PER_MINUTE) == []

    asyncio.run(scenario())


def test_closed_test_webhooks_go_and_waiting_ones_stay(open_database: OpenDatabase) -> None:
    clock = FakeClock(20_000 * DAY)
    db = open_database(clock)

    async def scenario() -> None:
        account_id, _ = await create_customer(db, 0)
        for name in ("evt_test_1", "evt_test_2"):
            await db.write(deliveries.add_delivery, account_id, name, None, "https://hook.test/", b"{}", "cmt_test")
        (sent, *_) = await db.write(deliveries.claim_deliveries, "hook.test", "one", LEASE_US, 1)
        result = DeliveryResult(duration_ms=1, status=204)
        await db.write(deliveries.end_attempt, account_id, sent.delivery.id, 1, result, ())
        clock.now += 30 * DAY
        assert await db.write(purge.purge_test_webhooks, 30 * DAY, 50) == 1
        assert {"deliveries": 1, "delivery_attempts": 0}.items() <= (await db.read(count_rows)).items()
        assert await db.read(list_hosts) == ["hook.test"], "one is on its way there"
        for sent in await db.write(deliveries.claim_deliveries, "hook.test", "one", LEASE_US, 1):
            await db.write(deliveries.end_attempt, account_id, sent.delivery.id, 1, result, ())
        clock.now += 30 * DAY
        assert await db.write(purge.purge_test_webhooks, 30 * DAY, 50) == 1
        assert await db.read(list_hosts) == [], "a receiver without deliveries is forgotten"
        assert await db.snapshot(find_violations, US_PER_MINUTE) == []

    asyncio.run(scenario())
