"""Whether a SQLite file is whole. A server checks its own files."""

from __future__ import annotations

import re

from imagegate.store.transaction import Tx

_NEWEST_ROWS = 200


def list_tables(tx: Tx) -> list[str]:
    rows = tx.fetch_all("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
    return [row["name"] for row in rows if re.fullmatch(r"[a-z_0-9]+", row["name"])]


def read_newest_rows(tx: Tx) -> None:
    """Read the header, the schema and the pages that were written last; DatabaseError where one is damaged."""
    for table in list_tables(tx):
        tx.fetch_all(f"SELECT * FROM {table} ORDER BY rowid DESC LIMIT {_NEWEST_ROWS}")


def check_table(tx: Tx, table: str) -> str:
    """What is wrong with the table and its indexes, or nothing."""
    found = [str(next(iter(row.values()))) for row in tx.fetch_all(f"PRAGMA integrity_check({table})")]
    return "" if found == ["ok"] else "; ".join(found[:5])
