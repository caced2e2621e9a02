"""What a run needs beside it to be read: the machine, and the versions of all that took part."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

import apsw
import psutil

from bench.peers import LITELLM_VERSION, PORTKEY_VERSION, ROOT, node_program
from bench.postgres import PROGRAMS
from bench.processes import CORES

_LIBRARIES = ("uvicorn", "uvloop", "httptools", "litestar", "msgspec", "aiohttp", "apsw", "psycopg", "pillow")


def describe_machine(folder: Path) -> str:
    """A list in Markdown. `folder` is where the data of the run lies."""
    return "\n".join(
        f"- {line}"
        for line in (
            f"{len(CORES)} cores of {_processor()}, {psutil.virtual_memory().total / 2**30:.0f} GiB of memory",
            f"{platform.system()} {platform.release()}; data on {_file_system(folder)}",
            f"{time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC; load average before the run "
            + ", ".join(f"{load:.2f}" for load in os.getloadavg()),
        )
    )


def describe_versions() -> str:
    postgres = _output(str(PROGRAMS / "postgres"), "--version").rpartition(" ")[2]
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    return "\n".join(
        f"- {line}"
        for line in (
            f"imagegate {version('imagegate')}, commit {_commit()}",
            f"Python {platform.python_version()}, {libraries}",
            f"SQLite {apsw.sqlite_lib_version()}, PostgreSQL {postgres}",
            f"LiteLLM {LITELLM_VERSION}; Portkey {PORTKEY_VERSION} on Node {_output(str(node_program()), '--version')}",
        )
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(": ")[2]
    return platform.machine()


def _file_system(folder: Path) -> str:
    mounts = [mount for mount in psutil.disk_partitions(all=True) if folder.is_relative_to(mount.mountpoint)]
    return max(mounts, key=lambda mount: len(mount.mountpoint)).fstype if mounts else "an unknown file system"


def _commit() -> str:
    changed = " with changes" if _output("git", "status", "--porcelain", "--", "src") else ""
    return _output("git", "rev-parse", "--short=12", "HEAD") + changed


def _output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    return done.stdout.strip()
