"""A power cut, for files: what the program had not flushed is gone when it starts again.

`record_flushes` runs in the program and writes down what each flush made durable; `cut_power` takes everything else
away after its end. The strictest reading of the rules: a name is durable once its folder was flushed, bytes are once
their file was. The database is left as it is: that SQLite flushes its log at each commit is its own matter.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from imagegate import disk

LOG_VARIABLE = "POWER_CUT_LOG"
ROOTS_VARIABLE = "POWER_CUT_ROOTS"


def record_flushes(log: str, roots: Sequence[str]) -> None:
    """Write down every flush below `roots` from now on, after it was made. In the process of the program."""
    fsync, syncfs = os.fsync, disk._syncfs
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def is_ours(path: str) -> bool:
        return any(path == root or path.startswith(root + "/") for root in roots) and Path(path).exists()

    def write(states: Sequence[dict[str, Any]]) -> None:
        os.write(handle, b"".join(json.dumps(state).encode() + b"\n" for state in states))

    # What a flush makes durable is what there was before it.
    def recorded_fsync(fd: int) -> None:
        path = str(Path(f"/proc/self/fd/{fd}").readlink())
        states = [_state(path)] if is_ours(path) else []
        fsync(fd)
        write(states)

    def recorded_syncfs(fd: int) -> int:
        assert syncfs is not None
        walked = [found for root in roots for found in os.walk(root)]
        paths = [path for folder, _, files in walked for path in (folder, *(f"{folder}/{name}" for name in files))]
        states = [_state(path) for path in paths if Path(path).exists()]
        code = syncfs(fd)
        write(states)
        return code

    os.fsync = recorded_fsync  # type: ignore[assignment]
    if syncfs is not None:
        disk._syncfs = recorded_syncfs


def _state(path: str) -> dict[str, Any]:
    found = Path(path).stat()
    if Path(path).is_dir():
        return {"folder": path, "names": {entry.name: entry.inode() for entry in os.scandir(path)}}
    return {"inode": found.st_ino, "size": found.st_size}


def cut_power(log: Path, roots: Sequence[Path]) -> int:
    """Take away what was not durable; how many names and files that were."""
    names: dict[str, dict[str, int]] = {}
    sizes: dict[int, int] = {}
    for line in log.read_text().splitlines() if log.exists() else ():
        state = json.loads(line)
        if "folder" in state:
            names[state["folder"]] = state["names"]
        else:
            sizes[state["inode"]] = state["size"]
    log.unlink(missing_ok=True)
    return sum(_cut(root, names, sizes) for root in roots)


def _cut(folder: Path, names: dict[str, dict[str, int]], sizes: dict[int, int]) -> int:
    lost = 0
    for path in list(folder.iterdir()):
        found = path.stat()
        if names.get(str(folder), {}).get(path.name) != found.st_ino:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            lost += 1
        elif path.is_dir():
            lost += _cut(path, names, sizes)
        elif sizes.get(found.st_ino, 0) < found.st_size:
            os.truncate(path, sizes.get(found.st_ino, 0))
            lost += 1
    return lost
