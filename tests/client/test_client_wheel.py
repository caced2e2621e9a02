"""The wheel of the client, in an environment that has what it depends on and nothing else."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.docs.spec import ROOT
from tests.support.gateway import Gateway

UV = Path(sys.executable).parent / "uv"
# Of the server; none may be needed, or come along.
_SERVER = ("imagegate", "litestar", "uvicorn", "aiohttp", "apsw", "psycopg", "PIL", "numpy", "click", "pydantic")
_PROGRAM = f"""
import importlib.util, pathlib, sys
from imagegate_client import Client
found = [name for name in {_SERVER!r} if importlib.util.find_spec(name)]
assert not found, found
with Client() as client:
    assert client.credits().account.remaining_credits > 0
    print(*client.images.generate("a logo", size="816x816", quality="low").save(pathlib.Path("logo.png")))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not UV.exists():
        pytest.skip("wheels are built by uv, which `make` installs")
    folder = tmp_path_factory.mktemp("wheel")
    # uv has the build backend in itself: nothing is fetched
    command = [str(UV), "build", "--quiet", "--offline", "--wheel", "--out-dir", str(folder), str(ROOT / "client")]
    subprocess.run(command, check=True)
    (built,) = folder.glob("*.whl")
    return built


def _dependencies(requirements: list[str]) -> set[str]:
    """All that these need on this machine, by what each says itself."""
    names: set[str] = set()
    waiting = [Requirement(one) for one in requirements]
    while waiting:
        one = waiting.pop()
        if one.name in names or (one.marker and not one.marker.evaluate({"extra": ""})):
            continue
        names.add(one.name)
        waiting += [Requirement(text) for text in importlib.metadata.requires(one.name) or []]
    return names


def test_s15_client_wheel_works_without_the_server(wheel: Path, gateway: Gateway, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        requirements = re.findall(r"^Requires-Dist: (.+)$", archive.read(metadata).decode(), re.MULTILINE)
        assert "imagegate_client/py.typed" in archive.namelist()
        assert not [name for name in archive.namelist() if not name.startswith("imagegate_client")]
    assert {Requirement(one).name for one in requirements} == {"httpx2", "msgspec"}

    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    (packages,) = (tmp_path / "venv").glob("lib/python3*/site-packages")
    for name in _dependencies(requirements):
        for file in importlib.metadata.files(name) or []:
            if ".." not in file.parts and "__pycache__" not in file.parts:
                target = packages / str(file)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file.locate(), target)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)

    env = {"PATH": os.environ["PATH"], "IMAGEGATE_URL": gateway.url, "IMAGEGATE_API_KEY": gateway.key}
    python = tmp_path / "venv/bin/python"
    done = subprocess.run([python, "-c", _PROGRAM], env=env, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "logo.png"
    assert (tmp_path / "logo.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "file",
    [
        pytest.param(file, id=file.stem, marks=pytest.mark.gate if file.stem != "generate" else ())
        for file in sorted((ROOT / "client/examples").glob("*.py"))
    ],
)
def test_every_example_runs(file: Path, gateway: Gateway, tmp_path: Path) -> None:
    env = {**os.environ, "IMAGEGATE_URL": gateway.url, "IMAGEGATE_API_KEY": gateway.key}
    done = subprocess.run([sys.executable, file], env=env, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert any(tmp_path.glob("*.png"))
