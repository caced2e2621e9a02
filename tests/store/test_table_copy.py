"""Every row of one engine in another: order, values, rows that refer to their own table, and how many there are."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from imagegate.store import snapshot
from imagegate.store.database import Database, create_engine
from imagegate.store.dialect import DatabaseUnusable, Row
from imagegate.store.invariants import find_violations
from imagegate.store.table_copy import list_tables
from imagegate.store.transaction import Tx
from tests.store.helpers import create_customer
from tests.store.test_migrations import make_old_database
from tests.store.test_schema_versions import change, future_row, migrate


def read_all(url: str) -> dict[str, list[Row]]:
    connection = create_engine(url).connect(readonly=True)
    found = {
        table.name: sorted(connection.execute(f"SELECT * FROM {table.name}", {})[1], key=str) for table in list_tables()
    }
    connection.close()
    return found


def test_every_table_has_a_key_and_comes_after_those_it_refers_to() -> None:
    tables = list_tables()
    names = [table.name for table in tables]
    assert all(table.key for table in tables)
    assert names.index("accounts") < names.index("api_keys") < names.index("tasks") < names.index("holds")
    assert {table.name: table.parents for table in tables if table.parents} == {"api_keys": ("made_by",)}


def fill(url: str) -> None:
    """Rows in every table, more keys than a batch has, and keys that were made by one with a later id."""
    make_old_database(url)
    db = Database(create_engine(url))
    db.migrate()

    async def scenario() -> None:
        account, key = await create_customer(db, 1000, "shop two")
        await db.write(add_keys, account, key.id)

    try:
        asyncio.run(scenario())
    finally:
        db.close()


def add_keys(tx: Tx, account_id: str, key_id: str) -> None:
    rows: list[Row] = [
        {"id": f"key_{n:04}", "account_id": account_id, "name": "n\u20ac\n'", "digest": f"d{n}", "hint": "h"}
        | {"scopes": "[]", "created": 2**53 + n, "cap": None if n % 2 else 0}
        for n in range(450)
    ]
    tx.insert_rows("api_keys", rows)
    tx.execute("UPDATE api_keys SET made_by = 'key_0449' WHERE id LIKE 'key_0%' AND id <> 'key_0449'")
    tx.execute("UPDATE api_keys SET made_by = :id WHERE id = 'key_0449'", {"id": key_id})


def test_what_a_snapshot_holds_is_what_the_database_held(empty_database_url: str, tmp_path: Path) -> None:
    fill(empty_database_url)
    before = read_all(empty_database_url)
    assert len(before["api_keys"]) > 450
    file, other = tmp_path / "snapshot.db", tmp_path / "other.db"
    snapshot.write_snapshot(create_engine(empty_database_url), file)
    snapshot.make_single_file(file)
    assert [path.name for path in tmp_path.glob("snapshot*")] == ["snapshot.db"]
    assert file.stat().st_mode & 0o777 == 0o600
    assert read_all(str(file)) == before
    snapshot.load_snapshot(file, create_engine(str(other)))
    assert read_all(str(other)) == before


def test_a_snapshot_fills_an_empty_database_and_no_other(empty_database_url: str, tmp_path: Path) -> None:
    source = tmp_path / "source.db"
    fill(str(source))
    snapshot.load_snapshot(source, create_engine(empty_database_url))
    assert read_all(empty_database_url) == read_all(str(source))
    db = Database(create_engine(empty_database_url))
    db.check_schema()
    assert asyncio.run(db.snapshot(find_violations, 10**15)) == []
    db.close()
    with pytest.raises(DatabaseUnusable, match="not empty"):
        snapshot.load_snapshot(source, create_engine(empty_database_url))


def test_tables_of_a_newer_program_are_not_left_behind(empty_database_url: str, tmp_path: Path) -> None:
    """Also where this program may work on them."""
    for url in (empty_database_url, str(tmp_path / "source.db")):
        migrate(url)
        change(url, future_row("0.0.9"))
    file, other = tmp_path / "snapshot.db", tmp_path / "other.db"
    if empty_database_url.startswith("postgres"):
        with pytest.raises(DatabaseUnusable, match=r"9999_future.*use that program"):
            snapshot.write_snapshot(create_engine(empty_database_url), file)
    with pytest.raises(DatabaseUnusable, match=r"9999_future.*use that program"):
        snapshot.load_snapshot(tmp_path / "source.db", create_engine(str(other)))


def test_a_copy_that_fails_leaves_the_target_empty(empty_database_url: str, tmp_path: Path) -> None:
    source = tmp_path / "source.db"
    fill(str(source))
    connection = create_engine(str(source)).connect(readonly=False)
    connection.execute("PRAGMA foreign_keys = 0", {})
    connection.execute("UPDATE holds SET key_id = 'key_gone'", {})
    connection.close()
    engine = create_engine(empty_database_url)
    with pytest.raises(DatabaseUnusable, match="cannot be copied"):
        snapshot.load_snapshot(source, engine)
    assert snapshot.is_empty(engine)


def test_a_read_only_transaction_sees_one_state(database_url: str) -> None:
    engine = create_engine(database_url)
    reader, writer = engine.connect(readonly=True), engine.connect(readonly=False)
    reader.begin()
    count = "SELECT COUNT(*) AS number FROM prices"
    before = reader.execute(count, {})[1]
    writer.execute("INSERT INTO prices (version, hash, body, created) VALUES ('v', 'h', '{}', 1)", {})
    assert reader.execute(count, {})[1] == before
    reader.commit()
    assert reader.execute(count, {})[1] != before
    reader.close()
    writer.close()
