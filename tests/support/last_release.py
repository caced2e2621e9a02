"""The program of the last release: the wheel of its tag, with its own locked dependencies, in its own environment.

Built once and kept below `.venv`. Where the tag is absent, as in a clone without tags, there is nothing to build.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from tests.support.gateway import StandaloneGateway
from tests.support.program import Child

TAG = "v0.6.0"
_ROOT = Path(__file__).resolve().parents[2]
_UV = _ROOT / ".venv" / "bin" / "uv"


class NoRelease(Exception):
    """The tag is not in this clone."""


def install_last_release() -> Path:
    """The Python that has it. NoRelease."""
    home = _ROOT / ".venv" / "releases" / TAG
    done, python = home / "done", home / "bin" / "python"
    if done.exists():
        return python
    archive = subprocess.run(["git", "archive", TAG], cwd=_ROOT, capture_output=True)
    if archive.returncode != 0:
        raise NoRelease(f"the tag {TAG} is not in this clone")
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as source:
            source.extractall(folder, filter="data")
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(home)], check=True)
        # Not editable: the wheel is built and installed.
        subprocess.run(
            [str(_UV), "sync", "--quiet", "--locked", "--no-default-groups", "--no-editable"],
            cwd=folder,
            env={**os.environ, "UV_PROJECT_ENVIRONMENT": str(home)},
            check=True,
        )
    done.touch()
    return python


class OldGateway(StandaloneGateway):
    """`imagegate serve` of the last release, and its commands."""

    def _spawn(self, arguments: list[str]) -> Child:
        return subprocess.Popen(
            self._command(arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.env,
            cwd=self.data.parent,  # not in the repository, whose packages would be found first
        )

    def _run(self, arguments: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._command(arguments),
            capture_output=True,
            text=True,
            env=self.env,
            timeout=60,
            cwd=self.data.parent,
        )

    def _command(self, arguments: list[str]) -> list[str]:
        return [str(install_last_release()), "-m", "imagegate", *arguments]
