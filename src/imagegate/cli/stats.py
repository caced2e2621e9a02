"""`imagegate stats`: how much the database holds, and how fast it grows."""

from __future__ import annotations

import asyncio

import click
import msgspec

from imagegate.app import connect_database
from imagegate.cli.database import require_database
from imagegate.cli.exit_codes import USAGE, failures_exit_with
from imagegate.cli.options import json_of, with_settings
from imagegate.domain.time import utc_date
from imagegate.progress import Progress
from imagegate.settings import Settings
from imagegate.store import table_sizes
from imagegate.store.compaction import measure_file
from imagegate.store.database import Database
from imagegate.store.table_sizes import TableSize

COULD_NOT_RUN = USAGE


@click.command(short_help="Show rows, size and growth of each table.")
@json_of("tables with table, rows, bytes, oldest, rows_per_day, bytes_per_day; file_bytes, free_bytes, log_bytes")
@failures_exit_with(COULD_NOT_RUN)
@with_settings
def stats(settings: Settings, as_json: bool) -> None:
    """Show rows, size with indexes, oldest day and growth a day of each table, also while a gateway serves.

    Growth is that of the last seven days, before anything is purged. PostgreSQL's rows are its own estimate.
    """
    require_database(settings)
    database = connect_database(settings)
    try:
        database.check_schema()
        with Progress("measuring") as progress:
            tables = asyncio.run(_measure_tables(database, progress))
        file = None if database.engine.shared else asyncio.run(database.read(measure_file))
        log_bytes = sum(path.stat().st_size for path in database.engine.files()[1:2] if path.exists())
    finally:
        database.close()
    if as_json:
        found = {"tables": [{**msgspec.to_builtins(one), "oldest": _date(one)} for one in tables]}
        of_file = {"file_bytes": file.bytes, "free_bytes": file.free_bytes, "log_bytes": log_bytes} if file else {}
        click.echo(msgspec.json.encode({**found, **of_file}).decode())
        return
    _print_tables(tables)
    if file:
        click.echo(
            f"the file has {_size(file.bytes)}, of which {_size(file.free_bytes)} are free for new rows (imagegate"
            f" compact); its log has {_size(log_bytes)}"
        )


async def _measure_tables(database: Database, progress: Progress) -> list[TableSize]:
    """One table and one index at a time: nothing is read in one state of the database."""
    if database.engine.shared:
        sizes = await database.read_report(table_sizes.measure_postgres_tables)
    else:
        sizes = []
        for table, trees in (await database.read(table_sizes.list_sqlite_tables)).items():
            progress.update(f"measuring {table}", table=table)
            measured = [await database.read(table_sizes.measure_sqlite_tree, tree) for tree in trees]
            sizes.append(TableSize(table, await database.read(table_sizes.count_rows, table), sum(measured)))
    progress.update("measuring growth")
    return await database.read(table_sizes.date_tables, sizes)


def _print_tables(tables: list[TableSize]) -> None:
    total = TableSize(
        "all",
        sum(one.rows for one in tables),
        sum(one.bytes for one in tables),
        rows_per_day=sum(one.rows_per_day or 0 for one in tables),
        bytes_per_day=sum(one.bytes_per_day or 0 for one in tables),
    )
    click.echo(f"{'table':<18} {'rows':>13} {'size':>10} {'oldest':>10} {'rows a day':>12} {'size a day':>10}")
    for one in (*sorted(tables, key=lambda one: -one.bytes), total):
        rows_per_day = "-" if one.rows_per_day is None else f"{one.rows_per_day:,}"
        bytes_per_day = "-" if one.bytes_per_day is None else _size(one.bytes_per_day)
        shown = f"{one.table:<18} {one.rows:>13,} {_size(one.bytes):>10} {_date(one) or '-':>10}"
        click.echo(f"{shown} {rows_per_day:>12} {bytes_per_day:>10}")


def _date(one: TableSize) -> str | None:
    return None if one.oldest is None else utc_date(one.oldest)


def _size(number: int) -> str:
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if number >= factor:
            return f"{number / factor:.1f} {unit}"
    return f"{number} B"
