"""`python -m tests.support.clocked …` is `imagegate …` on a clock that a test sets, by a file with microseconds."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import time
from pathlib import Path

from tests.support.routed_gateway import RoutedGateway

OFFSET_FILE = "IMAGEGATE_TEST_CLOCK"


class ClockedGateway(RoutedGateway):
    """Commands of `run` are on the same clock."""

    forked = False

    def __init__(self, data: Path, *rows: str, env: dict[str, str] | None = None) -> None:
        self._offset = data.parent / f"{data.name}.clock"
        self.set_clock(0)
        super().__init__(data, *rows, env={**(env or {}), OFFSET_FILE: str(self._offset)})

    def set_clock(self, offset_s: float) -> None:
        """So far from the real time from now on."""
        # In place: the program reads it at any moment, and must not find it empty.
        handle = os.open(self._offset, os.O_WRONLY | os.O_CREAT, 0o600)
        os.pwrite(handle, struct.pack("<q", int(offset_s * 1_000_000_000)), 0)
        os.close(handle)

    def _spawn(self, arguments: list[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*_PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=self.env
        )

    def _run(self, arguments: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*_PROGRAM, *arguments], capture_output=True, text=True, env=self.env, timeout=60)


_PROGRAM = [sys.executable, "-m", "tests.support.clocked"]


def _turn_clock(offset: int) -> None:
    real_ns = time.time_ns

    def time_ns() -> int:
        return int(real_ns() + struct.unpack("<q", os.pread(offset, 8, 0))[0])

    time.time_ns, time.time = time_ns, lambda: time_ns() / 1e9


if __name__ == "__main__":
    _turn_clock(os.open(os.environ[OFFSET_FILE], os.O_RDONLY))
    from imagegate.cli import main

    main()
