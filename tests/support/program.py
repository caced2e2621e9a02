"""`imagegate` in a process of its own: its start, its output, its end."""

from __future__ import annotations

import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import IO, Protocol, Self


class Child(Protocol):
    """The process of the program: the part of `subprocess.Popen` that is used."""

    pid: int

    @property
    def stdout(self) -> IO[str] | None: ...

    def poll(self) -> int | None: ...

    def wait(self, timeout: float) -> int: ...

    def send_signal(self, how: signal.Signals) -> None: ...


class Program(ABC):
    """Start with `with` or `start()`; `kill()` is SIGKILL. `output` has the lines of its stdout and stderr."""

    def __init__(self) -> None:
        self.output: list[str] = []
        self._process: Child | None = None
        self._reader: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @abstractmethod
    def start(self) -> None: ...

    @abstractmethod
    def stop(self) -> int: ...

    @abstractmethod
    def read_line(self, line: str) -> None:
        """Called with each line of the output, before it is in `output`."""

    def kill(self) -> None:
        """SIGKILL."""
        self._end(signal.SIGKILL)

    def _launch(self, process: Child) -> None:
        self.output, self._process = [], process
        self._reader = threading.Thread(target=self._read, args=(process,), daemon=True)
        self._reader.start()

    def _read(self, process: Child) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.read_line(line)
            self.output.append(line.rstrip("\n"))

    def _end(self, how: signal.Signals, timeout_s: float = 60) -> int:
        """The exit code, negative for a signal."""
        if self._process is None:
            return 0
        self._process.send_signal(how)
        code = self._process.wait(timeout=timeout_s)
        assert self._reader is not None
        self._reader.join(timeout=10)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None
        return code


def wait_until(
    holds: Callable[[], object], timeout_s: float = 60, pause_s: float = 0.02, what: Callable[[], object] = str
) -> None:
    """Poll until `holds()` is true; the test fails with `what()` after `timeout_s`."""
    give_up = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < give_up, f"not within {timeout_s} s: {what()}"
        time.sleep(pause_s)
