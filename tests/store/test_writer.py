"""The group-commit writer: one commit for many commands, and a command that fails harms no other."""

from __future__ import annotations

import asyncio
import threading

import psycopg
import pytest

from imagegate.store import accounts
from imagegate.store.database import Database, DatabaseUnusable, create_engine, load_migrations
from imagegate.store.transaction import Tx
from tests.conftest import OpenDatabase


def insert(tx: Tx, name: str) -> str:
    return accounts.open_account(tx, f"acc_{name}", name).name


def insert_and_break(tx: Tx, name: str) -> None:
    insert(tx, name)
    raise RuntimeError("planted")


def names(tx: Tx) -> list[str]:
    return [account.name for account in accounts.list_accounts(tx)]


def test_a_command_that_raises_leaves_its_neighbours_alone(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        answers = await asyncio.gather(
            db.write(insert, "a"), db.write(insert_and_break, "b"), db.write(insert, "c"), return_exceptions=True
        )
        assert answers[0] == "a"
        assert isinstance(answers[1], RuntimeError)
        assert answers[2] == "c"
        assert await db.read(names) == ["a", "c"]

    asyncio.run(scenario())


def test_commands_that_wait_share_a_commit(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        opened = threading.Event()
        slow = db.write(lambda _: opened.wait(10))
        moments = [db.write(id) for _ in range(50)]
        opened.set()
        await slow
        assert len(set(await asyncio.gather(*moments))) == 1

    asyncio.run(scenario())


def test_readers_cannot_write(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        with pytest.raises(Exception, match=r"read-?only|readonly"):
            await db.read(insert, "a")
        assert await db.read(names) == []

    asyncio.run(scenario())


def test_a_cancelled_caller_does_not_stop_the_writer(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        waiting = asyncio.ensure_future(db.write(insert, "a"))
        waiting.cancel()
        assert await db.write(insert, "b") == "b"
        assert await db.read(names) == ["a", "b"]

    asyncio.run(scenario())


def test_pg_a_terminated_writer_connection_is_replaced(postgres_url: str) -> None:
    async def scenario(db: Database) -> None:
        await db.write(insert, "before")
        with psycopg.connect(postgres_url, autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        assert await db.write(insert, "after") == "after"

    db = Database(create_engine(postgres_url))
    db.migrate()
    try:
        asyncio.run(scenario(db))
    finally:
        db.close()


def test_pg_4_migrations_are_applied_once_and_an_edited_one_is_refused(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        db.migrate()
        applied = await db.read(lambda tx: tx.fetch_all("SELECT name FROM migrations ORDER BY name"))
        assert [row["name"] for row in applied] == [name for name, _ in load_migrations()]
        await db.write(lambda tx: tx.execute("UPDATE migrations SET checksum = 'edited'"))
        with pytest.raises(DatabaseUnusable, match="differs"):
            db.migrate()

    asyncio.run(scenario())


def test_i17_money_columns_hold_integers_only(open_database: OpenDatabase) -> None:
    async def scenario() -> None:
        db = open_database()
        await db.write(insert, "a")
        with pytest.raises(Exception, match=r"TEXT|integer|bigint"):
            await db.write(lambda tx: tx.execute("UPDATE accounts SET posted = 'much'"))

    asyncio.run(scenario())
