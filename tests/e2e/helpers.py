"""What several end-to-end tests need: waiting, reading the database of a running gateway, and a persistent client."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import apsw
import httpx

from tests.support.gateway import Gateway

_BATCH_SIZE = 50


def read_rows(data: Path, sql: str, bindings: tuple[str, ...] = ()) -> list[tuple[Any, ...]]:
    """Rows of the SQLite database in this data folder, read while a gateway may be writing."""
    connection = apsw.Connection(str(data / "imagegate.db"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return list(connection.execute(sql, bindings))
    finally:
        connection.close()


def wait_for_tasks(client: httpx.Client, ids: list[str], timeout_s: float) -> list[dict[str, Any]]:
    """All these tasks once each has ended; none may be unknown."""
    give_up = time.monotonic() + timeout_s
    while True:
        tasks: list[dict[str, Any]] = []
        for start in range(0, len(ids), _BATCH_SIZE):
            response = client.post("/v1/tasks/batch", json={"task_ids": ids[start : start + _BATCH_SIZE]})
            tasks += response.raise_for_status().json()["data"]
        assert len(tasks) == len(ids), "an acknowledged task is lost"
        unfinished = [task["id"] for task in tasks if task["status"] not in ("completed", "failed")]
        if not unfinished:
            return tasks
        assert time.monotonic() < give_up, f"{len(unfinished)} of {len(ids)} tasks do not end: {unfinished[:3]}"
        time.sleep(0.1)


def submit_until_acknowledged(
    gateway: Gateway, key: str, name: str, body: dict[str, Any], acknowledged: dict[str, str], stop: threading.Event
) -> None:
    """Repeat a create with its Idempotency-Key `name`, through kills and restarts; its task goes to `acknowledged`."""
    while not stop.is_set():
        try:
            with gateway.client(key) as client:
                response = client.post(
                    "/v1/images/generations", json=body, headers={"Idempotency-Key": name}, timeout=10
                )
        except (httpx.TransportError, httpx.UnsupportedProtocol):  # it is down, or has no port yet
            time.sleep(0.02)
            continue
        assert response.status_code == 200, response.text
        acknowledged[name] = response.json()["id"]
        return
