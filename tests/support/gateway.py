"""`imagegate serve` in a process of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from tests.support.fork_server import shared_fork_server
from tests.support.program import Child, Program, wait_until

PROGRAM = [sys.executable, "-m", "imagegate"]
START_TIMEOUT_S = 90.0
# Thumbnails are drawn by a process of their own that costs more than most tests: for the tests that look at them.
THUMBNAILS = {"IMAGEGATE_THUMBNAIL_DAYS": "30"}
_ENV = {"IMAGEGATE_LEASE_S": "2", "IMAGEGATE_POLL_S": "0.5", "IMAGEGATE_THUMBNAIL_DAYS": "0"}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


# API keys of real vendors must not reach the program: a test would spend money.
_VENDOR_KEY_PREFIXES = ("OPENAI_", "AZURE_OPENAI_")


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(_VENDOR_KEY_PREFIXES)}


def shared_folders(parent: Path) -> dict[str, str]:
    """The environment of processes that share a database: they share images and spool too."""
    return {"IMAGEGATE_STORAGE": str(parent / "blobs"), "IMAGEGATE_SPOOL": str(parent / "spool")}


class GatewayExited(AssertionError):
    """The program exited before it answered. `code` is negative for a signal."""

    def __init__(self, code: int, output: list[str]) -> None:
        super().__init__(f"the gateway ended with {code}: " + "\n".join(output))
        self.code = code


class Gateway(Program):
    """`stop()` is SIGTERM."""

    forked = True

    def __init__(self, data: Path, *options: str, env: Mapping[str, str] | None = None, public_url: str = "") -> None:
        """`public_url`: its origin behind a proxy; tests connect to loopback all the same."""
        super().__init__()
        self.data = data
        self._listen_url = f"http://127.0.0.1:{free_port()}" if public_url else ""
        self.options = (*options, "--port", self._listen_url.rpartition(":")[2]) if public_url else options
        env = {**(env or {}), "IMAGEGATE_PUBLIC_URL": public_url} if public_url else env
        self.env = {**_environment(), **_ENV, **(env or {})}
        self.url = ""

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def key(self) -> str:
        """The demo key."""
        return (self.data / "demo-key").read_text().strip()

    @property
    def page_link(self) -> str:
        """Opens the page signed in to the demo account."""
        return (self.data / "page-link").read_text().strip()

    @property
    def curl(self) -> str:
        # It answers while it still writes what it says at the start.
        wait_until(lambda: any(line.startswith("curl ") for line in self.output))
        return next(line for line in self.output if line.startswith("curl "))

    def start(self) -> None:
        """Start on a free port and wait for the health check."""
        self.url = ""
        self._launch(self._spawn(["serve", "--data", str(self.data), "--port", "0", *self.options]))
        wait_until(self._is_healthy, START_TIMEOUT_S, what=lambda: "the gateway answers: " + "\n".join(self.output))

    def _spawn(self, arguments: list[str]) -> Child:
        if self.forked:
            return shared_fork_server().start(arguments, self.env)
        return subprocess.Popen(
            [*PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=self.env
        )

    def read_line(self, line: str) -> None:
        if found := re.match(r"imagegate is at (\S+)", line):
            self.url = self._listen_url or found[1]

    def _is_healthy(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise GatewayExited(self._end(signal.SIGKILL), self.output)
        with suppress(httpx.TransportError):
            return bool(self.url) and httpx.get(f"{self.url}/healthz", verify=False, timeout=60).status_code == 200
        return False

    def stop(self, timeout_s: float = 60) -> int:
        """SIGTERM, and its exit code. Raises TimeoutExpired where it takes longer than `timeout_s`."""
        return self._end(signal.SIGTERM, timeout_s)

    def wait_for_exit(self, timeout_s: float = 30) -> int:
        """Wait until it exits by itself; the exit code, negative for a signal."""
        assert self._process is not None
        try:
            self._process.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError("the gateway lives: " + "\n".join(self.output)) from None
        return self._end(signal.SIGKILL)

    def run(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command on the same data folder."""
        done = self._run([*arguments, "--data", str(self.data)])
        if check and done.returncode != 0:
            raise AssertionError(f"{arguments} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def _run(self, arguments: list[str]) -> subprocess.CompletedProcess[str]:
        if self.forked:
            return shared_fork_server().run(arguments, self.env)
        return subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, env=self.env, timeout=60)

    def new_key(self, account: str, amount: str = "1000", *more: str) -> str:
        """A key of an account, which is created if absent. `amount` in credits; nothing is granted for "0"."""
        grant = ("--credits", amount) if amount != "0" else ()
        granted = self.run("keys", "create", "--account", account, *grant, "--json", *more)
        key: str = json.loads(granted.stdout)["key"]
        return key

    def client(self, key: str | None = None) -> httpx.Client:
        """An HTTP client with this key, by default the demo key."""
        headers = {"Authorization": f"Bearer {key or self.key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=90, trust_env=False, verify=False)

    def check(self) -> dict[str, Any]:
        """Run `imagegate check --json` and fail where an invariant is violated."""
        done = self.run("check", "--json", check=False)
        answer: dict[str, Any] = json.loads(done.stdout)
        assert done.returncode == 0, answer
        return answer


class Worker(Gateway):
    """`imagegate worker`. `url` is where it tells of its health, empty without `--port`."""

    def start(self) -> None:
        self.url = ""
        self._launch(self._spawn(["worker", "--data", str(self.data), *self.options]))
        wait_until(self._is_working, START_TIMEOUT_S, what=lambda: "the worker works: " + "\n".join(self.output))

    def read_line(self, line: str) -> None:
        if found := re.match(r"imagegate worker is working; (\S+)/healthz", line):
            self.url = found[1]

    def _is_working(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise GatewayExited(self._end(signal.SIGKILL), self.output)
        return any(line.startswith("imagegate worker is working") for line in self.output)


class StandaloneGateway(Gateway):
    """Started without the fork server, for measurements of the start and of memory."""

    forked = False
