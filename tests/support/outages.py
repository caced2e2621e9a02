"""An outage of the only upstream under load, and what became of the tasks acknowledged before and during it."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx

from tests.support.program import wait_until
from tests.support.routed_gateway import RoutedGateway, route_config, upstream_config
from tests.support.simulator import Simulator

# What the simulator does with every create while the outage lasts.
OUTAGES: dict[str, Callable[[float], object]] = {
    "500": lambda _: "500-json",
    "refused": lambda seconds: f"refuse:{seconds}",
    "black hole": lambda _: "black-hole:2",
    "429 + Retry-After": lambda _: "429:1",
    "connection reset": lambda _: "reset-before-body",
    "HTML 502": lambda _: "5xx-html:502",
}
# Every request is small: it is the queue that is tested.
BODY = {"size": "1:1", "quality": "low", "output_format": "jpeg"}
END_S = 150.0


@dataclasses.dataclass
class OutageResult:
    """`lost`: acknowledged tasks that failed otherwise than by an unknown outcome. `recovery_s`: from the return of the
    upstream until every task had ended. `bought` and `delivered` count images."""

    acknowledged: int
    refused: int
    lost: int
    unknown: int
    bought: int
    delivered: int
    unknown_calls: int
    recovery_s: float

    def summary(self) -> str:
        return ", ".join(f"{name} {value:g}" for name, value in dataclasses.asdict(self).items())


def run_outage(folder: Path, kind: str, seconds: float, tasks: int) -> OutageResult:
    """One route and one upstream, which has an outage of `seconds` while `tasks` are created before and during it."""
    with Simulator("--latency", "300ms") as sim, open_gateway(folder, sim) as gateway:
        codes: Counter[int] = Counter()
        with gateway.client() as http, concurrent.futures.ThreadPoolExecutor(8) as clients:

            def create(number: int) -> None:
                codes[http.post("/v1/images/generations", json={**BODY, "prompt": f"task {number}"}).status_code] += 1

            list(clients.map(create, range(tasks // 4)))
            sim.script({"fault": OUTAGES[kind](seconds), "times": 1_000_000})
            began = time.monotonic()
            for number in range(tasks // 4, tasks):
                create(number)
                time.sleep(seconds / tasks)
            time.sleep(max(0.0, began + seconds - time.monotonic()))
            _end_outage(sim)
            returned = time.monotonic()
            wait_until(lambda: unfinished(http) == 0, END_S, 0.1, lambda: f"{unfinished(http)} tasks have not ended")
            took = time.monotonic() - returned
        gateway.check()
        return count_results(folder / "data", codes, sim, took)


def _end_outage(sim: Simulator) -> None:
    """While connections are refused the simulator cannot be told; a call that comes before us makes it refuse again."""

    def is_told() -> bool:
        with contextlib.suppress(httpx.TransportError):
            sim.script()
            return True
        return False

    wait_until(is_told, END_S, 0.02)


@contextlib.contextmanager
def open_gateway(folder: Path, sim: Simulator, env: dict[str, str] | None = None) -> Iterator[RoutedGateway]:
    rows = [upstream_config("only", f"{sim.url}/v1", timeout_s=5), route_config("only", "0.001")]
    with RoutedGateway(folder / "data", *rows, env={"IMAGEGATE_REPEAT_USD_PER_DAY": "100", **(env or {})}) as gateway:
        yield gateway


def unfinished(http: httpx.Client) -> int:
    total: int = http.get("/v1/tasks?status=processing&page_size=1").raise_for_status().json()["total"]
    return total


def count_results(data: Path, codes: Counter[int], sim: Simulator, took: float) -> OutageResult:
    with contextlib.closing(sqlite3.connect(data / "imagegate.db")) as books:
        completed, unknown, lost = books.execute(
            """SELECT SUM(state = 'completed'), SUM(error LIKE '%upstream_unknown%'),
                SUM(state = 'failed' AND error NOT LIKE '%upstream_unknown%') FROM tasks"""
        ).fetchone()
        (unknown_calls,) = books.execute("SELECT COUNT(*) FROM attempts WHERE outcome = 'unknown'").fetchone()
    accepted = sum(count for code, count in codes.items() if code < 300)
    return OutageResult(
        acknowledged=accepted,
        refused=codes.total() - accepted,
        lost=lost or 0,
        unknown=unknown or 0,
        bought=sim.total["images"],
        delivered=completed or 0,
        unknown_calls=unknown_calls,
        recovery_s=round(took, 1),
    )
