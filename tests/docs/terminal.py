"""A terminal in a fresh folder, as a newcomer has it: shell code of a page is pasted, our programs are forked.

The commands `imagegate` and `python` are small programs that let the fork server run the real ones: starting each by
itself would cost most of the time of these tests.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import shlex
import signal
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.docs.spec import ROOT
from tests.support.fork_server import ForkedProcess, shared_fork_server
from tests.support.program import wait_until

_TIMEOUT_S = 60.0
# -S, -I: without the environment's packages it starts in a hundredth of a second.
_STAND_IN = """#!{python} -IS
import json, os, signal, socket, sys
link = socket.socket(socket.AF_UNIX)
link.connect({address!r})
stream = link.makefile("rw")
order = {{"arguments": sys.argv[1:], "env": dict(os.environ), "cwd": os.getcwd(), **{more!r}}}
order["out"], order["err"] = [f"/proc/{{os.getpid()}}/fd/{{number}}" for number in (1, 2)]
if "file" in order:
    order["file"] = order["arguments"].pop(0)
stream.write(json.dumps(order) + "\\n")
stream.flush()
pid = int(stream.readline())
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, lambda number, frame: os.kill(pid, number))
code = int(stream.readline())
sys.exit(code if code >= 0 else 128 - code)
"""
# What a package index would be asked for: it must be one of ours, with extras that it has. `make dist` installs them.
_INSTALLER = """#!{python} -IS
import os, re, sys
known = {known!r}
words = [word for word in sys.argv[1:] if not word.startswith("-")]
if sys.argv[0].endswith("uvx"):
    os.execvp(words[0], [words[0], *sys.argv[sys.argv.index(words[0]) + 1:]])
for word in words[1:]:
    name, extra = re.fullmatch(r"([a-z-]+)(?:\\[([a-z0-9]+)\\])?", word).groups()
    if name not in known or extra not in [None, *known[name]]:
        sys.exit("there is no " + word)
"""
# The real jq, from its wheel: not every machine has the program.
_JQ = """#!{python} -I
import json, sys, jq
words = [word for word in sys.argv[1:] if word != "-r"]
text = open(words[1]).read() if words[1:] else sys.stdin.read()
for value in jq.compile(words[0]).input_text(text):
    print(value if "-r" in sys.argv and isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False))
"""
_KNOWN = {"imagegate": ["mcp", "s3", "otel"], "imagegate-client": []}
_SERVER = re.compile(
    r"^(?:[A-Z_]+=\S+ )*(make run"
    r"|(?:uvx )?(?:\S*/)?imagegate (?:serve|simulate|worker|mcp --http|webhooks listen)\b).*(?<!&)$"
)
_READY = {
    "make run": r"imagegate is at",
    "serve": r"imagegate is at",
    "simulate": r"start the gateway with",
    "worker": r"imagegate is working",
    "mcp --http": r"http://\S+/mcp",
    "webhooks listen": r"use as callback_url",
}


class _Front(socketserver.ThreadingUnixStreamServer):
    """What the stand-ins connect to."""

    daemon_threads = True

    def __init__(self, address: str) -> None:
        super().__init__(address, _Order)
        self.running: set[int] = set()


class _Order(socketserver.StreamRequestHandler):
    server: _Front

    def handle(self) -> None:
        order = json.loads(self.rfile.readline())
        server = shared_fork_server()
        process = ForkedProcess(server, server.fork(order), None)
        self.server.running.add(process.pid)
        try:
            self._follow(process)
        finally:
            self.server.running.discard(process.pid)

    def _follow(self, process: ForkedProcess) -> None:
        self.wfile.write(b"%d\n" % process.pid)
        while (code := process.poll()) is None:
            if select.select([self.connection], [], [], 0.01)[0]:  # its stand-in was killed
                process.send_signal(signal.SIGKILL)
                process.wait(_TIMEOUT_S)
                return
        with contextlib.suppress(OSError):
            self.wfile.write(b"%d\n" % code)


class Server:
    """A program that goes on, in a terminal of its own."""

    def __init__(self, kind: str, pid: int, screen: int) -> None:
        self.kind, self.pid = kind, pid
        self._screen, self._text = screen, b""
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while more := os.read(self._screen, 65536):
                self._text += more

    @property
    def output(self) -> str:
        return self._text.decode().replace("\r\n", "\n")

    @property
    def is_running(self) -> bool:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, 0)
            return True
        return False

    def stop(self) -> None:
        """Ctrl-C."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGINT)
        wait_until(lambda: not self.is_running, _TIMEOUT_S, 0.01, lambda: f"{self.kind} ends: {self.output}")


class Terminal:
    """`run` pastes code; the variables and the folder of one paste are there in the next."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self.folder = folder
        self._env = {**env, "HOME": str(folder)}
        self._servers: list[Server] = []
        self._count = 0

    def __enter__(self) -> Self:
        self._own = tempfile.TemporaryDirectory(prefix="imagegate-docs-")
        own = Path(self._own.name)
        self._front = _Front(f"{own}/front")
        threading.Thread(target=self._front.serve_forever, daemon=True).start()
        self._check_out(own / "front")
        path = f"{self.folder}/.venv/bin:/usr/local/bin:/usr/bin:/bin"
        self._shell = subprocess.Popen(
            ["bash", "--norc"],
            cwd=self.folder,
            env={**self._env, "PATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        return self

    def _check_out(self, front: Path) -> None:
        """What the folder has after `make setup` in a checkout, with the stand-ins in place of the environment."""
        programs = self.folder / ".venv/bin"
        programs.mkdir(parents=True)
        python = f"{sys.base_prefix}/bin/python3"
        texts = {
            "imagegate": _STAND_IN.format(python=python, address=str(front), more={}),
            "python": _STAND_IN.format(python=python, address=str(front), more={"file": ""}),
            "pip": _INSTALLER.format(python=python, known=_KNOWN),
            "uvx": _INSTALLER.format(python=python, known=_KNOWN),
            "uv": "",
            "jq": _JQ.format(python=sys.executable),
            "activate": f"PATH={programs}:$PATH\n",
        }
        for name, text in texts.items():
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        for name in ("Makefile", "deploy"):
            (self.folder / name).symlink_to(ROOT / name)
        for name in ("pyproject.toml", "uv.lock", "client/pyproject.toml", ".venv/runtime", ".venv/dev"):
            (self.folder / name).parent.mkdir(exist_ok=True)
            (self.folder / name).touch()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._servers:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(server.pid, signal.SIGKILL)
        self._shell.kill()
        self._shell.communicate()
        for left in _session_of(self._shell.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(left, signal.SIGKILL)
        wait_until(lambda: not self._front.running, _TIMEOUT_S, 0.01, lambda: "what was started ends")
        self._front.shutdown()
        self._front.server_close()
        self._own.cleanup()

    def run(self, code: str, *, may_fail: bool = False) -> str:
        """What the code prints, errors too. Every command must succeed. A program that goes on runs in the background
        once it is ready: what it printed until then is printed."""
        printed = ""
        for part in _parts(code):
            if found := _SERVER.match(part):
                printed += self._start(part, _kind(found[1])).output
            else:
                printed += self._paste(part, may_fail=may_fail)
        return printed

    def _paste(self, code: str, *, may_fail: bool) -> str:
        self._count += 1
        script, output = (Path(self._own.name) / f"{self._count}.{end}" for end in ("sh", "out"))
        script.write_text(code if may_fail else f"set -eo pipefail\n{code}\nset +eo pipefail\n")
        said = self._say(f"source {script} > {output} 2>&1 < /dev/null; echo $?")
        text = output.read_text("utf-8", "replace")
        # A failing command ends the shell.
        assert said.isdigit(), f"failed in the terminal:\n{code}\n{text}"
        return text

    def _say(self, line: str) -> str:
        """The line that the shell answers, empty where it has ended."""
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(line + "\n")
        self._shell.stdin.flush()
        return self._shell.stdout.readline().strip()

    def _start(self, line: str, kind: str) -> Server:
        """A gateway ends the one before: they have one place, as in the terminal of a person."""
        for server in self._servers:
            if server.kind == kind:
                server.stop()
        self._servers = [server for server in self._servers if server.kind != kind]
        screen, keyboard = os.openpty()
        # setsid: Ctrl-C reaches this program alone
        pid = int(self._say(f"setsid bash -c {shlex.quote(line)} > {os.ttyname(keyboard)} 2>&1 < /dev/null & echo $!"))
        server = Server(kind, pid, screen)
        self._servers.append(server)
        ready = re.compile(_READY[kind])

        def is_ready() -> bool:
            assert server.is_running, f"{line} ended:\n{server.output}"
            return bool(ready.search(server.output)) and server.output.endswith("\n")

        wait_until(is_ready, _TIMEOUT_S, 0.01, lambda: f"{line} is ready: {server.output}")
        time.sleep(0.05)  # the rest of a greeting is printed at once
        return server

    @property
    def outputs(self) -> list[str]:
        """What the programs that go on have printed so far."""
        return [server.output for server in self._servers]


def _parts(code: str) -> list[str]:
    """The code, with each line that starts a program that goes on by itself."""
    parts: list[str] = []
    for line in code.splitlines():
        if _SERVER.match(line) or not parts or _SERVER.match(parts[-1]):
            parts.append(line)
        else:
            parts[-1] += "\n" + line
    return parts


def _kind(found: str) -> str:
    kind = re.sub(r".*imagegate ", "", found)
    return "serve" if kind == "make run" else kind


def _session_of(leader: int) -> list[int]:
    """The processes of a session: a gateway that a page started with `&` outlives its shell."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields: Any = stat.read_text().rpartition(") ")[2].split()
            if int(fields[3]) == leader:
                found.append(int(stat.parent.name))
    return found
