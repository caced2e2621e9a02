"""Starts the program by forking a process that has already imported it, to save the import time of each start.

The child runs `imagegate`'s own `main` in a process of its own, with the given arguments, environment and outputs, and
can be killed like any other.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

# Names a file with the crash point at which the program is to be killed, as IMAGEGATE_CRASH has it: while it serves, a
# test names one after the other.
CRASH_FILE = "IMAGEGATE_TEST_CRASH"

# The slow imports; those of the libraries are otherwise loaded when a server starts.
_PRELOADED = (
    "imagegate.app",
    "imagegate.cli.check",
    "imagegate.cli.accounts",
    "imagegate.cli.images",
    "imagegate.cli.serve",
    "imagegate.cli.worker",
    "imagegate.cli.simulate",
    "imagegate.simulator.serve",
    "tests.support.power_cut",
    "anyio._backends._asyncio",
    "encodings.idna",
    "litestar._kwargs",
    "litestar.exceptions.responses",
    "litestar.middleware._internal.exceptions",
    "litestar.middleware.allowed_hosts",
    "litestar.middleware.csrf",
    "litestar.middleware.response_cache",
    "uvicorn.lifespan.on",
    "uvicorn.protocols.http.httptools_impl",
    "uvicorn.protocols.websockets.auto",
)


class ForkedProcess:
    """A forked program with the part of `subprocess.Popen` that tests need."""

    def __init__(self, server: ForkServer, pid: int, stdout: TextIO | None) -> None:
        self.pid = pid
        self.stdout = stdout
        self._server = server
        self._code: int | None = None

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        if self._code is None:
            self._code = self._server.request({"poll": self.pid})
        return self._code

    def wait(self, timeout: float) -> int:
        give_up = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > give_up:
                raise subprocess.TimeoutExpired("imagegate", timeout)
            time.sleep(0.005)
        return code

    def send_signal(self, how: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, how)


class ForkServer:
    """A context manager that owns the preloaded process."""

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="imagegate-fork-")
        self._count = 0
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.fork_server"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=10)
        self._process.stdout.close()
        self._folder.cleanup()

    def request(self, order: Mapping[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())

    def preload(self, module: str) -> None:
        """Import it before the next program starts, where only some tests need it."""
        self.request({"import": module})

    def start(self, arguments: Sequence[str], env: Mapping[str, str]) -> ForkedProcess:
        """`imagegate` with these arguments; its stdout and stderr are one stream."""
        pipe = self._path()
        os.mkfifo(pipe)
        pid = self._fork(arguments, env, pipe, pipe)
        stdout = pipe.open("r")
        pipe.unlink()
        return ForkedProcess(self, pid, stdout)

    def run(self, arguments: Sequence[str], env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        out, err = self._path(), self._path()
        code = ForkedProcess(self, self._fork(arguments, env, out, err), None).wait(timeout=60)
        return subprocess.CompletedProcess(list(arguments), code, out.read_text(), err.read_text())

    def _fork(self, arguments: Sequence[str], env: Mapping[str, str], out: Path, err: Path) -> int:
        return self.fork({"arguments": list(arguments), "env": dict(env), "out": str(out), "err": str(err)})

    def fork(self, order: Mapping[str, Any]) -> int:
        """The id of a new process. Beside the above an order may name `cwd`, and a `file` of Python to run instead."""
        pid: int = self.request(order)
        return pid

    def _path(self) -> Path:
        with self._lock:
            self._count += 1
            return Path(self._folder.name) / str(self._count)


@functools.cache
def shared_fork_server() -> ForkServer:
    """The fork server of this test process, stopped at its exit."""
    server = ForkServer()
    server.__enter__()
    atexit.register(server.__exit__, None, None, None)
    return server


def _serve() -> None:
    """Answer requests until stdin closes. A forked child exits from here too, after its `main`."""
    for name in _PRELOADED:
        importlib.import_module(name)
    from imagegate.api.params import parameters_of
    from imagegate.api.router import HANDLERS, OPENAI_HANDLERS
    from imagegate.concurrency import prepare_structs
    from imagegate.web.renderer import load_templates

    prepare_structs()
    for handler in [*HANDLERS, *OPENAI_HANDLERS]:
        if "operation" in handler.opt:
            parameters_of(handler.fn)
    for name in load_templates().list_templates():
        load_templates().get_template(name)
    gc.collect()
    gc.freeze()  # what a child never frees is never copied for it
    for line in sys.stdin:
        order = json.loads(line)
        if "poll" in order:
            _reply(_poll(order["poll"]))
        elif "import" in order:
            importlib.import_module(order["import"])
            _reply(None)
        elif pid := os.fork():
            _reply(pid)
        else:
            _run_program(order)


def _reply(said: object) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


def _poll(pid: int) -> int | None:
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def _run_program(order: dict[str, Any]) -> None:
    from imagegate.cli import main
    from tests.support import power_cut

    os.environ.clear()
    os.environ.update(order["env"])
    for number, path in ((1, order["out"]), (2, order["err"])):
        if number == 2 and path == order["out"]:  # its name may be gone already
            os.dup2(1, 2)
            continue
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    if file := os.environ.pop(CRASH_FILE, ""):
        _read_crash_point_from(Path(file))
    os.chdir(order.get("cwd") or ".")
    sys.argv = [order.get("file") or "imagegate", *order["arguments"]]
    if log := os.environ.get(power_cut.LOG_VARIABLE):
        power_cut.record_flushes(log, os.environ[power_cut.ROOTS_VARIABLE].split(":"))
    try:
        if "file" in order:
            runpy.run_path(order["file"], run_name="__main__")
            _exit(0)
        main()
    except SystemExit as end:
        _exit(end.code)


def _read_crash_point_from(file: Path) -> None:
    from imagegate import crash_points

    read_once = crash_points._armed_point.__wrapped__

    def read() -> tuple[str, int]:
        os.environ["IMAGEGATE_CRASH"] = file.read_text()
        return read_once()

    crash_points._armed_point = read  # type: ignore[assignment]


def _exit(code: object) -> None:
    """Exit as Python does, but without tearing down the modules, which takes longer than most commands."""
    if isinstance(code, str):
        print(code, file=sys.stderr)
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else code is not None)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        _serve()
