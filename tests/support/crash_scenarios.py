"""Kills the program at a named crash point, restarts it, and counts what was bought, delivered and reported. What was
restarted is killed at the next point.

The customer repeats each request with its Idempotency-Key; the operator is shown every purchase that may have been made
twice.
"""

from __future__ import annotations

import dataclasses
import itertools
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from tests.egress.raw_server import http_response, reply_with
from tests.support import power_cut
from tests.support.file_server import FileServer, send_bytes
from tests.support.fork_server import CRASH_FILE
from tests.support.image_files import PNG
from tests.support.program import wait_until
from tests.support.routed_gateway import RoutedGateway, route_config, upstream_config
from tests.support.simulator import Simulator
from tests.support.webhook_receiver import Behaviour, Receiver, trust_environment, webhook_receiver

PURCHASE_CRASH_POINTS = (
    "upstream.marked",
    "upstream.after_send",
    "upstream.post_response",
    "spool.mid",
    "spool.fsynced",
    "blob.mid_write",
    "blob.pre_publish",
    "blob.post_publish",
    "settle.mid",
    "settle.pre_commit",
    "settle.post_commit",
)
# Here the outcome of the purchase is unknown, unless the upstream accepts idempotency keys.
UNKNOWN_OUTCOME_CRASH_POINTS = frozenset({"upstream.after_send", "upstream.post_response", "spool.mid"})
FAST_SETTINGS = {
    "IMAGEGATE_SWEEP_S": "0.3",
    "IMAGEGATE_POLL_S": "0.2",
    "IMAGEGATE_LEASE_S": "1",
    "IMAGEGATE_WEBHOOK_RETRY_S": "0.1,0.2,0.4",
    "IMAGEGATE_WEBHOOK_TIMEOUT_S": "5",
    "IMAGEGATE_REPEAT_USD_PER_DAY": "100",
    "IMAGEGATE_LOG_LEVEL": "warning",
}
_TIMEOUT_S = 30.0


@dataclasses.dataclass
class Environment:
    """Everything outside the gateway, which survives its crashes."""

    simulator: Simulator
    file_server: FileServer
    receiver: Receiver
    numbers: Iterator[int] = dataclasses.field(default_factory=itertools.count)

    @property
    def openai(self) -> list[str]:
        """Two routes, so that a repeat has somewhere to go."""
        base = f"{self.simulator.url}/v1"
        rows = [upstream_config(name, base, timeout_s=20) for name in ("first", "second")]
        return [*rows, route_config("first", "0.001"), route_config("second", "0.002")]

    @property
    def openai_without_repeats(self) -> list[str]:
        """The same, with `on_unknown = fail`."""
        base = f"{self.simulator.url}/v1"
        rows = [upstream_config(name, base, timeout_s=20, on_unknown="fail") for name in ("first", "second")]
        return [*rows, route_config("first", "0.001"), route_config("second", "0.002")]

    @property
    def task_api(self) -> list[str]:
        """One route; its upstream accepts idempotency keys."""
        return [
            upstream_config("other", f"{self.simulator.url}/task", protocol="task_api", timeout_s=20),
            route_config("other", "0.001"),
        ]


@contextmanager
def open_environment() -> Iterator[Environment]:
    ok = {"hook": Behaviour(reply_with(http_response(204)))}
    with (
        Simulator("--quiet") as simulator,
        FileServer() as file_server,
        webhook_receiver(ok) as receiver,
    ):
        file_server.serve("/reference", send_bytes(PNG))
        yield Environment(simulator, file_server, receiver)


class CrashableGateway(RoutedGateway):
    """A gateway that can be killed at a crash point."""

    def __init__(self, environment: Environment, folder: Path, rows: list[str], env: dict[str, str]) -> None:
        options = (*environment.receiver.egress_options, "--egress-allow", environment.file_server.egress_allow)
        self._armed = folder / "crash-point"
        self.disarm()
        env = {**FAST_SETTINGS, **trust_environment(folder), **env, CRASH_FILE: str(self._armed)}
        super().__init__(folder / "data", *rows, options=options, env=env)

    def arm(self, crash_point: str, nth: int = 1) -> None:
        """From now on it is killed at the `nth` pass of the crash point."""
        whole = self._armed.with_suffix(".new")
        whole.write_text(f"{crash_point}:{nth}")
        whole.replace(self._armed)  # it is read at every crash point, never half-written

    def disarm(self) -> None:
        self._armed.write_text("")

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def wait_for_crash(self) -> None:
        code = self.wait_for_exit()
        self.disarm()
        assert code == -signal.SIGKILL, f"exit code {code}"


@dataclasses.dataclass
class Totals:
    """Counts over many tasks. `possible_duplicates`: attempts reported to the operator as possibly bought twice."""

    tasks: int = 0
    completed: int = 0
    purchased: int = 0
    delivered: int = 0
    possible_duplicates: int = 0
    charges: int = 0

    def add(self, other: Totals) -> None:
        for field in dataclasses.fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))


class PowerCutGateway(CrashableGateway):
    """After each crash all that was not flushed of spool and blobs is gone. `lost` counts what was taken away."""

    def __init__(self, environment: Environment, folder: Path, rows: list[str], env: dict[str, str]) -> None:
        self._roots = (folder / "data" / "spool", folder / "data" / "blobs")
        self._log = folder / "flushes"
        variables = {
            power_cut.LOG_VARIABLE: str(self._log),
            power_cut.ROOTS_VARIABLE: ":".join(str(root) for root in self._roots),
        }
        super().__init__(environment, folder, rows, {**env, **variables})
        self.lost = 0

    def wait_for_exit(self, timeout_s: float = _TIMEOUT_S) -> int:
        code = super().wait_for_exit(timeout_s)
        self.lost += power_cut.cut_power(self._log, self._roots)
        return code


class CrashScenario:
    """A gateway with a customer and an operator. All rounds use the same data folder."""

    def __init__(
        self,
        environment: Environment,
        folder: Path,
        rows: list[str],
        env: dict[str, str] | None = None,
        kind: type[CrashableGateway] = CrashableGateway,
    ) -> None:
        self.environment = environment
        self.gateway = kind(environment, folder, rows, env or {})
        self.totals = Totals()
        self.webhook_counts: dict[str, int] = {}
        with self.gateway:
            self._operator = self.gateway.new_key("operator", "1", "--scope", "admin")

    def close(self) -> None:
        self.gateway.kill()

    def run(self, crash_point: str, nth: int = 1, tasks: int = 1, **fields: Any) -> list[RunReport]:
        """Submit until it is killed at the crash point, restart, repeat each request, wait for every task. It goes on
        serving, and is what the next run kills."""
        names = [f"{crash_point}-{next(self.environment.numbers)}" for _ in range(tasks)]
        try:
            acknowledged = self._submit_until_crash(crash_point, nth, names, fields)
            self.gateway.start()
            reports = self._await_reports(names, acknowledged, fields)
            self._reset_routes()
        except BaseException:
            self.gateway.kill()
            raise
        return reports

    def _submit_until_crash(
        self, crash_point: str, nth: int, names: list[str], fields: dict[str, Any]
    ) -> dict[str, str]:
        """Task ids by name, of the creates that were answered before the crash."""
        if not self.gateway.is_running:
            self.gateway.start()
        self.gateway.arm(crash_point, nth)
        acknowledged: dict[str, str] = {}
        with ThreadPoolExecutor(len(names)) as customers:
            list(customers.map(lambda name: self._try_submit(name, fields, acknowledged), names))
        self.gateway.wait_for_crash()
        return acknowledged

    def _try_submit(self, name: str, fields: dict[str, Any], acknowledged: dict[str, str]) -> None:
        with suppress(httpx.TransportError):
            acknowledged[name] = self._submit(name, fields)

    def _submit(self, name: str, fields: dict[str, Any]) -> str:
        order = {"prompt": name, "size": "1:1", "quality": "low", "callback_url": self._callback_url(name), **fields}
        with self.gateway.client() as client:
            made = client.post("/v1/images/generations", json=order, headers={"Idempotency-Key": name})
        assert made.status_code == 200, made.text
        task_id: str = made.json()["id"]
        return task_id

    def _callback_url(self, name: str) -> str:
        return self.environment.receiver.url("hook", f"/{name}")

    def _await_reports(self, names: list[str], acknowledged: dict[str, str], fields: dict[str, Any]) -> list[RunReport]:
        ids = {name: self._submit(name, fields) for name in names}
        for name, task_id in acknowledged.items():
            assert ids[name] == task_id, f"{name} was acknowledged as {task_id} and is now {ids[name]}"
        with self.gateway.client() as client, self.gateway.client(self._operator) as admin:
            reports = [self._report(name, task_id, client, admin) for name, task_id in ids.items()]
        for report in reports:
            self.totals.add(report.totals)
        return reports

    def _report(self, name: str, task_id: str, client: httpx.Client, admin: httpx.Client) -> RunReport:
        task = _wait_for_task(client, task_id)
        hooks = self._webhook_count(name, client, task_id)
        cost = admin.get(f"/v1/admin/tasks/{task_id}").raise_for_status().json()
        calls = [call for call in self.environment.simulator.calls() if call["prompt"] == name]
        charges = client.get("/v1/ledger", params={"type": "charge", "task_id": task_id}).raise_for_status().json()
        delivered = sum(self._downloads(client, link) for link in task.get("results", []))
        return RunReport(
            task=task,
            attempts=cost["attempts"],
            totals=Totals(
                tasks=1,
                completed=task["status"] == "completed",
                purchased=sum(call["billed_images"] for call in calls),
                delivered=delivered,
                possible_duplicates=sum(one["possible_duplicate"] for one in cost["attempts"]),
                charges=len(charges["data"]),
            ),
            webhooks=hooks,
        )

    def _downloads(self, client: httpx.Client, link: str) -> bool:
        """URLs contain the port of the process that created them; their paths are valid for its successor."""
        image = client.get(f"/files/{link.partition('/files/')[2]}")
        return image.status_code == 200 and image.content.startswith(b"\x89PNG")

    def _webhook_count(self, name: str, client: httpx.Client, task_id: str) -> int:
        """The number of webhooks for the task, once its delivery has succeeded."""

        def delivered() -> bool:
            found = client.get("/v1/webhooks/deliveries?limit=100").raise_for_status().json()["data"]
            return any((one["id"], one["status"]) == (f"evt_{task_id}", "delivered") for one in found)

        wait_until(delivered, _TIMEOUT_S, what=lambda: f"the webhook of {name} is delivered")
        return self._received_webhooks(name)

    def _received_webhooks(self, name: str) -> int:
        """All copies must have the same id and body."""
        requests = [one for one in self.environment.receiver.requests("hook") if one.target == f"/{name}"]
        assert len({(one.headers["webhook-id"], one.body) for one in requests}) == 1, f"{name} got webhooks that differ"
        self.webhook_counts[name] = len(requests)
        return len(requests)

    def _reset_routes(self) -> None:
        """Close the circuit breakers, which count crashes, for the next round."""
        with self.gateway.client(self._operator) as admin:
            for one in admin.get("/v1/admin/routes").raise_for_status().json()["data"]:
                for name in (one["name"], one["upstream"]):
                    admin.post("/v1/admin/routes/reset", json={"name": name}).raise_for_status()

    def wait_until_clean(self, orphans: int = 0) -> None:
        """Serve until the spool and the inputs of ended tasks are gone. `orphans`: blobs without a row, which are only
        removed after a day."""
        data, results = self.gateway.data, self.totals.delivered
        self.gateway.kill()
        with self.gateway:
            wait_until(
                lambda: all(entry.name.startswith(("responses-", "folder-id")) for entry in (data / "spool").iterdir()),
                _TIMEOUT_S,
                what=lambda: "the spool is empty",
            )
            most = results + orphans
            wait_until(
                lambda: _count_files(data / "blobs" / "t") <= most,
                _TIMEOUT_S,
                what=lambda: f"at most {most} blobs are left",
            )
            assert _count_files(data / "blobs" / "t") >= results

    def verify(self) -> None:
        """The ledger balances, and the operator's totals equal the sums over the tasks."""
        self.gateway.kill()
        with self.gateway:
            with self.gateway.client(self._operator) as admin:
                routes = admin.get("/v1/admin/routes").raise_for_status().json()["data"]
            assert sum(one["possible_duplicates"] for one in routes) == self.totals.possible_duplicates
            with self.gateway.client() as client:
                assert client.get("/v1/credits").json()["data"]["user"]["reserved_credits"] == 0
            for name, before in self.webhook_counts.items():
                assert self._received_webhooks(name) == before, f"{name} got another webhook later"
        self.gateway.check()


@dataclasses.dataclass
class RunReport:
    """How a task ended, and what was seen of it outside. `webhooks`: how many its receiver got."""

    task: dict[str, Any]
    attempts: list[dict[str, Any]]
    totals: Totals
    webhooks: int

    @property
    def has_unknown_attempt(self) -> bool:
        return any(one["outcome"] == "unknown" for one in self.attempts)


def _wait_for_task(client: httpx.Client, task_id: str) -> dict[str, Any]:
    give_up = time.monotonic() + _TIMEOUT_S
    while time.monotonic() < give_up:
        task: dict[str, Any] = client.get(f"/v1/tasks/{task_id}?wait=5").raise_for_status().json()
        if task["status"] in ("completed", "failed"):
            return task
    raise AssertionError(f"the task does not end: {task}")


def _count_files(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*"))
