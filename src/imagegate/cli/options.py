"""Options that commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from imagegate.settings import Settings, load_settings

F = TypeVar("F", bound=Callable[..., Any])


def installation_options(command: F) -> F:
    """`--data DIR` and `--config FILE`."""
    command = click.option("--data", metavar="DIR", help="The data folder (default: ./data).")(command)
    path_type = click.Path(dir_okay=False, path_type=Path)
    return click.option(
        "--config", type=path_type, metavar="FILE", envvar="IMAGEGATE_CONFIG", help="A TOML configuration file."
    )(command)


def gateway_options(command: F) -> F:
    """`--url`, `--key` and `--json`, with the options of an installation."""
    command = click.option("--url", envvar="IMAGEGATE_URL", help="The URL of a gateway.")(command)
    command = click.option("--key", envvar="IMAGEGATE_API_KEY", help="An API key (default: the demo key).")(command)
    command = click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")(command)
    return installation_options(command)


def read_settings(config: Path | None, data: str | None, **given: Any) -> Settings:
    return load_settings(config, overrides={"data": data, **given})
