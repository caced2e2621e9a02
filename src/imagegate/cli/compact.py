"""`imagegate compact`: give the space of deleted rows back to the disk."""

from __future__ import annotations

import asyncio
import shutil

import click
import msgspec

from imagegate.app import connect_database
from imagegate.cli.database import require_database
from imagegate.cli.exit_codes import FAILED, USAGE, Exit
from imagegate.cli.holding import lock_data_dir
from imagegate.cli.options import json_of, with_settings
from imagegate.progress import Progress
from imagegate.settings import Settings
from imagegate.store import compaction
from imagegate.store.compaction import FileSize
from imagegate.store.database import Database, is_shared_url


@click.command(short_help="Give the space of deleted rows back to the disk.")
@click.option("--check", is_flag=True, help="Change nothing: say what would be freed, and what space that needs.")
@json_of("bytes, free_bytes, needed_bytes, freed_bytes")
@with_settings
def compact(settings: Settings, check: bool, as_json: bool) -> None:
    """Give the space of deleted rows back to the disk, while no gateway serves from the data folder.

    SQLite keeps such space for new rows. It is needed after much was deleted at once, such as when task_days was
    lowered. It needs twice the space of what stays, for as long as it takes: some 10 s for each GB.
    """
    require_database(settings)
    if is_shared_url(settings.storage.database):
        raise Exit(
            USAGE,
            "imagegate: PostgreSQL uses the space of deleted rows again by itself (autovacuum); to give it back to the"
            " disk stop the gateways and run VACUUM FULL there, or pg_repack beside them",
        )
    if check:
        before = _measure(connect_database(settings))
        _print(before, None, as_json=as_json)
        return
    with lock_data_dir(settings, "stop it first"):
        database = connect_database(settings)
        database.check_schema()
        before = _measure(database)
        free = shutil.disk_usage(database.engine.files()[0].parent).free
        if free < before.needed_bytes:
            raise Exit(
                FAILED,
                f"imagegate: {_gb(before.needed_bytes)} GB of free space are needed beside the database, and"
                f" {_gb(free)} GB are free",
            )
        with Progress("compacting") as progress:
            progress.update(f"compacting {_gb(before.bytes)} GB, of which {_gb(before.free_bytes)} GB are free")
            compaction.compact_file(database.engine)
        _print(before, _measure(connect_database(settings)), as_json=as_json)


def _measure(database: Database) -> FileSize:
    try:
        return asyncio.run(database.read(compaction.measure_file))
    finally:
        database.close()


def _print(before: FileSize, after: FileSize | None, *, as_json: bool) -> None:
    freed = before.bytes - after.bytes if after else 0
    if as_json:
        found = {"bytes": before.bytes, "free_bytes": before.free_bytes, "needed_bytes": before.needed_bytes}
        click.echo(msgspec.json.encode({**found, "freed_bytes": freed}).decode())
    elif after:
        click.echo(f"{_gb(before.bytes)} GB are now {_gb(after.bytes)} GB: {_gb(freed)} GB were freed")
    else:
        click.echo(
            f"{_gb(before.bytes)} GB, of which {_gb(before.free_bytes)} GB are free for new rows; to give them back"
            f" needs {_gb(before.needed_bytes)} GB of free disk meanwhile"
        )


def _gb(number: int) -> str:
    return f"{number / 1e9:.2f}"
