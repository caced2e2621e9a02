"""Deleting a task on both engines: its words and bytes go, what it cost stays, and nothing shows it any more."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import msgspec
import pytest

from imagegate.domain.accounts import ApiKey
from imagegate.domain.assets import AssetKind
from imagegate.domain.audit import Actor
from imagegate.domain.time import US_PER_DAY, US_PER_MINUTE
from imagegate.domain.webhooks import DeliveryResult
from imagegate.store import acts, assets, attempts, deliveries, refunds, settlement, tasks
from imagegate.store.database import Database
from imagegate.store.deletion import NotEnded, NotThere, TaskDeleted, delete_task
from imagegate.store.idempotency import IdempotencyKey, Replay
from imagegate.store.invariants import find_violations
from imagegate.store.queries.admin import list_overruns_page
from imagegate.store.queries.margin import sum_margin
from imagegate.store.queries.statement import StatementFilter, list_statement_lines
from imagegate.store.queries.task_filter import TaskFilter
from imagegate.store.queries.tasks import list_tasks_before
from imagegate.store.queries.usage import sum_usage
from imagegate.store.task_metadata import NoSuchTask, change_metadata
from imagegate.store.thumbnails import find_undrawn
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
    new_refund,
    new_settlement,
    new_task,
    purge_old_tasks,
    render_webhook,
)

ACTOR = Actor(name="key:test", via="api")
SECRET = "a word of the customer"
USE = IdempotencyKey("POST /v1/images/generations", "once", "fingerprint", 2 * US_PER_DAY)
URL = "https://hook.test/secret-path"
NOTES = {"starred": "true", "note": SECRET}


async def submit(db: Database, key: ApiKey, use: IdempotencyKey | None = USE) -> tasks.NewTask:
    now = await db.read(lambda tx: tx.now)
    new = new_task(key, callback_url=URL)
    order = msgspec.structs.replace(new.order, prompt=SECRET, image_urls=("https://a.example/secret.png",))
    new = msgspec.structs.replace(new, order=order, created=now, deadline=now + US_PER_DAY, metadata=NOTES)
    await db.write(tasks.submit_task, key.account_id, new, use, 100)
    return new


async def complete(db: Database, key: ApiKey, use: IdempotencyKey | None = USE) -> str:
    await submit(db, key, use)
    (task,) = await db.write(claim_tasks, key.account_id, "one", LEASE_US, 1)
    await db.write(attempts.begin_attempt, key.account_id, new_attempt(task), "one", ROUTE)
    done = new_settlement(task, 400, 900)
    await db.write(settlement.complete_task, key.account_id, task.id, 1, done, render_webhook)
    return task.id


async def money(db: Database, account_id: str) -> dict[str, Any]:
    lines = await db.snapshot(list_statement_lines, account_id, StatementFilter(limit=200))
    return {
        "lines": lines.rows,
        "usage": await db.read(sum_usage, account_id, ("day", "model", "key"), 19_000, 21_000),
        "overruns": await db.read(list_overruns_page, None, 100),
        "margin": await db.read(sum_margin, 19_000, 21_000),
    }


def dump(tx: Tx) -> str:
    names = ("tasks", "assets", "deliveries", "delivery_attempts", "idempotency", "answers", "task_metadata", "audit")
    return json.dumps([tx.fetch_all(f"SELECT * FROM {name}") for name in (*names, "attempts", "task_steps")])


def test_s5_8_money_stays_and_words_and_bytes_go(open_database: OpenDatabase) -> None:
    clock = FakeClock()

    async def scenario() -> None:
        db = open_database(clock)
        account_id, key = await create_customer(db, 10**6)
        task_id = await complete(db, key)
        task = await db.read(tasks.find_task, account_id, task_id)
        assert task is not None
        assert await draw_thumbnail(db, task)
        before = await money(db, account_id)
        assert SECRET in await db.read(dump)
        clock.now += US_PER_MINUTE
        deleted = await db.write(acts.delete_task, account_id, task_id, ACTOR)
        assert isinstance(deleted.result, TaskDeleted)
        assert sorted(one.kind for one in deleted.result.assets) == ["result", "thumbnail"]
        assert "secret" not in (text := await db.read(dump))
        assert SECRET not in text
        assert [entry.action for entry in deleted.entries] == ["task.delete"]
        assert await money(db, account_id) == before
        # nothing shows it, changes it or finds it
        assert await db.read(tasks.find_task, account_id, task_id) is None
        assert (await db.read(list_tasks_before, TaskFilter(account_id=account_id), None, 10)).rows == []
        for kind in (AssetKind.result, AssetKind.thumbnail):
            assert await db.read(assets.find_output_asset, task_id, kind, 0) is None
        assert isinstance(await db.write(change_metadata, account_id, task_id, {"a": "b"}), NoSuchTask)
        assert (await db.write(acts.delete_task, account_id, task_id, ACTOR)).result == NotThere()
        assert (await db.read(deliveries.list_deliveries, account_id, None, 10)).rows == []
        # a process that dies now leaves it to the sweep
        expired = await db.read(assets.list_expired_assets, 10)
        assert {one.id for one in expired} == {one.id for one in deleted.result.assets}
        await db.write(assets.mark_assets_deleted, [one.id for one in expired])
        assert await db.snapshot(find_violations, 0) == []
        # its key is free, the operator can still give the charge back, and the purge ends it like any other
        assert not isinstance(await db.write(tasks.submit_task, account_id, new_task(key), USE, 100), Replay)
        assert isinstance(await db.write(refunds.refund_task, account_id, new_refund(task_id)), refunds.Refund)
        assert await db.snapshot(find_violations, 0) == []
        clock.now += 31 * US_PER_DAY
        await close_days(db)
        assert await db.write(purge_old_tasks, 30 * US_PER_DAY, 10) == 1

    asyncio.run(scenario())


def test_s5_8_ended_and_own_tasks_alone_are_deleted(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        account_id, key = await create_customer(db, 10**6)
        other_id, _ = await create_customer(db, 1, "other")
        new = await submit(db, key)
        assert await db.write(delete_task, account_id, new.id) == NotEnded()
        await db.write(claim_tasks, account_id, "one", LEASE_US, 1)
        assert await db.write(delete_task, account_id, new.id) == NotEnded()
        assert await db.write(delete_task, other_id, new.id) == NotThere()
        assert await db.write(delete_task, account_id, "task-unified-1-aaaaaaaa") == NotThere()
        found = await db.read(tasks.find_task, account_id, new.id)
        assert found is not None
        assert (found.order.prompt, found.metadata) == (SECRET, NOTES)
        assert await db.snapshot(find_violations, 0) == []

    asyncio.run(scenario())


def test_s5_8_under_way_webhooks_and_thumbnails_end_with_the_task(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        account_id, key = await create_customer(db, 10**6)
        task_id = await complete(db, key)
        task = await db.read(tasks.find_task, account_id, task_id)
        undrawn = await db.read(find_undrawn, task_id, 0)
        assert task is not None
        assert undrawn is not None
        (sent,) = await db.write(deliveries.claim_deliveries, "hook.test", "one", LEASE_US, 9)
        await db.write(acts.delete_task, account_id, task_id, ACTOR)
        one, result = sent.delivery, DeliveryResult(duration_ms=1, status=500)
        late = await db.write(deliveries.end_attempt, account_id, one.id, one.number, result, (0, 0, 0))
        assert late == deliveries.StaleAttempt()
        assert not await draw_thumbnail(db, task)
        assert await db.read(find_undrawn, task_id, 0) is None
        assert len(await db.read(assets.list_expired_assets, 10)) == 1
        assert await db.snapshot(find_violations, 0) == []

    asyncio.run(scenario())


def test_s5_8_gone_once_a_repeat_of_the_commit_finds_its_own(open_database: OpenDatabase) -> None:
    """A commit whose answer was lost is run again: the caller learns that the task is deleted, with one audit row."""

    async def scenario() -> None:
        db = open_database()
        account_id, key = await create_customer(db, 10**6)
        task_id = await complete(db, key)

        def twice(tx: Tx) -> list[acts.Act[Any]]:
            first = acts.delete_task(tx, account_id, task_id, ACTOR)
            tx.is_retry = True
            return [first, acts.delete_task(tx, account_id, task_id, ACTOR)]

        first, second = await db.write(twice)
        assert isinstance(second.result, TaskDeleted)
        assert first.result.assets == second.result.assets != []
        assert (len(first.entries), len(second.entries)) == (1, 0)

    asyncio.run(scenario())


def test_s5_8_gone_whatever_happens_to_the_task_at_the_same_moment(open_database: OpenDatabase) -> None:
    """Stars, thumbnails, webhooks, refunds and the purge race with the deletion, on several writers."""

    async def scenario() -> None:
        db = open_database(writers=4, batch=3)
        account_id, key = await create_customer(db, 10**6)
        made = [await complete(db, key, None) for _ in range(12)]
        found = [await db.read(tasks.find_task, account_id, task_id) for task_id in made]

        async def deliver() -> None:
            for sent in await db.write(deliveries.claim_deliveries, "hook.test", "one", LEASE_US, 9):
                one, result = sent.delivery, DeliveryResult(duration_ms=1, status=204)
                await db.write(deliveries.end_attempt, account_id, one.id, one.number, result, ())

        works = []
        for task in found:
            assert task is not None
            works += [
                draw_thumbnail(db, task),
                db.write(change_metadata, account_id, task.id, {"starred": None}),
                db.write(acts.delete_task, account_id, task.id, ACTOR),
                db.write(change_metadata, account_id, task.id, {"starred": "true", "note": SECRET}),
                db.write(refunds.refund_task, account_id, new_refund(task.id)),
                deliver(),
                db.write(purge_old_tasks, 30 * US_PER_DAY, 10),
            ]
        await asyncio.gather(*works)
        assert await db.snapshot(find_violations, 0) == []
        assert SECRET not in await db.read(dump)
        gone = await db.read(assets.list_expired_assets, 100)
        assert {one.task_id for one in gone} == set(made)

    asyncio.run(scenario())


@pytest.mark.parametrize("starred_at", ["create", "later"])
def test_s5_7_starred_tasks_keep_thumbnail_and_row_until_they_are_not(
    open_database: OpenDatabase, starred_at: str
) -> None:
    clock = FakeClock()

    async def scenario() -> None:
        db = open_database(clock)
        account_id, key = await create_customer(db, 10**6)
        task_id = await complete(db, key, None)
        task = await db.read(tasks.find_task, account_id, task_id)
        assert task is not None
        if starred_at == "later":
            await db.write(change_metadata, account_id, task_id, {"starred": None})
        assert await draw_thumbnail(db, task)
        if starred_at == "later":
            await db.write(change_metadata, account_id, task_id, {"starred": "true"})
        for sent in await db.write(deliveries.claim_deliveries, "hook.test", "one", LEASE_US, 9):
            one, result = sent.delivery, DeliveryResult(duration_ms=1, status=204)
            await db.write(deliveries.end_attempt, account_id, one.id, one.number, result, ())

        async def sweep() -> list[str]:
            expired = await db.read(assets.list_expired_assets, 10)
            await db.write(assets.mark_assets_deleted, [one.id for one in expired])
            await close_days(db)
            await db.write(purge_old_tasks, 30 * US_PER_DAY, 10)
            assert await db.snapshot(find_violations, 0) == []
            return [one.kind for one in expired]

        clock.now += 45 * US_PER_DAY
        assert await sweep() == ["result"]
        kept = await db.read(tasks.find_task, account_id, task_id)
        assert kept is not None
        assert kept.order.prompt == SECRET
        # what is unstarred late ends now, and a star does not bring it back
        await db.write(change_metadata, account_id, task_id, {"starred": "no"})
        assert await db.snapshot(find_violations, 0) == []
        await db.write(change_metadata, account_id, task_id, {"starred": "true"})
        assert await db.snapshot(find_violations, 0) == []
        assert await sweep() == ["thumbnail"]
        assert await db.read(tasks.find_task, account_id, task_id) is not None
        await db.write(change_metadata, account_id, task_id, {"starred": None})
        assert await sweep() == []
        assert await db.read(tasks.find_task, account_id, task_id) is None

    asyncio.run(scenario())


def test_s5_7_starred_for_a_while_the_thumbnail_has_its_time(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        account_id, key = await create_customer(db, 10**6)
        task_id = await complete(db, key)
        task = await db.read(tasks.find_task, account_id, task_id)
        assert task is not None
        assert await draw_thumbnail(db, task)
        await db.write(change_metadata, account_id, task_id, {"starred": None})
        thumbnail = await db.read(assets.find_output_asset, task_id, AssetKind.thumbnail, 0)
        assert thumbnail is not None
        assert thumbnail.expires == task.thumbnail_expires
        assert await db.snapshot(find_violations, 0) == []

    asyncio.run(scenario())
