"""Closing an account: one commit ends its keys, sessions and links, and nothing slips through beside it."""

from __future__ import annotations

import asyncio
import uuid

import msgspec
import pytest

from imagegate.domain import ids
from imagegate.domain.audit import Actor
from imagegate.domain.tasks import TaskState
from imagegate.store import accounts, acts, api_keys, attempts, audit, claims, files, sessions, settlement, tasks
from imagegate.store.acts import AccountClosed, ClosingChanged, MakerEnded
from imagegate.store.cancellation import cancel_task
from imagegate.store.closing import list_unsent_tasks
from imagegate.store.database import Database
from imagegate.store.files import OwnerClosed
from imagegate.store.holds import InsufficientCredit
from imagegate.store.invariants import find_violations
from imagegate.store.tasks import CancelRequested, Done, TaskSubmitted
from imagegate.store.transaction import Tx
from tests.conftest import OpenDatabase
from tests.store.helpers import (
    LEASE_US,
    ROUTE,
    claim_tasks,
    create_customer,
    new_attempt,
    new_file,
    new_key,
    new_settlement,
    new_task,
    render_webhook,
)

ACTOR = Actor(name="key:key_op", via="api", address="192.0.2.1", request_id="req_1")
URL = "https://hook.test/"


async def close(db: Database, account_id: str) -> ClosingChanged:
    changed = (await db.write(acts.close_account, account_id, ACTOR)).result
    assert changed is not None
    return changed


async def cancel_unsent(db: Database) -> list[str]:
    """What the gateway does after the close, and what its sweep does."""
    found = await db.read(list_unsent_tasks, 100)
    for task in found:
        await db.write(cancel_task, task.account_id, task.id, ids.new_id("cmt", 0), render_webhook)
    return [task.id for task in found]


def test_ten_4_everything_of_a_closed_account_ends_at_once_and_its_balance_stays(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        account_id, maker = await create_customer(db, 10_000)
        other_id, other = await create_customer(db, 10_000, "other")
        for number, by in enumerate((maker.id, None)):
            key = msgspec.structs.replace(new_key(account_id), made_by=by)
            await db.write(acts.create_key, account_id, key, f"made-{number}", ACTOR)
        for key in (maker, other):
            await db.write(sessions.open_session, key.account_id, key.id, f"session-{key.id}", "")
            await db.write(files.add_file, key.account_id, new_file(key.account_id), 10**12, 5)
        await db.write(tasks.submit_task, account_id, new_task(maker, callback_url=URL), None, 100)
        closed = await close(db, account_id)
        assert (closed.changed, closed.ended_keys, closed.account.posted) == (True, 3, 10_000)
        assert closed.account.closed is not None
        again = await close(db, account_id)
        assert (again.changed, again.ended_keys, again.account.closed) == (False, 0, closed.account.closed)
        assert all(key.disabled is not None for key in await db.read(api_keys.list_keys, account_id))
        assert await db.read(sessions.find_session_by_digest, f"session-{maker.id}") is None
        assert await db.read(files.count_files, account_id) == 0
        assert await db.snapshot(find_violations, 0) == []
        rows = (await db.read(audit.list_audit_page, None, 50, account_id)).rows
        assert [row.action for row in rows].count("account.close") == 1
        assert [row.action for row in rows].count("key.disable") == 3
        assert await db.read(sessions.find_session_by_digest, f"session-{other.id}") is not None
        assert await db.read(files.count_files, other_id) == 1
        await cancel_unsent(db)
        account = await db.read(accounts.find_account, account_id)
        assert account is not None
        assert (account.posted, account.held, account.unfinished) == (10_000, 0, 0)
        assert await db.snapshot(find_violations, 0) == []

    asyncio.run(scenario())


def test_a_closed_account_gets_no_key_no_credits_no_file_and_no_task(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        account_id, key = await create_customer(db, 10_000)
        posted = await db.write(acts.grant_once, account_id, 5, "grant:before", ACTOR)
        await close(db, account_id)
        made = msgspec.structs.replace(new_key(account_id), made_by=key.id)
        assert (await db.write(acts.create_key, account_id, made, "made", ACTOR)).result == MakerEnded()
        assert (await db.write(acts.create_key, account_id, new_key(account_id), "d", ACTOR)).result == AccountClosed()
        assert (await db.write(acts.grant, account_id, 5, "grant:x", ACTOR)).result == AccountClosed()
        assert (await db.write(acts.grant_once, account_id, 5, "grant:y", ACTOR)).result == AccountClosed()
        repeated = await db.write(acts.grant_once, account_id, 5, "grant:before", ACTOR)
        assert repeated.result == msgspec.structs.replace(posted.result, replayed=True)
        await db.write(acts.grant, account_id, -4, "grant:back", ACTOR)
        assert await db.write(files.add_file, account_id, new_file(account_id), 10**12, 5) == OwnerClosed()
        refused = await db.write(tasks.submit_task, account_id, new_task(key), None, 100)
        assert isinstance(refused, InsufficientCredit)
        account = await db.read(accounts.find_account, account_id)
        assert account is not None
        assert (account.posted, account.held) == (10_001, 0)
        reopened = (await db.write(acts.reopen_account, account_id, ACTOR)).result
        assert reopened is not None
        assert reopened.account.closed is None
        assert (await db.write(acts.reopen_account, account_id, ACTOR)).entries == []
        found = await db.read(api_keys.find_key, account_id, key.id)
        assert found is not None
        assert found.disabled is not None, "who had it may be why the account was closed"
        assert await db.snapshot(find_violations, 0) == []
        assert (await db.write(acts.close_account, "acc_nobody", ACTOR)).result is None
        assert (await db.write(acts.reopen_account, "acc_nobody", ACTOR)).result is None

    asyncio.run(scenario())


@pytest.mark.parametrize("state", ["queued", "waiting for a slot", "claimed", "failed call", "released"])
def test_ten_4_what_was_not_sent_is_cancelled_and_no_call_begins(open_database: OpenDatabase, state: str) -> None:
    async def scenario() -> None:
        db = open_database()
        account_id, key = await create_customer(db, 10_000)
        if state == "waiting for a slot":
            await db.write(api_keys.update_key, account_id, key.id, {"concurrent_tasks": 1})
            await db.write(tasks.submit_task, account_id, new_task(key), None, 100)
        new = new_task(key, callback_url=URL)
        await db.write(tasks.submit_task, account_id, new, None, 100)
        task = None
        if state in ("claimed", "failed call", "released"):
            task = (await db.write(claim_tasks, account_id, "one", LEASE_US, 1))[0]
        if task and state == "failed call":
            attempt = new_attempt(task)
            await db.write(attempts.begin_attempt, account_id, attempt, "one", ROUTE)
            await db.write(end_unsent_call, attempt.id)
        if state == "released":
            await db.write(claims.release_task, account_id, new.id, 1, 2**60)
        await close(db, account_id)
        if task and state != "released":
            begun = await db.write(attempts.begin_attempt, account_id, new_attempt(task), "one", ROUTE)
            assert begun == CancelRequested()
        assert new.id in await cancel_unsent(db)
        assert await cancel_unsent(db) == []
        ended = await db.read(tasks.find_task, account_id, new.id)
        assert ended is not None
        assert (ended.state, ended.cancelled, ended.charge) == (TaskState.failed, True, 0)
        assert await db.snapshot(find_violations, 0) == []

    asyncio.run(scenario())


def end_unsent_call(tx: Tx, attempt_id: str) -> None:
    tx.execute("UPDATE attempts SET outcome = 'unavailable', ended = :now WHERE id = :id", {"id": attempt_id})


def test_what_was_sent_goes_on_and_its_upstream_is_not_told_to_stop(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        account_id, key = await create_customer(db, 10_000)
        new = new_task(key, callback_url=URL)
        await db.write(tasks.submit_task, account_id, new, None, 100)
        task = (await db.write(claim_tasks, account_id, "one", LEASE_US, 1))[0]
        await db.write(attempts.begin_attempt, account_id, new_attempt(task), "one", ROUTE)
        await close(db, account_id)
        assert await cancel_unsent(db) == []
        found = await db.read(tasks.find_task, account_id, new.id)
        assert found is not None
        assert found.cancel_requested is None
        done = new_settlement(task, 700)
        assert await db.write(settlement.complete_task, account_id, new.id, 1, done, render_webhook) == Done()
        account = await db.read(accounts.find_account, account_id)
        assert account is not None
        assert (account.posted, account.held) == (9_300, 0)
        assert await db.snapshot(find_violations, 0) == []

    asyncio.run(scenario())


def test_ten_4_creates_keys_calls_and_a_close_at_the_same_moment(open_database: OpenDatabase) -> None:
    """Two processes: what was committed before the close is cancelled or sent, the rest is refused, and none waits for
    another for ever."""

    async def scenario() -> None:
        databases = [open_database(), open_database()]
        for number in range(6):
            account_id, key = await create_customer(databases[0], 10**6, f"customer-{number}")
            sent = new_task(key, callback_url=URL)
            await databases[0].write(tasks.submit_task, account_id, sent, None, 100)
            claimed = (await databases[0].write(claim_tasks, account_id, "one", LEASE_US, 1))[0]
            creates = [new_task(key, callback_url=URL) for _ in range(6)]
            begin = databases[0].write(attempts.begin_attempt, account_id, new_attempt(claimed), "one", ROUTE)
            before = [databases[0].write(tasks.submit_task, account_id, new, None, 100) for new in creates[:3]]
            closing = asyncio.ensure_future(close(databases[1], account_id))
            made = databases[0].write(acts.create_key, account_id, new_key(account_id), uuid.uuid4().hex, ACTOR)
            claiming = databases[1].write(claim_tasks, account_id, "two", LEASE_US, 2)
            after = [databases[number % 2].write(tasks.submit_task, account_id, new, None, 100) for new in creates[3:]]
            results = await asyncio.gather(*before, *after)
            await asyncio.gather(closing, made, claiming)
            begun = await begin
            assert all(isinstance(one, TaskSubmitted | InsufficientCredit) for one in results)
            assert await databases[0].snapshot(find_violations, 0) == []
            cancelled = set(await cancel_unsent(databases[0]))
            assert cancelled == {
                new.id for new, result in zip(creates, results, strict=True) if isinstance(result, TaskSubmitted)
            } | (set() if begun == Done() else {sent.id})
            account = await databases[0].read(accounts.find_account, account_id)
            assert account is not None
            assert account.unfinished == (1 if begun == Done() else 0)
            refused = await databases[1].write(tasks.submit_task, account_id, new_task(key), None, 100)
            assert isinstance(refused, InsufficientCredit)
        assert await databases[0].snapshot(find_violations, 0) == []

    asyncio.run(scenario())


def test_unsent_tasks_of_open_accounts_are_left_alone(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        account_id, key = await create_customer(db, 10_000)
        await db.write(tasks.submit_task, account_id, new_task(key), None, 100)
        assert await cancel_unsent(db) == []
        await close(db, account_id)
        await db.write(acts.reopen_account, account_id, ACTOR)
        assert await cancel_unsent(db) == [], "the worker that claims it cancels it"
        claimed = (await db.write(claim_tasks, account_id, "one", LEASE_US, 1))[0]
        assert claimed.cancel_requested is not None

    asyncio.run(scenario())
