"""`imagegate simulate` in a process of its own: the upstream of tests, and the count of what was bought."""

from __future__ import annotations

import json
import os
import re
import signal
from contextlib import suppress
from typing import Any

import httpx

from tests.support.fork_server import shared_fork_server
from tests.support.program import Program, wait_until

START_TIMEOUT_S = 60.0


class Simulator(Program):
    """`stop()` is SIGINT. Restarts keep the port."""

    def __init__(self, *options: str) -> None:
        super().__init__()
        self.options = options
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start and wait until it listens."""
        self._launch(shared_fork_server().start(["simulate", "--port", str(self.port), *self.options], os.environ))
        wait_until(self._listens, START_TIMEOUT_S, 0.01, lambda: "the simulator starts: " + "\n".join(self.output))

    def _listens(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            self._end(signal.SIGKILL)
            raise AssertionError("the simulator ended: " + "\n".join(self.output))
        return any(line.startswith("start the gateway") for line in self.output)

    def read_line(self, line: str) -> None:
        if found := re.match(r"the simulator is at http://[^ ;]*:([0-9]+)", line):
            self.port = int(found[1])

    def stop(self) -> int:
        """SIGINT, and its exit code."""
        return self._end(signal.SIGINT)

    def control(self, method: str, path: str, body: object = None) -> Any:
        """Call the control API and return its JSON."""
        content = None if body is None else json.dumps(body).encode()
        # verify: reading the list of certificate authorities takes longer than the request, and here is none to check.
        answer = httpx.request(method, self.url + path, content=content, timeout=30, trust_env=False, verify=False)
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

        def ended() -> list[dict[str, Any]]:
            return [call for call in self.calls() if not call["open"]]

        wait_until(lambda: len(ended()) >= count, 20, 0.01, lambda: f"{count} calls have ended: {self.calls()}")
        return ended()

    @property
    def total(self) -> dict[str, Any]:
        total: dict[str, Any] = self.control("GET", "/control/total")
        return total

    def wait_until_reachable(self) -> None:
        """Wait until it accepts connections again."""

        def is_reachable() -> bool:
            with suppress(httpx.TransportError):
                return self.calls() is not None
            return False

        wait_until(is_reachable, 30, 0.05, lambda: "the simulator is back")
