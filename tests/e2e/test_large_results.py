"""Results of any size pass through a process that stays as small as it was: the small version of the gate's."""

from __future__ import annotations

import concurrent.futures
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.cgroup import MemoryCgroup
from tests.support.process_monitor import ProcessMonitor
from tests.support.routed_gateway import RoutedGateway, route_config, upstream_config
from tests.support.simulator import Simulator

Tell = Callable[[str, object], None]
ENV = {"IMAGEGATE_LOG_LEVEL": "warning", "IMAGEGATE_LEASE_S": "60", "IMAGEGATE_MIN_FREE_BYTES": "0"}
FLAT = 20 << 20
LIMIT, MAX_BYTES = 512 << 20, 300 << 20


def make_results(gateway: RoutedGateway, megabytes: int, n: int, rounds: int) -> list[dict[str, Any]]:
    """Create `rounds` tasks one after the other, each with n results of this size."""
    tasks = [gateway.create(f"a fox [[bytes:{megabytes}MB]]", n=n) for _ in range(rounds)]
    for task in tasks:
        assert task["status"] == "completed", task
        assert len(task["results"]) == n
    return tasks


def measure_peaks(gateway: RoutedGateway, n: int, rounds: int, tell: Tell) -> None:
    """The memory of the serving process may not grow with the size of results."""
    make_results(gateway, 1, n, 1)
    make_results(gateway, 20, 1, 1)
    seen = {}
    for megabytes in (1, 5, 20):
        with ProcessMonitor(gateway.pid, gateway.url) as monitor:
            make_results(gateway, megabytes, n, rounds)
        seen[megabytes] = monitor.service
        tell(f"{rounds} x n={n} x {megabytes} MB", monitor.summary())
    assert seen[20] - seen[1] <= FLAT, seen


def fronted(sim: Simulator, folder: Path) -> RoutedGateway:
    rows = [upstream_config("sim", f"{sim.url}/v1", timeout_s=300), route_config("sim", "0.001")]
    return RoutedGateway(folder / "data", *rows, env=ENV)


@pytest.mark.gate
def test_a_process_does_not_grow_with_the_size_of_results(tmp_path: Path, record_property: Tell) -> None:
    with Simulator() as sim, fronted(sim, tmp_path) as gateway:
        measure_peaks(gateway, 1, 3, record_property)
        gateway.check()


@pytest.mark.gate
@pytest.mark.fault("F21")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("n", [1, 10])
def test_f21_flat_from_one_to_twenty_megabytes(tmp_path: Path, record_property: Tell, n: int) -> None:
    with Simulator() as sim, fronted(sim, tmp_path) as gateway:
        measure_peaks(gateway, n, 8 if n == 1 else 4, record_property)
        gateway.check()
    shutil.rmtree(tmp_path / "data")


@pytest.mark.gate
@pytest.mark.fault("F21")
@pytest.mark.timeout(1200)
def test_f21_twenty_tasks_of_ten_times_twenty_megabytes(tmp_path: Path, record_property: Tell) -> None:
    """All at once, within a memory limit of the kernel."""
    cgroup = MemoryCgroup(LIMIT)
    with Simulator() as sim:
        gateway = fronted(sim, tmp_path)
        with cgroup.inside():
            gateway.start()
        try:
            with (
                ProcessMonitor(gateway.pid, gateway.url) as monitor,
                concurrent.futures.ThreadPoolExecutor(20) as clients,
            ):
                done = list(clients.map(lambda _: _ended(gateway, 20, 10), range(20)))
            assert [(task["status"], len(task["results"])) for task in done] == [("completed", 10)] * 20
            gateway.check()
        finally:
            gateway.stop()
            killed = cgroup.oom_kills
            cgroup.remove()
            shutil.rmtree(tmp_path / "data", ignore_errors=True)
    record_property("limit of the kernel", f"{LIMIT >> 20} MiB, {killed} killed" if cgroup.enforced else "none here")
    record_property("20 x n=10 x 20 MB", monitor.summary())
    assert (killed, monitor.unanswered) == (0, 0)
    assert monitor.peak <= MAX_BYTES


def _ended(gateway: RoutedGateway, megabytes: int, n: int) -> dict[str, Any]:
    body = {"prompt": f"a fox [[bytes:{megabytes}MB]]", "size": "1:1", "quality": "low", "n": n}
    with gateway.client() as http:
        task: dict[str, Any] = http.post("/v1/images/generations", json=body).raise_for_status().json()
        for _ in range(10):
            if task["status"] in ("completed", "failed"):
                break
            task = http.get(f"/v1/tasks/{task['id']}", params={"wait": 60}).raise_for_status().json()
    return task
