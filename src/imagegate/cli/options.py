"""Options that commands share."""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from imagegate.cli.exit_codes import USAGE, Exit
from imagegate.settings import Settings, SettingsError, load_settings

F = TypeVar("F", bound=Callable[..., Any])
URL_VARIABLE, KEY_VARIABLE = "IMAGEGATE_URL", "IMAGEGATE_API_KEY"
_TASK_ID = re.compile(r"task-unified-[A-Za-z0-9_-]{1,100}")
_URL = re.compile(
    r"https?://(?P<host>\[[0-9a-fA-F:.]+\]|[^\s/?#@:\[\]]+)(:(?P<port>[0-9]{1,5}))?(?P<path>(/[^\s?#]*)?)"
)


def installation_options(command: F) -> F:
    """`--data DIR` and `--config FILE`."""
    command = click.option(
        "--config",
        type=click.Path(path_type=Path),
        metavar="FILE",
        envvar="IMAGEGATE_CONFIG",
        show_envvar=True,
        help="A TOML configuration file.",
    )(command)
    return click.option("--data", metavar="DIR", help="The data folder (default: IMAGEGATE_DATA, else ./data).")(
        command
    )


storage_option = click.option(
    "--storage",
    metavar="URL",
    help="Where images are: a folder, or s3://, gs:// or az:// (default: in the data folder).",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


def json_of(fields: str) -> Callable[[F], F]:
    """`--json`, as the argument `as_json`; `fields` tells what is printed."""
    return click.option("--json", "as_json", is_flag=True, help=f"Print JSON, for scripts: {fields}.")


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """The options of an installation that is opened, as the argument `settings`."""

    @functools.wraps(command)
    def run(data: str | None, storage: str | None, config: Path | None, **options: Any) -> None:
        command(settings=read_settings(config, data, storage), **options)

    return installation_options(storage_option(run))


class GatewayOptions(msgspec.Struct, frozen=True):
    """Which gateway a command calls; `url` and `key` of None stand in the data folder. `url_from` and `key_from` say
    which option or variable gave them."""

    url: str | None
    key: str | None
    as_json: bool
    data: str | None
    config: Path | None
    url_from: str = "--url"
    key_from: str = "--key"

    @property
    def settings(self) -> Settings:
        return read_settings(self.config, self.data)

    @property
    def given_options(self) -> str:
        """What another command needs too, to call the same gateway. Never the key: it would stand in a log."""
        given = {"--url": self.url if self.url_from == "--url" else None, "--data": self.data, "--config": self.config}
        return "".join(f" {name} {shlex.quote(str(value))}" for name, value in given.items() if value is not None)


def gateway_options(command: Callable[..., None]) -> Callable[..., None]:
    """`--url`, `--key` and `--json`, with the options of an installation, as the argument `gateway`."""

    @functools.wraps(command)
    def run(as_json: bool, **options: Any) -> None:
        command(gateway=take_gateway(options, as_json=as_json), **options)

    return json_of("what the API answers")(target_options(installation_options(run)))


def take_gateway(options: dict[str, Any], *, as_json: bool = False) -> GatewayOptions:
    """Takes the values of `target_options` and `installation_options` out of those of a command."""
    given = {name: options.pop(name) for name in ("url", "key", "data", "config")}
    return GatewayOptions(
        **given, as_json=as_json, url_from=_source("url", URL_VARIABLE), key_from=_source("key", KEY_VARIABLE)
    )


def _source(name: str, variable: str) -> str:
    source = click.get_current_context().get_parameter_source(name)
    return variable if source is click.core.ParameterSource.ENVIRONMENT else f"--{name}"


def target_options(command: F) -> F:
    """`--url` and `--key`."""
    command = click.option(
        "--key",
        envvar=KEY_VARIABLE,
        show_envvar=True,
        help="An API key (default: the demo key in the data folder).",
    )(command)
    return click.option(
        "--url",
        envvar=URL_VARIABLE,
        show_envvar=True,
        help="The URL of a gateway (default: the one that serves from the data folder).",
    )(command)


def task_id_argument(*, required: bool) -> Callable[[F], F]:
    """TASK, as the argument `task_id`."""
    metavar = "TASK" if required else "[TASK]"
    return click.argument("task_id", metavar=metavar, required=required, callback=check_task_id)


def check_task_id(_context: click.Context, parameter: click.Parameter, given: str | None) -> str | None:
    """Before it becomes a part of a URL."""
    if given is not None and not _TASK_ID.fullmatch(given):
        name = "TASK" if isinstance(parameter, click.Argument) else parameter.opts[0]
        example = "task-unified-1795368471-lnm8po0d"
        raise Exit(
            USAGE, f"imagegate: {name} is {given!r}: must be the id of a task such as {example}; see imagegate tasks"
        )
    return given


def check_url(url: str, source: str, *, with_path: bool = False) -> str:
    """A URL that can be called; else the command ends and says what `source` may be."""
    found = _URL.fullmatch(url)
    if (
        found
        and _is_host(found["host"])
        and 0 < int(found["port"] or 1) < 65536
        and (with_path or found["path"] in ("", "/", "/v1", "/v1/"))  # as clients of /v1 are configured
    ):
        return url
    allowed = "http:// or https://, a host, and a port if need be, such as http://127.0.0.1:8000"
    raise Exit(USAGE, f"imagegate: {source} is {url!r}: must be {allowed}{'' if with_path else ', without a path'}")


def _is_host(host: str) -> bool:
    """Of what is no name by its form, only an address is one."""
    try:
        if host.startswith("[") or host.replace(".", "").isdigit():
            ipaddress.ip_address(host.strip("[]"))
        else:
            host.encode("idna")
    except ValueError:
        return False
    return True


def options_of_installation(settings: Settings, config: Path | None) -> str:
    """What a command that is typed in the same folder needs to find this installation. Begins with a space, or is
    empty."""
    given = {"--data": settings.data_dir, "--config": config}
    if settings.data_dir == Settings().data_dir:
        del given["--data"]
    return "".join(f" {name} {shlex.quote(str(path))}" for name, path in given.items() if path is not None)


def read_settings(config: Path | None, data: str | None, storage: str | None = None, **given: Any) -> Settings:
    with options_exit_with_usage():
        return load_settings(config, overrides={"data": data, "storage": storage, **given})


@contextlib.contextmanager
def options_exit_with_usage() -> Iterator[None]:
    """An option that cannot be a setting is wrong usage; what else is wrong with settings is a failure."""
    try:
        yield
    except SettingsError as error:
        if error.problems[0].startswith("--"):
            raise Exit(USAGE, f"imagegate: {error}") from error
        raise
