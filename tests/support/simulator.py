"""`imagegate simulate` in a process of its own: the upstream of tests, and the count of what was bought."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from types import TracebackType
from typing import Any, Self

import httpx

from tests.support.fork_server import shared_fork_server
from tests.support.gateway import Child

START_TIMEOUT_S = 60.0


class Simulator:
    """Start with `with` or `start()`; `kill()` is SIGKILL, `stop()` is SIGINT. Restarts keep the port."""

    def __init__(self, *options: str) -> None:
        self.options = options
        self.output: list[str] = []
        self.port = 0
        self._process: Child | None = None
        self._reader: threading.Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start and wait until it listens."""
        self.output = []
        self._process = shared_fork_server().start(["simulate", "--port", str(self.port), *self.options], os.environ)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        give_up = time.monotonic() + START_TIMEOUT_S
        while not any(line.startswith("start the gateway") for line in self.output):
            if self._process.poll() is not None or time.monotonic() > give_up:
                self._end(signal.SIGKILL)
                raise AssertionError("the simulator did not start: " + "\n".join(self.output))
            time.sleep(0.01)

    def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            found = re.match(r"the simulator is at http://[^ ;]*:([0-9]+)", line)
            if found:
                self.port = int(found[1])
            self.output.append(line.rstrip("\n"))

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGINT, and its exit code."""
        return self._end(signal.SIGINT)

    def _end(self, how: signal.Signals) -> int:
        if self._process is None:
            return 0
        self._process.send_signal(how)
        code = self._process.wait(timeout=30)
        assert self._reader is not None
        self._reader.join(timeout=10)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None
        return code

    def control(self, method: str, path: str, body: object = None) -> Any:
        """Call the control API and return its JSON."""
        content = None if body is None else json.dumps(body).encode()
        answer = httpx.request(method, self.url + path, content=content, timeout=30, trust_env=False)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def script(self, *steps: object) -> None:
        """Set the faults of the next creates: names, None for success, or objects."""
        self.control("PUT", "/control", list(steps))

    def reset(self) -> None:
        """Clear the script and the calls."""
        self.script()
        self.control("DELETE", "/control/calls")

    def calls(self, kind: str = "create") -> list[dict[str, Any]]:
        """The calls so far, oldest first."""
        calls: list[dict[str, Any]] = self.control("GET", f"/control/calls?kind={kind}")["calls"]
        return calls

    def ended_calls(self, count: int) -> list[dict[str, Any]]:
        """The creates, once `count` of them have ended: a call that the client saw break may end a moment later."""
        give_up = time.monotonic() + 20
        while time.monotonic() < give_up:
            ended = [call for call in self.calls() if not call["open"]]
            if len(ended) >= count:
                return ended
            time.sleep(0.01)
        raise AssertionError(f"{count} calls should have ended: {self.calls()}")

    @property
    def total(self) -> dict[str, Any]:
        total: dict[str, Any] = self.control("GET", "/control/total")
        return total

    def wait_until_reachable(self) -> None:
        """Wait until it accepts connections again."""
        give_up = time.monotonic() + 30
        while time.monotonic() < give_up:
            try:
                self.calls()
            except httpx.TransportError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError("the simulator stayed away")
