"""`imagegate migrate`: bring the database to the schema of this program."""

from __future__ import annotations

import click
import msgspec

from imagegate.app import connect_database, migrate_with_progress, open_database
from imagegate.cli.exit_codes import FAILED, USAGE, Exit, failures_exit_with
from imagegate.cli.options import json_of, with_settings
from imagegate.settings import Settings
from imagegate.store.database import SchemaStep

COULD_NOT_RUN = USAGE


@click.command(short_help="Bring the database to the schema of this program.")
@click.option("--check", is_flag=True, help="Change nothing; exit with 1 where there is something to do.")
@json_of("from, to, migrations")
@failures_exit_with(COULD_NOT_RUN)
@with_settings
def migrate(settings: Settings, check: bool, as_json: bool) -> None:
    """Bring the database to the schema of this program, in one transaction.

    Any number of processes may do it at the same time, also beside gateways that serve: one migrates, and the others
    wait for it. Exits 0 when the schema is the present one, 2 when it could not be brought there.
    """
    database = connect_database(settings) if check else open_database(settings, migrate=False)
    try:
        step = database.find_pending() if check else migrate_with_progress(database)
        name = database.engine.name
    finally:
        database.close()
    if as_json:
        click.echo(msgspec.json.encode({"from": step.before, "to": step.after, "migrations": step.pending}).decode())
    else:
        click.echo(f"{name}: {_describe(step, check=check)}")
    if check and step.pending:
        raise Exit(FAILED)


def _describe(step: SchemaStep, *, check: bool) -> str:
    before, after = _version(step.before), _version(step.after)
    if not step.pending:
        return f"the schema is {after}; nothing to do"
    number = f"{len(step.pending)} migration{'' if len(step.pending) == 1 else 's'}"
    if check:
        return f"the schema is {before}; {number} to {after} to do"
    return f"the schema went from {before} to {after} ({number})"


def _version(name: str) -> str:
    """The number and the words of a migration's file; an empty database has none."""
    return name.removesuffix(".sql") or "none"
