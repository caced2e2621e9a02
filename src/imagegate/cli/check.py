"""`imagegate check` and `imagegate doctor`: verify the data, and that this installation can work."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import click
import msgspec

from imagegate import __version__
from imagegate.app import connect_database, public_origin, read_configuration
from imagegate.blobs import open_blobs
from imagegate.catalog.catalog import describe_price_blocks
from imagegate.catalog.environment import models_sold_below_cost
from imagegate.cli.config import describe_upstreams
from imagegate.cli.database import open_existing_database, require_database, run_on_database
from imagegate.cli.exit_codes import FAILED, USAGE, Exit, failures_exit_with
from imagegate.cli.options import json_of, with_settings
from imagegate.domain.time import US_PER_HOUR, US_PER_SECOND
from imagegate.flows.archive_check import verify_archives
from imagegate.flows.blob_audit import audit_blobs
from imagegate.flows.book_check import check_everything
from imagegate.flows.disk_space import measure_free_space
from imagegate.flows.folder_check import verify_folders, verify_storage
from imagegate.flows.prices import verify_price_blocks
from imagegate.flows.secret_check import describe_secret
from imagegate.progress import Progress
from imagegate.settings import RENAMED, Settings, SettingsError
from imagegate.store import installation
from imagegate.store.database import Database
from imagegate.store.dialect import Clock, wall_clock
from imagegate.store.invariants import Check, Violation
from imagegate.store.rules import INVARIANTS
from imagegate.store.sqlite import sqlite_version

COULD_NOT_RUN = USAGE


@click.command()
@click.option("--deep", is_flag=True, help="Also read every stored image.")
@click.option(
    "--archive",
    metavar="FOLDER",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the files of archived ledger months are; read all of them.",
)
@json_of("invariants, broken")
@failures_exit_with(COULD_NOT_RUN)
@with_settings
def check(settings: Settings, deep: bool, archive: Path | None, as_json: bool) -> None:
    """Verify the ledger and task invariants. Only reads; safe while a gateway runs.

    Exits 0 when all hold, 1 when one is violated, with its rows, 2 when the database cannot be read.
    """
    require_database(settings)
    broken = asyncio.run(find_all_violations(settings, deep, archive=archive))
    if as_json:
        click.echo(msgspec.json.encode({"invariants": len(INVARIANTS), "broken": broken}).decode())
    else:
        report(broken)
    if broken:
        raise Exit(FAILED)


async def find_all_violations(
    settings: Settings, deep: bool, clock: Clock | None = None, archive: Path | None = None
) -> list[Violation]:
    """What `check` reports."""
    db = connect_database(settings, clock)
    try:
        db.check_schema()
        blobs = open_blobs(settings)
        if deep:
            await verify_storage(db, blobs, adopt=False)
        books = Check(grace_us=int(2 * settings.work.lease_s * US_PER_SECOND))
        with Progress("checking") as progress:
            await check_everything(db, books, progress)
        archives = await verify_archives(db, archive, deep=deep)
        if archives.elsewhere:
            files = ", ".join(archives.elsewhere)
            click.echo(f"not checked, as it is not there: {files}; --archive says where it is", err=True)
        return books.violations + archives.broken + (await audit_blobs(db, blobs) if deep else [])
    finally:
        db.close()


def report(broken: list[Violation]) -> None:
    for one in broken:
        click.echo(f"{one.id} broken: {one.description}")
        for row in one.rows:
            click.echo("    " + "  ".join(f"{name}={value}" for name, value in row.items()))
    if not broken:
        click.echo(f"all {len(INVARIANTS)} invariants hold")


@click.command(short_help="Check all that this installation needs.")
@json_of("versions, and checks with name, state (ok, warn or fail) and message")
@with_settings
def doctor(settings: Settings, as_json: bool) -> None:
    """Check everything that this installation needs, and say how to fix what fails."""
    require_database(settings)
    versions = {"imagegate": __version__, "Python": platform.python_version(), "SQLite": sqlite_version()}
    probes: list[tuple[str, Callable[[Settings], str]]] = [
        ("database", _database),
        ("prices", _prices),
        ("secret", _secret),
        ("storage", _storage),
        ("folders", _folders),
        ("disk", _disk),
        ("backup", _backup),
        ("address", public_origin),
    ]
    found = [_Finding("settings", "warn", f"{old} is now called {RENAMED[old]}") for old in settings.old_names]
    found += [_Finding("settings", "warn", warning) for warning in settings.warnings]
    found += _configuration(settings)
    for name, probe in probes:
        try:
            found.append(_Finding(name, "ok", probe(settings)))
        except Exception as error:  # noqa: BLE001  every failure is reported and the next check runs
            found.append(_Finding(name, "fail", str(error)))
    if as_json:
        click.echo(msgspec.json.encode({"versions": versions, "checks": found}).decode())
    else:
        click.echo(", ".join(f"{name} {version}" for name, version in versions.items()))
        for one in found:
            click.echo(f"{'FAIL' if one.state == 'fail' else one.state:<4}  {one.name}: {one.message}")
    if any(one.state == "fail" for one in found):
        raise Exit(FAILED)


def _prices(settings: Settings) -> str:
    catalog = read_configuration(settings).catalog
    run_on_database(settings, lambda db: verify_price_blocks(db, catalog, wall_clock()))
    return "; ".join(describe_price_blocks(catalog, wall_clock()))


class _Finding(msgspec.Struct, frozen=True):
    name: str
    state: Literal["ok", "warn", "fail"]
    message: str


def _configuration(settings: Settings) -> list[_Finding]:
    """Prices, upstreams, their keys and routes, as `serve` would read them."""
    try:
        catalog, plan = read_configuration(settings)
    except SettingsError as error:
        return [_Finding("configuration", "fail", problem) for problem in error.problems]
    version = catalog.price_block_at(wall_clock()).version
    below_cost = models_sold_below_cost(catalog, version, plan.routes)
    return [
        _Finding("catalog", "ok", f"{len(catalog.names())} models"),
        *(_Finding("catalog", "warn", f"{model} is sold below the cost of a route") for model in below_cost),
        _Finding("upstreams", "ok", describe_upstreams(plan)),
        *(_Finding("upstreams", "warn", warning) for warning in plan.warnings),
    ]


def _secret(settings: Settings) -> str:
    return run_on_database(settings, lambda db: describe_secret(db, settings.data_dir))


def _database(settings: Settings) -> str:
    database = open_existing_database(settings)
    database.close()
    return f"{database.engine.name}, schema up to date"


def _backup(settings: Settings) -> str:
    async def read_age(db: Database) -> int | None:
        return await db.read(installation.backup_age)

    age = run_on_database(settings, read_age)
    if age is None:
        return "none was made yet; make one with: imagegate backup create DIR"
    return f"the last one is {age / US_PER_HOUR:.1f} hours old"


def _disk(settings: Settings) -> str:
    volumes = measure_free_space(settings)
    for folder, free, min_free_bytes in volumes:
        if free < min_free_bytes:
            raise OSError(
                f"{free / 1e9:.1f} GB free on the volume of {folder}: below {min_free_bytes / 1e9:.1f}, no new tasks"
            )
    return ", ".join(f"{free / 1e9:.1f} GB free" for _, free, _ in volumes)


def _storage(settings: Settings) -> str:
    return asyncio.run(open_blobs(settings).probe(links=settings.storage.storage_links == "redirect"))


def _folders(settings: Settings) -> str:
    blobs = open_blobs(settings)
    run_on_database(settings, lambda db: verify_folders(db, settings, blobs, adopt=False))
    return "images and spool are of the database"
