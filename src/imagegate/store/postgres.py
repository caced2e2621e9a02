"""PostgreSQL: a server, shared by many processes. psycopg is imported when the first connection is made."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imagegate.store import dialect
from imagegate.store.dialect import (
    Clock,
    Connection,
    DatabaseError,
    DatabaseUnusable,
    DiskFull,
    Lock,
    LockedByOthers,
    QueryTimeout,
    Row,
    first_line,
)

if TYPE_CHECKING:
    import psycopg

MIN_VERSION_NUM = 150_000
# With any of these off, the server acknowledges commits that a power cut undoes.
REQUIRED_SETTINGS = ("fsync", "full_page_writes", "synchronous_commit")
_CONNECT_TIMEOUT_S = 5
# A statement or a lock that takes longer is given up: the commands behind it wait in one queue.
_SESSION = {"statement_timeout": "30s", "lock_timeout": "10s", "idle_in_transaction_session_timeout": "30s"}
_READ_ONLY = "default_transaction_read_only"
_POOLER = (
    "A pooler such as PgBouncer stands in front of it, which gives each transaction another connection: imagegate"
    " needs connections of its own, for their settings and for LISTEN. Name the address of PostgreSQL itself in the"
    " setting `database`; a gateway makes some 15 connections"
)


class PostgresConnection:
    def __init__(self, url: str, clock: Clock | None, *, readonly: bool) -> None:
        import psycopg
        from psycopg.rows import dict_row

        settings = {**_SESSION, _READ_ONLY: "on" if readonly else "off"}
        self._db: psycopg.Connection[Row] = psycopg.connect(
            url,
            autocommit=True,
            row_factory=dict_row,
            connect_timeout=_CONNECT_TIMEOUT_S,
            # With the connection, not by SET: what a pooler cannot keep it refuses, or it can be seen that it did not.
            options=_with_settings(psycopg.conninfo.conninfo_to_dict(url).get("options"), settings),
        )
        self._clock = clock
        self._readonly = readonly
        self._deadline: float | None = None
        self._pipeline: AbstractContextManager[Any] | None = None
        self._verify_settings(settings)

    def _verify_settings(self, settings: Mapping[str, str]) -> None:
        shown = ", ".join(f"current_setting('{name}') AS {name}" for name in settings)
        found = self.execute(f"SELECT {shown}", {})[1][0]
        lost = [f"{name} is {found[name]}, not {value}" for name, value in settings.items() if found[name] != value]
        if lost:
            self._db.close()
            raise DatabaseUnusable(f"PostgreSQL does not keep the settings of a connection ({lost[0]}). {_POOLER}")

    def set_deadline(self, at: float) -> None:
        self._deadline = at

    def lift_limits(self) -> None:
        # Not lock_timeout: a change of a table that waits for its lock holds up everybody who comes after it.
        self._db.execute("SET statement_timeout = 0")
        self._db.execute("SET idle_in_transaction_session_timeout = 0")

    def begin(self) -> None:
        # In a pipeline only statements whose result is read cost a round trip.
        self._pipeline = self._db.pipeline()
        self._pipeline.__enter__()
        # What only reads sees one state, as in SQLite; by default each statement sees what is committed when it begins.
        self._db.execute("BEGIN ISOLATION LEVEL REPEATABLE READ" if self._readonly else "BEGIN")

    def commit(self) -> None:
        self._db.execute("COMMIT")
        self._leave_pipeline()

    def rollback(self) -> None:
        if self._pipeline is not None:
            with contextlib.suppress(Exception):  # the error that led here is the one that matters
                self._leave_pipeline()
        if not self._db.closed and not self._db.broken:
            self._db.execute("ROLLBACK")

    def _leave_pipeline(self) -> None:
        pipeline, self._pipeline = self._pipeline, None
        if pipeline is not None:
            pipeline.__exit__(None, None, None)

    def execute(self, sql: str, params: dict[str, Any]) -> tuple[int, list[Row]]:
        if self._deadline is None:
            return _fetch(self._db.execute(dialect.postgres_sql(sql), params))
        import psycopg

        left_ms = int((self._deadline - time.monotonic()) * 1000)
        if left_ms < 1:
            raise QueryTimeout("the query did not end in time")
        # The server stops each statement, so each is told what its query has left.
        self._db.execute(f"SET statement_timeout = {left_ms}")
        try:
            return _fetch(self._db.execute(dialect.postgres_sql(sql), params))
        except psycopg.errors.QueryCanceled as error:
            raise QueryTimeout("the query did not end in time") from error

    def execute_nowait(self, sql: str, params: dict[str, Any]) -> None:
        self._db.execute(dialect.postgres_sql(sql), params)

    def insert_many(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        self._leave_pipeline()  # a pipeline takes no COPY
        with (
            self._db.cursor() as cursor,
            cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy,
        ):
            for row in rows:
                copy.write_row(row)

    def split_script(self, sql: str) -> list[str]:
        return dialect.split_statements(dialect.postgres_script(sql))

    def execute_script(self, sql: str) -> None:
        self._leave_pipeline()  # a pipeline takes no text of several statements
        self._db.execute(dialect.postgres_script(sql))

    def lock(self, lock: Lock) -> None:
        self._db.execute("SELECT pg_advisory_xact_lock(%s)", (int(lock),))

    def join_by_keys(self) -> None:
        self.execute(
            "SELECT set_config('enable_hashjoin', 'off', TRUE), set_config('enable_mergejoin', 'off', TRUE)", {}
        )

    def merge_grams(self, pages: int) -> bool:
        return False  # its vacuum does that

    def is_empty(self) -> bool:
        # Other schemas, and other tables beside ours, are nobody's business.
        return self.execute("SELECT to_regclass('migrations') IS NULL AS missing", {})[1][0]["missing"] is True

    def now(self) -> int:
        if self._clock:
            return self._clock()
        _, rows = self.execute("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT) AS now", {})
        return int(rows[0]["now"])

    def close(self) -> None:
        self._db.close()


def _with_settings(own_options: object, settings: Mapping[str, str]) -> str:
    ours = " ".join(f"-c {name}={value}" for name, value in settings.items())
    return f"{own_options or ''} {ours}".lstrip()


def _fetch(cursor: psycopg.Cursor[Row]) -> tuple[int, list[Row]]:
    """Rows changed and rows returned. In a pipeline only asking for rows waits, even where there are none."""
    import psycopg

    try:
        rows = cursor.fetchall()
    except psycopg.ProgrammingError:
        if cursor.pgresult is None or cursor.pgresult.status != psycopg.pq.ExecStatus.COMMAND_OK:
            raise
        rows = []
    return cursor.rowcount, rows


def check_conninfo(url: str) -> None:
    """DatabaseUnusable where the driver cannot read the URL."""
    import psycopg
    from psycopg import conninfo

    try:
        conninfo.conninfo_to_dict(url)
    except psycopg.Error:
        raise _not_a_url() from None


def _not_a_url() -> DatabaseUnusable:
    """The driver quotes the URL, and the password with it."""
    return DatabaseUnusable("the setting database is not a URL that PostgreSQL accepts")


class PostgresEngine:
    """The server at `url`; DatabaseUnusable where it is too old or could lose an acknowledged task."""

    name = "postgres"
    shared = True

    def __init__(self, url: str, clock: Clock | None = None) -> None:
        self._url = url
        self._clock = clock
        self._check_server()

    def _check_server(self) -> None:
        connection = self.connect(readonly=True)
        try:
            for name in REQUIRED_SETTINGS:
                if connection.execute(f"SHOW {name}", {})[1][0][name] == "off":
                    raise DatabaseUnusable(f"PostgreSQL runs with {name}=off: an acknowledged task could be lost")
            version = int(connection.execute("SHOW server_version_num", {})[1][0]["server_version_num"])
            if version < MIN_VERSION_NUM:
                raise DatabaseUnusable(f"PostgreSQL 15 or later is needed, this is {version // 10_000}")
        finally:
            connection.close()

    def files(self) -> tuple[Path, ...]:
        return ()

    def find_lost_commits(self) -> str:
        return ""  # the server's own business

    def connect(self, *, readonly: bool) -> Connection:
        import psycopg

        try:
            return PostgresConnection(self._url, self._clock, readonly=readonly)
        except psycopg.OperationalError as error:
            if "unsupported startup parameter" in str(error):
                raise DatabaseUnusable(f"PostgreSQL does not take the settings of a connection. {_POOLER}") from None
            raise DatabaseError(f"PostgreSQL does not answer: {first_line(error)}", is_retryable=True) from error
        except psycopg.Error:
            raise _not_a_url() from None

    def translate_error(self, error: Exception) -> DatabaseError | None:
        import psycopg

        match error:
            case psycopg.errors.DiskFull():
                return DiskFull("the disk of the database is full")
            case psycopg.errors.DeadlockDetected() | psycopg.errors.SerializationFailure():
                return LockedByOthers(str(error))
            case psycopg.errors.LockNotAvailable():
                return LockedByOthers("PostgreSQL waits for a lock that another transaction holds")
            case psycopg.errors.UndefinedTable() | psycopg.errors.UndefinedColumn():
                return DatabaseError(f"the database is incomplete, or that of another program: {first_line(error)}")
            case psycopg.errors.InsufficientPrivilege():
                return DatabaseError(f"PostgreSQL does not permit it: {first_line(error)}")
            case psycopg.OperationalError() | psycopg.InterfaceError():
                return DatabaseError(f"PostgreSQL does not answer: {first_line(error)}", is_retryable=True)
            case _:
                return None

    def is_driver_error(self, error: Exception) -> bool:
        import psycopg

        return isinstance(error, psycopg.Error)
