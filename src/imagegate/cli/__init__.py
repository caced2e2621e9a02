"""The command line. Every command takes `--data DIR` and `--config FILE`.

Commands of the operator (`accounts`, `keys`, `credits grant`, `credits refund`, `margin`, `audit`, `secret`, `migrate`,
`backup`, `check`, `doctor`) work on the data folder, also while a gateway runs, and `copy` while none does; commands of
a customer (`generate`, `quote`, `tasks`, `credits`, `webhooks`, `mcp`) call a gateway over HTTP.
"""

from __future__ import annotations

import importlib
import sys

import click

from imagegate import __version__
from imagegate.cli.exit_codes import FAILED, UNREACHABLE, Exit, describe_failure

_COMMANDS = {
    "serve": "serve:serve",
    "worker": "worker:worker",
    "generate": "images:generate",
    "edit": "images:edit",
    "quote": "images:quote",
    "tasks": "tasks:tasks",
    "credits": "accounts:credit",
    "accounts": "operators:account_group",
    "keys": "accounts:keys",
    "margin": "operators:margin",
    "audit": "operators:audit",
    "secret": "secret:secret",
    "mcp": "mcp:mcp",
    "upstreams": "upstreams:upstreams",
    "migrate": "migrate:migrate",
    "backup": "backup:backup",
    "copy": "backup:copy",
    "check": "check:check",
    "doctor": "check:doctor",
    "health": "health:health",
    "webhooks": "webhooks:webhooks",
    "simulate": "simulate:simulate",
}


class LazyGroup(click.Group):
    """Loads a command's module only when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(f"imagegate.cli.{module}"), name)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="imagegate")
def program() -> None:
    """The self-hosted gateway for image generation."""


def main() -> None:
    """Run a command; a failure becomes one line on standard error and an exit code."""
    try:
        program(standalone_mode=True)
    except Exit as exit_error:
        if exit_error.message:
            click.echo(exit_error.message, err=True)
        sys.exit(exit_error.code)
    except ConnectionError as error:
        click.echo(f"imagegate: the gateway cannot be reached: {error}", err=True)
        sys.exit(UNREACHABLE)
    except Exception as error:
        message = describe_failure(error)
        if message is None:
            raise
        click.echo(message, err=True)
        sys.exit(FAILED)
