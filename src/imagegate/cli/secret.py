"""`imagegate secret`: the secret from which every key, link and webhook signature of the installation is derived."""

from __future__ import annotations

import json

import click

from imagegate.cli.database import require_database, run_on_database
from imagegate.cli.options import json_of, with_settings
from imagegate.domain.time import format_utc
from imagegate.flows.audit import command_line_actor
from imagegate.flows.secret_check import accept_secret, rotate_secret
from imagegate.settings import Settings


@click.group()
def secret() -> None:
    """Manage the installation's secret."""


@secret.command("accept")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_of("changed")
@with_settings
def accept(settings: Settings, yes: bool, as_json: bool) -> None:
    """Accept the present secret where the one of the database is lost for good.

    Every API key made with the lost one stays invalid and has to be made anew; links and sessions end, and the webhook
    secrets of all accounts change.
    """
    require_database(settings)
    if not yes:
        _confirm("Every key, link, session and webhook secret made with another secret ends. Go on?")
    changed = run_on_database(settings, lambda db: accept_secret(db, settings.data_dir, command_line_actor()))
    if as_json:
        click.echo(json.dumps({"changed": changed}))
        return
    click.echo("the present secret is now the one of this database" if changed else "it was already the one")


@secret.command("rotate")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_of("both_hold_until")
@with_settings
def rotate(settings: Settings, yes: bool, as_json: bool) -> None:
    """Replace the secret by a new one; for 48 hours both hold.

    API keys stay as they are, however seldom they are used, and webhooks are signed with the old secret too until an
    account makes a new one. Links and page tokens of the old secret end after 48 hours. Gateways take the new one when
    they are started again, which must be within 48 hours.
    """
    require_database(settings)
    if not yes:
        _confirm("Links and page tokens of the present secret end in 48 hours. Go on?")
    until = run_on_database(settings, lambda db: rotate_secret(db, settings.data_dir, command_line_actor()))
    if as_json:
        click.echo(json.dumps({"both_hold_until": format_utc(until)}))
        return
    click.echo(
        f"both secrets hold until {format_utc(until)}: start every gateway again before, other machines with a copy of"
        " the new secret, and make a backup. API keys stay as they are; queries give new links"
    )


def _confirm(question: str) -> None:
    """On standard error, so that what is printed stays JSON; the command ends where the answer is no, or none comes."""
    click.confirm(question, abort=True, err=True)
