"""The systemd units: correct and hardened by the measure of systemd itself, and what they start is what exists."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy.packages import DEPLOY, DRAIN_S, check_command, check_variables

UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
PROGRAM = "/opt/imagegate/bin/imagegate"
MAX_EXPOSURE = 2.0
needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs the Debian package systemd")


def _values(unit: Path, name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", unit.read_text("utf-8"), re.MULTILINE)


@needs_systemd
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_unit_is_little_exposed(unit: Path) -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True)
    found = re.search(r"Overall exposure level for \S+: (\d+\.\d+) ", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) <= MAX_EXPOSURE


@needs_systemd
def test_units_are_correct(tmp_path: Path) -> None:
    """With a program that is there; a template gets an instance."""
    copies = []
    for unit in UNITS:
        copies.append(tmp_path / unit.name.replace("@", "@1"))
        copies[-1].write_text(unit.read_text("utf-8").replace(PROGRAM, "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *copies], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_unit_starts_what_the_program_has(unit: Path) -> None:
    (start,) = _values(unit, "ExecStart")
    program, *words = start.split()
    assert program == PROGRAM
    env = dict(line.split("=", 1) for line in _values(unit, "Environment"))
    (state,) = _values(unit, "StateDirectory")
    assert env["IMAGEGATE_DATA"] == f"%S/{state}"
    credentials = [value.split(":") for value in _values(unit, "LoadCredential")]
    assert {env[f"IMAGEGATE_{name.upper()}_FILE"] for name, _ in credentials} == {
        f"%d/{name}" for name, _ in credentials
    }
    check_variables(env)
    check_command(words)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_unit_lets_calls_end_and_helpers_fail(unit: Path) -> None:
    (seconds,) = _values(unit, "TimeoutStopSec")
    assert int(seconds) == (60 if unit.stem == "imagegate-gateway" else DRAIN_S)
    assert _values(unit, "KillMode") == ["mixed"]
    assert _values(unit, "OOMPolicy") == ["continue"]
    assert _values(unit, "User") == ["imagegate"]


@pytest.mark.parametrize("unit", ["imagegate", "imagegate-gateway"])
def test_command_of_the_operator_has_what_the_unit_has(unit: str, tmp_path: Path) -> None:
    """`systemd-run` needs systemd as init: another one here prints what it is given."""
    stand_in = tmp_path / "systemd-run"
    stand_in.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    stand_in.chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "IMAGEGATE_UNIT": unit}
    command = [str(DEPLOY / "systemd/imagegate-command"), "keys", "create", "--account", "a shop"]
    given = subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout.splitlines()
    assert given[-4:] == ["keys", "create", "--account", "a shop"]
    properties = [one.removeprefix("--property=") for one in given if one.startswith("--property=")]
    text = (DEPLOY / f"systemd/{unit}.service").read_text("utf-8").splitlines()
    assert [one for one in properties if one not in text] == []
    assert {one for one in text if one.startswith(("LoadCredential=", "User="))} <= set(properties)
    assert f"--setenv=IMAGEGATE_DATA=/var/lib/{unit}" in given


def test_units_differ_in_what_they_run_alone() -> None:
    hardening = {re.sub(r".*?(?=# What a fault)", "", unit.read_text("utf-8"), flags=re.DOTALL) for unit in UNITS}
    assert len(hardening) == 1
