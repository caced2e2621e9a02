"""SQLite's log stays short: whoever reads an old state for long is stopped, and the file is cut afterwards."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import pytest

from imagegate.store import checkpoints, installation, sqlite
from imagegate.store.database import Database, create_engine
from imagegate.store.dialect import QueryTimeout
from imagegate.store.transaction import Tx

KILOBYTE = 1024
# Counts to a number that is not reached in a test.
FOR_EVER = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :most) SELECT MAX(i) AS i FROM n"


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    monkeypatch.setattr(sqlite, "_KEPT_LOG_BYTES", 40 * KILOBYTE)
    monkeypatch.setattr(checkpoints, "_PAGES", 5)
    monkeypatch.setattr(checkpoints, "_WAIT_EVERY_S", 0.0)
    database = Database(create_engine(str(tmp_path / "imagegate.db")))
    database.migrate()
    return database


async def wait_for_cut(database: Database, log: Path, size: int) -> None:
    """It is begun again beside what is written."""
    give_up = time.monotonic() + 20
    while log.stat().st_size > size and time.monotonic() < give_up:
        await database.write(installation.replace_value, "much", str(time.monotonic()))
        await asyncio.sleep(0.01)
    assert log.stat().st_size <= size


def test_a_long_report_is_stopped_when_the_log_has_grown_and_no_sooner(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "LONG_READ_S", 0.0)
    monkeypatch.setattr(sqlite, "MAX_LOG_BYTES", 300 * KILOBYTE)
    log = tmp_path / "imagegate.db-wal"
    begun = threading.Event()

    def read_for_ever(tx: Tx) -> int:
        tx.fetch_all("SELECT * FROM installation")
        begun.set()
        return tx.fetch_int(FOR_EVER, {"most": 10**12})

    async def write_much() -> None:
        for number in range(20):  # the same text again would not be written
            await database.write(installation.replace_value, "much", str(number % 10) * 100 * KILOBYTE)

    async def scenario() -> None:
        assert await database.read_report(lambda tx: tx.fetch_int(FOR_EVER, {"most": 10**6})) == 10**6
        report = asyncio.ensure_future(database.read_report(read_for_ever))
        await asyncio.to_thread(begun.wait)
        await write_much()
        with pytest.raises(QueryTimeout):
            await report
        await write_much()
        await wait_for_cut(database, log, 40 * KILOBYTE)

    try:
        asyncio.run(scenario())
    finally:
        database.close()


def test_readers_that_come_one_after_the_other_do_not_keep_the_log(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_KEPT_LOG_BYTES", 1_000 * KILOBYTE)
    monkeypatch.setattr(checkpoints, "_CLOSED_S", 2.0)
    log = tmp_path / "imagegate.db-wal"

    def read_for_a_while(tx: Tx) -> int:
        tx.fetch_all("SELECT * FROM installation")
        return tx.fetch_int(FOR_EVER, {"most": 20_000})

    async def read_on(written: asyncio.Event) -> None:
        while not written.is_set():
            await database.read_report(read_for_a_while)

    async def scenario() -> None:
        written = asyncio.Event()
        readers = [asyncio.create_task(read_on(written)) for _ in range(3)]
        for number in range(60):
            await database.write(installation.replace_value, "much", str(number % 10) * 100 * KILOBYTE)
        await wait_for_cut(database, log, 1_000 * KILOBYTE)
        written.set()
        await asyncio.gather(*readers)

    try:
        asyncio.run(scenario())
    finally:
        database.close()


def test_while_the_log_is_to_begin_again_snapshots_wait_and_nothing_else(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "_CLOSED_S", 60.0)
    begun, go_on = threading.Event(), threading.Event()

    def read_until_told(tx: Tx) -> int:
        found = len(tx.fetch_all("SELECT * FROM installation"))
        begun.set()
        assert go_on.wait(60)
        return found

    def read(tx: Tx) -> int:
        return len(tx.fetch_all("SELECT * FROM installation"))

    async def scenario() -> None:
        await database.write(installation.replace_value, "much", "1" * 50 * KILOBYTE)
        first = asyncio.ensure_future(database.read_report(read_until_told))
        await asyncio.to_thread(begun.wait)
        for number in range(3):  # it is read, and has grown
            await database.write(installation.replace_value, "much", str(number) * 100 * KILOBYTE)
        second = asyncio.ensure_future(database.read_report(read))
        assert await database.read(read) == await database.read(read), "a look-up waits for nobody"
        await asyncio.sleep(0.2)
        assert not second.done()
        go_on.set()
        await first
        assert await second

    try:
        asyncio.run(scenario())
    finally:
        go_on.set()
        database.close()
