"""The Dockerfile and the scripts beside it, by their linters. tests/stress/test_image.py carries them out."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.packages import DEPLOY
from tests.docs.spec import ROOT

SCRIPTS = [*sorted((DEPLOY / "image").glob("*.sh")), DEPLOY / "systemd/imagegate-command"]


def _tool(name: str) -> str:
    found = shutil.which(name, path=str(Path(sys.executable).parent))
    if found is None:
        pytest.skip(f"{name} has no wheel for this machine")
    return found


def test_dockerfile_has_nothing_to_lint() -> None:
    done = subprocess.run([_tool("hadolint"), "--no-color", ROOT / "Dockerfile"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_scripts_have_nothing_to_lint() -> None:
    done = subprocess.run([_tool("shellcheck"), *SCRIPTS], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert all(script.stat().st_mode & 0o111 for script in SCRIPTS)


def test_builder_is_sent_what_the_image_is_made_of_and_nothing_else() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    sent = {line.removeprefix("!") for line in lines if line.startswith("!")}
    assert sent == {"client", "deploy/image", "src", "LICENSE", "Makefile", "README.md", "pyproject.toml", "uv.lock"}
    assert all((ROOT / name).exists() for name in sent)
