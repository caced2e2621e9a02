"""How much each table holds, since when, and how fast it grows: for operators, who need not have it at once."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from imagegate.domain.accounts import SYS_BANK, SYS_COST, SYS_OVERRUN, SYS_REVENUE, SYS_UPSTREAM, SYS_WASTE
from imagegate.domain.time import US_PER_DAY
from imagegate.store.dialect import indexed_by
from imagegate.store.transaction import Tx

RECENT_DAYS = 7
_SYSTEM = " UNION ALL ".join(
    f"SELECT '{account}'" for account in (SYS_BANK, SYS_REVENUE, SYS_OVERRUN, SYS_UPSTREAM, SYS_COST, SYS_WASTE)
)
# Account by account, from the index that begins with it: neither end of these tables is found by one of its own.
_BY_ACCOUNT = f"""SELECT MIN((SELECT MIN(created) FROM {{table}} WHERE {{column}} = a.id)) AS oldest,
    SUM((SELECT COUNT(*) FROM {{table}} WHERE {{column}} = a.id AND created >= :since)) AS recent
    FROM (SELECT id FROM accounts UNION ALL {_SYSTEM}) a"""
_AT_ONCE = """SELECT (SELECT MIN(created) FROM {table}) AS oldest,
    (SELECT COUNT(*) FROM {table} WHERE created >= :since) AS recent"""
_LISTED = indexed_by("tasks_listed_of_all")
_DATED = {
    "accounts": _AT_ONCE.format(table="accounts"),
    "api_keys": _AT_ONCE.format(table="api_keys"),
    "audit": _AT_ONCE.format(table="audit"),
    "refunds": _AT_ONCE.format(table="refunds"),
    "answers": _AT_ONCE.format(table="answers"),
    "deliveries": _BY_ACCOUNT.format(table="deliveries", column="account_id"),
    "entries": _BY_ACCOUNT.format(table="entries", column="account"),
    "files": _BY_ACCOUNT.format(table="files", column="account_id"),
    "holds": _BY_ACCOUNT.format(table="holds", column="account_id"),
    "tasks": f"""SELECT
        (SELECT MIN(created) FROM tasks {_LISTED} WHERE deleted IS NULL) AS oldest,
        (SELECT COUNT(*) FROM tasks {_LISTED} WHERE deleted IS NULL AND created >= :since) AS recent""",
}
# Their rows come and go with those of tasks.
_OF_TASKS = ("assets", "attempts", "delivery_attempts", "task_metadata", "task_search", "task_steps")


class TableSize(msgspec.Struct, frozen=True):
    """`bytes` with those of the indexes. `oldest`: UTC microseconds; None where rows are not dated, or there is none.

    Per day: of the last week, or of as long as there are rows; None where that is not known.
    """

    table: str
    rows: int
    bytes: int
    oldest: int | None = None
    rows_per_day: int | None = None
    bytes_per_day: int | None = None


def list_sqlite_tables(tx: Tx) -> dict[str, list[str]]:
    """The tables, and what the rows and indexes of each are stored in."""
    rows = tx.fetch_all(
        """SELECT tbl_name, name FROM sqlite_schema WHERE rootpage > 0 AND tbl_name <> 'sqlite_sequence'
        ORDER BY tbl_name, name"""
    )
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row["tbl_name"], []).append(row["name"])
    return found


def measure_sqlite_tree(tx: Tx, tree: str) -> int:
    """The bytes of a table without its indexes, or of an index: all of its pages are read."""
    return tx.fetch_int("SELECT SUM(pgsize) FROM dbstat WHERE name = :tree", {"tree": tree})


def count_rows(tx: Tx, table: str) -> int:
    return tx.fetch_int(f"SELECT COUNT(*) AS number FROM {table}")


def measure_postgres_tables(tx: Tx) -> list[TableSize]:
    """Rows as the server last estimated them."""
    rows = tx.fetch_all(
        """SELECT relname, reltuples, pg_total_relation_size(oid) AS bytes FROM pg_class
        WHERE relkind = 'r' AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass('migrations'))
        ORDER BY relname"""
    )
    # -1: never looked at, as it is with small ones.
    return [
        TableSize(
            row["relname"],
            int(row["reltuples"]) if row["reltuples"] > 0 else count_rows(tx, row["relname"]),
            row["bytes"],
        )
        for row in rows
    ]


def date_tables(tx: Tx, sizes: Sequence[TableSize]) -> list[TableSize]:
    """Add since when there are rows, and what a day brings."""
    dated = {one.table: _date_table(tx, one) for one in sizes if one.table in _DATED}
    tasks = dated.get("tasks")
    found = []
    for one in sizes:
        if one.table in dated:
            found.append(dated[one.table])
        elif one.table in _OF_TASKS and tasks and tasks.rows and tasks.rows_per_day is not None:
            found.append(_growing(one, tasks.oldest, tasks.rows_per_day * one.rows / tasks.rows))
        else:
            found.append(one)
    return found


def _date_table(tx: Tx, size: TableSize) -> TableSize:
    (row,) = tx.fetch_all(_DATED[size.table], {"since": tx.now - RECENT_DAYS * US_PER_DAY})
    if row["oldest"] is None:
        return size
    days = min(RECENT_DAYS, max(1.0, (tx.now - row["oldest"]) / US_PER_DAY))
    return _growing(size, row["oldest"], int(row["recent"] or 0) / days)


def _growing(size: TableSize, oldest: int | None, rows_per_day: float) -> TableSize:
    bytes_per_row = size.bytes / size.rows if size.rows else 0
    return msgspec.structs.replace(
        size,
        oldest=oldest,
        rows_per_day=round(rows_per_day),
        bytes_per_day=round(rows_per_day * bytes_per_row),
    )
