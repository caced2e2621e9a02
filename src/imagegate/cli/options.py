"""Options that commands share."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from imagegate.cli.exit_codes import USAGE, Exit
from imagegate.settings import Settings, SettingsError, load_settings

F = TypeVar("F", bound=Callable[..., Any])


def installation_options(command: F) -> F:
    """`--data DIR` and `--config FILE`."""
    command = click.option("--data", metavar="DIR", help="The data folder (default: ./data).")(command)
    return click.option(
        "--config",
        type=click.Path(path_type=Path),
        metavar="FILE",
        envvar="IMAGEGATE_CONFIG",
        help="A TOML configuration file.",
    )(command)


storage_option = click.option(
    "--storage",
    metavar="URL",
    help="Where images are: a folder, or s3://, gs:// or az:// (default: in the data folder).",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """The options of an installation that is opened, as the argument `settings`."""

    @functools.wraps(command)
    def run(data: str | None, storage: str | None, config: Path | None, **options: Any) -> None:
        command(settings=read_settings(config, data, storage), **options)

    return installation_options(storage_option(run))


class GatewayOptions(msgspec.Struct, frozen=True):
    """Which gateway a command calls; `url` and `key` of None stand in the data folder."""

    url: str | None
    key: str | None
    as_json: bool
    data: str | None
    config: Path | None

    @property
    def settings(self) -> Settings:
        return read_settings(self.config, self.data)


def gateway_options(command: Callable[..., None]) -> Callable[..., None]:
    """`--url`, `--key` and `--json`, with the options of an installation, as the argument `gateway`."""

    @functools.wraps(command)
    def run(
        url: str | None, key: str | None, as_json: bool, data: str | None, config: Path | None, **options: Any
    ) -> None:
        command(gateway=GatewayOptions(url, key, as_json, data, config), **options)

    return installation_options(json_option(target_options(run)))


def target_options(command: F) -> F:
    """`--url` and `--key`."""
    command = click.option("--url", envvar="IMAGEGATE_URL", help="The URL of a gateway.")(command)
    return click.option("--key", envvar="IMAGEGATE_API_KEY", help="An API key (default: the demo key).")(command)


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
