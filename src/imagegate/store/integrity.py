"""Whether a SQLite file is whole. A server checks its own files."""

from __future__ import annotations

import re

from imagegate.store.transaction import Tx

_NEWEST_ROWS = 200


def list_tables(tx: Tx) -> list[str]:
    """Also those of an index of words."""
    rows = tx.fetch_all("SELECT name FROM pragma_table_list WHERE schema = 'main' ORDER BY name")
    return [row["name"] for row in rows if _is_ours(row["name"])]


def _is_ours(name: str) -> bool:
    return not name.startswith("sqlite_") and re.fullmatch(r"[A-Za-z_0-9]+", name) is not None


def read_newest_rows(tx: Tx) -> None:
    """Read the header, the schema and the pages that were written last; DatabaseError where one is damaged."""
    rows = tx.fetch_all("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND wr = 0")
    for table in sorted(row["name"] for row in rows if _is_ours(row["name"])):
        tx.fetch_all(f"SELECT * FROM {table} ORDER BY rowid DESC LIMIT {_NEWEST_ROWS}")


def check_table(tx: Tx, table: str) -> str:
    """What is wrong with the table and its indexes, or nothing."""
    found = [str(next(iter(row.values()))) for row in tx.fetch_all(f"PRAGMA integrity_check({table})")]
    return "" if found == ["ok"] else "; ".join(found[:5])
