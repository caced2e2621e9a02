"""Memory, CPU time and health-check latency of a running program, measured from outside.

Run as a module it is the observer, in a process of its own: a busy test process would measure its own delays.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import psutil

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_READY = "ready\n"


def cpu_s(pid: int) -> float:
    """CPU seconds of the process, without its children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def resident_bytes(pid: int) -> tuple[int, int]:
    """Resident bytes (PSS) of the process and of its children; shared pages are counted once."""
    with contextlib.suppress(psutil.NoSuchProcess):
        children = psutil.Process(pid).children(recursive=True)
        return _pss_bytes(pid), sum(_pss_bytes(child.pid) for child in children)
    return 0, 0


def _pss_bytes(pid: int) -> int:
    with contextlib.suppress(OSError):
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        return int(rollup.partition("\nPss:")[2].split()[0]) * 1024
    return 0


class ProcessMonitor:
    """Peak memory in bytes and health-check latencies between enter and exit; a check costs some 3 ms of CPU."""

    def __init__(self, pid: int, url: str, checks_per_s: int = 20) -> None:
        self._command = [sys.executable, "-m", "tests.support.process_monitor", str(pid), url, str(checks_per_s)]
        self._observer: subprocess.Popen[str] | None = None
        self.peak = self.service = self.children = 0
        self.checks = 0
        self.unanswered = 0
        self.p99_ms = self.slowest_ms = 0.0

    def __enter__(self) -> Self:
        self._observer = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        # What happens before the observer's first sample would not be in the peak.
        assert self._observer.stdout is not None
        assert self._observer.stdout.readline() == _READY
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._observer is not None
        said, _ = self._observer.communicate(timeout=20)
        vars(self).update(json.loads(said))

    def summary(self) -> str:
        return (
            f"peak {self.peak >> 20} MiB (service {self.service >> 20}, children {self.children >> 20}); "
            f"{self.checks} health checks, p99 {self.p99_ms:.1f} ms, slowest {self.slowest_ms:.0f} ms"
        )


def _observe(pid: int, url: str, checks_per_s: int) -> dict[str, float]:
    """Until stdin closes: memory ten times a second, and health checks."""
    with contextlib.suppress(OSError):
        os.nice(-10)  # so that the observer does not measure its own wait for a CPU
    stop, peaks = threading.Event(), [0, 0, 0]

    def sample() -> None:
        service, children = resident_bytes(pid)
        peaks[:] = map(max, peaks, (service + children, service, children))

    def weigh() -> None:
        while not stop.wait(0.1):
            sample()

    def listen() -> None:
        sys.stdin.read()
        stop.set()

    sample()
    print(_READY, end="", flush=True)
    for work in (weigh, listen):
        threading.Thread(target=work, daemon=True).start()
    took, unanswered = [0.0], 0
    while not stop.wait(1 / checks_per_s):
        started = time.perf_counter()
        unanswered += not _is_healthy(url)
        took.append((time.perf_counter() - started) * 1000)
    took.sort()
    return {
        "peak": peaks[0],
        "service": peaks[1],
        "children": peaks[2],
        "checks": len(took) - 1,
        "unanswered": unanswered,
        "p99_ms": took[int(len(took) * 0.99)],
        "slowest_ms": took[-1],
    }


def _is_healthy(url: str) -> bool:
    place = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    try:
        place.request("GET", "/healthz")
        return place.getresponse().status == 200
    except OSError:
        return False
    finally:
        place.close()


if __name__ == "__main__":
    print(json.dumps(_observe(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))))
