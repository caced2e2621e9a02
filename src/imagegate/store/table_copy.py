"""Copies every row from one database to another, of the same engine or not, with bounded memory.

Tables and their order come from the migrations themselves, so that a new table needs no line here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import apsw
import msgspec

from imagegate.store.database import CREATE_MIGRATIONS_TABLE, load_migrations
from imagegate.store.dialect import Connection, DatabaseUnusable, Row, sqlite_script
from imagegate.store.transaction import Tx

# A row can be as large as the order of its task, a megabyte.
_ROWS_PER_BATCH = 500
# Made from the tasks, and made anew wherever they are.
_DERIVED = {"search_accounts", "task_search", "search_progress"}


class Table(msgspec.Struct, frozen=True):
    """`key` is the primary key, `parents` the columns that refer to rows of the same table."""

    name: str
    columns: tuple[str, ...]
    key: tuple[str, ...]
    parents: tuple[str, ...]


def list_tables(migrations: Collection[str] | None = None) -> list[Table]:
    """The tables after these migrations, by default all; each comes after those to which its rows refer.

    Without those that are derived from others, and without what an index of SQLite keeps in tables.
    """
    db = apsw.Connection(":memory:")
    db.execute(sqlite_script(CREATE_MIGRATIONS_TABLE))
    for name, text in load_migrations():
        if migrations is None or name in migrations:
            db.execute(sqlite_script(text))
    references = {
        str(name): [
            (str(column), str(parent))
            for parent, column in db.execute('SELECT "table", "from" FROM pragma_foreign_key_list(?)', (name,))
        ]
        for (name,) in db.execute(
            "SELECT name FROM pragma_table_list WHERE type = 'table' AND name NOT GLOB 'sqlite_*' ORDER BY name"
        )
        if name not in _DERIVED
    }
    found: list[Table] = []
    while references:
        free = [name for name, pairs in references.items() if all(p == name or p not in references for _, p in pairs)]
        if not free:
            raise AssertionError(f"tables refer to each other in a circle: {', '.join(references)}")
        for name in free:
            columns = list(db.execute("SELECT name, pk FROM pragma_table_info(?) ORDER BY cid", (name,)))
            key = sorted((pk, column) for column, pk in columns if pk)
            parents = tuple(column for column, parent in references.pop(name) if parent == name)
            found.append(Table(name, tuple(c for c, _ in columns), tuple(column for _, column in key), parents))
    db.close()
    return found


def create_schema(connection: Connection, migrations: Collection[str] | None = None) -> None:
    """The tables of these migrations, without rows: that of the migrations too is to be copied."""
    connection.execute_script(CREATE_MIGRATIONS_TABLE)
    for name, text in load_migrations():
        if migrations is None or name in migrations:
            connection.execute_script(text)


def copy_tables(source: Connection, target: Connection, tables: list[Table]) -> dict[str, int]:
    """Copy all rows, within a transaction of each; return how many by table.

    The target's tables are there and empty. DatabaseUnusable where another number arrived than is in the source.
    """
    copied = {}
    for table in tables:
        copied[table.name] = 0
        for rows in _read_batches(source, table):
            # A row may refer to one that comes later: what refers to its own table is written when all are there.
            kept = [None if column in table.parents else column for column in table.columns]
            values = [[row[column] if column else None for column in kept] for row in rows]
            target.insert_many(table.name, table.columns, values)
            copied[table.name] += len(rows)
        for column in table.parents:
            _copy_column(source, Tx(target), table, column)
    _verify_counts(source, target, copied)
    return copied


def _verify_counts(source: Connection, target: Connection, copied: dict[str, int]) -> None:
    for name, number in copied.items():
        counts = {Tx(one).fetch_int(f"SELECT COUNT(*) AS number FROM {name}") for one in (source, target)}
        if counts != {number}:
            raise DatabaseUnusable(f"table {name} was not copied whole: {number} rows of {sorted(counts)}")


def _copy_column(source: Connection, into: Tx, table: Table, column: str) -> None:
    where = " AND ".join(f"{name} = :{name}" for name in table.key)
    for rows in _read_batches(source, table, f"{column} IS NOT NULL"):
        for row in rows:
            values = {name: row[name] for name in (*table.key, column)}
            into.execute(f"UPDATE {table.name} SET {column} = :{column} WHERE {where}", values)


def _read_batches(source: Connection, table: Table, condition: str = "1 = 1") -> Iterator[list[Row]]:
    """In the order of the primary key, each batch from where the one before it ended."""
    key, after = ", ".join(table.key), ", ".join(f":after_{name}" for name in table.key)
    select = f"SELECT {', '.join(table.columns)} FROM {table.name} WHERE {condition}"
    end = f"ORDER BY {key} LIMIT {_ROWS_PER_BATCH}"
    rows = source.execute(f"{select} {end}", {})[1]
    while rows:
        yield rows
        last = {f"after_{name}": rows[-1][name] for name in table.key}
        rows = source.execute(f"{select} AND ({key}) > ({after}) {end}", last)[1]
