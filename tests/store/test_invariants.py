"""`imagegate check`: each invariant finds the row that breaks it. A check that cannot fail proves nothing."""

from __future__ import annotations

import asyncio
import hashlib
import os
from pathlib import Path

import msgspec
import pytest

from imagegate.blobs import LocalBlobStore
from imagegate.domain.audit import Actor
from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.domain.time import US_PER_HOUR, US_PER_MINUTE
from imagegate.domain.webhooks import DeliveryResult
from imagegate.flows.blob_audit import audit_blobs
from imagegate.store import acts, attempts, deliveries, files, refunds, settlement, tasks
from imagegate.store.database import Database
from imagegate.store.deletion import TaskDeleted, delete_task
from imagegate.store.idempotency import IdempotencyKey
from imagegate.store.invariants import Check, Violation, find_violations
from imagegate.store.rules import INVARIANTS
from imagegate.store.task_metadata import change_metadata
from tests.conftest import OpenDatabase
from tests.store.helpers import (
    LEASE_US,
    ROUTE,
    claim_tasks,
    create_customer,
    draw_thumbnail,
    new_attempt,
    new_file,
    new_refund,
    new_settlement,
    new_task,
    render_webhook,
)

FAR, HOUR = 10**15, US_PER_HOUR
FAULTS = {
    "I1": "UPDATE entries SET amount = amount + 1 WHERE account = 'sys:bank'",
    "I2.posted": "UPDATE accounts SET posted = posted + 1",
    "I2.held": "UPDATE accounts SET held = held + 1",
    "I2.key": "UPDATE api_keys SET held = held + 1",
    "I4": "UPDATE tasks SET hold = hold + 1 WHERE state = 'queued'",
    "I5": "UPDATE tasks SET charge = 1 WHERE state = 'failed'",
    "I6.settled": "UPDATE entries SET ref = 'settle:nothing' WHERE kind = 'charge'",
    "I6.accounts": "UPDATE entries SET account = 'sys:elsewhere' WHERE account = 'sys:revenue'",
    "I6.refunds": "UPDATE refunds SET amount = amount - 1",
    "I7.claims": "DELETE FROM task_steps WHERE state = 'running' AND claim_no = 1",
    "I7.attempts": "UPDATE attempts SET outcome = 'sending'",
    "I8": "UPDATE assets SET commit_id = 'cmt_other'",
    "I9": "UPDATE task_steps SET state = 'failed' WHERE seq = 1",
    "I10.one": "UPDATE deliveries SET commit_id = 'cmt_other'",
    "I10.attempts": "UPDATE delivery_attempts SET status = 204 WHERE number = 1",
    "I10.closed": "DELETE FROM delivery_attempts WHERE number = 2",
    "I11": f"UPDATE tasks SET deadline = deadline - {FAR} WHERE state = 'queued'",
    "I11.slots": "UPDATE tasks SET waiting_for_slot = 1 WHERE state = 'queued'",
    "I12.files": "UPDATE accounts SET file_count = file_count + 1",
    "I13": f"UPDATE assets SET expires = expires - {FAR}",
    "I13.thumbnails": "DELETE FROM assets WHERE kind = 'result'",
    "I13.undrawn": "UPDATE assets SET thumbnail_due = 1 WHERE kind = 'thumbnail'",
    "I13.files": f"UPDATE files SET expires = expires - {FAR}",
    "I14": "UPDATE idempotency SET task_id = 'task-unified-0-nowhere0'",
    "I15": "UPDATE tasks SET key_id = (SELECT id FROM api_keys WHERE account_id <> tasks.account_id LIMIT 1)",
    "I15.files": "UPDATE files SET account_id = (SELECT id FROM accounts WHERE id <> files.account_id LIMIT 1)",
    "I19": "UPDATE api_keys SET disabled = NULL",
    "I20": "UPDATE tasks SET callback_url = 'https://hook.test/' WHERE deleted IS NOT NULL",
    "I21": "DELETE FROM starred_tasks",
    "I22": "INSERT INTO daily_balances (account, day, balance, used, lines) SELECT id, 0, 5, 0, 1 FROM accounts",
    "I16": "UPDATE prices SET body = '{\"edited\": 1}'",
}
MORE_FAULTS = [
    ("I2.key", "DELETE FROM refunds"),
    ("I6.refunds", "DELETE FROM refunds"),
    ("I6.refunds", "UPDATE entries SET account = 'sys:bank' WHERE kind = 'refund' AND account = 'sys:revenue'"),
    ("I6.refunds", "UPDATE entries SET ref = 'refund:nothing' WHERE kind = 'refund'"),
    ("I6.refunds", "UPDATE entries SET amount = amount / 2 WHERE kind = 'refund'"),
    ("I12.files", "UPDATE files SET counted = 0"),
    ("I13.files", f"UPDATE assets SET expires = expires + {FAR} WHERE kind = 'upload'"),
    ("I13.files", f"UPDATE assets SET deleted = {FAR} - 1 WHERE kind = 'upload'"),
    ("I13.files", "UPDATE assets SET kind = 'reference' WHERE kind = 'upload'"),
    ("I13.files", "UPDATE files SET removed = 1"),
    ("I13.thumbnails", "UPDATE assets SET thumbnail_due = 1 WHERE kind = 'result'"),
    ("I13.thumbnails", "UPDATE assets SET kind = 'thumbnail', position = 0 WHERE kind = 'upload'"),
    ("I13.undrawn", "UPDATE assets SET thumbnail_due = 1, deleted = 1 WHERE kind = 'result'"),
    ("I13.thumbnails", "UPDATE tasks SET thumbnail_expires = NULL WHERE state = 'completed'"),
    ("I13.thumbnails", "DELETE FROM starred_tasks"),
    ("I13.thumbnails", "UPDATE assets SET expires = 1 WHERE kind = 'thumbnail'"),
    ("I15.files", "DELETE FROM files"),
    ("I20", "UPDATE tasks SET deleted = 1 WHERE state = 'queued'"),
    ("I20", "UPDATE tasks SET deleted = 1 WHERE state = 'completed'"),
    ("I20", 'UPDATE tasks SET order_body = \'{"prompt":"left"}\' WHERE deleted IS NOT NULL'),
    ("I21", "DELETE FROM task_metadata"),
    ("I21", "UPDATE task_metadata SET account_id = (SELECT id FROM accounts WHERE name = 'neighbour')"),
    (
        "I15.files",
        ("UPDATE assets SET account_id = (SELECT id FROM accounts WHERE name = 'neighbour') WHERE kind = 'upload'"),
    ),
    ("I19", "UPDATE files SET counted = 1 WHERE removed IS NOT NULL"),
    ("I22", "INSERT INTO daily_sums SELECT id, 0, 'charge', '', '', '', 5, 0, 0 FROM accounts"),
    ("I19", "UPDATE tasks SET cancel_requested = NULL"),
]


async def populate(db: Database) -> None:
    """A completed, starred and refunded, a failed, a deleted, a running and a queued task, a file; two more accounts,
    one closed; a closed day without entries."""
    await db.write(lambda tx: tx.insert("closed_days", day=0, closed=1, completed=0, failed=0, cancelled=0))
    account_id, key = await create_customer(db, 100_000)
    await create_customer(db, 5, "neighbour")
    await _add_closed_account(db)
    await db.write(files.add_file, account_id, new_file(account_id), FAR, 100)
    use = IdempotencyKey("create", "key", "same", FAR)
    for number in range(4):
        new = new_task(key, callback_url=f"https://hook.test/{number}")
        await db.write(tasks.submit_task, account_id, new, None if number else use, 100)
    done, failed, _ = await db.write(claim_tasks, account_id, "one", LEASE_US, 3)
    attempt = new_attempt(done)
    await db.write(attempts.begin_attempt, account_id, attempt, "one", ROUTE)
    await db.write(settlement.complete_task, account_id, done.id, 1, new_settlement(done, 400, 900), render_webhook)
    assert await draw_thumbnail(db, done)
    assert isinstance(await db.write(refunds.refund_task, account_id, new_refund(done.id)), refunds.Refund)
    error = TaskError(TaskErrorCode.service_error, "test")
    await db.write(settlement.fail_task, account_id, failed.id, 1, error, "cmt_failed", render_webhook)
    await db.write(change_metadata, account_id, done.id, {"starred": "true"})
    gone = new_task(key, callback_url="https://hook.test/4")
    await db.write(tasks.submit_task, account_id, gone, None, 100)
    await db.write(settlement.fail_task, account_id, gone.id, 0, error, "cmt_gone", render_webhook)
    assert isinstance(await db.write(delete_task, account_id, gone.id), TaskDeleted)
    for result in (DeliveryResult(duration_ms=1, status=500), DeliveryResult(duration_ms=1, status=204)):
        for sent in await db.write(deliveries.claim_deliveries, "hook.test", "one", LEASE_US, 9):
            one = sent.delivery
            await db.write(deliveries.end_attempt, account_id, one.id, one.number, result, (0, 0, 0))


async def _add_closed_account(db: Database) -> None:
    """With a file, and a task that nobody has cancelled yet."""
    account_id, key = await create_customer(db, 10_000, "former")
    await db.write(files.add_file, account_id, new_file(account_id), FAR, 100)
    await db.write(tasks.submit_task, account_id, new_task(key), None, 100)
    await db.write(acts.close_account, account_id, Actor(name="test", via="program"))


async def find_in_pieces(db: Database) -> list[Violation]:
    """With pieces of one row: each row is the first and the last one of its piece."""
    check = Check(grace_us=US_PER_MINUTE)
    check.share = 0.0
    while not check.is_done:
        await db.read_report(check.check_piece)
    return check.violations


# Every invariant is asked of PostgreSQL by the first test; that each finds its fault there, by `make stress`.
ENGINES = pytest.mark.parametrize(
    "database_url", ["sqlite", pytest.param("postgres", marks=pytest.mark.gate)], indirect=True
)


def test_all_hold_on_a_lively_database(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        await populate(db)
        assert await db.snapshot(find_violations, US_PER_MINUTE) == []
        assert await find_in_pieces(db) == []

    asyncio.run(scenario())


@ENGINES
@pytest.mark.parametrize("invariant", FAULTS)
def test_a_planted_fault_is_found(open_database: OpenDatabase, invariant: str) -> None:
    async def scenario() -> None:
        db = open_database()
        await populate(db)
        assert await db.write(lambda tx: tx.execute(FAULTS[invariant])) > 0
        found = await find_in_pieces(db)
        assert invariant in {one.id for one in found}
        assert all(one.rows for one in found)

    asyncio.run(scenario())


@ENGINES
@pytest.mark.parametrize(("invariant", "sql"), MORE_FAULTS)
def test_a_further_planted_fault_is_found(open_database: OpenDatabase, invariant: str, sql: str) -> None:
    async def scenario() -> None:
        db = open_database()
        await populate(db)
        assert await db.write(lambda tx: tx.execute(sql)) > 0
        assert invariant in {one.id for one in await find_in_pieces(db)}

    asyncio.run(scenario())


def test_an_expired_upload_must_lose_its_bytes_within_the_hour(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database(lambda: FAR)
        account_id, _ = await create_customer(db, 0)
        await db.write(files.add_file, account_id, new_file(account_id), HOUR, 100)
        for hours, found in ((1, False), (2, False), (3, True)):
            late = open_database(lambda hours=hours: FAR + hours * HOUR)
            broken = await late.snapshot(find_violations, US_PER_MINUTE)
            assert ("I13.files" in {one.id for one in broken}) is found

    asyncio.run(scenario())


def test_i12_the_bytes_of_an_upload_are_read_too(open_database: OpenDatabase, tmp_path: Path) -> None:
    """Lost, shortened or changed bytes are found, and a blob that no row knows."""

    async def scenario() -> None:
        db, blobs = open_database(), LocalBlobStore(tmp_path / "blobs")
        account_id, _ = await create_customer(db, 0)
        draft = tmp_path / "draft"
        draft.write_bytes(b"0123456789")
        new = new_file(account_id)
        asset = msgspec.structs.replace(new.asset, sha256=hashlib.sha256(b"0123456789").hexdigest())
        await blobs.put(draft, asset)
        await db.write(files.add_file, account_id, msgspec.structs.replace(new, asset=asset), FAR, 100)
        stored = tmp_path / "blobs" / asset.key
        assert await audit_blobs(db, blobs) == []
        for wrong in (b"012345678", b"0123456780"):
            stored.write_bytes(wrong)
            assert [one.id for one in await audit_blobs(db, blobs)] == ["I12.bytes"]
        stored.unlink()
        assert [one.id for one in await audit_blobs(db, blobs)] == ["I12.bytes"]
        (stored.parent / "orphan.png").write_bytes(b"x")
        os.utime(stored.parent / "orphan.png", (0, 0))
        assert [one.id for one in await audit_blobs(db, blobs)] == ["I12.bytes", "I12.orphans"]

    asyncio.run(scenario())


def test_i3_is_kept_by_the_database_itself(open_database: OpenDatabase) -> None:
    """No statement can overdraw an account: the row's own CHECK refuses."""

    async def scenario() -> None:
        db = open_database()
        await populate(db)
        with pytest.raises(Exception, match=r"(?i)check"):
            await db.write(lambda tx: tx.execute("UPDATE accounts SET posted = 0 WHERE name = 'customer'"))

    asyncio.run(scenario())


def test_every_invariant_has_a_planted_fault() -> None:
    assert {rule.id for rule in INVARIANTS} == {*FAULTS, "I3"}
