"""Programs under measurement: on which core they run, and the CPU time and memory of all their processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, ClassVar, Self

import httpx
import psutil

CORES = sorted(os.sched_getaffinity(0))
# With one core alone both are the same: the figures are then of a machine that does everything at once.
GATEWAY_CORE, OTHER_CORE = CORES[0], CORES[-1]
START_TIMEOUT_S = 120


def pin(core: int) -> None:
    os.sched_setaffinity(0, {core})


def unpin() -> None:
    os.sched_setaffinity(0, CORES)


def _place(core: int | None) -> None:
    if core is None:
        unpin()
    else:
        pin(core)


def tree(pid: int) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    return []


def cpu_s(pid: int) -> float:
    """CPU seconds of the process and of all its children, of those too that have ended."""
    total = 0.0
    for process in tree(pid):
        with contextlib.suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[:4])  # own user and system time, and that of children that were waited for
    return total


def pss_bytes(pid: int) -> int:
    """Resident memory of the process and its children; what they share is counted once."""
    return sum(own_pss_bytes(process.pid) for process in tree(pid))


def own_pss_bytes(pid: int) -> int:
    """The same of one process alone."""
    with contextlib.suppress(OSError):  # it has ended
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        return int(rollup.partition("\nPss:")[2].split()[0]) * 1024
    return 0


def clean_environment(**extra: str) -> dict[str, str]:
    """Without settings of ours, keys of real vendors and proxies: defaults are measured, and nothing is bought."""
    unwanted = ("IMAGEGATE_", "OPENAI_", "AZURE_", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "PYTHON")
    return {name: value for name, value in os.environ.items() if not name.startswith(unwanted)} | extra


class Server:
    """A program with an HTTP port, pinned to a core, from its start to its first 200 and its end."""

    start_timeout_s: ClassVar[float] = START_TIMEOUT_S

    def __init__(
        self,
        command: Sequence[str],
        url: str,
        log: Path,
        *,
        core: int | None = GATEWAY_CORE,
        env: dict[str, str] | None = None,
    ) -> None:
        self.command, self.url, self.log = command, url, log
        self._core, self._env = core, env or {}
        self._process: subprocess.Popen[bytes] | None = None
        self.start_s = 0.0

    def __enter__(self) -> Self:
        started = time.perf_counter()
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self.command,
                stdout=output,
                stderr=output,
                env=clean_environment(**self._env),
                preexec_fn=lambda: _place(self._core),  # noqa: PLW1509  one thread, or one that only measures
            )
        try:
            self._wait_for_200()
        except BaseException:
            self.stop()
            raise
        self.start_s = time.perf_counter() - started
        return self

    def _wait_for_200(self) -> None:
        assert self._process is not None
        give_up = time.monotonic() + self.start_timeout_s
        with httpx.Client(trust_env=False, verify=False) as client:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if client.get(self.url, timeout=5).status_code == 200:
                        return
                if self._process.poll() is not None or time.monotonic() > give_up:
                    raise RuntimeError(f"{self.command[0]} does not answer: {self.log.read_text()[-3000:]}")
                time.sleep(0.005)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        """SIGTERM; what is left after 20 seconds is killed. Children that outlive it are killed too."""
        assert self._process is not None
        processes = tree(self.pid)
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for process in processes[1:]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class GatewayServer(Server):
    """A gateway that makes images: ours, or a peer."""

    name: ClassVar[str]
    expected: ClassVar[bytes]  # is in the response that brings the image
    origin: str

    @abstractmethod
    def task_request(self) -> bytes:
        """A request whose response brings the image."""


class CpuMeter:
    """CPU seconds of a server's processes between `begin()` and `end()`."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.used = 0.0

    def begin(self) -> None:
        self.used = -cpu_s(self._pid)

    def end(self) -> None:
        self.used += cpu_s(self._pid)


class Upstream:
    """`bench.upstream` on the core of the load; not `pinned`: on all cores."""

    def __init__(self, *, pinned: bool = True) -> None:
        self._core = OTHER_CORE if pinned else None
        self._process: subprocess.Popen[str] | None = None
        self.origin = ""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.upstream"],
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: _place(self._core),  # noqa: PLW1509
        )
        output: IO[str] | None = self._process.stdout
        assert output is not None
        self.origin = f"http://127.0.0.1:{int(output.readline())}"
        return self

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def base_url(self, image: str, delay_s: float = 0, together: int = 0) -> str:
        return f"{self.origin}/{image}/{delay_s}/{together}/v1"

    def report(self, *, reset: bool = False) -> dict[str, Any]:
        report: dict[str, Any] = httpx.get(
            f"{self.origin}/control{'/reset' if reset else ''}", trust_env=False, verify=False
        ).json()
        return report

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()


@contextlib.contextmanager
def sampled(measure: Callable[[], float], every_s: float = 0.05) -> Iterator[list[float]]:
    """What `measure` said from time to time while the context was open; the first sample is there at once."""
    import threading

    samples, stop = [measure()], threading.Event()

    def sample() -> None:
        while not stop.wait(every_s):
            samples.append(measure())

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        stop.set()
        thread.join()
        samples.append(measure())
