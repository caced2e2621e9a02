"""Section 5.6 on both engines: numbers of changes never move; and the rows of keys and statistics."""

from __future__ import annotations

import asyncio
import random

from imagegate.domain.accounts import Scope
from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.domain.tasks import TERMINAL_STATES
from imagegate.store import api_keys, attempts, claims, deliveries, settlement, tasks
from imagegate.store.invariants import find_cheap_violations
from imagegate.store.queries.stats import load_stats
from imagegate.store.queries.tasks import TaskChange, find_moved_tasks, load_history
from tests.conftest import OpenDatabase
from tests.store.helpers import LEASE_US, claim_tasks, create_customer, new_key, new_task, render_webhook

FAULT = TaskError(TaskErrorCode.service_error, "test")


def test_s5_6_once_a_change_keeps_its_number_whatever_follows(open_database: OpenDatabase) -> None:
    chance, now = random.Random(3), [2 * 10**15]
    db = open_database(lambda: now[0])

    async def scenario() -> None:
        account_id, key = await create_customer(db, 10**6)
        other_id, _ = await create_customer(db, 1, "other")
        new = new_task(key)
        await db.write(tasks.submit_task, account_id, new, None, 10)
        before: list[TaskChange] = []
        for _ in range(40):
            now[0] += chance.choice([1000, 400_000, 3_000_000])
            for task in await db.write(claim_tasks, account_id, "test", LEASE_US, 1):
                claim_no = task.claim_no
            await db.write(attempts.update_progress, account_id, new.id, claim_no, chance.randrange(100))
            if chance.random() < 0.3:
                await db.write(claims.release_task, account_id, new.id, claim_no)
            found = await db.snapshot(load_history, account_id, new.id)
            assert found is not None
            assert found[1][: len(before)] == before
            before = found[1]
        await db.write(settlement.fail_task, account_id, new.id, claim_no, FAULT, "cmt_test", render_webhook)
        found = await db.snapshot(load_history, account_id, new.id)
        assert found is not None
        assert [change.number for change in found[1]] == list(range(1, len(found[1]) + 1))
        assert [change.state in TERMINAL_STATES for change in found[1]] == [False] * (len(found[1]) - 1) + [True]
        assert await db.snapshot(load_history, other_id, new.id) is None

    asyncio.run(scenario())


def test_those_who_wait_learn_of_steps_behind_the_one_they_have_seen(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        account_id, key = await create_customer(db, 10**6)
        still, moved, ended = (new_task(key) for _ in range(3))
        for new in (moved, ended):
            await db.write(tasks.submit_task, account_id, new, None, 10)
        await db.write(claim_tasks, account_id, "test", LEASE_US, 2)
        await db.write(settlement.fail_task, account_id, ended.id, 1, FAULT, "cmt_test", render_webhook)
        await db.write(tasks.submit_task, account_id, still, None, 10)
        seen = {still.id: 1, moved.id: 1, ended.id: 1} | {f"unknown-{number}": 1 for number in range(600)}
        assert set(await db.read(find_moved_tasks, seen)) == {moved.id, ended.id}
        assert await db.read(find_moved_tasks, {still.id: None, moved.id: None, ended.id: None}) == [ended.id]
        found = await db.snapshot(load_history, account_id, moved.id)
        assert found is not None
        assert await db.read(find_moved_tasks, {moved.id: found.last_step}) == []

    asyncio.run(scenario())


def test_key_changes_touch_the_own_account_alone(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        account_id, key = await create_customer(db, 100)
        other_id, other = await create_customer(db, 100, "other")
        second = new_key(account_id)
        await db.write(api_keys.create_key, account_id, second, "second")
        changes = {"ips": ("::1/128",), "scopes": (Scope.tasks_read,), "cap": 7, "disabled": 5}
        changed = await db.write(api_keys.update_key, account_id, second.id, changes)
        assert changed is not None
        assert (changed.ips, changed.scopes, changed.cap, changed.disabled) == tuple(changes.values())
        assert await db.write(api_keys.update_key, account_id, other.id, {"cap": 1}) is None
        assert not await db.write(api_keys.delete_key, account_id, other.id)
        untouched = await db.read(api_keys.find_key, other_id, other.id)
        assert untouched is not None
        assert (untouched.cap, untouched.deleted) == (None, None)
        assert await db.write(api_keys.delete_key, account_id, second.id)
        assert not await db.write(api_keys.delete_key, account_id, second.id)
        assert await db.write(api_keys.update_key, account_id, second.id, {"disabled": None}) is None
        assert [one.id for one in (await db.read(api_keys.list_keys_page, account_id, None, 10)).rows] == [key.id]

    asyncio.run(scenario())


def test_s13_metrics_gauges_are_what_there_is(open_database: OpenDatabase) -> None:
    now = [2 * 10**15]
    db = open_database(lambda: now[0])

    async def scenario() -> None:
        account_id, key = await create_customer(db, 10**6)
        assert (await db.snapshot(load_stats)).oldest_queued == 0
        for number in range(3):
            new = new_task(key, 1000 + number)
            await db.write(tasks.submit_task, account_id, new, None, 10)
        (task,) = await db.write(claim_tasks, account_id, "test", LEASE_US, 1)
        await db.write(settlement.fail_task, account_id, task.id, task.claim_no, FAULT, "cmt_test", render_webhook)
        found = await db.snapshot(load_stats)
        assert found.tasks == {"queued": 2, "running": 0, "completed": 0, "failed": 1}
        assert (found.open_holds, found.held, found.overruns, found.overrun) == (2, 3003 - task.hold, 0, 0)
        assert found.oldest_queued > 0
        assert found.oldest_hold > 0
        assert (found.waiting, found.webhooks, found.oldest_webhook) == ({}, 0, 0)
        (task,) = await db.write(claim_tasks, account_id, "test", LEASE_US, 1)
        later = now[0] + 10**6
        await db.write(claims.release_task, account_id, task.id, task.claim_no, later, now[0], "upstream_unavailable")
        await db.write(deliveries.add_delivery, account_id, "evt_a", None, "https://a.example/", b"{}", "cmt_a")
        now[0] += 5_000
        found = await db.snapshot(load_stats)
        assert (found.tasks["queued"], found.waiting) == (2, {"upstream_unavailable": 1})
        assert (found.webhooks, found.oldest_webhook) == (1, 5_000)
        assert {one.id for one in await db.snapshot(find_cheap_violations, 0)} <= {"I11"}

    asyncio.run(scenario())
