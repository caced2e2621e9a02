"""What the packages have in common: how they start the program, and how long they let it end."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import pytest

from imagegate.cli import program
from imagegate.settings import ENV_PREFIX, GROUPS, RENAMED
from tests.docs.spec import ROOT

DEPLOY = ROOT / "deploy"
# A call takes at most 600 seconds by default; then its result is stored.
DRAIN_S = 630
_OTHERS = {"IMAGEGATE_CONFIG", "IMAGEGATE_SECRET"}


def check_command(words: Sequence[str]) -> None:
    """The command exists, with these options."""
    context = click.Context(program)
    command: click.Command = program
    rest = list(words)
    while isinstance(command, click.Group) and rest and (found := command.get_command(context, rest[0])):
        command = found
        rest.pop(0)
    assert command is not program, f"`imagegate {' '.join(words)}` names no command"
    known = {option for parameter in command.params for option in parameter.opts}
    unknown = {word for word in words if word.startswith("--")} - known
    assert not unknown, f"`imagegate {' '.join(words)}` has no {unknown}"


def check_variables(env: Mapping[str, object]) -> None:
    """Every variable of ours is one that the program reads, by its present name."""
    fields = {field for kind in GROUPS.values() for field in kind.__struct_fields__} - set(RENAMED)
    known = {ENV_PREFIX + field.upper() for field in fields} | _OTHERS
    ours = {name for name in env if name.startswith(ENV_PREFIX)}
    unknown = {name for name in ours if name not in known and name.removesuffix("_FILE") not in known}
    assert not unknown, f"no setting has the variables {unknown}"


def load_helm() -> Any:
    """Helm itself, as a library. Loaded where it is used: every process of a test run would wait for it."""
    return pytest.importorskip("helm_python", reason="Helm comes as a wheel for Linux on x86-64")


def read_version(file: Path) -> str:
    """The version in a pyproject.toml."""
    found = re.search(r'^version = "(.+)"$', file.read_text("utf-8"), re.MULTILINE)
    assert found
    return found[1]


VERSION = read_version(ROOT / "pyproject.toml")
