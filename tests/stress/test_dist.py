"""`make dist`: the wheels, installed as users do, serve on every Python that this machine has."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from tools import dist

pytestmark = [pytest.mark.gate, pytest.mark.timeout(1800)]


def test_ops_4_wheels_are_the_repository_and_work_on_every_python_of_this_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dist.main(tmp_path / "dist")
    lines = capsys.readouterr().out.splitlines()
    this = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert any(line.startswith(f"Python {this}: installed in ") for line in lines)
    assert [re.sub(r"^Python (\S+): .*", r"\1", line) for line in lines[:-1]] == list(dist.VERSIONS)
    assert lines[-1] == "uvx: served, generated, page opened, books in order"
