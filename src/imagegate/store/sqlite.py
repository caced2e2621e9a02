"""SQLite: one file, one serving process."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw

from imagegate.concurrency import give_way
from imagegate.store import dialect, write_ahead_log
from imagegate.store.checkpoints import Checkpointer, LogGate
from imagegate.store.dialect import (
    Clock,
    Connection,
    DatabaseError,
    DatabaseUnusable,
    DiskFull,
    Lock,
    QueryTimeout,
    Row,
)
from imagegate.store.file_systems import find_network_mount

MIN_VERSION = (3, 51, 3)
_BUSY_TIMEOUT_MS = 10_000
_LONG_BUSY_TIMEOUT_MS = 60_000
# Steps of SQLite's machine after which a reader lets others go first, and looks at the clock: 0.1 to 0.2 ms.
_STEPS_PER_TURN = 2_000
# More than the program has: each that is not kept is compiled anew.
_STATEMENTS_KEPT = 512
# The log is written from its beginning again when all of it is in the database and nobody reads it; then its file is
# cut to this. While somebody reads an old state it grows with what is written meanwhile.
_KEPT_LOG_BYTES = 64 << 20
# Past this, what has read for so long is stopped.
MAX_LOG_BYTES = 256 << 20
LONG_READ_S = 10.0
_SORTING_KB = 64 << 10
# Of the connection that writes. SQLite's own is 2 MB: deleting old tasks then drives out the pages of new ones.
_WRITING_KB = 16 << 10
_MAX_KNOWN_STATEMENTS = 1000  # lists are composed of their filters; there are some 300 statements


class SqliteConnection:
    """`gate` is that of all connections of the process to the file."""

    def __init__(self, path: Path, clock: Clock, gate: LogGate, *, readonly: bool) -> None:
        flags = apsw.SQLITE_OPEN_READWRITE | (0 if readonly else apsw.SQLITE_OPEN_CREATE)
        self._db = apsw.Connection(str(path), flags=flags, statementcachesize=_STATEMENTS_KEPT)
        self._clock = clock
        self._readonly = readonly
        self._names: dict[str, tuple[str, ...]] = {}  # by statement
        self._log = path.with_name(path.name + "-wal")
        self._deadline = self._read_began = math.inf
        self._gate = gate
        self._checkpointer: Checkpointer | None = None
        self._db.set_busy_timeout(_BUSY_TIMEOUT_MS)
        if not readonly:
            # Without it a statement is planned anew for each new value of a parameter in its conditions. Lists have to
            # be, since partial indexes may fit some values only; the few statements of the writer are always the same.
            self._db.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
        self._refuse_foreign_file(path)
        _set_pragmas(self._db)
        if readonly:
            self._db.pragma("query_only", 1)
            self._db.set_progress_handler(self._go_on_or_stop, _STEPS_PER_TURN)
        else:
            self._db.pragma("cache_size", -_WRITING_KB)
            self._begin_checkpoints(path)

    def _begin_checkpoints(self, path: Path) -> None:
        db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        _set_pragmas(db)
        self._checkpointer = checkpointer = Checkpointer(db, self._log_bytes, _KEPT_LOG_BYTES, self._gate)

        def note_commit(_: apsw.Connection, __: str, pages: int) -> int:
            checkpointer.note_commit(pages)
            return apsw.SQLITE_OK

        self._db.set_wal_hook(note_commit)

    def _refuse_foreign_file(self, path: Path) -> None:
        """Before the first pragma: they change the file, and it may be the database of another program."""
        is_used = self._db.execute("SELECT COUNT(*) FROM sqlite_schema").get
        names = "'name', 'checksum', 'applied'"
        columns = self._db.execute(f"SELECT COUNT(*) FROM pragma_table_info('migrations') WHERE name IN ({names})").get
        if is_used and columns != 3:
            raise DatabaseUnusable(
                f"{path} is the database of another program: it has tables, but not those of imagegate"
            )

    def set_deadline(self, at: float) -> None:
        self._deadline = at

    def lift_limits(self) -> None:
        self._db.set_busy_timeout(_LONG_BUSY_TIMEOUT_MS)  # others may be at such work too
        self._db.set_progress_handler(None)
        # Building an index of millions of rows sorts them: in memory, by two threads, and where that is too small on
        # the disk of the database, which has room where a folder for temporary files may have none.
        self._db.pragma("cache_size", -_SORTING_KB)
        self._db.pragma("threads", 2)
        self._db.pragma("temp_store_directory", str(self._log.parent))

    def _go_on_or_stop(self) -> bool:
        """Called while a statement runs; true where it must stop."""
        give_way()
        now = time.monotonic()
        return now > self._deadline or (now > self._read_began + LONG_READ_S and self._log_bytes() > MAX_LOG_BYTES)

    def _log_bytes(self) -> int:
        with contextlib.suppress(FileNotFoundError):
            return self._log.stat().st_size
        return 0

    def begin(self) -> None:
        if self._readonly:
            self._gate.wait_to_read()
            self._db.execute("BEGIN")
        else:
            if self._checkpointer is not None:
                self._checkpointer.restart_if_due()
            # The write lock now: a transaction that reads first and writes later could not get it any more.
            self._db.execute("BEGIN IMMEDIATE")
        self._read_began = time.monotonic()

    def commit(self) -> None:
        self._db.execute("COMMIT")
        self._read_began = math.inf

    def rollback(self) -> None:
        # A full disk has already rolled back: a second ROLLBACK would raise and hide the first error.
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
        self._read_began = math.inf

    def execute(self, sql: str, params: dict[str, Any]) -> tuple[int, list[Row]]:
        cursor = self._db.execute(dialect.sqlite_sql(sql), params)
        names = self._names.get(sql)
        rows: list[Row] = []
        for row in cursor:
            if names is None:
                names = self._column_names(sql, cursor)
            rows.append(dict(zip(names, row, strict=True)))
        return self._db.changes(), rows

    def _column_names(self, sql: str, cursor: apsw.Cursor) -> tuple[str, ...]:
        """Kept where the statement itself says which: asking for them costs more than the row of a look-up."""
        names = tuple(column[0] for column in cursor.get_description())
        if "*" not in sql and len(self._names) < _MAX_KNOWN_STATEMENTS:
            self._names[sql] = names
        return names

    def execute_nowait(self, sql: str, params: dict[str, Any]) -> None:
        self._db.execute(dialect.sqlite_sql(sql), params)

    def insert_many(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        marks = ", ".join("?" * len(columns))
        self._db.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)

    def split_script(self, sql: str) -> list[str]:
        return dialect.split_statements(dialect.sqlite_script(sql))

    def execute_script(self, sql: str) -> None:
        self._db.execute(dialect.sqlite_script(sql))

    def lock(self, lock: Lock) -> None:
        """A transaction that writes already excludes every other one."""

    def join_by_keys(self) -> None:
        """It has no other joins."""

    def merge_grams(self, pages: int) -> bool:
        before = self._db.total_changes()
        self._db.execute("INSERT INTO TaskGrams (TaskGrams, rank) VALUES ('merge', ?)", (pages,))
        return self._db.total_changes() - before > 1  # https://sqlite.org/fts5.html#the_merge_command

    def is_empty(self) -> bool:
        return not self.execute("SELECT name FROM sqlite_schema LIMIT 1", {})[1]

    def now(self) -> int:
        return self._clock()

    def close(self) -> None:
        self._db.close()
        if self._checkpointer is not None:
            self._checkpointer.close()


def _set_pragmas(db: apsw.Connection) -> None:
    # FULL (2) syncs the log at every commit: what was acknowledged survives a power cut. fullfsync is what makes macOS
    # write through its disk's cache. No mmap: an I/O error would kill the process instead of raising.
    pragmas: dict[str, Any] = {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "wal_autocheckpoint": 0,  # see checkpoints.py
        "journal_size_limit": _KEPT_LOG_BYTES,
        "mmap_size": 0,
        "trusted_schema": 0,
        "fullfsync": 1,
        "checkpoint_fullfsync": 1,
    }
    for name, value in pragmas.items():
        db.pragma(name, value)
        actual = db.pragma(name)
        if actual not in (value, None):
            raise DatabaseUnusable(f"SQLite keeps {name}={actual!r}, {value!r} is needed: is this a local disk?")


def sqlite_version() -> str:
    return apsw.sqlite_lib_version()


def create_private(path: Path) -> None:
    """SQLite would create it readable by all; its log takes the rights of the file."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))


def _refuse_network(path: Path) -> None:
    mount = find_network_mount(path)
    if mount is not None:
        raise DatabaseUnusable(
            f"{path} is on {mount.folder}, a network file system ({mount.type} of {mount.source}), where SQLite can"
            " lose what it acknowledged: set `data` or `database` to a local disk, or `database` to a PostgreSQL server"
        )


class SqliteEngine:
    """The database file at `path`; DatabaseUnusable where the SQLite library is too old, or the disk is remote."""

    name = "sqlite"
    shared = False

    def __init__(self, path: Path, clock: Clock | None = None, *, is_copy: bool = False) -> None:
        """`is_copy`: a file of a backup, which may be on any disk: nothing is acknowledged from it."""
        version = sqlite_version()
        if tuple(int(part) for part in version.split(".")) < MIN_VERSION:
            raise DatabaseUnusable(f"SQLite {version} can corrupt a write-ahead log; 3.51.3 is needed")
        if "ENABLE_FTS5" not in apsw.compile_options:
            raise DatabaseUnusable(f"SQLite {version} was built without FTS5, which searches need: use apsw's wheel")
        if not is_copy:
            _refuse_network(path)
        self._path = path
        self._clock = clock or dialect.wall_clock
        self._gate = LogGate()

    def files(self) -> tuple[Path, ...]:
        return tuple(self._path.with_name(self._path.name + end) for end in ("", "-wal", "-shm"))

    def find_lost_commits(self) -> str:
        return write_ahead_log.find_lost_commits(self._path)

    def connect(self, *, readonly: bool) -> Connection:
        try:
            if not readonly:
                create_private(self._path)
            return SqliteConnection(self._path, self._clock, self._gate, readonly=readonly)
        except (apsw.Error, OSError) as error:
            raise DatabaseUnusable(f"cannot open the database {self._path}: {error}") from error

    def translate_error(self, error: Exception) -> DatabaseError | None:
        match error:
            case apsw.FullError():
                return DiskFull("the disk of the database is full")
            case apsw.InterruptError():
                return QueryTimeout("the query did not end in time")
            case apsw.BusyError():
                return DatabaseError("the database is locked by another program")
            case apsw.CorruptError() | apsw.NotADBError():
                return DatabaseError(f"the database file is damaged, or is no database: {error}")
            case apsw.SQLError() if str(error).startswith(("no such table", "no such column")):
                return DatabaseError(f"the database is incomplete, or that of another program: {error}")
            case apsw.IOError() | apsw.ReadOnlyError() | apsw.CantOpenError():
                return DatabaseError(f"the database cannot be written: {error}")
            case _:
                return None

    def is_driver_error(self, error: Exception) -> bool:
        return isinstance(error, apsw.Error)
