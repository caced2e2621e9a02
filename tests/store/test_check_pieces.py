"""A check in pieces finds what one look at everything would find, whatever others write meanwhile, and reads little."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import Any

import apsw
import pytest

from imagegate.domain.errors import TaskError, TaskErrorCode
from imagegate.domain.time import US_PER_DAY, US_PER_HOUR
from imagegate.store import attempts, invariants, ledger, purge, refunds, settlement, tasks
from imagegate.store.database import Database
from imagegate.store.invariants import Check, Place, find_newest_violations
from imagegate.store.rules import BOOK_INVARIANTS, INVARIANTS
from imagegate.store.transaction import Tx
from tests.conftest import OpenDatabase
from tests.store.helpers import (
    LEASE_US,
    ROUTE,
    FakeClock,
    claim_tasks,
    close_days,
    create_customer,
    new_attempt,
    new_refund,
    new_settlement,
    new_task,
    render_webhook,
)
from tests.store.test_invariants import ENGINES, FAULTS, populate

TASKS = 7


async def check_all(db: Database, check: Check, share: float) -> list[dict[str, Any]]:
    """The rows of all violations."""
    while not check.is_done:
        check.share = share
        await db.read_report(check.check_piece)
    return [row for one in check.violations for row in one.rows]


def rules(*ids: str) -> list[Any]:
    return [rule for rule in INVARIANTS if rule.id in ids]


@pytest.mark.parametrize("rows", [1, 2, 3, TASKS, TASKS + 1])
def test_each_row_is_in_one_piece(open_database: OpenDatabase, rows: int) -> None:
    """Of tasks, whose keys are unique, and of entries, of which several have one ref."""

    async def scenario() -> None:
        db = open_database()
        account_id, key = await create_customer(db, 100_000)
        made = [new_task(key) for _ in range(TASKS)]
        for new in made:
            await db.write(tasks.submit_task, account_id, new, None, 100)
            (task,) = await db.write(claim_tasks, account_id, "one", LEASE_US, 1)
            done = new_settlement(task, 400, 900)  # three entries
            await db.write(settlement.complete_task, account_id, task.id, 1, done, render_webhook)
        await db.write(lambda tx: tx.execute("UPDATE tasks SET hold = hold + 1"))
        await db.write(lambda tx: tx.execute("UPDATE entries SET amount = amount + 1"))
        found = await check_all(db, Check(rules("I4")), rows / 2_000)
        assert Counter(row["id"] for row in found) == Counter(new.id for new in made)
        found = await check_all(db, Check(rules("I1")), rows / 10_000)
        expected = {f"settle:{new.id}": 3 for new in made}
        assert {row["ref"]: row["total"] for row in found if row["ref"].startswith("settle")} == expected
        assert len(found) == TASKS + 1

    asyncio.run(scenario())


def test_what_has_no_parent_lies_in_no_gap(open_database: OpenDatabase, database_url: str) -> None:
    """Before the first task, between two, and behind the last one."""
    if "postgresql" in database_url:
        pytest.skip("it lets nobody write such rows")

    async def scenario() -> None:
        db = open_database()
        account_id, key = await create_customer(db, 100_000)
        ids = []
        for _ in range(2):
            await db.write(tasks.submit_task, account_id, new := new_task(key), None, 100)
            ids.append(new.id)
        strangers = ["task-unified-0-a", f"{min(ids)}x", "task-unified-9-z"]
        books = apsw.Connection(database_url)
        books.execute("PRAGMA foreign_keys = 0")
        for stranger in strangers:
            books.execute("INSERT INTO task_metadata VALUES (?, 'starred', 'true', ?)", (stranger, account_id))
        books.close()
        found = await check_all(db, Check(rules("I21")), 0.0)
        assert sorted(row["task_id"] for row in found) == sorted(strangers)

    asyncio.run(scenario())


def test_nothing_looks_wrong_that_is_written_between_two_pieces(open_database: OpenDatabase) -> None:
    """Tasks come, are settled, refunded and purged, money is granted, days are closed: each between two pieces."""
    clock = FakeClock()
    db = open_database(clock)
    check = Check(BOOK_INVARIANTS)
    done: list[str] = []

    async def scenario() -> None:
        account_id, key = await create_customer(db, 1_000_000)
        error = TaskError(TaskErrorCode.service_error, "test")

        async def settle() -> None:
            await db.write(tasks.submit_task, account_id, new_task(key), None, 100)
            (task,) = await db.write(claim_tasks, account_id, "one", LEASE_US, 1)
            await db.write(attempts.begin_attempt, account_id, new_attempt(task), "one", ROUTE)
            ended = new_settlement(task, 400)
            await db.write(settlement.complete_task, account_id, task.id, 1, ended, render_webhook)
            done.append(task.id)

        async def refund() -> None:
            assert isinstance(await db.write(refunds.refund_task, account_id, new_refund(done.pop())), refunds.Refund)

        async def fail() -> None:
            await db.write(tasks.submit_task, account_id, new := new_task(key), None, 100)
            await db.write(settlement.fail_task, account_id, new.id, 0, error, f"cmt_{new.id}", render_webhook)

        async def grant() -> None:
            await db.write(ledger.grant, account_id, 5, f"grant:{check.rows.total()}", "test")

        async def forget() -> None:
            gone = done.pop(0)
            await db.write(lambda tx: tx.execute("UPDATE assets SET deleted = 1 WHERE task_id = :id", {"id": gone}))
            assert await db.write(purge.purge_tasks, US_PER_HOUR, [gone]) == 1

        for _ in range(12):
            await settle()
        clock.now += US_PER_DAY
        acts, number = (settle, refund, settle, grant, fail, lambda: close_days(db), forget), 0
        while not check.is_done:
            check.share = 0.0003  # three holds or entries, one of all else
            await db.read_report(check.check_piece)
            await acts[number % len(acts)]()
            number += number < 42
            clock.now += US_PER_HOUR
        assert number == 42
        assert check.violations == []
        assert await db.read_report(find_newest_violations) == []

    asyncio.run(scenario())


MONEY = {name: sql for name, sql in FAULTS.items() if name.partition(".")[0] in {"I1", "I2", "I4", "I5", "I6"}}


@ENGINES
@pytest.mark.parametrize("invariant", MONEY)
def test_a_start_after_a_kill_finds_what_was_written_last(open_database: OpenDatabase, invariant: str) -> None:
    async def scenario() -> None:
        db = open_database()
        await populate(db)
        assert await db.read_report(find_newest_violations) == []
        assert await db.write(lambda tx: tx.execute(MONEY[invariant])) > 0
        assert invariant in {one.id for one in await db.read_report(find_newest_violations)}

    asyncio.run(scenario())


def test_a_check_goes_on_where_another_came_to(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        await populate(db)
        first = Check(BOOK_INVARIANTS)
        while first.place.part != "tasks" or not first.place.after:
            first.share = 0.0
            await db.read_report(first.check_piece)
        second = Check(BOOK_INVARIANTS, place=first.place)
        await check_all(db, second, 1.0)
        total = await db.read(lambda tx: tx.fetch_int("SELECT COUNT(*) AS number FROM tasks"))
        assert (first.rows["tasks"], second.rows["tasks"]) == (1, total - 1)
        assert "entries" not in second.rows
        # Of the sums by key nothing is stored: they begin again.
        assert Check(BOOK_INVARIANTS, place=Place("holds", "task-unified-5")).place == Place("holds")

    asyncio.run(scenario())


READ_WHOLE = {  # what is open, accounts, keys and refunds; of those that ended the newest
    "SCAN tasks USING INDEX tasks_old",
    "SCAN a",
    "SCAN a USING INDEX sqlite_autoindex_accounts_1",
    "SCAN accounts",
    "SCAN holds USING INDEX holds_open",
    "SCAN t USING INDEX tasks_deadline",
    "SCAN tasks USING INDEX tasks_deadline",
    "SCAN k",
    "SCAN refunds",
    "SCAN ledger_archives",
    "SCAN prices",
    "SCAN 7-ROW VALUES CLAUSE",
}
SUBQUERIES = re.compile(r"SCAN (\(.*|piece|one|line|ended|bank|revenue|upstream)$")


def explain(tx: Tx, sql: str, params: dict[str, Any]) -> list[Any]:
    return tx.fetch_all(f"EXPLAIN QUERY PLAN {sql}", params)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_no_statement_reads_a_whole_table(open_database: OpenDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        db = open_database()
        await populate(db)
        asked: dict[str, dict[str, Any]] = {}
        fetch_all = Tx.fetch_all

        def note(tx: Tx, sql: str, params: Any = None) -> list[Any]:
            asked[sql] = params or {}
            return fetch_all(tx, sql, params or {})

        monkeypatch.setattr(Tx, "fetch_all", note)
        await check_all(db, Check(), 0.0)
        await db.read_report(find_newest_violations)
        monkeypatch.undo()
        assert len(asked) > 2 * len(INVARIANTS)
        for sql, params in asked.items():
            plan = await db.read(explain, sql, params)
            whole = {row["detail"] for row in plan if row["detail"].startswith("SCAN ")}
            assert {one for one in whole if not SUBQUERIES.match(one)} <= READ_WHOLE, sql

    asyncio.run(scenario())


def test_a_slow_piece_is_followed_by_a_smaller_one(
    open_database: OpenDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        db = open_database()
        check = Check()
        monkeypatch.setattr(invariants, "_MAX_PIECE_S", -1.0)
        for expected in (0.5, 0.25):
            await db.read_report(check.check_piece)
            assert check.share == expected
        monkeypatch.setattr(invariants, "_MAX_PIECE_S", 1_000.0)
        for expected in (0.5, 1.0, 1.0):
            await db.read_report(check.check_piece)
            assert check.share == expected

    asyncio.run(scenario())
