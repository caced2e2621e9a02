"""F6 in full: every behaviour of an upstream, 25 times each, all at once, then mixed."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.e2e.test_failover import CHEAP, TwoRoutes
from tests.e2e.test_upstream_faults import (
    BEFORE_RESPONSE,
    KINDS,
    MAX_MEMORY_BYTES,
    FaultCounts,
    Tell,
    begin,
    open_two_upstreams,
    run_faults,
    run_mixed,
    run_refusals,
    run_scripted,
)
from tests.support.process_monitor import ProcessMonitor

MIN_FAULTS, CONCURRENT_TASKS = 25, 25
MIXED_TASKS, WAVES = 50, 4


@pytest.mark.gate
@pytest.mark.fault("F6")
@pytest.mark.timeout(3000)
def test_f6_sixteen_behaviours(tmp_path: Path, record_property: Tell) -> None:
    started, seed = time.monotonic(), random.randrange(2**32)
    total: dict[str, FaultCounts] = {}
    with open_two_upstreams(tmp_path, timeout_s=10) as front:
        with ProcessMonitor(front.gateway.pid, front.gateway.url) as vitals:
            for kind in KINDS:
                record_property(kind, run_until_enough(front, kind).summary())
            begin(front)
            with route_resets(front):
                for wave in range(WAVES):
                    for kind, result in run_mixed(front, MIXED_TASKS, seed + wave).items():
                        add(total.setdefault(kind, FaultCounts()), result)
        for kind, result in total.items():
            record_property(f"mixed, {kind}", result.summary())
        front.begin()
        with front.gateway.client() as http:
            assert http.get("/v1/credits").json()["data"]["user"]["reserved_credits"] == 0
    record_property("meanwhile", vitals.summary())
    record_property("wall", f"{time.monotonic() - started:.0f} s, seed {seed}")
    assert vitals.unanswered == 0
    assert vitals.service < MAX_MEMORY_BYTES


def run_until_enough(front: TwoRoutes, kind: str) -> FaultCounts:
    """A route that breaks spares the rest of its tasks: again, healed, until the fault has struck often enough."""
    result = FaultCounts()
    while result.faults < MIN_FAULTS:
        begin(front)
        add(result, run_round(front, kind))
    return result


def add(result: FaultCounts, more: FaultCounts) -> None:
    for name, value in more.ends.items():
        result.ends[name] = result.ends.get(name, 0) + value
    for field in ("faults", "tasks", "bought", "repeats", "free"):
        setattr(result, field, getattr(result, field) + getattr(more, field))


def run_round(front: TwoRoutes, kind: str) -> FaultCounts:
    if kind == "refuse":
        return run_refusals(front, CONCURRENT_TASKS)[kind]
    if kind in BEFORE_RESPONSE:
        return run_scripted(front, kind, CONCURRENT_TASKS)[kind]
    return run_faults(front, [kind] * CONCURRENT_TASKS)[kind]


class route_resets:  # noqa: N801
    """Meanwhile an operator resets the route again and again, so that calls go on meeting faults."""

    def __init__(self, front: TwoRoutes) -> None:
        self._url, self._headers = front.gateway.url, dict(front.admin.headers)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._reset, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _reset(self) -> None:
        with httpx.Client(
            base_url=self._url, headers=self._headers, trust_env=False, verify=False, timeout=60
        ) as admin:
            while not self._stop.wait(0.3):
                for name in ("cheap", CHEAP):
                    admin.post("/v1/admin/routes/reset", json={"name": name}).raise_for_status()
