"""F25: two gateways and three workers on PostgreSQL and S3, while everything that can die dies once."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from tests.support.cluster import Cluster, Customer, Member, open_services
from tests.support.program import wait_until

TASKS = int(os.environ.get("F25_TASKS", "2000"))
CREATES_PER_S = 8
CLIENTS = 32
LEASE_S = 10
STORE_STOPPED_S = 30
PATIENCE_S = 60
SETTINGS = {
    "IMAGEGATE_LEASE_S": str(LEASE_S),
    "IMAGEGATE_POLL_S": "1",
    "IMAGEGATE_OUTAGE_PATIENCE_S": str(PATIENCE_S),
    "IMAGEGATE_SWEEP_S": "2",
    "IMAGEGATE_LOG_LEVEL": "warning",
}
Fault = tuple[str, Callable[[], None]]


@dataclasses.dataclass
class FaultReport:
    """`back_s`: until a task that was created at the fault's end was completed. `unknown`: calls of unknown outcome,
    until the next fault."""

    name: str
    acknowledged: int
    open_calls: int
    lasted_s: float = 0.0
    back_s: float = 0.0
    repeats: int = 0
    unknown: int = 0

    def __str__(self) -> str:
        return (
            f"at {self.acknowledged} acknowledged with {self.open_calls} open calls, lasted {self.lasted_s:.1f} s,"
            f" a new task completed {self.back_s:.1f} s later, {self.repeats} requests sent again,"
            f" {self.unknown} calls of unknown outcome"
        )


@pytest.mark.gate
@pytest.mark.fault("F25")
@pytest.mark.timeout(3000)
def test_f25_everything_dies_once_and_nothing_is_lost(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    with (
        open_services(tmp_path, "--latency", "700ms") as (postgres, s3, simulator),
        Cluster(tmp_path, postgres, s3, simulator, settings=SETTINGS) as cluster,
        cluster.customer("customer") as customer,
    ):
        faults = [
            *((f"kill -9 {name}", lambda member=member: _restart(member)) for name, member in cluster.members.items()),
            ("kill -9 PostgreSQL", lambda: _kill_postgres(cluster)),
            ("kill -9 PostgreSQL again", lambda: _kill_postgres(cluster)),
            ("kill -9 SeaweedFS", lambda: _kill_store(cluster)),
            (f"SeaweedFS stopped for {STORE_STOPPED_S} s", lambda: _stop_store(cluster)),
            ("a worker stopped past its lease", lambda: _stop_worker(cluster.workers[0])),
        ]
        reports, seconds = _run(customer, faults, postgres.url)
        took = _await_end(customer, postgres.url)
        for one in reports:
            record_property(one.name, one)
        record_property("created in, ended after", f"{seconds:.0f} s, {took:.0f} s")
        figures = _count(postgres.url, customer, simulator.total["images"])
        for what, count in figures.items():
            record_property(what, count)
        check = cluster.gateways[0].run("check", "--deep", "--json", check=False)
        assert check.returncode == 0, check.stdout + check.stderr
        record_property("check --deep", f"clean, {json.loads(check.stdout)['invariants']} invariants")
        assert figures["lost"] == 0, figures
        assert figures["charged twice"] == 0, figures
        assert figures["open holds"] == 0, figures
        assert figures["charged without readable bytes"] == 0, figures
        assert figures["bought and not delivered"] <= figures["unknown calls"], figures


def _run(customer: Customer, faults: list[Fault], database: str) -> tuple[list[FaultReport], float]:
    """The faults at equal distances while the tasks are created at one rate."""
    started, reports = time.monotonic(), list[FaultReport]()
    is_over = threading.Event()

    def create(number: int) -> None:
        if not is_over.wait(max(0.0, started + number / CREATES_PER_S - time.monotonic())):
            customer.create(f"task {number}")

    clients = concurrent.futures.ThreadPoolExecutor(CLIENTS)
    made = [clients.submit(create, number) for number in range(TASKS)]
    try:
        for number, (name, fault) in enumerate(faults, 1):
            time.sleep(max(0.0, started + number * TASKS / CREATES_PER_S / (len(faults) + 1) - time.monotonic()))
            unknown, open_calls = _calls(database)
            report = FaultReport(name, len(customer.acknowledged), open_calls, unknown=-unknown)
            if reports:
                reports[-1].unknown += unknown
            repeats, began = customer.repeats, time.monotonic()
            fault()
            ended = time.monotonic()
            customer.complete(f"after {name}")
            report.lasted_s, report.back_s = ended - began, time.monotonic() - ended
            report.repeats = customer.repeats - repeats
            reports.append(report)
            print(f"{name}: {report}", flush=True)
        for one in made:
            one.result()
    finally:
        is_over.set()
        clients.shutdown(wait=False, cancel_futures=True)
    seconds = time.monotonic() - started
    _await_end(customer, database)
    reports[-1].unknown += _calls(database)[0]
    return reports, seconds


def _calls(database: str) -> tuple[int, int]:
    """Of unknown outcome so far, and open."""
    counts = (
        "SELECT COUNT(*) FILTER (WHERE outcome = 'unknown'), COUNT(*) FILTER (WHERE outcome = 'sending') FROM attempts"
    )
    with contextlib.closing(psycopg.connect(database, autocommit=True)) as books:
        row = books.execute(counts).fetchone()
    assert row is not None
    return row[0], row[1]


def _restart(member: Member) -> None:
    member.kill()
    time.sleep(2)
    member.start()


def _kill_postgres(cluster: Cluster) -> None:
    cluster.postgres.kill()
    time.sleep(2)
    cluster.postgres.start()


def _kill_store(cluster: Cluster) -> None:
    cluster.s3.kill()
    time.sleep(2)
    cluster.s3.start()


def _stop_store(cluster: Cluster) -> None:
    cluster.s3.pause()
    time.sleep(STORE_STOPPED_S)
    cluster.s3.resume()


def _stop_worker(worker: Member) -> None:
    worker.signal(signal.SIGSTOP)
    time.sleep(1.5 * LEASE_S)
    worker.signal(signal.SIGCONT)


def _await_end(customer: Customer, database: str) -> float:
    started = time.monotonic()
    with contextlib.closing(psycopg.connect(database, autocommit=True)) as books:

        def unfinished() -> list[tuple[object, ...]]:
            return books.execute(
                "SELECT state, waiting_reason, count(*) FROM tasks WHERE state IN ('queued', 'running') GROUP BY 1, 2"
            ).fetchall()

        wait_until(lambda: not unfinished(), 4 * PATIENCE_S, 0.5, unfinished)
    return time.monotonic() - started


def _count(database: str, customer: Customer, bought: int) -> dict[str, int]:
    with contextlib.closing(psycopg.connect(database, autocommit=True)) as books:

        def number(sql: str) -> int:
            row = books.execute(sql).fetchone()
            assert row is not None
            return int(row[0] or 0)

        known = {row[0] for row in books.execute("SELECT id FROM tasks WHERE state IN ('completed', 'failed')")}
        delivered = number("SELECT SUM(json_array_length(results::json)) FROM tasks WHERE state = 'completed'")
        figures = {
            "acknowledged": len(customer.acknowledged),
            "completed": number("SELECT COUNT(*) FROM tasks WHERE state = 'completed'"),
            "of unknown outcome": number("SELECT COUNT(*) FROM tasks WHERE error LIKE '%upstream_unknown%'"),
            "not ended": len(set(customer.acknowledged.values()) - known),
            "failed otherwise": number(
                "SELECT COUNT(*) FROM tasks WHERE state = 'failed' AND error NOT LIKE '%upstream_unknown%'"
            ),
            "unknown calls": number("SELECT COUNT(*) FROM attempts WHERE outcome = 'unknown'"),
            "possible duplicates reported": number("SELECT COUNT(*) FROM attempts WHERE duplicate = 1"),
            "bought and not delivered": bought - delivered,
            "charged twice": number(
                "SELECT COUNT(*) FROM (SELECT task_id FROM entries WHERE kind = 'charge' AND account NOT LIKE 'sys:%'"
                " GROUP BY task_id HAVING COUNT(*) > 1) AS twice"
            ),
            "open holds": number("SELECT COUNT(*) FROM holds WHERE state = 'open'"),
        }
    tasks = [task for task in _listed(customer) if task["status"] == "completed"]
    with concurrent.futures.ThreadPoolExecutor(8) as readers:
        readable = list(readers.map(lambda task: all(map(customer.is_readable, task["results"])), tasks))
    figures["charged without readable bytes"] = readable.count(False) + figures["completed"] - len(readable)
    figures["lost"] = figures["not ended"] + figures["failed otherwise"]
    return figures


def _listed(customer: Customer) -> list[dict[str, object]]:
    ids = customer.acknowledged.values()
    with concurrent.futures.ThreadPoolExecutor(8) as readers:
        return list(readers.map(lambda task_id: customer.send("GET", f"/v1/tasks/{task_id}").json(), ids))
