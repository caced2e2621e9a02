"""HOOK-1 to HOOK-4: a webhook is part of the commit that ends its task, and is tried as often as promised."""

from __future__ import annotations

import asyncio

import pytest

from imagegate.domain.accounts import ApiKey
from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.domain.tasks import Task
from imagegate.domain.time import US_PER_MINUTE
from imagegate.domain.webhooks import DeliveryResult, DeliveryState, SecretVersion, host_of
from imagegate.store import attempts, claims, deliveries, settlement, tasks
from imagegate.store.database import Database
from imagegate.store.deliveries import ClaimedDelivery, DeliveryClosed, RetryScheduled, StaleAttempt
from imagegate.store.invariants import find_violations
from tests.conftest import OpenDatabase
from tests.store.helpers import (
    LEASE_US,
    ROUTE,
    FakeClock,
    claim_tasks,
    create_customer,
    new_attempt,
    new_settlement,
    new_task,
    render_webhook,
)

ERROR = TaskError(TaskErrorCode.service_error, "test")
WAITS = (1_000_000, 2_000_000, 4_000_000)
URL = "https://hook.test/done?b=2&a=%7E1"
ACCEPTED, SERVER_ERROR, GONE = (DeliveryResult(duration_ms=5, status=status) for status in (204, 500, 410))


async def fail_new_task(db: Database, key: ApiKey, url: str | None = URL) -> Task:
    """A task that failed; its webhook is due."""
    new = new_task(key, 1, url)
    await db.write(tasks.submit_task, key.account_id, new, None, 10**6)
    await db.write(settlement.fail_task, key.account_id, new.id, 0, ERROR, f"cmt_{new.id}", render_webhook)
    task = await db.read(tasks.find_task, key.account_id, new.id)
    assert task is not None
    return task


async def claim(db: Database, host: str = "hook.test", limit: int = 9, owner: str = "one") -> list[ClaimedDelivery]:
    return await db.write(deliveries.claim_deliveries, host, owner, LEASE_US, limit)


async def answer(
    db: Database, claimed: ClaimedDelivery, result: DeliveryResult
) -> RetryScheduled | DeliveryClosed | StaleAttempt:
    one = claimed.delivery
    return await db.write(deliveries.end_attempt, one.account_id, one.id, one.number, result, WAITS)


async def assert_invariants(db: Database) -> None:
    assert await db.snapshot(find_violations, 10**9) == []


@pytest.mark.parametrize("how", ["completed", "failed", "crash loop"])
def test_hook_2_the_body_is_the_row_as_its_last_commit_leaves_it(open_database: OpenDatabase, how: str) -> None:
    async def scenario() -> None:
        db = open_database()
        account_id, key = await create_customer(db, 10_000)
        await db.write(tasks.submit_task, account_id, new_task(key, callback_url=URL), None, 100)
        task = (await db.write(claim_tasks, account_id, "one", LEASE_US, 1))[0]
        assert (await db.read(deliveries.list_deliveries, account_id, None, 9)).rows == []
        if how == "completed":
            attempt = new_attempt(task)
            await db.write(attempts.begin_attempt, account_id, attempt, "one", ROUTE)
            done = new_settlement(task, 700)
            for _ in range(2):
                await db.write(settlement.complete_task, account_id, task.id, 1, done, render_webhook)
        elif how == "failed":
            await db.write(settlement.fail_task, account_id, task.id, 1, ERROR, "cmt_1", render_webhook)
        else:
            await db.write(claims.recover_lost_tasks, "two", False, 0, 10, render_webhook)
        stored = await db.read(tasks.find_task, account_id, task.id)
        assert stored is not None
        sent = (await db.read(deliveries.list_deliveries, account_id, None, 9)).rows
        assert [(one.id, one.task_id, one.url, one.host) for one in sent] == [
            (f"evt_{task.id}", task.id, URL, "hook.test")
        ]
        assert sent[0].body.encode() == render_webhook(stored)
        assert stored.ended is not None
        assert sent[0].due >= stored.ended
        await assert_invariants(db)

    asyncio.run(scenario())


def test_an_account_takes_a_bounded_number_of_places_however_many_hosts_it_names(open_database: OpenDatabase) -> None:
    """Its hosts never answer; another account's webhook goes out meanwhile, to one of these hosts too."""

    async def scenario() -> None:
        db = open_database()
        hosts = [f"h{number:02}.test" for number in range(deliveries.MAX_PER_ACCOUNT + 4)]
        (hog_id, _), (other_id, _) = [await create_customer(db, 0, name) for name in ("hog", "other")]
        for number, host in enumerate(hosts):
            await add_test_delivery(db, hog_id, f"evt_hog_{number}", f"https://{host}/")
        await add_test_delivery(db, other_id, "evt_other", f"https://{hosts[-1]}/")
        claimed = [one for host in await db.read(deliveries.list_due_hosts, "", 99) for one in await claim(db, host)]
        mine = [one for one in claimed if one.delivery.account_id == hog_id]
        assert len(mine) == deliveries.MAX_PER_ACCOUNT
        assert [one.delivery.id for one in claimed if one.delivery.account_id == other_id] == ["evt_other"]
        assert await db.read(deliveries.list_due_hosts, "", 99) == [], "hosts that can take none are not tried in vain"
        await answer(db, mine[0], SERVER_ERROR)
        due = await db.read(deliveries.list_due_hosts, "", 99)
        assert len([one for host in due for one in await claim(db, host)]) == 1

    asyncio.run(scenario())


async def add_test_delivery(db: Database, account_id: str, delivery_id: str, url: str) -> None:
    await db.write(deliveries.add_delivery, account_id, delivery_id, None, url, b"{}", f"cmt_{delivery_id}")


def test_a_task_without_a_callback_has_no_webhook(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        account_id, key = await create_customer(db, 10_000)
        await fail_new_task(db, key, None)
        assert (await db.read(deliveries.list_deliveries, account_id, None, 9)).rows == []
        await assert_invariants(db)

    asyncio.run(scenario())


def test_a_body_that_cannot_be_made_undoes_the_settlement(open_database: OpenDatabase) -> None:
    """One commit: there is no settled task without its webhook."""

    def broken(_: Task) -> bytes:
        raise RuntimeError("planted")

    async def scenario() -> None:
        db = open_database()
        _, key = await create_customer(db, 10_000)
        new = new_task(key, callback_url=URL)
        await db.write(tasks.submit_task, key.account_id, new, None, 100)
        with pytest.raises(RuntimeError, match="planted"):
            await db.write(settlement.fail_task, key.account_id, new.id, 0, ERROR, "cmt_1", broken)
        task = await db.read(tasks.find_task, key.account_id, new.id)
        assert task is not None
        assert not task.terminal
        await assert_invariants(db)

    asyncio.run(scenario())


def test_hook_3_one_attempt_and_three_retries_after_1_2_and_4_seconds(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        clock = FakeClock()
        db = open_database(clock)
        account_id, key = await create_customer(db, 10_000)
        task = await fail_new_task(db, key)
        for wait in WAITS:
            claimed = (await claim(db))[0]
            clock.now += 500_000
            assert await answer(db, claimed, SERVER_ERROR) == RetryScheduled(wait)
            clock.now += wait - 1
            assert await claim(db) == []
            clock.now += 1
        last = (await claim(db))[0]
        assert last.delivery.number == 4
        assert await answer(db, last, DeliveryResult(duration_ms=9, error="timeout")) == DeliveryClosed(
            DeliveryState.exhausted
        )
        assert await answer(db, last, ACCEPTED) == StaleAttempt()
        clock.now += 10**12
        assert await claim(db) == []
        closed = await db.read(deliveries.find_delivery, account_id, f"evt_{task.id}")
        assert closed is not None
        assert (closed.state, closed.reason) == (DeliveryState.exhausted, "failed")
        log = await db.read(deliveries.list_delivery_attempts, account_id, closed.id)
        assert [(one.number, one.status, one.error) for one in log] == [
            (1, 500, None),
            (2, 500, None),
            (3, 500, None),
            (4, None, "timeout"),
        ]
        await assert_invariants(db)

    asyncio.run(scenario())


@pytest.mark.parametrize(("result", "state"), [(ACCEPTED, DeliveryState.delivered), (GONE, DeliveryState.exhausted)])
def test_success_and_410_end_it_at_once(
    open_database: OpenDatabase, result: DeliveryResult, state: DeliveryState
) -> None:
    async def scenario() -> None:
        clock = FakeClock()
        db = open_database(clock)
        _, key = await create_customer(db, 10_000)
        await fail_new_task(db, key)
        assert await answer(db, (await claim(db))[0], result) == DeliveryClosed(state)
        clock.now += 10**12
        assert await claim(db) == []
        await assert_invariants(db)

    asyncio.run(scenario())


def test_hook_4_two_at_a_time_per_host_and_hosts_take_turns(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        _, key = await create_customer(db, 10_000)
        for number in range(4):
            await fail_new_task(db, key)
            await fail_new_task(db, key, f"https://{'ab'[number % 2]}.test:8443/x")
        assert await db.read(deliveries.list_due_hosts, "", 9) == ["a.test:8443", "b.test:8443", "hook.test"]
        assert await db.read(deliveries.list_due_hosts, "a.test:8443", 9) == ["b.test:8443", "hook.test"]
        first = await claim(db)
        assert len(first) == 2
        assert await claim(db) == []
        assert await db.read(deliveries.list_due_hosts, "", 9) == ["a.test:8443", "b.test:8443"], (
            "no place is free there"
        )
        assert len(await claim(db, "a.test:8443", 1)) == 1
        await answer(db, first[0], ACCEPTED)
        assert len(await claim(db)) == 1
        await assert_invariants(db)

    asyncio.run(scenario())


def test_two_couriers_never_claim_the_same_delivery(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        databases = [open_database(), open_database()]
        _, key = await create_customer(databases[0], 10_000)
        for number in range(deliveries.MAX_PER_ACCOUNT):
            await fail_new_task(databases[0], key, f"https://host{number}.test/")
        taken = await asyncio.gather(
            *(
                claim(databases[n % 2], f"host{n // 2}.test", owner=f"boot{n % 2}")
                for n in range(2 * deliveries.MAX_PER_ACCOUNT)
            )
        )
        names = [one.delivery.id for batch in taken for one in batch]
        assert len(names) == len(set(names)) == deliveries.MAX_PER_ACCOUNT
        await assert_invariants(databases[0])

    asyncio.run(scenario())


def test_hook_4_a_host_is_parked_after_20_failures_and_freed_by_a_success(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        clock = FakeClock()
        db = open_database(clock)
        _, key = await create_customer(db, 10_000)
        for _ in range(30):
            await fail_new_task(db, key)
        failures = 0
        while failures < deliveries.SUSPEND_AFTER_FAILURES:
            for one in await claim(db):
                await answer(db, one, SERVER_ERROR)
                failures += 1
            clock.now += 4_000_000
        probe = await claim(db)
        assert len(probe) == 1, "one probe at a time"
        assert await claim(db) == []
        await answer(db, probe[0], ACCEPTED)
        assert len(await claim(db)) == deliveries.MAX_PER_HOST
        await assert_invariants(db)

    asyncio.run(scenario())


@pytest.mark.gate
def test_hook_4_what_waits_an_hour_for_a_host_that_is_down_closes_unsent(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        clock = FakeClock()
        db = open_database(clock)
        account_id, key = await create_customer(db, 10_000)
        for _ in range(120):
            await fail_new_task(db, key)
        hour = clock.now + deliveries.HOST_DOWN_AFTER_US
        while clock.now < hour + 1_800_000_000:
            for one in await claim(db):
                clock.now += 10_000_000
                await answer(db, one, DeliveryResult(duration_ms=10_000, error="timeout"))
            clock.now += US_PER_MINUTE
        late = await fail_new_task(db, key)
        await claim(db)
        every = (await db.read(deliveries.list_deliveries, account_id, None, 200)).rows
        down = [one for one in every if one.reason == "host_down"]
        assert down
        assert all(one.state == DeliveryState.exhausted for one in down)
        assert f"evt_{late.id}" not in {one.id for one in down}, "it has not waited"
        await assert_invariants(db)

    asyncio.run(scenario())


def test_an_attempt_of_a_dead_sender_counts_as_made(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        clock = FakeClock()
        db = open_database(clock)
        account_id, key = await create_customer(db, 10_000)
        task = await fail_new_task(db, key)
        for number in range(1, 5):
            assert len(await claim(db, owner=f"boot{number}")) == 1
            reclaim = deliveries.recover_lost_attempts
            assert await db.write(reclaim, f"boot{number}", False, WAITS, 9) == 0, "it is ours"
            assert await db.write(reclaim, "other", True, WAITS, 9) == 0, "on a shared engine the lease decides"
            if number % 2:
                assert await db.write(reclaim, "next", False, WAITS, 9) == 1
            else:
                clock.now += LEASE_US
                assert await db.write(reclaim, f"boot{number}", True, WAITS, 9) == 1
            clock.now += 4_000_000
        assert await claim(db) == []
        log = await db.read(deliveries.list_delivery_attempts, account_id, f"evt_{task.id}")
        assert [one.error for one in log] == ["interrupted"] * 4
        await assert_invariants(db)

    asyncio.run(scenario())


def test_a_replay_keeps_id_and_bytes_and_is_counted_apart(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        clock = FakeClock()
        db = open_database(clock)
        account_id, key = await create_customer(db, 10_000)
        name = f"evt_{(await fail_new_task(db, key)).id}"
        first = (await claim(db))[0]
        waiting = await db.write(deliveries.replay_delivery, account_id, name, 0)
        assert waiting is not None
        assert waiting.round == 0, "it is on its way already"
        await answer(db, first, ACCEPTED)
        for _ in range(2):
            assert await db.write(deliveries.replay_delivery, "acc_other", name, 0) is None
            again = await db.write(deliveries.replay_delivery, account_id, name, 0)
            assert again is not None
            assert (again.state, again.round) == (DeliveryState.waiting, 1), (
                "a repeat of the command is no second replay"
            )
        second = (await claim(db))[0]
        assert (second.delivery.id, second.delivery.body) == (first.delivery.id, first.delivery.body)
        assert await answer(db, second, SERVER_ERROR) == RetryScheduled(WAITS[0])
        log = await db.read(deliveries.list_delivery_attempts, account_id, name)
        assert [(one.number, one.round, one.status) for one in log] == [(1, 0, 204), (2, 1, 500)]
        await assert_invariants(db)

    asyncio.run(scenario())


def test_a_secret_is_rotated_once_for_all_who_ask_at_once(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        clock = FakeClock()
        db = open_database(clock)
        account_id, key = await create_customer(db, 10_000)
        assert await db.read(deliveries.load_secret_version, account_id) == SecretVersion(1, None)
        for _ in range(2):
            assert await db.write(deliveries.rotate_secret, account_id, 1) == SecretVersion(2, clock.now)
        await fail_new_task(db, key)
        assert (await claim(db))[0].secret == SecretVersion(2, clock.now)

    asyncio.run(scenario())


def test_the_list_goes_on_where_it_ended(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        account_id, key = await create_customer(db, 10_000)
        names = [f"evt_{(await fail_new_task(db, key)).id}" for _ in range(5)][::-1]
        found: list[str] = []
        after: str | None = None
        while len(found) < len(names):
            page = await db.read(deliveries.list_deliveries, account_id, after, 2)
            found, after = [*found, *(one.id for one in page.rows)], page.next_position
        assert after is None
        assert found == names
        other, _ = await create_customer(db, 1, "other")
        assert (await db.read(deliveries.list_deliveries, other, None, 9)).rows == []
        assert await db.read(deliveries.find_delivery, other, names[0]) is None
        assert await db.read(deliveries.list_delivery_attempts, other, names[0]) == []

    asyncio.run(scenario())


def test_any_text_is_a_host_and_none_raises() -> None:
    assert host_of("https://A.test:8443/x?y@z") == "a.test:8443"
    assert host_of("https://[2606::1]:8443") == "[2606::1]:8443"
    assert [host_of(text) for text in ("", "https://", "nothing", "https://[/")] == ["", "", "", "["]
    assert host_of("https://a.test?q=1") == "a.test"
