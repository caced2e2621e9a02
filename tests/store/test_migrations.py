"""A database of an earlier version keeps its rows: made by the first eleven migrations, or by the program of a version
in `versions`, read after all of them."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from pathlib import Path

import msgspec
import pytest

from imagegate.domain.accounts import CUSTOMER_SCOPES
from imagegate.domain.tasks import AttemptOutcome, TaskState
from imagegate.domain.time import US_PER_DAY, US_PER_HOUR, US_PER_MINUTE, US_PER_SECOND
from imagegate.domain.webhooks import DeliveryResult, SecretVersion
from imagegate.routing.circuit_breaker import Health, Open, breaker_state
from imagegate.security.rate_limit import Denied, Quota
from imagegate.store import (
    api_keys,
    attempts,
    claims,
    database,
    deliveries,
    fetch_budget,
    files,
    rate_buckets,
    refunds,
    route_health,
    sessions,
    tasks,
)
from imagegate.store.database import Database, create_engine, load_migrations
from imagegate.store.invariants import find_violations
from imagegate.store.queries.tasks import load_history
from imagegate.store.transaction import Tx
from tests.store.helpers import LEASE_US, ORDER, PRICE_BODY, PRICE_BODY_HASH, claim_tasks, render_webhook

VERSIONS = Path(__file__).parent / "versions"
NOW = time.time_ns() // 1_000_000_000 * US_PER_SECOND
SOON = NOW + US_PER_SECOND
SLOT_WAIT = 2**61  # what an earlier version added to the due time of a task that waited for a slot
ORDER_BODY = msgspec.json.encode(ORDER).decode()
HOST = "hook.test"
DONE, CANCELLING, OLD_STATE, WAITING = (f"task-unified-{n}-aaaaaaaa" for n in range(4))

# 2 is a task's claim number, 1,000 its hold; the account was granted 10,000, and the one charge was refunded.
_TASK = """INSERT INTO tasks (id, account_id, key_id, state, claim_no, seq, model, order_body, billing_rule,
    price_version, hold, created, due, deadline, {columns}) VALUES ('{id}', 'acc_1', 'key_1', '{state}', {claims},
    {seq}, 'gpt-image-2', :order_body, 'per_token', 'test.1', 1000, :now, :now, :later, {values})"""
ROWS = (
    "INSERT INTO prices VALUES ('test.1', :price_hash, :price_body, :now)",
    """INSERT INTO accounts (id, name, posted, held, unfinished, created, files, hook_version, hook_rotated)
    VALUES ('acc_1', 'shop', 10000, 3000, 3, :now, 1, 2, 7)""",
    """INSERT INTO api_keys (id, account_id, name, digest, shown, scopes, held, created, concurrent_tasks)
    VALUES ('key_1', 'acc_1', 'key', 'digest', 'imk_live_abcd…', '["images:write"]', 3000, :now, 2)""",
    """INSERT INTO api_keys (id, account_id, name, digest, shown, scopes, created, cap) VALUES
    ('key_all', 'acc_1', 'key', 'of all', 'imk',
     '["images:write", "tasks:read", "files:write", "billing:read"]', 1, NULL),
    ('key_cap', 'acc_1', 'key', 'of a cap', 'imk',
     '["images:write", "tasks:read", "files:write", "billing:read"]', 1, 9),
    ('key_one', 'acc_1', 'key', 'of one', 'imk', '["billing:read"]', 1, NULL)""",
    """INSERT INTO entries (id, ref, account, kind, amount, task_id, actor, commit_id, created) VALUES
    ('led_1', 'grant:1', 'acc_1', 'grant', 10000, NULL, 'test', 'cmt_g', :now),
    ('led_2', 'grant:1', 'sys:bank', 'grant', -10000, NULL, 'test', 'cmt_g', :now),
    ('led_3', 'settle:{done}', 'acc_1', 'charge', -700, '{done}', 'settle', 'cmt_1', :now),
    ('led_4', 'settle:{done}', 'sys:revenue', 'charge', 700, '{done}', 'settle', 'cmt_1', :now),
    ('led_5', 'refund:{done}', 'acc_1', 'refund', 700, '{done}', 'test', 'cmt_r', :now),
    ('led_6', 'refund:{done}', 'sys:revenue', 'refund', -700, '{done}', 'test', 'cmt_r', :now)""",
    _TASK.format(
        id=DONE,
        state="completed",
        claims=1,
        seq=3,
        columns="started, ended, charge, results, results_expire, commit_id, callback_url, sent, progress",
        values=""":now, :now, 700,
            '[{{"index":0,"ext":"png","media_type":"image/png","width":2048,"height":2048,"bytes":10}}]',
            :later, 'cmt_1', 'https://hook.test/', :now, 100""",
    ),
    _TASK.format(
        id=CANCELLING,
        state="running",
        claims=1,
        seq=2,
        columns="started, owner, lease_until, sent, cancel_wished",
        values=":now, 'old', :later, :now, :now",
    ),
    _TASK.format(
        id=OLD_STATE,
        state="finalizing",
        claims=1,
        seq=3,
        columns="started, owner, lease_until",
        values=":now, 'old', :later",
    ),
    _TASK.format(id=WAITING, state="queued", claims=0, seq=1, columns="started", values="NULL"),
    f"UPDATE tasks SET due = due + {SLOT_WAIT} WHERE id = '{WAITING}'",
    """INSERT INTO holds (task_id, account_id, key_id, amount, day, state, charge, created, closed) VALUES
    ('{done}', 'acc_1', 'key_1', 1000, 0, 'settled', 700, :now, :now),
    ('{cancelling}', 'acc_1', 'key_1', 1000, 0, 'open', 0, :now, NULL),
    ('{old_state}', 'acc_1', 'key_1', 1000, 0, 'open', 0, :now, NULL),
    ('{waiting}', 'acc_1', 'key_1', 1000, 0, 'open', 0, :now, NULL)""",
    """INSERT INTO steps (task_id, seq, claim_no, state, progress, at) VALUES
    ('{done}', 1, 0, 'queued', 0, :now), ('{done}', 2, 1, 'running', 0, :now), ('{done}', 3, 1, 'completed', 100, :now),
    ('{cancelling}', 1, 0, 'queued', 0, :now), ('{cancelling}', 2, 1, 'running', 0, :now),
    ('{old_state}', 1, 0, 'queued', 0, :now), ('{old_state}', 2, 1, 'running', 0, :now),
    ('{old_state}', 3, 1, 'finalizing', 0, :now), ('{waiting}', 1, 0, 'queued', 0, :now)""",
    """INSERT INTO attempts (id, task_id, account_id, claim_no, route, owner, outcome, started, ended, upstream,
        trouble)
    VALUES ('att_1', '{done}', 'acc_1', 1, 'r', 'old', 'unavailable', :now, :now, 'u', 'throttled'),
    ('att_2', '{done}', 'acc_1', 1, 'r', 'old', 'produced', :now, :now, 'u', ''),
    ('att_3', '{cancelling}', 'acc_1', 1, 'r', 'old', 'sending', :now, NULL, 'u', '')""",
    """INSERT INTO assets (id, account_id, task_id, kind, position, key, media_type, bytes, width, height, sha256,
        created, expires, commit_id) VALUES
    ('ast_1', 'acc_1', '{done}', 'result', 0, 't/1.png', 'image/png', 10, 2048, 2048, '00', :now, :later, 'cmt_1'),
    ('ast_2', 'acc_1', NULL, 'upload', 0, 't/2.png', 'image/png', 10, 0, 0, '00', :now, :later, NULL)""",
    """INSERT INTO files (id, account_id, asset_id, secret, file_name, original_name, upload_path, created, expires)
    VALUES ('file_1', 'acc_1', 'ast_2', 'secret', 'a.png', 'a.png', 'images', :now, :later)""",
    "INSERT INTO hook_hosts (host, failures, parked) VALUES ('hook.test', 20, :now)",
    """INSERT INTO deliveries (id, account_id, task_id, url, host, body, state, tried, number, due, created, commit_id)
    VALUES ('evt_1', 'acc_1', '{done}', 'https://hook.test/', 'hook.test', '{{}}', 'waiting', 1, 1, :now, :now,
        'cmt_1')""",
    """INSERT INTO delivery_attempts (delivery_id, number, account_id, round, not_before, started, ended, duration_ms,
        status) VALUES ('evt_1', 1, 'acc_1', 0, :now, :now, :now, 5, 500)""",
    "INSERT INTO rates (bucket, whole_at) VALUES ('key_1', :next_minute)",
    """INSERT INTO health (scope, body, free_at) VALUES ('sys:repeats', '{{}}', 0),
    ('u', '{{"fails":5,"since":1,"calls":9,"bad":5,"opens":2,"broken_until":{soon},"cooled_until":3,'
        || '"trial_until":4,"reason":"failing","key":"k","flags":1,"flag":"size"}}', :next_minute), ('r', '{{}}', 0)""",
    "INSERT INTO fetched (account_id, hour, bytes, held) VALUES ('acc_1', :hour, 60, 30)",
    """INSERT INTO refunds (task_id, id, account_id, amount, reason, actor, once, commit_id, created)
    VALUES ('{done}', 'rfd_1', 'acc_1', 700, 'broken', 'test', 'refund-key', 'cmt_r', :now)""",
    """INSERT INTO sessions (digest, account_id, key_id, created, seen, expires)
    VALUES ('session', 'acc_1', 'key_1', :now, :now, :later)""",
    """INSERT INTO idempotency (account_id, endpoint, key, fingerprint, task_id, expires)
    VALUES ('acc_1', 'create', 'k', 'f', '{done}', :later)""",
)


def make_old_database(url: str) -> None:
    connection = create_engine(url).connect(readonly=False)
    params = {
        "now": NOW,
        "later": NOW + US_PER_DAY,
        "next_minute": NOW + 2 * US_PER_MINUTE,
        "hour": NOW // US_PER_HOUR,
        "order_body": ORDER_BODY,
        "price_hash": PRICE_BODY_HASH,
        "price_body": PRICE_BODY,
    }
    ids = {"soon": SOON, "done": DONE, "cancelling": CANCELLING, "old_state": OLD_STATE, "waiting": WAITING}
    connection.begin()
    connection.execute_script(database.CREATE_MIGRATIONS_TABLE)
    for name, text in load_migrations():
        if name < "0012":
            connection.execute_script(text)
            database._record_migration(connection, name, text)
    for sql in ROWS:
        text = sql.format(**ids) if "{" in sql else sql
        connection.execute(text, {name: value for name, value in params.items() if f":{name}" in text})
    connection.commit()
    connection.close()


def test_rows_of_an_earlier_version_are_read_by_this_one(empty_database_url: str) -> None:
    make_old_database(empty_database_url)
    db = Database(create_engine(empty_database_url, lambda: NOW))
    db.migrate()
    try:
        asyncio.run(_check_rows(db))
    finally:
        db.close()


@pytest.mark.parametrize("version", sorted(path.stem for path in VERSIONS.glob("*.sql")))
def test_the_small_database_of_each_version_goes_on(version: str, tmp_path: Path) -> None:
    """Each was made by the program of its version: completed, cancelled and queued tasks, a file, a webhook."""
    file = tmp_path / "imagegate.db"
    with contextlib.closing(sqlite3.connect(file)) as old:
        old.executescript((VERSIONS / f"{version}.sql").read_text())
        (now,) = old.execute("SELECT MAX(created) + 1000000 FROM tasks").fetchone()
    db = Database(create_engine(str(file), lambda: now))
    db.migrate()

    async def scenario() -> None:
        assert await db.snapshot(find_violations, US_PER_HOUR) == []
        states = await db.read(_states_of_shown_tasks)
        [account] = {account for (account,) in await db.read(_accounts_with_tasks)}
        found = [await db.read(tasks.find_task, account, task_id) for task_id in states]
        assert [str(task.state) for task in found if task] == list(states.values())
        claimed = await db.write(claim_tasks, account, "boot_new", LEASE_US, 10)
        assert [task.id for task in claimed] == [task_id for task_id, state in states.items() if state == "queued"]

    try:
        asyncio.run(scenario())
    finally:
        db.close()


def _states_of_shown_tasks(tx: Tx) -> dict[str, str]:
    return {row["id"]: row["state"] for row in tx.fetch_all("SELECT id, state FROM tasks WHERE deleted IS NULL")}


def _accounts_with_tasks(tx: Tx) -> list[tuple[str]]:
    return [(row["account_id"],) for row in tx.fetch_all("SELECT DISTINCT account_id FROM tasks")]


async def _check_rows(db: Database) -> None:
    assert await db.snapshot(find_violations, US_PER_HOUR) == []

    done, cancelling, old_state, waiting = [
        await db.read(tasks.find_task, "acc_1", task_id) for task_id in (DONE, CANCELLING, OLD_STATE, WAITING)
    ]
    assert done and cancelling and old_state and waiting  # noqa: PT018  for the types
    assert (done.first_sent, done.cancel_requested, done.refunded, done.charge) == (NOW, None, NOW, 700)
    assert (cancelling.first_sent, cancelling.cancel_requested) == (NOW, NOW)
    assert old_state.state == TaskState.running
    history = await db.snapshot(load_history, "acc_1", DONE)
    assert history is not None
    assert [change.state for change in history[1]] == [TaskState.queued, TaskState.running, TaskState.completed]

    key = await db.read(api_keys.find_key_by_digest, "digest")
    assert key is not None
    assert (key.hint, key.concurrent_tasks) == ("imk_live_abcd…", 2)
    scopes = {one.id: one.scopes for one in await db.read(api_keys.list_keys, "acc_1")}
    assert scopes == {
        "key_1": ("images:write",),
        "key_all": CUSTOMER_SCOPES,
        "key_cap": CUSTOMER_SCOPES[:-1],
        "key_one": ("billing:read",),
    }, "what could do all, and make keys, still can"
    made = await db.read(attempts.list_attempts, "acc_1", DONE)
    assert [(attempt.outcome, attempt.failure_kind) for attempt in made] == [
        (AttemptOutcome.unavailable, "throttled"),
        (AttemptOutcome.produced, ""),
    ]
    assert await db.read(deliveries.load_secret_version, "acc_1") == SecretVersion(2, 7)
    session = await db.read(sessions.find_session_by_digest, "session")
    assert session is not None
    assert session.last_used == NOW
    listed, total = await db.snapshot(files.list_files_page, "acc_1", 1, 10)
    assert ([file.id for file in listed], total) == (["file_1"], 1)
    removed = await db.write(files.remove_file, "acc_1", "file_1")
    assert isinstance(removed, files.FileRemoved)

    health = await db.read(route_health.load_health)
    assert set(health) == {"u", "r"}
    assert breaker_state(health["u"], NOW) == Open(SOON, "failing", is_temporary=True)
    assert health["r"] == Health()
    quota = Quota("key", "key_1", 1)
    assert isinstance(
        await db.write_ordered(rate_buckets.lock_key((quota,)), rate_buckets.take_shared, (quota,)), Denied
    )
    assert await db.write(fetch_budget.reserve_fetch, "acc_1", 50, 100) == fetch_budget.BudgetReserved()
    allowance = await db.write(fetch_budget.reserve_fetch, "acc_1", 10, 100)
    assert allowance == fetch_budget.FetchAllowance(NOW // US_PER_HOUR, 10)

    again = refunds.NewRefund(
        id="rfd_2", task_id=DONE, reason="broken", actor="test", idempotency_key="refund-key", commit_id="cmt_2"
    )
    refund = await db.write(refunds.refund_task, "acc_1", again)
    assert isinstance(refund, refunds.Refund)
    assert (refund.id, refund.replayed) == ("rfd_1", True)

    [claimed] = await db.write(deliveries.claim_deliveries, HOST, "new", LEASE_US, 9)
    result = DeliveryResult(duration_ms=5, status=500)
    closed = await db.write(deliveries.end_attempt, "acc_1", "evt_1", claimed.delivery.number, result, (1,))
    assert isinstance(closed, deliveries.DeliveryClosed), "the attempt before the migration counts"

    assert await db.write(claim_tasks, "acc_1", "new", LEASE_US, 9) == [], "two tasks occupy the two slots"
    assert await db.write(claims.recover_lost_tasks, "new", False, 3, 9, render_webhook) == [CANCELLING, OLD_STATE]
    taken = await db.write(claim_tasks, "acc_1", "new", LEASE_US, 9)
    assert {task.id for task in taken} == {CANCELLING, OLD_STATE}
    await db.write(claims.release_task, "acc_1", CANCELLING, 2)
    await db.write(api_keys.update_key, "acc_1", "key_1", {"concurrent_tasks": None})
    taken = await db.write(claim_tasks, "acc_1", "new", LEASE_US, 9)
    assert {task.id for task in taken} == {CANCELLING, WAITING}
    assert await db.snapshot(find_violations, US_PER_HOUR) == []
