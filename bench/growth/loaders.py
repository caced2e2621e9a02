"""Rows in bulk, the fastest way that each engine has.

Nobody else uses the database, and what breaks off is thrown away.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import apsw
import psycopg

Row = tuple[Any, ...]
Values = dict[str, Any]


class Loader(Protocol):
    stage: str  # how the table of the wide rows is made, and how it is emptied
    empty: str

    def execute(self, sql: str, values: Values | None = None) -> list[Row]: ...

    def fill(self, statements: Sequence[str], values: Values) -> None:
        """Statements that need nothing of each other."""

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None: ...

    def drop_indexes(self) -> list[str]:
        """Return what makes them again, in this order."""

    def finish(self) -> None:
        """Leave the database as the program would."""


def _used(sql: str, values: Values) -> Values:
    return {name: value for name, value in values.items() if f":{name}" in sql}


class SqliteLoader:
    """No journal, no locks, no syncs. Keys stay: what is inserted comes nearly in their order."""

    stage, empty = "CREATE TEMPORARY TABLE", "DELETE FROM"

    def __init__(self, path: Path) -> None:
        self._db = apsw.Connection(str(path))
        for pragma in (
            "journal_mode = OFF",
            "synchronous = OFF",
            "locking_mode = EXCLUSIVE",
            "foreign_keys = OFF",
            "cache_size = -3000000",
            "temp_store = MEMORY",
            "threads = 2",
        ):
            self._db.execute(f"PRAGMA {pragma}")

    def execute(self, sql: str, values: Values | None = None) -> list[Row]:
        return list(self._db.execute(sql, values or {}))

    def fill(self, statements: Sequence[str], values: Values) -> None:
        for sql in statements:
            self.execute(sql, _used(sql, values))

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        with self._db:
            marks = ", ".join("?" * len(columns))
            self._db.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)

    def drop_indexes(self) -> list[str]:
        found = self.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL")
        for name, _ in found:
            self.execute(f"DROP INDEX {name}")
        return [sql for _, sql in found]

    def finish(self) -> None:
        self.execute("PRAGMA locking_mode = NORMAL")
        self.execute("PRAGMA journal_mode = WAL")
        self._db.close()


class PostgresLoader:
    """Keys and references too are made at the end, references without a look-up of each: the rows are right."""

    stage, empty = "CREATE UNLOGGED TABLE", "TRUNCATE"  # for both connections
    _SETTINGS = ("fsync = off", "full_page_writes = off", "autovacuum = off", "max_wal_size = '2GB'")

    def __init__(self, url: str, *, owns_server: bool = True) -> None:
        self._owns_server = owns_server
        self._connections = [psycopg.connect(url, autocommit=True) for _ in range(2)]
        self._db = self._connections[0]
        if owns_server:
            for setting in self._SETTINGS:
                self.execute(f"ALTER SYSTEM SET {setting}")
            self.execute("SELECT pg_reload_conf()")
        for connection in self._connections:
            for setting in ("synchronous_commit = off", "maintenance_work_mem = '1GB'", "work_mem = '256MB'"):
                connection.execute(f"SET {setting}")

    def execute(self, sql: str, values: Values | None = None) -> list[Row]:
        return self._execute(self._db, sql, values or {})

    def _execute(self, connection: psycopg.Connection[Row], sql: str, values: Values) -> list[Row]:
        if values:
            sql = sql.replace("%", "%%")
            for name in values:
                sql = sql.replace(f":{name}", f"%({name})s")
        done = connection.execute(sql, values or None)
        return done.fetchall() if done.description else []

    def fill(self, statements: Sequence[str], values: Values) -> None:
        idle = list(self._connections)

        def run(sql: str) -> None:
            connection = idle.pop()
            self._execute(connection, sql, _used(sql, values))
            idle.append(connection)

        with ThreadPoolExecutor(len(idle)) as pool:
            list(pool.map(run, statements))

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        with self._db.cursor() as cursor, cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)

    def drop_indexes(self) -> list[str]:
        constraints = self.execute(
            """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), contype FROM pg_constraint
            WHERE connamespace = current_schema()::regnamespace AND contype IN ('p', 'u', 'f')
            ORDER BY CASE contype WHEN 'f' THEN 1 ELSE 0 END, conname"""
        )
        for table, name, _, _ in reversed(constraints):
            self.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        indexes = self.execute("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema()")
        for name, _ in indexes:
            self.execute(f"DROP INDEX {name}")
        again = [
            f"ALTER TABLE {table} ADD CONSTRAINT {name} {sql}{' NOT VALID' if kind == 'f' else ''}"
            for table, name, sql, kind in constraints
        ]
        known = "UPDATE pg_constraint SET convalidated = true WHERE contype = 'f' AND NOT convalidated"
        return [*again, *(sql for _, sql in indexes), known]

    def finish(self) -> None:
        self.execute("VACUUM (ANALYZE)")
        if self._owns_server:
            self.execute("ALTER SYSTEM RESET ALL")
            self.execute("SELECT pg_reload_conf()")
            self.execute("CHECKPOINT")
        for connection in self._connections:
            connection.close()
