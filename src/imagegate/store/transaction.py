"""What a command or a query is given: a transaction that runs one statement at a time."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from imagegate.store.dialect import LOCK_ROWS, Connection, Lock, Row

T = TypeVar("T")
Params = dict[str, Any]
_NONE: Params = {}
_ROWS_PER_STATEMENT = (8, 1)  # psycopg reads a statement of more than 4,096 characters anew each time


class Tx:
    """One transaction. `now` is the database's time in UTC microseconds, the same all through; SQL has it as `:now`.

    `is_retry` says that the commands may have been committed before, by a try whose result was lost.
    """

    def __init__(self, connection: Connection, *, is_retry: bool = False) -> None:
        self._connection = connection
        self.is_retry = is_retry
        # What the commands of one transaction share: rows that nobody else changes while we have them locked.
        self.memo: dict[Any, Any] = {}
        self._at_end: dict[tuple[str, str], Callable[[], None]] = {}

    def at_end(self, key: tuple[str, str], write: Callable[[], None]) -> None:
        """Run `write` before the commit, once for each key: a row that many commands change is written once."""
        self._at_end.setdefault(key, write)

    def forget(self, key: tuple[str, str]) -> None:
        """What `at_end` was asked for is not wanted any more."""
        self._at_end.pop(key, None)

    def finish(self) -> None:
        # In the same order in every transaction, so that none waits for a row while another waits for one of its own.
        for _, write in sorted(self._at_end.items()):
            write()

    @functools.cached_property
    def now(self) -> int:
        return self._connection.now()

    def execute(self, sql: str, params: Params = _NONE) -> int:
        """Return the number of rows changed."""
        return self._connection.execute(sql, self._with_now(sql, params))[0]

    def execute_nowait(self, sql: str, params: Params = _NONE) -> None:
        """Run a statement whose result nobody needs: an error of it is raised at the commit."""
        self._connection.execute_nowait(sql, self._with_now(sql, params))

    def insert(self, table: str, *, unless_exists: str = "", **columns: Any) -> None:
        """Insert a row, or none where one with the same value of the column `unless_exists` is there."""
        self._connection.execute_nowait(_insert_sql(table, tuple(columns), unless_exists), columns)

    def insert_rows(self, table: str, rows: Sequence[Params], *, replacing: tuple[str, ...] = ()) -> None:
        """Insert rows of the same columns, several with one statement; instead of those with the same `replacing`, the
        table's key."""
        done = 0
        while done < len(rows):
            size = next(size for size in _ROWS_PER_STATEMENT if size <= len(rows) - done)
            columns = tuple(rows[0])
            values = itertools.chain.from_iterable(row.values() for row in rows[done : done + size])
            sql, names = _insert_rows_sql(table, columns, size, replacing)
            self._connection.execute_nowait(sql, dict(zip(names, values, strict=True)))
            done += size

    def fetch_all(self, sql: str, params: Params = _NONE) -> list[Row]:
        return self._connection.execute(sql, self._with_now(sql, params))[1]

    def fetch_one(self, sql: str, params: Params = _NONE) -> Row | None:
        return next(iter(self.fetch_all(sql, params)), None)

    def fetch_int(self, sql: str, params: Params = _NONE) -> int:
        """Return the single integer that the statement selects."""
        return int(next(iter(self.fetch_all(sql, params)[0].values())) or 0)

    def fetch_structs(self, struct: type[T], sql: str, params: Params = _NONE) -> list[T]:
        """Return the rows as structs; columns that are no fields are left out."""
        return [msgspec.convert(row, struct) for row in self.fetch_all(sql, params)]

    def fetch_struct(self, struct: type[T], sql: str, params: Params = _NONE) -> T | None:
        return next(iter(self.fetch_structs(struct, sql, params)), None)

    def lock_rows(self, select: str, params: Params = _NONE) -> list[Row]:
        """Return the selected rows as they are once they are ours: until the commit nobody else changes them."""
        return self.fetch_all(f"{select} {LOCK_ROWS}", params)

    def lock_row(self, select: str, params: Params = _NONE) -> Row | None:
        return next(iter(self.lock_rows(select, params)), None)

    def _with_now(self, sql: str, params: Params) -> Params:
        return {**params, "now": self.now} if ":now" in sql else params

    def lock(self, lock: Lock) -> None:
        """Take a lock that belongs to no row, until the commit."""
        self._connection.lock(lock)

    def join_by_keys(self) -> None:
        """Find the rows of joins one by one, until the commit: for few rows of big tables."""
        self._connection.join_by_keys()

    def merge_grams(self, pages: int) -> bool:
        """Bring the index of words into better shape, by up to so many pages; return whether there may be more."""
        return self._connection.merge_grams(pages)


def name_values(prefix: str, values: Sequence[str | int]) -> tuple[str, Params]:
    """Parameters for the list of an IN, and their names. Filled up to a power of two: few statements are prepared."""
    size = 1 << (len(values) - 1).bit_length()
    params = {f"{prefix}{number}": values[min(number, len(values) - 1)] for number in range(size)}
    return ", ".join(f":{name}" for name in params), params


# Commands that the writer runs once for several callers, with the arguments of each.
TOGETHER: dict[Callable[..., Any], Callable[[Tx, list[Any]], Sequence[Any]]] = {}


# Commands that lock accounts at once. They run after those that may lock the health of routes; whatever else changes
# an account's holds does so at the end of the transaction.
LOCKING_ACCOUNTS: set[Callable[..., Any]] = set()


def run_together(command: Callable[..., Any], many: Callable[[Tx, list[Any]], Sequence[Any]]) -> None:
    """Where callers of `command` share a commit, call `many`, whose results must be those of one after the other."""
    TOGETHER[command] = many


@functools.cache
def _insert_rows_sql(
    table: str, columns: tuple[str, ...], size: int, replacing: tuple[str, ...]
) -> tuple[str, tuple[str, ...]]:
    """The statement and the names of its parameters, row by row."""
    names = [[f"{column}_{number}" for column in columns] for number in range(size)]
    values = ", ".join(f"(:{', :'.join(row)})" for row in names)
    sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES {values}"
    if replacing:
        changed = ", ".join(f"{column} = excluded.{column}" for column in columns if column not in replacing)
        sql += f" ON CONFLICT ({', '.join(replacing)}) DO UPDATE SET {changed}"
    return sql, tuple(itertools.chain.from_iterable(names))


@functools.cache
def _insert_sql(table: str, columns: tuple[str, ...], unless_exists: str) -> str:
    conflict = f" ON CONFLICT ({unless_exists}) DO NOTHING" if unless_exists else ""
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES (:{', :'.join(columns)}){conflict}"
