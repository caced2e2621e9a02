"""A whole installation: several `serve --no-workers` and `worker` on one PostgreSQL and one S3 store, each with a data
folder of its own, and customers that repeat a create until a process has acknowledged it."""

from __future__ import annotations

import contextlib
import itertools
import re
import secrets
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tests.support.gateway import Gateway, free_port
from tests.support.postgres_server import PostgresServer
from tests.support.program import wait_until
from tests.support.routed_gateway import RoutedGateway, route_config, upstream_config
from tests.support.s3_server import S3Server
from tests.support.simulator import Simulator

ADDRESS = "http://gateway.test"  # of the proxy before them
_GIVE_UP_S = 120


class Member(RoutedGateway):
    """One process: `serve --no-workers` on a port that it keeps, or `worker`."""

    def __init__(self, data: Path, command: tuple[str, ...], rows: list[str], env: Mapping[str, str]) -> None:
        super().__init__(data, *rows, env={**env, "IMAGEGATE_PUBLIC_URL": ADDRESS})
        self._command = command
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        self.launch()
        wait_until(self._is_healthy, 90, what=lambda: f"{self.data.name} answers: " + "\n".join(self.output))

    def launch(self) -> None:
        """Start, and do not wait."""
        self._launch(self._spawn([*self._command, "--data", str(self.data), "--port", str(self._port), *self.options]))

    def read_line(self, line: str) -> None:
        pass

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def signal(self, how: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(how)


class Cluster:
    """Everything but the customers, from its start to its end. `settings` are of all processes."""

    def __init__(
        self,
        folder: Path,
        postgres: PostgresServer,
        s3: S3Server,
        simulator: Simulator,
        *,
        gateways: int = 2,
        workers: int = 3,
        settings: Mapping[str, str] | None = None,
        upstream: Mapping[str, object] | None = None,
    ) -> None:
        self.postgres, self.s3, self.simulator = postgres, s3, simulator
        env = {
            "IMAGEGATE_DATABASE": postgres.url,
            "IMAGEGATE_SECRET": secrets.token_hex(32),
            "IMAGEGATE_REPEAT_USD_PER_DAY": "1000",
            "IMAGEGATE_STORAGE": s3.url(),
            **s3.env,
            **(settings or {}),
        }
        rows = [
            upstream_config("only", f"{simulator.url}/v1", timeout_s=30, **(upstream or {})),
            route_config("only", "0.001"),
        ]
        self.gateways = [
            Member(folder / f"gateway-{number}", ("serve", "--no-workers"), rows, env) for number in range(gateways)
        ]
        self.workers = [Member(folder / f"worker-{number}", ("worker",), rows, env) for number in range(workers)]
        self.members = {member.data.name: member for member in [*self.gateways, *self.workers]}

    def __enter__(self) -> Self:
        try:
            for member in self.members.values():
                member.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        for member in self.members.values():
            if member.is_running:
                member.kill()

    def customer(self, account: str) -> Customer:
        return Customer(self.gateways, self.gateways[0].new_key(account, "100000"))


class Customer:
    """Sends to any of the processes, and to another one where one does not answer, with the same Idempotency-Key."""

    def __init__(self, gateways: list[Gateway] | list[Member], key: str) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        self._clients = [
            httpx.Client(base_url=one.url, headers=headers, timeout=30, trust_env=False, verify=False)
            for one in gateways
        ]
        self._turn = itertools.cycle(range(len(gateways)))
        self._lock = threading.Lock()
        self.acknowledged: dict[str, str] = {}
        self.repeats = 0  # requests that were sent again because no process had answered

    def create(self, name: str, **fields: Any) -> str:
        """The id of the task, acknowledged."""
        body = {"prompt": name, "size": "1:1", "quality": "low", **fields}
        answer = self.send("POST", "/v1/images/generations", json=body, headers={"Idempotency-Key": name})
        task_id: str = answer.json()["id"]
        with self._lock:
            self.acknowledged[name] = task_id
        return task_id

    def complete(self, name: str) -> None:
        """Create a task and wait until it is completed."""
        task_id, give_up = self.create(name), time.monotonic() + _GIVE_UP_S
        while (task := self.send("GET", f"/v1/tasks/{task_id}?wait=5").json())["status"] != "completed":
            assert task["status"] != "failed", task
            assert time.monotonic() < give_up, task

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """The first answer below 500 and not 429, within two minutes."""
        give_up, said = time.monotonic() + _GIVE_UP_S, ""
        while time.monotonic() < give_up:
            with self._lock:
                client = self._clients[next(self._turn)]
            try:
                answer = client.request(method, path, **options)
            except httpx.TransportError as error:
                said = repr(error)
            else:
                if answer.status_code < 500 and answer.status_code != 429:
                    assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
                    return answer
                said = f"{answer.status_code} {answer.text[:300]}"
            with self._lock:
                self.repeats += 1
            time.sleep(0.1)
        raise AssertionError(f"no answer to {method} {path} in {_GIVE_UP_S} s: {said}")

    def is_readable(self, link: str) -> bool:
        """Whether the bytes of a result are there, whole."""
        image = self.send("GET", re.sub(r"^https?://[^/]+", "", link))
        return image.content.startswith((b"\x89PNG", b"\xff\xd8")) and len(image.content) == int(
            image.headers["content-length"]
        )


@contextlib.contextmanager
def open_services(folder: Path, *simulator: str) -> Iterator[tuple[PostgresServer, S3Server, Simulator]]:
    """What is outside the processes of imagegate."""
    with (
        # Not in the test's folder: its server runs as another user, who may not enter that.
        tempfile.TemporaryDirectory(prefix="imagegate-pg-", ignore_cleanup_errors=True) as parent,
        PostgresServer(Path(parent) / "postgres") as postgres,
        S3Server(folder / "s3") as s3,
        Simulator("--quiet", *simulator) as simulator_,
    ):
        yield postgres, s3, simulator_
