"""F6: what an upstream can do to a call, many tasks at once: each ends, pays what is right, and is bought again only
where nobody could know. The small version of the gate's; single faults stand in `test_failover`.
"""

from __future__ import annotations

import concurrent.futures
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.e2e.test_failover import CHEAP, DEAR, TwoRoutes
from tests.support.process_monitor import ProcessMonitor
from tests.support.routed_gateway import RoutedGateway, route_config, upstream_config
from tests.support.simulator import Simulator

Tell = Callable[[str, object], None]
# For each kind what its call may end as: what is proven, what cannot be known, and what came all the same.
KINDS: dict[str, set[str]] = {
    "refuse": {"unavailable"},
    "reset-before-body": {"unavailable", "unknown"},
    "reset-after-send": {"unknown"},
    "black-hole": {"unknown"},
    "slow-headers": {"unknown"},
    "drip": {"unknown"},
    "truncated": {"unknown"},
    "429:5": {"unavailable"},
    "500-json": {"unavailable"},
    "503-json": {"unavailable"},
    "html-200": {"unknown"},
    "wrong-pixels": {"produced"},
    "bad-base64": {"unknown"},
    "usage-missing": {"produced"},
    "usage-negative": {"produced"},
    "usage-huge": {"produced"},
    "huge-body": {"unknown"},
    "redirect-307": {"unavailable"},
}
BEFORE_RESPONSE = ("refuse", "reset-before-body")
RATES = {"image_output": Decimal("0.000027"), "text_input": Decimal("0.0000045")}
MAX_MEMORY_BYTES = 300 << 20
ENV = {
    "IMAGEGATE_REPEAT_USD_PER_DAY": "1000",
    "IMAGEGATE_WORKERS": "32",
    "IMAGEGATE_LEASE_S": "20",
    "IMAGEGATE_LOG_LEVEL": "warning",
}


class FaultCounts(msgspec.Struct):
    """The results of one kind of fault."""

    faults: int = 0
    tasks: int = 0
    ends: dict[str, int] = {}
    bought: int = 0
    repeats: int = 0
    free: int = 0

    def summary(self) -> str:
        ends = ", ".join(f"{count} {name}" for name, count in sorted(self.ends.items()))
        return (
            f"{self.faults} faults ({ends}), {self.tasks} tasks ended, {self.bought} bought,"
            f" {self.repeats} possible duplicates, {self.free} failed free"
        )


@contextmanager
def open_two_upstreams(folder: Path, timeout_s: int) -> Iterator[TwoRoutes]:
    """A cheap upstream that misbehaves, and an expensive one that does not, whatever the prompt says."""
    with Simulator() as cheap, Simulator() as dear:
        rows = [
            upstream_config("cheap", f"{cheap.url}/v1", timeout_s=timeout_s),
            upstream_config("dear", f"{dear.url}/v1", timeout_s=60),
            route_config("cheap", "0.001"),
            route_config("dear", "0.002"),
        ]
        with RoutedGateway(folder / "data", *rows, env=ENV) as gateway:
            front = TwoRoutes(gateway, cheap, dear)
            yield front
            front.admin.close()
            gateway.check()


def begin(front: TwoRoutes, *steps: object) -> None:
    front.begin(*steps)
    front.dear.script({"fault": "none", "times": 1_000_000})


def run_faults(front: TwoRoutes, kinds: Sequence[str]) -> dict[str, FaultCounts]:
    """One task for each item, all at once; each is checked by its kind."""
    with concurrent.futures.ThreadPoolExecutor(len(kinds)) as clients:
        tasks = list(clients.map(lambda kind: front.gateway.create(f"a fox [[fault:{kind}]]", wait=60), kinds))
    calls = calls_by_attempt(front)
    seen: dict[str, FaultCounts] = {}
    for kind, task in zip(kinds, tasks, strict=True):
        judge(kind, task, front.cost(task), calls, seen.setdefault(kind, FaultCounts()))
    return seen


def calls_by_attempt(front: TwoRoutes) -> dict[str, dict[str, Any]]:
    """Every create that arrived at a simulator, by its attempt id; at most one for each."""
    calls = [call for sim in (front.cheap, front.dear) for call in sim.calls()]
    by_attempt = {call["headers"]["x-client-request-id"]: call for call in calls}
    assert len(by_attempt) == len(calls), "an attempt was sent twice"
    return by_attempt


def judge(kind: str, task: dict[str, Any], cost: dict[str, Any], calls: dict[str, Any], seen: FaultCounts) -> None:
    attempts = cost["attempts"]
    seen.tasks += 1
    for attempt in attempts:
        if attempt["route"] == CHEAP:
            assert attempt["outcome"] in KINDS[kind], (kind, attempt)
            seen.faults += 1
            seen.ends[attempt["outcome"]] = seen.ends.get(attempt["outcome"], 0) + 1
        else:
            assert (attempt["route"], attempt["outcome"]) == (DEAR, "produced"), (kind, attempt)
    seen.bought += bought(kind, attempts, calls)
    seen.repeats += repeats(attempts)
    seen.free += task["status"] == "failed"
    assert task["status"] == "completed", (kind, task)
    assert paid(task) == owed(kind, task, attempts), (kind, task)


def bought(kind: str, attempts: list[dict[str, Any]], calls: dict[str, Any]) -> int:
    """How many images were bought for the task. An attempt that is unavailable bought nothing."""
    images = 0
    for attempt in attempts:
        call = calls.get(attempt["id"])
        billed = call["billed_images"] if call else 0
        images += billed
        if attempt["outcome"] == "unavailable":
            assert billed == 0, (kind, attempt)
        if attempt["outcome"] == "produced":
            assert billed == 1, (kind, attempt)
    assert 1 <= images <= 2
    assert images == 1 or any(one["possible_duplicate"] for one in attempts), (kind, attempts)
    return images


def repeats(attempts: list[dict[str, Any]]) -> int:
    """How many calls of unknown outcome were followed by another call."""
    flags = [one["possible_duplicate"] for one in attempts]
    assert flags == [one["outcome"] == "unknown" and one is not attempts[-1] for one in attempts]
    return sum(flags)


def paid(task: dict[str, Any]) -> Decimal:
    return Decimal(str(task["usage"]["cost"]["usd"]))


def owed(kind: str, task: dict[str, Any], attempts: list[dict[str, Any]]) -> Decimal:
    """What the formula charges for the delivered images; never above the hold."""
    usage = task["usage"]
    if kind == "usage-huge" and attempts[-1]["route"] == CHEAP:
        return (Decimal(str(usage["credits_reserved"])) / 68).quantize(Decimal("0.000000001"))
    small = kind == "wrong-pixels" and attempts[-1]["route"] == CHEAP
    assert usage["tokens"]["image_output"] == (145 if small else 196)
    return sum((usage["tokens"][name] * rate for name, rate in RATES.items()), Decimal())


def run_refusals(front: TwoRoutes, tasks: int) -> dict[str, FaultCounts]:
    """The one kind that no simulator can record: nothing listens on the port."""
    front.cheap.control("POST", "/control/refuse?seconds=2")
    with concurrent.futures.ThreadPoolExecutor(tasks) as clients:
        billed = list(clients.map(lambda _: front.gateway.create(wait=60), range(tasks)))
    front.cheap.wait_until_reachable()
    seen, calls = FaultCounts(), calls_by_attempt(front)
    for task in billed:
        judge("refuse", task, front.cost(task), calls, seen)
    return {"refuse": seen}


def run_scripted(front: TwoRoutes, kind: str, tasks: int) -> dict[str, FaultCounts]:
    """A fault at the start of a request hits any request."""
    front.cheap.script({"fault": kind, "times": tasks})
    return run_faults(front, [kind] * tasks)


@pytest.mark.fault("F6")
def test_f6_what_no_single_test_shows_all_at_once(tmp_path: Path, record_property: Tell) -> None:
    kinds = ["black-hole", "slow-headers", "drip", "huge-body", "429:5", "usage-huge"]
    with open_two_upstreams(tmp_path, timeout_s=3) as front:
        begin(front)
        with ProcessMonitor(front.gateway.pid, front.gateway.url) as monitor:
            seen = run_faults(front, kinds)
            begin(front)
            seen |= run_scripted(front, "reset-before-body", 2)
        for kind, struck in seen.items():
            record_property(kind, struck.summary())
            assert struck.faults >= 1
        record_property("meanwhile", monitor.summary())
        assert monitor.service < MAX_MEMORY_BYTES


def run_mixed(front: TwoRoutes, tasks: int, seed: int) -> dict[str, FaultCounts]:
    kinds = random.Random(seed).choices([kind for kind in KINDS if kind not in BEFORE_RESPONSE], k=tasks)
    return run_faults(front, kinds)
