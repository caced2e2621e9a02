"""The database that growth is measured on: its rows are such as the program writes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bench.growth.build import fill
from bench.growth.loaders import PostgresLoader, SqliteLoader

from imagegate.store.database import Database
from imagegate.store.invariants import find_violations
from imagegate.store.prices import register_price_version

TASKS = 200


async def test_a_database_in_bulk_keeps_every_invariant(
    open_database: Callable[[], Database], database_url: str
) -> None:
    database = open_database()
    await database.write(register_price_version, "2026-11-01.1", "{}")
    database.close()
    is_server = database_url.startswith("postgres")
    loader = PostgresLoader(database_url, owns_server=False) if is_server else SqliteLoader(Path(database_url))
    fill(loader, TASKS, lambda text: None)
    filled = open_database()
    assert await filled.read(find_violations, 0) == []
    counts = await filled.read(lambda tx: tx.fetch_all("SELECT state, COUNT(*) AS number FROM tasks GROUP BY state"))
    assert sum(row["number"] for row in counts) == TASKS
