"""The command line. Every command takes `--data DIR` and `--config FILE`.

Commands of the operator (`accounts`, `keys`, `credits grant`, `credits refund`, `margin`, `audit`, `secret`, `migrate`,
`backup`, `archive`, `check`, `doctor`) work on the data folder, also while a gateway runs, and `copy` while none does;
commands of a customer (`generate`, `edit`, `quote`, `tasks`, `cancel`, `models`, `credits`, `webhooks`, `mcp`) call a
gateway over HTTP.
"""

from __future__ import annotations

import importlib
import sys

import click

from imagegate import __version__
from imagegate.cli.exit_codes import DONE, FAILED, INTERRUPTED, UNREACHABLE, USAGE, Exit, describe_failure
from imagegate.domain.texts import nearest

_COMMANDS = {
    "serve": "serve:serve",
    "worker": "worker:worker",
    "generate": "images:generate",
    "edit": "images:edit",
    "quote": "images:quote",
    "tasks": "tasks:tasks",
    "cancel": "tasks:cancel",
    "models": "models:models",
    "credits": "accounts:credit",
    "accounts": "operators:account_group",
    "keys": "accounts:keys",
    "config": "config:config_group",
    "margin": "operators:margin",
    "audit": "operators:audit",
    "secret": "secret:secret",
    "mcp": "mcp:mcp",
    "upstreams": "upstreams:upstreams",
    "migrate": "migrate:migrate",
    "compact": "compact:compact",
    "stats": "stats:stats",
    "backup": "backup:backup",
    "copy": "backup:copy",
    "archive": "archive:archive",
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


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="""\b
    To begin, in two terminals:
      imagegate serve
      imagegate generate "a red fox" -o fox.png

    \b
    Exit codes:
      0    done
      1    failed
      2    wrong input: an option, a file or a request
      3    refused for its content
      4    not enough credits
      5    no gateway responds
      130  stopped by Ctrl-C

    \b
    Completion of commands and options in a shell (here bash; also zsh_source and fish_source):
      eval "$(_IMAGEGATE_COMPLETE=bash_source imagegate)"
    """,
)
@click.version_option(__version__, prog_name="imagegate")
def program() -> None:
    """The self-hosted gateway for image generation.

    Results go to standard output, errors to standard error in one line. Every command that prints a result takes
    --json; the fields of its JSON keep their names and meanings, and new ones may come.
    """


def main() -> None:
    """Run a command; a failure becomes one line on standard error and an exit code."""
    try:
        code = program(prog_name="imagegate", standalone_mode=False) or DONE
    except Exit as exit_error:
        code = _fail(exit_error.code, exit_error.message)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        code = USAGE
    except click.UsageError as error:
        code = _fail(USAGE, _describe_usage(error))
    except click.ClickException as error:
        code = _fail(error.exit_code, f"imagegate: {error.format_message()}")
    except click.Abort as error:
        if isinstance(error.__cause__, KeyboardInterrupt):
            code = _fail(INTERRUPTED, "imagegate: stopped")
        else:
            code = _fail(FAILED, "imagegate: not confirmed: nothing was changed; --yes answers the question")
    except ConnectionError as error:
        code = _fail(UNREACHABLE, f"imagegate: the gateway cannot be reached: {error}")
    except Exception as error:
        message = describe_failure(error)
        if message is None:
            raise
        code = _fail(FAILED, message)
    sys.exit(code)


def _fail(code: int, message: str) -> int:
    if message:
        click.echo(message, err=True)
    return code


def _describe_usage(error: click.UsageError) -> str:
    """In one line, and of a command with a name that exists nearly the same with those."""
    message, context = error.format_message().rstrip("."), error.ctx
    match error:
        case click.MissingParameter():
            message = message[0].lower() + message[1:]
        case click.BadParameter(param=click.Parameter() as parameter):
            is_option = isinstance(parameter, click.Option)
            name = max(parameter.opts, key=len) if is_option else parameter.human_readable_name
            message = f"{name}: {error.message.rstrip('.')}"
        case click.NoSuchCommand() if context is not None and isinstance(context.command, click.Group):
            known = context.command.list_commands(context)
            near = nearest(error.command_name, known, 3)
            hint = f"did you mean {' or '.join(near)}?" if near else f"commands: {', '.join(known)}"
            message = f"there is no command {error.command_name!r} ({hint})"
    help_command = f"; see {context.command_path} --help" if context is not None else ""
    return f"imagegate: {' '.join(message.split())}{help_command}"
