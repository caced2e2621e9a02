"""Builds wheels and source distributions, and tries the wheels as a user gets them.

`dist.py FOLDER` builds into the folder, then installs both wheels into an empty environment of each Python from 3.11 to
3.14 that this machine has, with what the registry serves for them today: serve, buy an image by HTTP and one on the
command line, open the page, check the books. The same once through `uvx`. No compiler is used and no Python downloaded.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
UV = ROOT / ".venv/bin/uv"
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
_START_TIMEOUT_S = 60
_REQUEST = {"prompt": "a red fox", "size": "816x816", "quality": "low"}


def main(folder: Path) -> None:
    wheels = build(folder)
    pythons = find_pythons()
    for version in VERSIONS:
        if version not in pythons:
            print(f"Python {version}: not on this machine")
            continue
        started = time.monotonic()
        installed_s = try_wheels(wheels, pythons[version])
        used_s = time.monotonic() - started - installed_s
        print(
            f"Python {version}: installed in {installed_s:.0f} s;"
            f" served, generated, page opened, books in order in {used_s:.0f} s"
        )
    try_uvx(wheels, next(iter(pythons.values())))
    print("uvx: served, generated, page opened, books in order")


def build(folder: Path) -> list[Path]:
    """The wheels, each made from its source distribution, after a look at what is in both."""
    shutil.rmtree(folder, ignore_errors=True)
    # uv has the build backend in itself: nothing is fetched
    _run([UV, "build", "--quiet", "--offline", "--all-packages", "--out-dir", folder])
    wheels = sorted(folder.glob("*.whl"))
    for wheel, source, package in zip(wheels, sorted(folder.glob("*.tar.gz")), ("src", "client/src"), strict=True):
        check_contents(wheel, source, package)
    return wheels


def check_contents(wheel: Path, source: Path, package: str) -> None:
    """Exactly the files of the repository: none is missing, none comes from somewhere else."""
    listed = _run(["git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard", package])
    expected = {line.removeprefix(package + "/") for line in listed.splitlines() if (ROOT / line).exists()}
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
    found = {name for name in names if ".dist-info/" not in name}
    metadata = {name.partition(".dist-info/")[2] for name in names - found}
    if found != expected:
        sys.exit(f"{wheel.name} differs from the repository: {sorted(found ^ expected)}")
    if not {"METADATA", "RECORD", "WHEEL", "licenses/LICENSE"} <= metadata:
        sys.exit(f"{wheel.name} has only {sorted(metadata)}")
    with tarfile.open(source) as packed:
        names = {name.partition("/")[2] for name in packed.getnames()}
    needed = {f"src/{name}" for name in expected} | {"LICENSE", "README.md", "pyproject.toml"}
    if not needed <= names:
        sys.exit(f"{source.name} lacks {sorted(needed - names)}")


def find_pythons() -> dict[str, Path]:
    """The newest interpreter of each minor version: those that uv finds, and those that pyenv keeps."""
    found: dict[str, tuple[tuple[int, ...], Path]] = {}
    listed = _run([UV, "python", "list", "--only-installed", "--no-python-downloads", "--output-format", "json"])
    candidates = [(one["version"], Path(one["path"])) for one in json.loads(listed)]
    kept = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser() / "versions"
    candidates += [(folder.name, folder / "bin/python3") for folder in kept.glob("3.*")]
    for version, path in candidates:
        if not re.fullmatch(r"\d+\.\d+\.\d+", version) or not path.exists() or "shims" in path.parts:
            continue
        number = tuple(map(int, version.split(".")))
        minor = version.rpartition(".")[0]
        if minor in VERSIONS and number > found.get(minor, ((0,), path))[0]:
            found[minor] = (number, path)
    return {minor: found[minor][1] for minor in VERSIONS if minor in found}


def try_wheels(wheels: Sequence[Path], python: Path) -> float:
    """How long the installation took, in seconds."""
    with tempfile.TemporaryDirectory() as name:
        folder, started = Path(name), time.monotonic()
        _run([UV, "venv", "--quiet", "--no-python-downloads", "--python", python, folder / "venv"])
        _run([UV, "pip", "install", "--quiet", "--no-build", "--python", folder / "venv", *wheels], cwd=folder)
        installed_s = time.monotonic() - started
        _serve_images([str(folder / "venv/bin/imagegate")], folder)
        return installed_s


def try_uvx(wheels: Sequence[Path], python: Path) -> None:
    (server,) = (wheel for wheel in wheels if not wheel.name.startswith("imagegate_client"))
    options = [
        "--quiet",
        "--no-build",
        "--no-python-downloads",
        "--python",
        str(python),
        "--find-links",
        str(server.parent),
    ]
    with tempfile.TemporaryDirectory() as name:
        _serve_images([str(UV), "tool", "run", *options, "--from", str(server), "imagegate"], Path(name))


def _serve_images(program: list[str], folder: Path) -> None:
    """`serve`, an image over HTTP and one by `generate`, the page, a stop, `check --deep`, all without our sources."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("IMAGEGATE_", "PYTHON"))}
    env["IMAGEGATE_LOG_LEVEL"] = "warning"
    data = folder / "data"
    with subprocess.Popen(
        [*program, "serve", "--data", str(data)], cwd=folder, env=env, stdout=subprocess.PIPE
    ) as served:
        try:
            _buy_image(data, served)
            words = ["generate", "a red fox", "--size", "816x816", "--quality", "low"]
            _run([*program, *words, "-o", folder / "fox.png", "--data", data], cwd=folder, env=env)
        finally:
            served.send_signal(signal.SIGTERM)
        if served.wait(_START_TIMEOUT_S) != 0:
            sys.exit(f"{program[0]} serve ended with {served.returncode}")
    if not (folder / "fox.png").read_bytes().startswith(b"\x89PNG"):
        sys.exit("what `generate` saved is no PNG")
    _run([*program, "check", "--deep", "--data", data], cwd=folder, env=env)


def _buy_image(data: Path, served: subprocess.Popen[bytes]) -> None:
    assert served.stdout is not None
    for line in served.stdout:  # the greeting comes when it serves
        if line.startswith(b"curl"):
            break
    else:
        sys.exit("the gateway ended before it served")
    url, key = (data / "address").read_text(), (data / "demo-key").read_text().strip()
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", "Prefer": "wait=60"}
    request = urllib.request.Request(f"{url}/v1/images/generations", json.dumps(_REQUEST).encode(), headers)  # noqa: S310
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=90) as response:
        task = json.load(response)
    if task["status"] != "completed":
        sys.exit(f"the task ended as {task}")
    with opener.open(task["results"][0], timeout=30) as image:
        if not image.read().startswith(b"\x89PNG"):
            sys.exit("the image is no PNG")
    for path in ("/", "/dashboard", "/reference"):
        with opener.open(url + path, timeout=30) as page:
            if b"<title>" not in page.read():
                sys.exit(f"{path} is no page")


def _run(command: Sequence[str | Path], **options: Any) -> str:
    done = subprocess.run(command, **{"cwd": ROOT, **options}, check=False, stdout=subprocess.PIPE)
    output: str = done.stdout.decode()
    if done.returncode != 0:
        sys.exit(f"failed: {' '.join(map(str, command))}\n{output}")
    return output


if __name__ == "__main__":
    main(ROOT / sys.argv[1])
