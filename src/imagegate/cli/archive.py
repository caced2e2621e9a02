"""`imagegate archive`: closed months of the ledger into files."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from imagegate.cli.database import run_on_database
from imagegate.cli.exit_codes import FAILED, Exit
from imagegate.cli.options import json_of, with_settings
from imagegate.domain.months import Month
from imagegate.flows.audit import command_line_actor
from imagegate.flows.ledger_archive import MonthReport, archive_month, list_months, measure_month
from imagegate.progress import Progress
from imagegate.settings import Settings
from imagegate.store.database import Database


def _read_month(_context: click.Context, _parameter: click.Parameter, given: str) -> Month:
    month = Month.parse(given)
    if month is None:
        raise click.BadParameter(f"{given!r}: must be a month such as 2026-03")
    return month


@click.command(short_help="Move closed months of the ledger into files.")
@click.option(
    "--before",
    required=True,
    metavar="YYYY-MM",
    callback=_read_month,
    help="Archive the months (UTC) before this one.",
)
@click.option(
    "--to",
    "folder",
    required=True,
    metavar="FOLDER",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the files are, one for each month.",
)
@click.option("--dry-run", is_flag=True, help="Change nothing; say what would be archived.")
@json_of("months with month, state (archived, archivable, kept or empty), lines, bytes, file, sha256, reason")
@with_settings
def archive(settings: Settings, before: Month, folder: Path, dry_run: bool, as_json: bool) -> None:
    """Move the lines of charges and upstream costs of closed months from the ledger into files.

    For each month one line per account and kind stays, with the SHA-256 of the file; balances, usage and margins stay
    as they are. A gateway may be serving. What was cut off goes on when the command is given again.

    The files are part of the books: back them up. `imagegate check --archive FOLDER` verifies them.
    """

    folder = folder.absolute()

    async def work(db: Database) -> list[MonthReport]:
        reports = []
        for month in await list_months(db, before):
            with Progress("archiving") as progress:
                if dry_run:
                    report = await measure_month(db, month, progress)
                else:
                    report = await archive_month(db, month, folder, command_line_actor(), progress)
            reports.append(report)
            if not as_json:
                _print_month(report)
        return reports

    if dry_run:
        reports = run_on_database(settings, work)
    else:
        with _hold_folder(folder):
            reports = run_on_database(settings, work)
    if as_json:
        click.echo(msgspec.json.encode({"months": reports}).decode())
        return
    moved = [one for one in reports if one.state == ("archivable" if dry_run else "archived")]
    lines, size = sum(one.lines for one in moved), sum(one.bytes for one in moved)
    done = "would be archived" if dry_run else "archived"
    click.echo(f"{done}: {len(moved)} month{'' if len(moved) == 1 else 's'}, {lines:,} lines, {_size(size)}")


def _print_month(report: MonthReport) -> None:
    match report.state:
        case "kept":
            click.echo(f"{report.month}  stays: {report.reason}")
        case "empty":
            click.echo(f"{report.month}  has nothing to archive")
        case _:
            where = report.file or "to be archived"
            click.echo(f"{report.month}  {report.lines:,} lines  {_size(report.bytes)}  {where}")


def _size(number: int) -> str:
    return f"{number / 1e6:,.1f} MB"


@contextlib.contextmanager
def _hold_folder(folder: Path) -> Iterator[None]:
    """One command at a time writes to it. The kernel gives it free however the process ends."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Exit(FAILED, f"imagegate: another command archives to {folder}: wait for it") from None
        except OSError:
            pass  # a network file system without locks; what two commands do to the ledger comes one after the other
        yield
    finally:
        os.close(handle)
