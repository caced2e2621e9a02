"""`imagegate migrate`: from the schema of every earlier release, by many processes at once, and killed midway."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imagegate.store.database import create_engine, load_migrations
from imagegate.store.invariants import find_violations
from imagegate.store.table_copy import copy_tables, create_schema, list_tables
from imagegate.store.transaction import Tx
from tests.store.test_schema_versions import change, future_row, migrate
from tests.support.gateway import Gateway

VERSIONS = Path(__file__).parents[1] / "store" / "versions"
NEWEST = load_migrations()[-1][0]
NOTHING = "none"
PROCESSES = 6
_KILL_AT = """
import os, signal, sys
from imagegate.store.database import Database, create_engine
engine, left, connect = create_engine(sys.argv[1]), int(sys.argv[2]), None
class Dying:
    def __init__(self, connection): self.connection = connection
    def __getattr__(self, name): return getattr(self.connection, name)
    def execute_script(self, sql):
        global left
        self.connection.execute_script(sql)
        left -= 1
        if left == 0: os.kill(os.getpid(), signal.SIGKILL)
class DyingEngine:
    def __getattr__(self, name): return getattr(engine, name)
    def connect(self, *, readonly): return Dying(engine.connect(readonly=readonly))
Database(DyingEngine()).migrate()
"""


def _old_databases() -> Iterator[object]:
    """Every release on each engine; most of those on PostgreSQL belong to the gate, as they take seconds."""
    for engine in ("sqlite", "postgres"):
        for version in (NOTHING, *sorted(path.stem for path in VERSIONS.glob("*.sql"))):
            is_slow = engine == "postgres" and version != "0.1.0"
            yield pytest.param(version, engine, marks=[pytest.mark.gate] if is_slow else [], id=f"{version}-{engine}")


def make_old_database(version: str, url: str, tmp_path: Path) -> None:
    """The small database of a release."""
    if version == NOTHING:
        return
    file = tmp_path / "old.db" if url.startswith("postgres") else Path(url)
    with contextlib.closing(sqlite3.connect(file)) as old:
        old.executescript((VERSIONS / f"{version}.sql").read_text())
        applied = {name for (name,) in old.execute("SELECT name FROM migrations")}
    if url.startswith("postgres"):
        source = create_engine(str(file)).connect(readonly=True)
        target = create_engine(url).connect(readonly=False)
        target.begin()
        create_schema(target, applied)
        copy_tables(source, target, list_tables(applied))
        target.commit()
        source.close()
        target.close()


def gateway_of(url: str, data: Path) -> Gateway:
    return Gateway(data, env={"IMAGEGATE_DATABASE": url})


def read_migrations(url: str) -> list[str]:
    """After the invariants were found to hold."""
    connection = create_engine(url).connect(readonly=True)
    connection.begin()
    assert find_violations(Tx(connection), 10**15) == []
    found = [row["name"] for row in connection.execute("SELECT name FROM migrations ORDER BY name", {})[1]]
    connection.commit()
    connection.close()
    return found


@pytest.mark.fault("F22")
@pytest.mark.parametrize(("version", "empty_database_url"), list(_old_databases()), indirect=["empty_database_url"])
def test_one_of_many_processes_migrates_and_the_others_wait_for_it(
    version: str, empty_database_url: str, tmp_path: Path
) -> None:
    url = empty_database_url
    make_old_database(version, url, tmp_path)
    gateway = gateway_of(url, tmp_path / "data")
    first = gateway.run("migrate", "--check", "--json", check=False)
    step = json.loads(first.stdout)
    assert step["to"] == NEWEST
    assert first.returncode == (1 if step["migrations"] else 0)
    with ThreadPoolExecutor(PROCESSES) as pool:
        ran = list(pool.map(lambda _: gateway.run("migrate", "--json"), range(PROCESSES)))
    steps = [json.loads(one.stdout) for one in ran]
    assert sorted((one for one in steps if one["migrations"]), key=str) == ([step] if step["migrations"] else [])
    assert {one["to"] for one in steps} == {NEWEST}
    assert gateway.run("migrate", "--check").stdout.endswith("nothing to do\n")
    assert read_migrations(url) == [name for name, _ in load_migrations()]


@pytest.mark.fault("F22")
@pytest.mark.parametrize("at", [pytest.param("first", marks=pytest.mark.gate), "last"])
def test_a_migration_that_is_killed_leaves_the_schema_as_it_was(empty_database_url: str, at: str) -> None:
    # Before the first migration the table of the migrations is made.
    connection = create_engine(empty_database_url).connect(readonly=False)
    last = 1 + sum(len(connection.split_script(text)) for _, text in load_migrations())
    connection.close()
    statement = str(1 if at == "first" else last)
    killed = subprocess.run([sys.executable, "-c", _KILL_AT, empty_database_url, statement], check=False)
    assert killed.returncode == -signal.SIGKILL
    connection = create_engine(empty_database_url).connect(readonly=True)
    assert connection.is_empty()
    connection.close()
    migrate(empty_database_url)


def test_a_database_of_a_newer_program_is_refused_or_left_as_it_is(database_url: str, tmp_path: Path) -> None:
    change(database_url, future_row("0.0.9"))
    gateway = gateway_of(database_url, tmp_path / "data")
    assert gateway.run("migrate").stdout.endswith("the schema is 9999_future; nothing to do\n")
    change(database_url, "UPDATE migrations SET oldest_program = '99.0.0' WHERE name LIKE '9999%'")
    for arguments in (["migrate"], ["migrate", "--check"]):
        refused = gateway.run(*arguments, check=False)
        assert refused.returncode == 2
        assert "newer program" in refused.stderr


def test_nothing_is_made_where_only_a_check_was_asked_for(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path / "data")
    checked = gateway.run("migrate", "--check", check=False)
    assert checked.returncode == 1
    assert "the schema is none" in checked.stdout
    assert not (tmp_path / "data").exists()
    assert "went from none" in gateway.run("migrate").stdout
