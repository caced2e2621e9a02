"""`imagegate stats` and `imagegate compact`: what there is, how it grows, and the space of what was deleted."""

from __future__ import annotations

import contextlib
import fcntl
import json
import sqlite3
from pathlib import Path

from imagegate.store.database import Database, create_engine
from imagegate.store.transaction import Tx
from tests.support.gateway import Gateway

DAY_US = 86_400_000_000
NOTES = 400


def _write_audit(tx: Tx, number: int) -> None:
    """One row a day, of a kilobyte and the newest of today."""
    for days in range(number):
        columns = dict.fromkeys(("action", "actor", "via", "address", "request_id", "account_id"), "x")
        tx.insert("audit", id=f"aud_{days}", created=tx.now - days * DAY_US, target="x" * 1000, **columns)


def _fill(url: str, number: int) -> None:
    database = Database(create_engine(url))
    try:
        database.migrate()
        connection = database.engine.connect(readonly=False)
        connection.begin()
        _write_audit(Tx(connection), number)
        connection.commit()
        connection.close()
    finally:
        database.close()


def test_stats_tell_rows_bytes_the_oldest_day_and_growth(database_url: str, tmp_path: Path) -> None:
    _fill(database_url, 30)
    gateway = Gateway(tmp_path / "data", env={"IMAGEGATE_DATABASE": database_url})
    found = json.loads(gateway.run("stats", "--json").stdout)
    tables = {one["table"]: one for one in found["tables"]}
    assert {"tasks", "entries", "holds", "assets", "deliveries", "migrations"} <= tables.keys()
    audit = tables["audit"]
    assert (audit["rows"], audit["rows_per_day"]) == (30, 1)
    assert audit["bytes"] > 30 * 1000
    assert 1000 < audit["bytes_per_day"] < audit["bytes"]
    assert len(audit["oldest"]) == len("2026-11-30")
    assert (tables["entries"]["rows"], tables["entries"]["oldest"]) == (0, None)
    lines = gateway.run("stats").stdout.splitlines()
    assert lines[0].split()[0] == "table"
    assert any(line.startswith("audit ") for line in lines)


def test_the_space_of_deleted_rows_is_given_back_while_nobody_serves(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    file = data / "imagegate.db"
    _fill(str(file), NOTES)
    with contextlib.closing(sqlite3.connect(file)) as db:
        db.execute("DELETE FROM audit WHERE id <> 'aud_0'")
        db.commit()
        whole = file.stat().st_size
    gateway = Gateway(data)
    would = json.loads(gateway.run("compact", "--check", "--json").stdout)
    assert would["free_bytes"] > NOTES * 500
    assert would["freed_bytes"] == 0
    with (data / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        refused = gateway.run("compact", check=False)
    assert refused.returncode == 1
    assert "stop it first" in refused.stderr
    assert file.stat().st_size >= whole
    freed = json.loads(gateway.run("compact", "--json").stdout)["freed_bytes"]
    assert freed >= would["free_bytes"]
    assert file.stat().st_size <= would["bytes"] - freed
    with contextlib.closing(sqlite3.connect(file)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert db.execute("SELECT COUNT(*) FROM audit").fetchone() == (1,)


def test_a_server_gives_its_space_back_by_itself(empty_postgres_url: str, tmp_path: Path) -> None:
    gateway = Gateway(tmp_path / "data", env={"IMAGEGATE_DATABASE": empty_postgres_url})
    refused = gateway.run("compact", check=False)
    assert refused.returncode == 2
    assert "VACUUM FULL" in refused.stderr
