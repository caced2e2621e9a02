"""Whose schema it is: a database of a newer program, of an older one, or of another program altogether."""

from __future__ import annotations

import asyncio
import hashlib
import re
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from imagegate import __version__
from imagegate.store.database import (
    Database,
    DatabaseError,
    DatabaseUnusable,
    MigrationStatement,
    create_engine,
    load_migrations,
)

FUTURE = "9999_future.sql"


def change(url: str, *statements: str) -> None:
    connection = create_engine(url).connect(readonly=False)
    connection.begin()
    for statement in statements:
        connection.execute(statement, {})
    connection.commit()
    connection.close()


def migrate(url: str) -> None:
    database = Database(create_engine(url))
    try:
        database.migrate()
        database.check_schema()
    finally:
        database.close()


def future_row(oldest: str) -> str:
    return f"""INSERT INTO migrations (name, checksum, applied, oldest_program) VALUES
        ('{FUTURE}', 'c', 1, '{oldest}')"""


@pytest.mark.parametrize("oldest", ["", "99.0.0", f"{__version__}1", "0.10"])
def test_a_database_of_a_newer_program_is_refused(database_url: str, oldest: str) -> None:
    change(database_url, future_row(oldest))
    with pytest.raises(DatabaseUnusable, match=f"newer program.*{FUTURE}.*this is {re.escape(__version__)}"):
        migrate(database_url)
    database = Database(create_engine(database_url))
    with pytest.raises(DatabaseUnusable, match="newer program"):
        database.check_schema()
    database.close()


@pytest.mark.parametrize("oldest", ["0.0.9", __version__])
def test_a_newer_schema_on_which_this_program_may_work_is_used(database_url: str, oldest: str) -> None:
    change(database_url, future_row(oldest))
    migrate(database_url)


def test_every_migration_from_now_on_says_how_old_a_program_may_be(database_url: str) -> None:
    connection = create_engine(database_url).connect(readonly=True)
    rows = connection.execute("SELECT name, oldest_program FROM migrations", {})[1]
    connection.close()
    recorded = {row["name"]: row["oldest_program"] for row in rows}
    for name, text in load_migrations():
        if name >= "0016":
            assert recorded[name], name
            assert f"-- oldest program: {recorded[name]}\n" in text


def test_an_older_schema_is_not_checked_but_named(empty_database_url: str) -> None:
    migrate(empty_database_url)
    change(empty_database_url, "DELETE FROM migrations WHERE name LIKE '0016%'")
    database = Database(create_engine(empty_database_url))
    with pytest.raises(DatabaseUnusable, match="older schema"):
        database.check_schema()
    database.close()


def test_an_edited_migration_is_refused(database_url: str) -> None:
    change(database_url, "UPDATE migrations SET checksum = 'other' WHERE name LIKE '0003%'")
    with pytest.raises(DatabaseUnusable, match="migration 0003_files"):
        migrate(database_url)


@pytest.mark.parametrize(
    "table", ["CREATE TABLE notes (id INTEGER)", "CREATE TABLE migrations (id INTEGER, batch INTEGER)"]
)
def test_the_sqlite_file_of_another_program_is_left_as_it_is(tmp_path: Path, table: str) -> None:
    file = tmp_path / "other.db"
    with sqlite3.connect(file) as other:
        other.execute(table)
        other.execute(f"INSERT INTO {table.split()[2]} (id) VALUES (1)")
    other.close()
    before = hashlib.sha256(file.read_bytes()).hexdigest()
    with pytest.raises(DatabaseUnusable, match="another program"):
        migrate(str(file))
    assert hashlib.sha256(file.read_bytes()).hexdigest() == before


def test_a_postgres_schema_with_tables_of_our_names_is_refused(empty_database_url: str) -> None:
    if not empty_database_url.startswith("postgres"):
        pytest.skip("SQLite refuses any table of another program")
    with psycopg.connect(empty_database_url, autocommit=True) as other:
        other.execute("CREATE TABLE accounts (id TEXT)")
    with pytest.raises(DatabaseUnusable, match="accounts"):
        migrate(empty_database_url)
    with psycopg.connect(empty_database_url, autocommit=True) as other:
        other.execute("DROP TABLE accounts")
        other.execute("CREATE TABLE notes (id TEXT)")
    migrate(empty_database_url)  # tables of others with other names are nobody's business


@pytest.mark.parametrize("rows", ["", "INSERT INTO migrations VALUES (1, 'first')"])
def test_the_migrations_of_another_program_on_postgres_are_told(empty_database_url: str, rows: str) -> None:
    if not empty_database_url.startswith("postgres"):
        pytest.skip("SQLite refuses any table of another program")
    with psycopg.connect(empty_database_url, autocommit=True) as other:
        other.execute(f"CREATE TABLE migrations (id INTEGER, name TEXT); {rows}")
    database = Database(create_engine(empty_database_url))
    for work in (database.migrate, database.check_schema):
        with pytest.raises(DatabaseUnusable, match="another program") as refused:
            work()
        assert "\n" not in str(refused.value)
    database.close()


@pytest.mark.parametrize("url", ["postgresql://me:hunter2@[::bad/x", "postgresql://me:hunter2@h/x?nope=hunter2"])
def test_a_url_that_is_none_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(DatabaseUnusable, match="setting database") as refused:
        create_engine(url)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"not a database, only text" * 400, b"SQLite format 3\0" + bytes(8000)])
def test_a_file_that_is_no_database_is_refused_in_a_sentence(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "imagegate.db"
    file.write_bytes(content)
    if not content:
        migrate(str(file))  # an empty file is an empty database
        return
    with pytest.raises(DatabaseUnusable):
        migrate(str(file))


def test_a_database_from_which_a_table_was_taken_is_told_from_a_fault_of_the_program(database_url: str) -> None:
    database = Database(create_engine(database_url))
    change(database_url, "DROP TABLE refunds")
    for ask in (database.read, database.snapshot, database.write):
        with pytest.raises(DatabaseError, match=r"incomplete.*refunds") as refused:
            asyncio.run(_refunds(ask))
        assert "\n" not in str(refused.value)
    database.close()


async def _refunds(ask: Callable[..., Awaitable[Any]]) -> Any:
    return await ask(lambda tx: tx.fetch_all("SELECT * FROM refunds"))


def test_an_empty_database_is_not_checked(empty_database_url: str) -> None:
    database = Database(create_engine(empty_database_url))
    if database.engine.name == "sqlite":
        Path(empty_database_url).touch()
    with pytest.raises(DatabaseUnusable, match="is empty"):
        database.check_schema()
    database.close()


def test_each_statement_of_a_migration_is_reported_before_it_is_executed(empty_database_url: str) -> None:
    database = Database(create_engine(empty_database_url))
    reported: list[MigrationStatement] = []
    try:
        database.migrate(reported.append)
        assert [one.number for one in reported] == list(range(1, len(reported) + 1))
        assert {one.total for one in reported} == {len(reported)}
        of_sqlite = {"0033_grams_merged", "0034_grams_by_block"}
        none_here = {"0032_claims"} if database.engine.name == "sqlite" else of_sqlite
        names = {name.removesuffix(".sql") for name, _ in load_migrations()}
        assert {one.migration for one in reported} == names - none_here
        assert "CREATE TABLE accounts" in [one.words for one in reported]
        assert "CREATE INDEX tasks_due ON tasks" in [one.words for one in reported]
        again: list[MigrationStatement] = []
        database.migrate(again.append)
        assert again == []
    finally:
        database.close()
