"""The two engines, and the whole list of what differs between them.

Knows: how to connect, begin, commit, and tell the time on SQLite and on PostgreSQL; how the shared SQL text and the
schema's type words are translated; which driver error means what. Refuses to know: any table.
"""

from __future__ import annotations

import contextlib
import functools
import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import apsw

if TYPE_CHECKING:
    import psycopg

MIN_SQLITE_VERSION = (3, 51, 3)
SKIP_LOCKED = "/* skip locked */"
FOR_UPDATE = "/* locked */"
ORDER_PROMPT = "/* prompt of the order */"

Row = dict[str, Any]
Clock = Callable[[], int]


class DatabaseError(Exception):
    """The database could not do it. `is_retryable`: the same commands may be run again at once."""

    def __init__(self, message: str, *, is_retryable: bool = False) -> None:
        super().__init__(message)
        self.is_retryable = is_retryable


class DiskFull(DatabaseError):
    """No space left: nothing of the transaction was written."""


class DatabaseUnusable(Exception):
    """This database cannot be used at all; the text says why and what to do."""


class Connection(Protocol):
    """One connection of one engine. Used by one thread at a time."""

    def begin(self) -> None: ...
    def commit(self) -> None: ...
    def rollback(self) -> None: ...
    def execute(self, sql: str, params: dict[str, Any]) -> tuple[int, list[Row]]:
        """Rows changed, and the rows that came back."""

    def execute_nowait(self, sql: str, params: dict[str, Any]) -> None:
        """Execute without waiting for the answer, where the engine can."""

    def execute_script(self, sql: str) -> None: ...
    def now(self) -> int: ...
    def close(self) -> None: ...


class Engine(Protocol):
    name: str
    shared: bool  # several processes may serve from it

    def connect(self, *, readonly: bool) -> Connection: ...
    def translate_error(self, error: Exception) -> DatabaseError | None:
        """Our word for the driver's error, or None where it is a fault of the program."""

    def migration_lock_sql(self) -> str: ...


def replace_type_words(sql: str, types: dict[str, str]) -> str:
    """Replace the schema's type words."""
    return re.sub(r"\b(ID|NANOS|MICROS|COUNT|JSON)\b(?! *\()", lambda match: types[match[1]], sql)


class SqliteConnection:
    def __init__(self, path: Path, clock: Clock, *, readonly: bool) -> None:
        flags = apsw.SQLITE_OPEN_READWRITE | (0 if readonly else apsw.SQLITE_OPEN_CREATE)
        self._db = apsw.Connection(str(path), flags=flags)
        self._clock = clock
        self._db.set_busy_timeout(10_000)
        self._set_pragmas(readonly=readonly)

    def _set_pragmas(self, *, readonly: bool) -> None:
        pragmas: dict[str, Any] = {
            "journal_mode": "wal",
            "synchronous": 2,
            "foreign_keys": 1,
            "wal_autocheckpoint": 1000,
            "mmap_size": 0,
            "trusted_schema": 0,
            "fullfsync": 1,
            "checkpoint_fullfsync": 1,
        }
        for name, value in pragmas.items():
            self._db.pragma(name, value)
            actual = self._db.pragma(name)
            if actual not in (value, None):
                raise DatabaseUnusable(f"SQLite keeps {name}={actual!r}, {value!r} is needed: is this a local disk?")
        if readonly:
            self._db.pragma("query_only", 1)

    def begin(self) -> None:
        self._db.execute("BEGIN IMMEDIATE" if not self._db.pragma("query_only") else "BEGIN")

    def commit(self) -> None:
        self._db.execute("COMMIT")

    def rollback(self) -> None:
        # A full disk has already rolled back: a second ROLLBACK would raise and hide the first error.
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    def execute(self, sql: str, params: dict[str, Any]) -> tuple[int, list[Row]]:
        cursor = self._db.execute(_sqlite_text(sql), params)
        names: list[str] = []
        rows: list[Row] = []
        for row in cursor:
            names = names or [column[0] for column in cursor.get_description()]
            rows.append(dict(zip(names, row, strict=True)))
        return self._db.changes(), rows

    def execute_nowait(self, sql: str, params: dict[str, Any]) -> None:
        self._db.execute(_sqlite_text(sql), params)

    def execute_script(self, sql: str) -> None:
        types = {"ID": "TEXT", "NANOS": "INTEGER", "MICROS": "INTEGER", "COUNT": "INTEGER", "JSON": "TEXT"}
        self._db.execute(replace_type_words(sql, types))

    def now(self) -> int:
        return self._clock()

    def close(self) -> None:
        self._db.close()


@functools.cache
def _sqlite_text(sql: str) -> str:
    return sql.replace(SKIP_LOCKED, "").replace(FOR_UPDATE, "").replace(ORDER_PROMPT, "order_body ->> '$.prompt'")


def sqlite_version() -> str:
    return apsw.sqlite_lib_version()


class SqliteEngine:
    """One file, one serving process."""

    name = "sqlite"
    shared = False

    def __init__(self, path: Path, clock: Clock | None = None) -> None:
        found = tuple(int(part) for part in sqlite_version().split("."))
        if found < MIN_SQLITE_VERSION:
            raise DatabaseUnusable(f"SQLite {sqlite_version()} can corrupt a write-ahead log; 3.51.3 is needed")
        self._path = path
        self._clock = clock or wall_clock

    def connect(self, *, readonly: bool) -> Connection:
        try:
            return SqliteConnection(self._path, self._clock, readonly=readonly)
        except apsw.Error as error:
            raise DatabaseUnusable(f"cannot open the database {self._path}: {error}") from error

    def translate_error(self, error: Exception) -> DatabaseError | None:
        match error:
            case apsw.FullError():
                return DiskFull("the disk of the database is full")
            case apsw.BusyError():
                return DatabaseError("the database is locked by another program")
            case apsw.IOError() | apsw.ReadOnlyError() | apsw.CantOpenError():
                return DatabaseError(f"the database cannot be written: {error}")
            case _:
                return None

    def migration_lock_sql(self) -> str:
        return "SELECT 1"


class PostgresConnection:
    def __init__(self, url: str, clock: Clock | None, *, readonly: bool) -> None:
        import psycopg
        from psycopg.rows import dict_row

        self._db: psycopg.Connection[Row] = psycopg.connect(
            url, autocommit=True, row_factory=dict_row, connect_timeout=5
        )
        self._clock = clock
        self._pipeline: AbstractContextManager[Any] | None = None
        self._db.execute("SET statement_timeout = '30s'")
        self._db.execute("SET lock_timeout = '10s'")
        self._db.execute("SET idle_in_transaction_session_timeout = '30s'")
        if readonly:
            self._db.execute("SET default_transaction_read_only = on")

    def begin(self) -> None:
        # In a pipeline a statement waits for nobody: only those whose answer is read cost a journey.
        self._pipeline = self._db.pipeline()
        self._pipeline.__enter__()
        self._db.execute("BEGIN")

    def commit(self) -> None:
        self._db.execute("COMMIT")
        self._leave_pipeline()

    def rollback(self) -> None:
        if self._pipeline is not None:
            with contextlib.suppress(Exception):  # the fault that led here is the one that matters
                self._leave_pipeline()
        if not self._db.closed and not self._db.broken:
            self._db.execute("ROLLBACK")

    def _leave_pipeline(self) -> None:
        pipeline, self._pipeline = self._pipeline, None
        if pipeline is not None:
            pipeline.__exit__(None, None, None)

    def execute(self, sql: str, params: dict[str, Any]) -> tuple[int, list[Row]]:
        cursor = self._db.execute(_postgres_text(sql), params)
        return _rows(cursor)

    def execute_nowait(self, sql: str, params: dict[str, Any]) -> None:
        self._db.execute(_postgres_text(sql), params)

    def execute_script(self, sql: str) -> None:
        self._leave_pipeline()  # several statements in one text have no place in a pipeline
        types = {"ID": "TEXT", "NANOS": "BIGINT", "MICROS": "BIGINT", "COUNT": "BIGINT", "JSON": "TEXT"}
        self._db.execute(replace_type_words(sql, types).replace(") STRICT;", ");"))

    def now(self) -> int:
        if self._clock:
            return self._clock()
        result = self.execute("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT) AS now", {})
        return int(result[1][0]["now"])

    def close(self) -> None:
        self._db.close()


def _rows(cursor: psycopg.Cursor[Row]) -> tuple[int, list[Row]]:
    """Rows changed and rows returned. In a pipeline only asking for rows waits, even where there are none."""
    import psycopg

    try:
        rows = cursor.fetchall()
    except psycopg.ProgrammingError:
        if cursor.pgresult is None or cursor.pgresult.status != psycopg.pq.ExecStatus.COMMAND_OK:
            raise
        rows = []
    return cursor.rowcount, rows


@functools.cache
def _postgres_text(sql: str) -> str:
    """`:name` -> `%(name)s`, and the markers -> what they stand for."""
    named = re.sub(r"(?<![:\w]):([a-z_][a-z_0-9]*)", r"%(\1)s", sql.replace("%", "%%"))
    prompt = "CAST(order_body AS JSON) ->> 'prompt'"
    for marker, meaning in (
        (SKIP_LOCKED, "FOR UPDATE SKIP LOCKED"),
        (FOR_UPDATE, "FOR UPDATE"),
        (ORDER_PROMPT, prompt),
    ):
        named = named.replace(marker, meaning)
    return named


class PostgresEngine:
    """A server, shared by many processes."""

    name = "postgres"
    shared = True
    _required_settings = ("fsync", "full_page_writes", "synchronous_commit")

    def __init__(self, url: str, clock: Clock | None = None) -> None:
        self._url = url
        self._clock = clock
        self._check_server()

    def _check_server(self) -> None:
        connection = self.connect(readonly=True)
        try:
            for name in self._required_settings:
                if connection.execute(f"SHOW {name}", {})[1][0][name] == "off":
                    raise DatabaseUnusable(f"PostgreSQL runs with {name}=off: an acknowledged task could be lost")
            version = int(connection.execute("SHOW server_version_num", {})[1][0]["server_version_num"])
            if version < 150_000:
                raise DatabaseUnusable(f"PostgreSQL 15 or later is needed, this is {version // 10_000}")
        finally:
            connection.close()

    def connect(self, *, readonly: bool) -> Connection:
        import psycopg

        try:
            return PostgresConnection(self._url, self._clock, readonly=readonly)
        except psycopg.OperationalError as error:
            raise DatabaseError(f"PostgreSQL does not answer: {error}", is_retryable=True) from error

    def translate_error(self, error: Exception) -> DatabaseError | None:
        import psycopg

        match error:
            case psycopg.errors.DiskFull():
                return DiskFull("the disk of the database is full")
            case psycopg.errors.DeadlockDetected() | psycopg.errors.SerializationFailure():
                return DatabaseError(str(error), is_retryable=True)
            case psycopg.OperationalError() | psycopg.InterfaceError():
                return DatabaseError(f"PostgreSQL does not answer: {error}", is_retryable=True)
            case _:
                return None

    def migration_lock_sql(self) -> str:
        return "SELECT pg_advisory_xact_lock(7263541)"


def wall_clock() -> int:
    """UTC microseconds."""
    return time.time_ns() // 1000
