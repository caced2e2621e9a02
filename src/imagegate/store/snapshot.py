"""The whole database as one SQLite file, and back into an empty database of either engine.

A snapshot is taken beside a running gateway: of SQLite by its online backup, of PostgreSQL by copying all tables as
they are at one moment.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import apsw

from imagegate.disk import fsync
from imagegate.store.database import refuse_other_schema
from imagegate.store.dialect import Connection, DatabaseUnusable, Engine, Lock, first_line
from imagegate.store.sqlite import SqliteEngine, create_private
from imagegate.store.table_copy import copy_tables, create_schema, list_tables
from imagegate.store.transaction import Tx

_BUSY_TIMEOUT_MS = 60_000


def write_snapshot(engine: Engine, file: Path) -> None:
    """Write the database to the new SQLite file; `make_single_file` ends it.

    DatabaseUnusable where PostgreSQL has another schema than that of this program. SQLite's is copied as it is.
    """
    create_private(file)
    if engine.shared:
        with _transaction(engine, readonly=True) as source:
            refuse_other_schema(source)
            with _transaction(SqliteEngine(file, is_copy=True), readonly=False) as target:
                create_schema(target)
                copy_tables(source, target, list_tables())
    else:
        _copy_pages(engine.files()[0], file)


def load_snapshot(file: Path, engine: Engine) -> None:
    """Fill the empty database with what the file holds, all or nothing. DatabaseUnusable where it is not empty."""
    with _transaction(SqliteEngine(file, is_copy=True), readonly=True) as source:
        refuse_other_schema(source)
        with _transaction(engine, readonly=False) as target:
            target.lock(Lock.migrations)  # a gateway that starts meanwhile would make the same tables
            if not target.is_empty():
                raise DatabaseUnusable("the database to restore into is not empty: name a new one")
            create_schema(target)
            copy_tables(source, target, list_tables())


def measure(engine: Engine) -> int:
    """About how many bytes a snapshot has at most."""
    if not engine.shared:
        return sum(file.stat().st_size for file in engine.files() if file.exists())
    with _transaction(engine, readonly=True) as connection:
        return Tx(connection).fetch_int("SELECT pg_database_size(current_database()) AS number")


def count_rows(tx: Tx) -> dict[str, int]:
    return {table.name: tx.fetch_int(f"SELECT COUNT(*) AS number FROM {table.name}") for table in list_tables()}


def is_empty(engine: Engine) -> bool:
    """Whether there is nothing in it that a restore could meet."""
    if any(not file.exists() for file in engine.files()[:1]):
        return True
    with _transaction(engine, readonly=True) as connection:
        return connection.is_empty()


@contextlib.contextmanager
def _transaction(engine: Engine, *, readonly: bool) -> Iterator[Connection]:
    """A connection within a transaction that may take as long as it does; what the driver raises is translated."""
    connection = engine.connect(readonly=readonly)
    try:
        connection.lift_limits()
        connection.begin()
        yield connection
        connection.commit()
    except Exception as error:
        with contextlib.suppress(Exception):  # the first error is the one that matters
            connection.rollback()
        failure = engine.translate_error(error)
        if failure is not None:
            raise failure from error
        if engine.is_driver_error(error):
            raise DatabaseUnusable(f"the database cannot be copied: {first_line(error)}") from error
        raise
    finally:
        connection.close()


def _copy_pages(source: Path, target: Path) -> None:
    if not source.exists():
        raise DatabaseUnusable(f"there is no database {source}")
    has_log = source.with_name(source.name + "-wal").exists()
    try:
        reader = apsw.Connection(str(source), flags=apsw.SQLITE_OPEN_READWRITE)
        writer = apsw.Connection(str(target), flags=apsw.SQLITE_OPEN_READWRITE)
        reader.set_busy_timeout(_BUSY_TIMEOUT_MS)
        # A log that is there stays as it is: a snapshot changes nothing, also where no gateway has closed the database.
        reader.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, int(has_log))
        with contextlib.closing(reader), contextlib.closing(writer), writer.backup("main", reader, "main") as backup:
            # All pages in one step: between two steps a commit of another process would begin the copy anew.
            while not backup.done:
                backup.step(-1)
    except apsw.Error as error:
        raise DatabaseUnusable(f"the database {source} cannot be copied: {error}") from error


def make_single_file(file: Path) -> None:
    """Without a log beside it: the file alone is the snapshot, and can be read where nothing can be written."""
    with contextlib.closing(apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READWRITE)) as db:
        db.pragma("journal_mode", "delete")
    for end in ("-wal", "-shm"):
        file.with_name(file.name + end).unlink(missing_ok=True)
    fsync(file)
