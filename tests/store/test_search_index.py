"""The index of words: it narrows a search and decides nothing, goes behind the tasks, and loses none of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from imagegate.domain.accounts import ApiKey
from imagegate.domain.images import ImageOrder
from imagegate.domain.pages import Position
from imagegate.domain.time import US_PER_DAY, US_PER_SECOND
from imagegate.store import deletion, integrity, search_index, snapshot, tasks
from imagegate.store.database import Database, DatabaseUnusable, create_engine
from imagegate.store.dialect import ADD_GRAMS, Row
from imagegate.store.grams import TEST_COST
from imagegate.store.queries import task_candidates, word_search
from imagegate.store.queries.task_filter import TaskFilter
from imagegate.store.queries.tasks import list_tasks_before, list_tasks_page
from imagegate.store.sqlite import SqliteEngine
from imagegate.store.transaction import Tx
from tests.conftest import OpenDatabase
from tests.store.helpers import FakeClock, create_customer, new_task
from tests.store.queries.test_task_filter import BEGAN, SEARCHED, list_all, order_all

LATER = BEGAN + US_PER_DAY


async def add(db: Database, key: ApiKey, prompt: str, created: int) -> str:
    new = new_task(key)
    order: ImageOrder = msgspec.structs.replace(new.order, prompt=prompt)
    await db.write(
        tasks.submit_task, key.account_id, msgspec.structs.replace(new, created=created, order=order), None, 100
    )
    return new.id


async def follow(db: Database) -> None:
    """What the worker does at each sweep, to the end."""
    while True:
        batch = await db.read_report(search_index.read_batch, 3)
        if batch is not None:
            assert await db.write(search_index.add_batch, batch)
        elif not await db.write(search_index.take_back):
            break
    await db.write(search_index.note_check, await db.read_report(search_index.check_parts))


async def fetch(db: Database, sql: str) -> list[Row]:
    return await db.read(lambda tx: tx.fetch_all(sql))


async def indexed(db: Database) -> list[str]:
    """The tasks in the order of their numbers; none that is in one half of the index alone."""
    rows = await fetch(db, "SELECT number, task_id FROM task_search ORDER BY number")
    number = "number" if db.engine.shared else "rowid"
    grams = await fetch(db, f"SELECT {number} AS number FROM TaskGrams ORDER BY {number}")
    assert [row["number"] for row in grams] == [row["number"] for row in rows]
    return [row["task_id"] for row in rows]


@pytest.fixture
def by_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists look at two tasks by themselves: whatever is further on is found by the index, or not in one go."""
    monkeypatch.setattr(task_candidates, "_FIRST_SEARCHED", 1)
    monkeypatch.setattr(task_candidates, "MAX_CANDIDATES", 2)


CASES: list[tuple[dict[str, Any], list[int]]] = [
    *((given, found) for given, found in SEARCHED if given.get("q", "").strip()),
    ({"q": "emi"}, []),
    ({"q": "SNOW", "references": True}, [1]),
    ({"q": "snow", "starred": False}, [0]),
    ({"q": "red", "created_before": BEGAN + US_PER_SECOND}, [0]),
    ({"q": "red", "created_after": BEGAN + US_PER_SECOND}, [1]),
    ({"q": "여우 fox"}, []),
    ({"q": "[]"}, [4]),
]


@pytest.mark.usefixtures("by_index")
def test_s5_3_search_by_the_index_finds_what_the_rule_finds(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database(FakeClock(LATER))
        account_id, made = await order_all(db)
        await order_all(db, "other")
        assert (await db.read(list_tasks_before, TaskFilter(account_id=account_id, q="빨간 snow"), None, 9)).has_more
        await follow(db)
        assert len(await indexed(db)) == 2 * len(made)
        for given, positions in CASES:
            filters, expected = TaskFilter(account_id=account_id, **given), [made[one] for one in positions]
            assert await list_all(db, filters, 1) == expected, given
            page = await db.read(list_tasks_before, filters, None, 9)
            is_short = given["q"] == "[]"
            assert ([task.id for task in page.rows], page.has_more) == (expected, False) or is_short, given
            numbered = await db.read(list_tasks_page, filters, 1, 1)
            assert (numbered.total, numbered.is_capped) == (len(expected), False) or is_short, given
            assert [task.id for task in numbered.tasks] == expected[:1] or is_short

    asyncio.run(scenario())


@pytest.mark.usefixtures("by_index")
def test_s5_3_search_asks_for_few_tasks_at_a_time_and_goes_on_by_cursor(
    open_database: OpenDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        db = open_database(FakeClock(LATER))
        account_id, key = await create_customer(db, 10**6)
        made = [await add(db, key, f"a fox {number % 3}nd", BEGAN + number) for number in range(40)]
        monkeypatch.setattr(search_index, "BLOCK_BITS", 3)
        await follow(db)
        every = {"q=": [*reversed(made)], "q=2": [made[number] for number in range(39, -1, -1) if number % 3 == 2]}
        for blocks, together, tested in ((32, 64, 2_000), (1, 64, 2_000), (32, 2, 2), (2, 3, 5)):
            monkeypatch.setattr(word_search, "MAX_BLOCKS", blocks)
            monkeypatch.setattr(word_search, "_MIN_TOGETHER", together)
            monkeypatch.setattr(word_search, "MAX_WORK", tested * TEST_COST)
            for limit in (1, 4, 50):
                assert await list_all(db, TaskFilter(account_id=account_id, q="fox"), limit) == every["q="]
                # Letters that all of them have, in an order that some have.
                assert await list_all(db, TaskFilter(account_id=account_id, q="fox 2nd"), limit) == every["q=2"]
        page = await db.read(list_tasks_before, TaskFilter(account_id=account_id, q="fox nowhere"), None, 9)
        assert page.has_more, "two blocks of eight numbers were looked at"

    asyncio.run(scenario())


def late(made: list[str], added: str) -> list[str]:
    return [made[0], added, *made[1:]]


@pytest.mark.usefixtures("by_index")
def test_a_task_whose_commit_came_late_is_found_and_takes_its_place(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database(FakeClock(LATER))
        account_id, key = await create_customer(db, 10**6)
        made = [await add(db, key, "a red fox", BEGAN + number * US_PER_SECOND) for number in range(4)]
        await follow(db)
        added = await add(db, key, "a fox", BEGAN + 1)
        mine = TaskFilter(account_id=account_id, q="fox")
        assert added not in await list_all(db, mine, 9), "nothing was missing"
        await follow(db)  # notices it
        await follow(db)  # takes the index back to it
        assert await indexed(db) == made[:1]
        assert await list_all(db, mine, 9) == late(made, added)[::-1], "what is not indexed is looked at"
        await follow(db)
        assert await indexed(db) == late(made, added)
        assert await list_all(db, mine, 2) == late(made, added)[::-1]

    asyncio.run(scenario())


@pytest.mark.usefixtures("by_index")
def test_where_the_clock_was_set_back_the_index_goes_back(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        clock = FakeClock(LATER)
        db = open_database(clock)
        account_id, key = await create_customer(db, 10**6)
        made = [await add(db, key, "a red fox", BEGAN + hour * 3600 * US_PER_SECOND) for hour in range(8)]
        await follow(db)
        clock.now = BEGAN + 2 * 3600 * US_PER_SECOND
        await follow(db)
        await follow(db)
        assert await indexed(db) == made[:2]
        added = await add(db, key, "a fox", clock.now)
        mine = TaskFilter(account_id=account_id, q="fox")
        assert set(await list_all(db, mine, 2)) == {*made, added}
        clock.now = LATER
        await follow(db)
        expected = [row["id"] for row in await fetch(db, "SELECT id FROM tasks ORDER BY created, id")]
        assert await indexed(db) == expected
        assert await list_all(db, mine, 2) == expected[::-1]

    asyncio.run(scenario())


def test_it_goes_behind_the_tasks_in_pieces_and_by_one_process_at_a_time(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        clock = FakeClock(LATER)
        db = open_database(clock)
        _, key = await create_customer(db, 10**6)
        _, other = await create_customer(db, 10**6, "other")
        made = [await add(db, (key, other)[number % 2], "a fox", LATER - 9 + number) for number in range(9)]
        assert await db.read_report(search_index.read_batch, 3) is None, "what is young may still be committed late"
        clock.now += search_index.LAG_US
        batch = await db.read_report(search_index.read_batch, 3)
        assert batch is not None
        assert [one.task_id for one in batch.tasks] == made[:3]
        assert [await db.write(search_index.add_batch, batch) for _ in range(2)] == [True, False]
        await follow(db)
        found = await indexed(db)
        for of_account in (made[0::2], made[1::2]):
            assert [one for one in found if one in of_account] == of_account

    asyncio.run(scenario())


def delete_by_program(db: Database, account_id: str, task_id: str) -> Any:
    return db.write(deletion.delete_task, account_id, task_id)


def delete_by_older_program(db: Database, _: str, task_id: str) -> Any:
    return db.write(lambda tx, one: tx.execute("UPDATE tasks SET deleted = :now WHERE id = :id", {"id": one}), task_id)


def purge_row(db: Database, _: str, task_id: str) -> Any:
    def purge(tx: Tx, one: str) -> None:
        for table, column in (("task_steps", "task_id"), ("holds", "task_id"), ("tasks", "id")):
            tx.execute(f"DELETE FROM {table} WHERE {column} = :id", {"id": one})

    return db.write(purge, task_id)


@pytest.mark.parametrize("delete", [delete_by_program, delete_by_older_program, purge_row])
def test_what_is_deleted_leaves_the_index(open_database: OpenDatabase, delete: Callable[..., Any]) -> None:
    async def scenario() -> None:
        db = open_database(FakeClock(LATER))
        account_id, key = await create_customer(db, 10**6)
        made = [await add(db, key, "a fox", BEGAN + number) for number in range(3)]
        ended = "UPDATE tasks SET state = 'failed', ended = created WHERE id = :id"
        await db.write(lambda tx, one: tx.execute(ended, {"id": one}), made[1])
        batch = await db.read_report(search_index.read_batch, 3)
        await follow(db)
        assert await indexed(db) == made
        await delete(db, account_id, made[1])
        if delete is delete_by_older_program:
            await follow(db)
        assert await indexed(db) == [made[0], made[2]]
        assert await list_all(db, TaskFilter(account_id=account_id, q="fox"), 9) == [made[2], made[0]]
        # Also where it was read before it was deleted.
        await db.write(lambda tx, _: tx.execute("DELETE FROM task_search"), "")
        await db.write(lambda tx, _: tx.execute("UPDATE search_progress SET created = 0, task_id = ''"), "")
        assert batch is not None
        since = await db.read(search_index.find_progress)
        assert await db.write(search_index.add_batch, msgspec.structs.replace(batch, since=since))
        assert await indexed(db) == [made[0], made[2]]

    asyncio.run(scenario())


@pytest.mark.usefixtures("by_index")
def test_what_is_deleted_leaves_sqlites_index_by_and_by_and_not_in_the_commit_that_deletes(tmp_path: Path) -> None:
    database = Database(create_engine(str(tmp_path / "imagegate.db")))
    database.migrate()
    connection = database.engine.connect(readonly=False)
    tx = Tx(connection)

    def pages() -> int:
        return tx.fetch_int("SELECT COUNT(*) AS n FROM TaskGrams_data")

    def add(first: int, number: int) -> None:
        for start in range(first, first + number, 50):
            connection.begin()
            for one in range(start, start + 50):
                tx.execute("INSERT INTO task_search (number, task_id) VALUES (:one, :one)", {"one": one})
                words = " ".join(str(one * 7919 * word % 5000) for word in range(1, 60))
                tx.execute_nowait(ADD_GRAMS, {"number": one, "words": words})
            connection.commit()
            merge()

    def merge() -> None:
        while tx.merge_grams(8):
            pass

    try:
        connection.execute_script("PRAGMA foreign_keys = OFF")  # no tasks
        add(0, 3000)
        full = pages()
        for first in range(0, 2500, 25):
            connection.begin()
            tx.execute("DELETE FROM task_search WHERE number >= :first AND number < :first + 25", {"first": first})
            connection.commit()
        assert pages() >= full, "a commit that deletes has written pieces anew"
        merge()
        assert pages() < full / 2
        for first in range(3000, 12_000, 500):
            add(first, 500)
            tx.execute("DELETE FROM task_search WHERE number < :first", {"first": first})
            merge()
        assert pages() < full, "of 500 to 1,000 that are left"
    finally:
        connection.close()
        database.close()


def test_no_list_of_sqlites_index_goes_beyond_a_block_which_is_merged_in_one_go(tmp_path: Path) -> None:
    database = Database(create_engine(str(tmp_path / "imagegate.db")))
    database.migrate()
    connection = database.engine.connect(readonly=False)
    block = 1 << search_index.BLOCK_BITS
    try:
        connection.execute_script("CREATE VIRTUAL TABLE words USING fts5vocab(TaskGrams, 'row')")
        for number in (1, 2, block, block + 1, 1 << search_index.ACCOUNT_BITS):
            connection.execute(ADD_GRAMS, {"number": number, **search_index.grams_parameters([7, 1 << 23], number)})
        counts = [row["doc"] for row in connection.execute("SELECT doc FROM words", {})[1]]
        assert sorted(counts) == [1, 1, 2, 2, 2, 2]
    finally:
        connection.close()
        database.close()


def test_a_restored_database_makes_its_own_index(open_database: OpenDatabase, tmp_path: Path) -> None:
    async def scenario() -> None:
        db = open_database(FakeClock(LATER))
        account_id, made = await order_all(db)
        await follow(db)
        snapshot.write_snapshot(db.engine, tmp_path / "copy.db")
        snapshot.load_snapshot(tmp_path / "copy.db", create_engine(str(tmp_path / "restored.db")))
        restored = Database(create_engine(str(tmp_path / "restored.db"), FakeClock(LATER)))
        try:
            assert await indexed(restored) == []
            assert await list_all(restored, TaskFilter(account_id=account_id, q="fox"), 2) == [made[2], made[0]]
            await follow(restored)
            assert await indexed(restored) == made
            assert await list_all(restored, TaskFilter(account_id=account_id, q="fox"), 2) == [made[2], made[0]]
        finally:
            restored.close()

    asyncio.run(scenario())


def test_every_statement_reads_by_an_index(tmp_path: Path) -> None:
    """SQLite, which has no figures of its tables: the same plan for three tasks and for three million."""
    steps: list[str] = []

    def explain(tx: Tx) -> None:
        run = tx.fetch_all

        def run_explained(sql: str, params: dict[str, Any] | None = None) -> list[Row]:
            given = {**(params or {}), "now": tx.now}
            steps.extend(f"{row['detail']} -- {sql}" for row in run(f"EXPLAIN QUERY PLAN {sql}", given))
            return run(sql, params or {})

        tx.fetch_all = run_explained  # type: ignore[method-assign]
        search_index.check_parts(tx)
        batch = search_index.read_batch(tx, 9)
        assert batch is not None
        search_index.add_batch(tx, batch)
        account_id, newest = batch.tasks[0].account_id, Position(batch.upto.created, batch.upto.id)
        start = word_search.find_start(tx, account_id, "red", newest, Position(0, ""))
        assert start is not None
        # With a condition for which SQLite would take an index that has every task of the account.
        named = {"account_id": account_id}
        assert word_search.find_matches(tx, start, "tasks.account_id = :account_id", named, 9).positions
        tx.execute("UPDATE search_progress SET back_to = 1")
        search_index.take_back(tx)

    async def scenario() -> None:
        db = Database(create_engine(str(tmp_path / "db"), FakeClock(LATER)))
        db.migrate()
        try:
            await order_all(db)
            await db.write(lambda tx, _: explain(tx), "")
        finally:
            db.close()
        scanned = {step.split(" -- ")[0] for step in steps if step.startswith("SCAN")}
        assert {step.split(" INDEX ")[0] for step in scanned} == {
            "SCAN search_progress",
            "SCAN part",
            "SCAN TaskGrams VIRTUAL TABLE",
            "SCAN json_each VIRTUAL TABLE",
        }
        by_account = [step for step in steps if "tasks_listed (account_id=?" in step]
        assert by_account, "the start of a search"
        assert all("(created,id)<(?,?)" in step for step in by_account)
        assert any("tasks_listed_of_all (created>?" in step.replace("(created,id)", "created") for step in steps), steps

    asyncio.run(scenario())


def test_a_sqlite_file_is_checked_with_its_index_and_can_be_compacted(tmp_path: Path) -> None:
    async def scenario() -> None:
        db = Database(create_engine(str(tmp_path / "db"), FakeClock(LATER)))
        db.migrate()
        try:
            account_id, made = await order_all(db)
            await follow(db)
            names = await db.read(integrity.list_tables)
            assert {"tasks", "task_search", "TaskGrams", "TaskGrams_data", "TaskGrams_idx"} <= set(names)
            assert [await db.read(integrity.check_table, name) for name in names] == [""] * len(names)
            await db.read(integrity.read_newest_rows)
            # Programs up to 0.6.0 read the newest rows of all tables with such names after a crash.
            for name in (name for name in names if name == name.lower()):
                await fetch(db, f"SELECT * FROM {name} ORDER BY rowid DESC LIMIT 1")
            other = apsw.Connection(str(tmp_path / "db"))
            other.execute("VACUUM")
            other.close()
            assert await indexed(db) == made
            assert await list_all(db, TaskFilter(account_id=account_id, q="fox"), 2) == [made[2], made[0]]
        finally:
            db.close()

    asyncio.run(scenario())


def test_a_library_without_the_index_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(apsw, "compile_options", ("ENABLE_FTS4",))
    with pytest.raises(DatabaseUnusable, match="without FTS5"):
        SqliteEngine(tmp_path / "db")
