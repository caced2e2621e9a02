"""The database: `write` a command, `read` a query, and bring the schema up to date."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import hashlib
import queue
import re
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from imagegate import __version__
from imagegate.concurrency import KeyedSlots, prepare_structs
from imagegate.counters import DatabaseCounters
from imagegate.store.dialect import (
    Clock,
    Connection,
    DatabaseError,
    DatabaseUnusable,
    Engine,
    Lock,
    LockedByOthers,
    QueryTimeout,
    Row,
    first_line,
)
from imagegate.store.notifications import Notifications
from imagegate.store.postgres import PostgresEngine, check_conninfo
from imagegate.store.readers import Readers
from imagegate.store.sqlite import SqliteEngine
from imagegate.store.transaction import LOCKING_ACCOUNTS, Tx
from imagegate.store.writer import ACCOUNT_RANK, SUBMIT_RANK, Inbox, LockKey, QueuedCommand, Writer

P = ParamSpec("P")
T = TypeVar("T")

OPERATORS = "operators"  # what they see of all accounts, in place of an account
MAX_LISTS_PER_ACCOUNT = 1  # running at a time: they take milliseconds, and more wait
REPORT_READERS = 4
# A migration waits for the transactions of gateways that serve meanwhile, and for another process that migrates.
_MIGRATION_PATIENCE_S = 600.0
_MIGRATION_PAUSE_S = 0.5

CREATE_MIGRATIONS_TABLE = """CREATE TABLE IF NOT EXISTS migrations (
    name TEXT NOT NULL PRIMARY KEY, checksum TEXT NOT NULL, applied MICROS NOT NULL) STRICT;"""
_OLDEST_PROGRAM = re.compile(r"-- oldest program: ([0-9.]+)\n")


@dataclasses.dataclass(frozen=True)
class SchemaStep:
    """The last migration that a database has, empty where it has none, and those that it lacks, in order."""

    before: str
    pending: tuple[str, ...]

    @property
    def after(self) -> str:
        return max(self.before, *self.pending) if self.pending else self.before


@dataclasses.dataclass(frozen=True)
class MigrationStatement:
    """What a migration does next: statement `number` of `total`, of all that are pending."""

    migration: str
    number: int
    total: int
    sql: str

    @property
    def words(self) -> str:
        """Its first words, such as `CREATE INDEX entries_account ON entries`."""
        code = re.sub(r"--[^\n]*", "", self.sql)
        return " ".join(code.partition("(")[0].split()[:6]).removesuffix(";")


def is_shared_url(url: str) -> bool:
    """Whether the database is one that several processes can work on."""
    return url.startswith(("postgresql://", "postgres://"))


def create_engine(url: str, clock: Clock | None = None) -> Engine:
    """Return the engine of `postgresql://…` or of the path of a SQLite file."""
    if is_shared_url(url):
        return PostgresEngine(url, clock)
    check_database_url(url)
    return SqliteEngine(Path(url), clock)


def check_database_url(url: str) -> None:
    """DatabaseUnusable for what can be no database; nobody is asked, and nothing opened."""
    if is_shared_url(url):
        check_conninfo(url)
    elif Path(url).is_dir():
        raise DatabaseUnusable(f"database is {url!r}: must be the path of a file, and this is a folder")


def open_notifications(url: str) -> Notifications | None:
    """Messages between the processes of this database; None where there is one process."""
    return Notifications(url) if is_shared_url(url) else None


class Database:
    """Open with `Database(engine)`, then `migrate()`. Close it before the event loop ends.

    `batch`: how many commands share a commit at most. `writers` counts on an engine that processes share; on another
    one there is a single writer.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        readers: int = 4,
        list_readers: int = 4,
        batch: int = 256,
        writers: int = 1,
        list_timeout_s: float = 3.0,
    ) -> None:
        prepare_structs()  # the writer's and readers' threads decode the same ones
        self.engine, self.counters = engine, DatabaseCounters()
        self._inbox: Inbox = queue.SimpleQueue()
        # Where several may write at a time, what works through old rows has a connection of its own: nobody waits for
        # the disk that it reads.
        self._inbox_apart: Inbox = queue.SimpleQueue() if engine.shared else self._inbox
        inboxes = [*[self._inbox] * writers, self._inbox_apart] if engine.shared else [self._inbox]
        self._writers = {Writer(engine, inbox, batch, self.counters): inbox for inbox in inboxes}
        self._readers = Readers(self._run_query, readers, spread=engine.shared)
        # Apart from the others: a list may read millions of rows, and a key look-up must not wait for it.
        self._list_readers = concurrent.futures.ThreadPoolExecutor(list_readers, "imagegate-list-reader")
        self._list_slots, self._turns = KeyedSlots(MAX_LISTS_PER_ACCOUNT), KeyedSlots(list_readers)
        # Checks and monitoring, which ask one thing at a time each: a check may take minutes, and metrics do not wait.
        self._report_readers = concurrent.futures.ThreadPoolExecutor(REPORT_READERS, "imagegate-report-reader")
        self._list_timeout_s = list_timeout_s
        self._local = threading.local()
        self._connections: list[Connection] = []
        self._started = False

    def write(self, command: Callable[Concatenate[Tx, P], T], *args: P.args, **_: P.kwargs) -> Awaitable[T]:
        """Run a command in the next group commit; its result comes when it is durable.

        By convention the first argument is the account whose rows the command locks first.
        """
        rank = SUBMIT_RANK if command in LOCKING_ACCOUNTS else ACCOUNT_RANK
        return self._enqueue(QueuedCommand(command, args, (rank, str(args[0]) if args else "")))

    def write_ordered(
        self, lock_key: LockKey, command: Callable[Concatenate[Tx, P], T], *args: P.args, **_: P.kwargs
    ) -> Awaitable[T]:
        """Run a command that locks other rows than an account's first; `lock_key` is its place within a batch."""
        return self._enqueue(QueuedCommand(command, args, lock_key))

    def write_apart(
        self, lock_key: LockKey, command: Callable[Concatenate[Tx, P], T], *args: P.args, **_: P.kwargs
    ) -> Awaitable[T]:
        """The same for the program's own work on many rows, beside what customers wait for where the engine can.

        To be called in a `turn`.
        """
        return self._enqueue(QueuedCommand(command, args, lock_key, is_apart=True), self._inbox_apart)

    def turn(self) -> contextlib.AbstractAsyncContextManager[None]:
        """A place among the lists, in the order in which they came: while many are asked for, the program's own work on
        many rows is one more of them, and not something that goes on beside them."""
        return self._turns.slot("")

    def _enqueue(self, command: QueuedCommand, inbox: Inbox | None = None) -> asyncio.Future[Any]:
        if not self._started:
            self._started = True
            for writer in self._writers:
                writer.start()
        (self._inbox if inbox is None else inbox).put(command)
        return command.future

    async def read(self, query: Callable[Concatenate[Tx, P], T], *args: P.args, **_: P.kwargs) -> T:
        """Run a query on a reader connection; each statement sees what is committed when it runs."""
        found: T = await self._readers.read(query, args, False)
        return found

    async def snapshot(self, query: Callable[Concatenate[Tx, P], T], *args: P.args, **_: P.kwargs) -> T:
        """Run a query whose statements all see the same state of the database."""
        found: T = await self._readers.read(query, args, True)
        return found

    async def read_report(self, query: Callable[Concatenate[Tx, P], T], *args: P.args, **_: P.kwargs) -> T:
        """Run a query of the program's own that may read much, as a snapshot and without a limit of time.

        It holds up neither look-ups nor lists. For checks, monitoring and operators: not for what customers can ask.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._report_readers, self._run_query, query, args, True)

    async def read_list(
        self, account_id: str, query: Callable[Concatenate[Tx, P], T], *args: P.args, **_: P.kwargs
    ) -> T:
        """Run a list or a search as a snapshot, for the account that asks; QueryTimeout after `list_timeout_s`.

        That includes its wait for one of the account's places and for a reader.
        """
        running = asyncio.ensure_future(self._run_list(account_id, query, args))
        running.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be left to hear it
        # A caller that goes away gives the place up only when the query has ended.
        return await asyncio.shield(running)

    async def _run_list(self, account_id: str, query: Callable[..., T], args: tuple[Any, ...]) -> T:
        deadline = time.monotonic() + self._list_timeout_s
        async with contextlib.AsyncExitStack() as place:
            try:
                async with asyncio.timeout(self._list_timeout_s):
                    await place.enter_async_context(self._list_slots.slot(account_id))
                    await place.enter_async_context(self.turn())
            except TimeoutError:
                raise QueryTimeout("the lists before it did not end in time") from None
            if time.monotonic() > deadline:
                raise QueryTimeout("its turn came too late")
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._list_readers, self._run_query, query, args, True, deadline)

    def _run_query(
        self, query: Callable[..., T], args: tuple[Any, ...], in_snapshot: bool, deadline: float | None = None
    ) -> T:
        connection = self._reader()
        try:
            if deadline is not None:
                connection.set_deadline(deadline)
            if in_snapshot:
                connection.begin()
            result = query(Tx(connection), *args)
            if in_snapshot:
                connection.commit()
        except Exception as error:
            self._close_reader()
            failure = self.engine.translate_error(error)
            if failure is None:
                raise
            if not isinstance(failure, QueryTimeout):
                self.counters.count_error("read")
            raise failure from error
        return result

    def _reader(self) -> Connection:
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self.engine.connect(readonly=True)
            self._connections.append(connection)
        return connection

    def _close_reader(self) -> None:
        connection: Connection = self._local.connection
        self._local.connection = None
        self._connections.remove(connection)
        connection.close()

    def migrate(self, report: Callable[[MigrationStatement], object] = lambda _: None) -> SchemaStep:
        """Bring the schema up to date, all or nothing, one process at a time. Return what there was to do.

        Each statement is reported before it is executed: one may take minutes.

        DatabaseUnusable where an applied file was edited, where a newer program made the schema and this one is too
        old for it, and where the database is not one of this program.
        """

        def apply(connection: Connection) -> SchemaStep:
            connection.lock(Lock.migrations)  # another process may start at the same time
            if connection.is_empty():
                connection.execute_script(CREATE_MIGRATIONS_TABLE)
            step = _find_step(connection)
            pending = {name: text for name, text in load_migrations() if name in step.pending}
            total = sum(len(connection.split_script(text)) for text in pending.values())
            number = 0
            for name, text in pending.items():
                for sql in connection.split_script(text):
                    number += 1
                    report(MigrationStatement(name.removesuffix(".sql"), number, total, sql))
                    connection.execute_script(sql)
                _record_migration(connection, name, text)
            return step

        give_up = time.monotonic() + _MIGRATION_PATIENCE_S
        while True:
            try:
                return self._on_schema(apply, readonly=False)
            except LockedByOthers as error:
                # A gateway of the version before is at work beside us, or another process migrates.
                if time.monotonic() > give_up:
                    raise DatabaseUnusable(f"the schema cannot be changed: {error}") from error
                time.sleep(_MIGRATION_PAUSE_S)

    def find_pending(self) -> SchemaStep:
        """What `migrate` has to do, without changing anything. DatabaseUnusable as there."""
        if any(not file.exists() for file in self.engine.files()[:1]):
            return SchemaStep("", tuple(name for name, _ in load_migrations()))
        return self._on_schema(_find_step, readonly=True)

    def check_schema(self) -> None:
        """Without changing anything: DatabaseUnusable unless the schema is the one that this program works with."""
        self._on_schema(refuse_unfinished_schema, readonly=True)

    def _on_schema(self, work: Callable[[Connection], T], *, readonly: bool) -> T:
        connection = self.engine.connect(readonly=readonly)
        try:
            connection.lift_limits()
            connection.begin()
            result = work(connection)
            connection.commit()
        except Exception as error:
            with contextlib.suppress(Exception):  # the first error is the one that matters
                connection.rollback()
            failure = self.engine.translate_error(error)
            if isinstance(failure, LockedByOthers):
                raise failure from error
            if failure is None and not self.engine.is_driver_error(error):
                raise
            raise DatabaseUnusable(
                str(failure or f"the schema of the database cannot be used: {first_line(error)}")
            ) from error
        finally:
            connection.close()
        return result

    def close(self) -> None:
        """Finish the commands that wait, then close every connection."""
        for inbox in self._writers.values():  # several writers may share one, so all end before one is joined
            inbox.put(None)
        if self._started:
            for writer in self._writers:
                writer.join()
        self._readers.close()
        self._list_readers.shutdown()
        self._report_readers.shutdown()
        for connection in self._connections:
            connection.close()


def load_migrations() -> list[tuple[str, str]]:
    """Return name and text of each migration, in order."""
    folder = resources.files("imagegate.store") / "schema"
    files = sorted((entry for entry in folder.iterdir() if entry.name.endswith(".sql")), key=lambda entry: entry.name)
    return [(file.name, file.read_text("utf-8")) for file in files]


def refuse_unfinished_schema(connection: Connection) -> None:
    """DatabaseUnusable unless the schema is the one that this program works with."""
    step = _find_step(connection)
    if not step.before:
        raise DatabaseUnusable("the database is empty: no gateway has served from it yet")
    if step.pending:
        raise DatabaseUnusable(
            f"the database has an older schema, without {step.pending[0]}; "
            "`imagegate migrate` or the next start brings it up to date"
        )


def refuse_other_schema(connection: Connection) -> None:
    """DatabaseUnusable unless the schema is exactly that of this program: for whoever copies table by table."""
    refuse_unfinished_schema(connection)
    unknown = _applied_migrations(connection).keys() - {name for name, _ in load_migrations()}
    if unknown:
        raise DatabaseUnusable(
            f"the database was upgraded by a newer program (migration {max(unknown)}), which has tables or columns that"
            " this one would leave behind: use that program"
        )


def _find_step(connection: Connection) -> SchemaStep:
    """DatabaseUnusable where an applied file was edited, and where this program is too old for the schema."""
    if connection.is_empty():
        return SchemaStep("", tuple(name for name, _ in load_migrations()))
    applied = _applied_migrations(connection)
    _refuse_newer_schema(applied)
    for name, text in load_migrations():
        if name in applied and applied[name]["checksum"] != _checksum(text):
            raise DatabaseUnusable(f"migration {name} differs from the one that made this database")
    pending = tuple(name for name, _ in load_migrations() if name not in applied)
    return SchemaStep(max(applied, default=""), pending)


def _applied_migrations(connection: Connection) -> dict[str, Row]:
    """The rows by name."""
    # Without rows too, an error where the table is of another program, whose database is left as it is.
    connection.execute("SELECT name, checksum, applied FROM migrations LIMIT 1", {})
    rows = connection.execute("SELECT * FROM migrations", {})[1]
    return {row["name"]: row for row in rows}


def _refuse_newer_schema(applied: Mapping[str, Row]) -> None:
    """DatabaseUnusable where a migration that is not ours says, or does not say, that we are too old for it."""
    ours = {name for name, _ in load_migrations()}
    for name, row in applied.items():
        oldest = row.get("oldest_program", "")
        if name not in ours and (not oldest or _version_key(oldest) > _version_key(__version__)):
            needed = f"imagegate {oldest} or later" if oldest else "a later imagegate"
            raise DatabaseUnusable(
                f"the database was upgraded by a newer program (migration {name}): {needed} is needed, this is"
                f" {__version__}; upgrade the program, or restore the backup from before its upgrade"
            )


def _version_key(version: str) -> tuple[int, ...]:
    """Comparable: what follows the first three numbers, such as `.dev1`, makes no difference."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def _record_migration(connection: Connection, name: str, text: str) -> None:
    row = {"name": name, "checksum": _checksum(text), "applied": connection.now()}
    connection.execute("INSERT INTO migrations (name, checksum, applied) VALUES (:name, :checksum, :applied)", row)
    if oldest := _OLDEST_PROGRAM.match(text):
        connection.execute(
            "UPDATE migrations SET oldest_program = :oldest WHERE name = :name", {"name": name, "oldest": oldest[1]}
        )


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


__all__ = ["Database", "DatabaseError", "DatabaseUnusable", "create_engine", "load_migrations"]
