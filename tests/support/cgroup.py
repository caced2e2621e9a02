"""A memory limit that the kernel enforces, where the machine allows a test to set one.

Needs a writable memory controller (cgroup v1 or v2), which usually means root. Processes that are started inside the
group stay inside, with all their children.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")


class MemoryCgroup:
    """A group with a limit in bytes. Without a memory controller `enforced` is False and nothing is limited."""

    def __init__(self, limit: int) -> None:
        self._old = _own_group()
        self._group = _new_group(limit)

    @property
    def enforced(self) -> bool:
        return self._group is not None

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Processes started meanwhile belong to the group; this process leaves it again."""
        self._move(self._group)
        try:
            yield
        finally:
            self._move(self._old)

    @property
    def oom_kills(self) -> int:
        """How many processes the kernel killed for lack of memory."""
        if self._group is None:
            return 0
        lines = "\n".join(
            (self._group / name).read_text()
            for name in ("memory.oom_control", "memory.events")
            if (self._group / name).exists()
        ).splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))

    def remove(self) -> None:
        if self._group is not None:
            self._group.rmdir()

    def _move(self, group: Path | None) -> None:
        if self._group is not None and group is not None:
            (group / "cgroup.procs").write_text(str(os.getpid()))


def _new_group(limit: int) -> Path | None:
    for parent, file in ((_ROOT / "memory", "memory.limit_in_bytes"), (_ROOT, "memory.max")):
        group = parent / f"imagegate-{secrets.token_hex(4)}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / file).write_text(str(limit))
        except OSError:
            group.rmdir()
            continue
        return group
    return None


def _own_group() -> Path | None:
    """The memory group of this process."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        number, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            return _ROOT / "memory" / path.lstrip("/")
        if number == "0" and not (_ROOT / "memory").is_dir():
            return _ROOT / path.lstrip("/")
    return None
