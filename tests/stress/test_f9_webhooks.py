"""F9: twelve behaviours of a receiver, twenty times each, with the waits and the timeout of a real installation."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import httpx
import pytest
from standardwebhooks import Webhook

from tests.api.helpers import CREATE, SMALL, answer_of
from tests.e2e.test_webhooks import BEHAVIOURS as ALL
from tests.support.gateway import Gateway
from tests.support.webhook_receiver import Behaviour, Receiver, Request, receiving, trust

ROUNDS = int(os.environ.get("F9_ROUNDS", "20"))
WAITS_S = (1.0, 2.0, 4.0)
ATTEMPT_MOST_MS = 10_500
# What becomes of a delivery, and after how many attempts.
FATES = {
    "204": ("delivered", 1),
    "endless": ("delivered", 1),
    "410": ("exhausted", 1),
    "wrong name": ("exhausted", 4),
    "expired": ("exhausted", 4),
    "unknown authority": ("exhausted", 4),
    "plain text": ("exhausted", 4),
    "307": ("exhausted", 4),
    "drip": ("exhausted", 4),
    "hang": ("exhausted", 4),
    "429": ("exhausted", 4),
    "reset": ("exhausted", 4),
}
UNHEARD = {"wrong name", "expired", "unknown authority", "plain text"}
_ATTEMPTS = """SELECT d.id, d.url, d.state, d.body, t.ended AS settled, a.number, a.started, a.ended, a.duration_ms
    FROM deliveries d JOIN tasks t ON t.id = d.task_id JOIN delivery_attempts a ON a.delivery_id = d.id
    ORDER BY d.id, a.number"""


def rows(gateway: Gateway, sql: str) -> list[dict[str, Any]]:
    with apsw.Connection(str(gateway.data / "imagegate.db"), flags=apsw.SQLITE_OPEN_READONLY) as books:
        books.set_row_trace(lambda cursor, row: dict(zip([part[0] for part in cursor.description], row, strict=True)))
        found: list[dict[str, Any]] = list(books.execute(sql))
    return found


async def drip(_: bytes, writer: asyncio.StreamWriter) -> None:
    """One byte a second: no single wait is long, and the whole would take a hundred seconds."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
    while True:
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(1)


class Ears:
    """Verifies each request soon after it came: the official library refuses one that is five minutes old."""

    def __init__(self, receiver: Receiver, whsec: str) -> None:
        self._receiver = receiver
        self._library = Webhook(whsec)
        self._taken: Counter[str] = Counter()
        self.heard: dict[str, list[Request]] = {name: [] for name in FATES}

    def listen(self) -> None:
        for name, heard in self.heard.items():
            for request in self._receiver.requests(name)[self._taken[name] :]:
                told = self._library.verify(request.body, dict(request.headers))
                assert request.headers["webhook-id"] == f"evt_{told['id']}"
                assert told["status"] == "completed"
                heard.append(request)
                self._taken[name] += 1


@pytest.mark.gate
@pytest.mark.fault("F9")
@pytest.mark.timeout(3000)
def test_f9_twelve_behaviours(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    began = time.monotonic()
    behaviours = {name: ALL[name] for name in FATES} | {"drip": Behaviour(drip)}
    with receiving(behaviours) as receiver:
        with Gateway(tmp_path / "data", *receiver.allowed, env=trust(tmp_path)) as gateway:
            with gateway.client() as client:
                whsec = answer_of(client.get("/v1/webhooks/secret"))["secret"]
                ears = Ears(receiver, whsec)
                for _ in range(ROUNDS):
                    for name in FATES:
                        answer_of(client.post(CREATE, json={**SMALL, "callback_url": receiver.url(name)}))
                _until_closed(gateway, ears)
                _judge_requests(client, receiver, ears)
            attempts = rows(gateway, _ATTEMPTS)
            gateway.check()
        told = _judge_attempts(attempts, {receiver.url(name): name for name in FATES})
    for line, value in told.items():
        record_property(line, value)
    record_property("wall", f"{time.monotonic() - began:.0f} s")


def _until_closed(gateway: Gateway, ears: Ears) -> None:
    give_up = time.monotonic() + 2400
    wanted = ROUNDS * len(FATES)
    while True:
        ears.listen()
        [state] = rows(gateway, "SELECT COUNT(*) AS closed FROM deliveries WHERE state <> 'waiting'")
        if state["closed"] == wanted:
            break
        assert time.monotonic() < give_up, f"{state['closed']} of {wanted} deliveries are closed"
        time.sleep(1)
    time.sleep(5)  # one that came too late would come now
    ears.listen()


def _judge_requests(client: httpx.Client, receiver: Receiver, ears: Ears) -> None:
    for name, (_, attempts) in FATES.items():
        expected = 0 if name in UNHEARD else attempts * ROUNDS
        assert len(ears.heard[name]) == expected, name
        assert receiver.connections(name) <= attempts * ROUNDS
        by_id: dict[str, set[bytes]] = {}
        for request in ears.heard[name]:
            by_id.setdefault(request.headers["webhook-id"], set()).add(request.body)
        assert len(by_id) == (ROUNDS if expected else 0)
        for name_of, bodies in by_id.items():
            queried = client.get(f"/v1/tasks/{name_of.removeprefix('evt_')}").content
            assert bodies == {queried}, "every attempt has the same bytes, and they are the query's"


def _judge_attempts(attempts: list[dict[str, Any]], names: dict[str, str]) -> dict[str, object]:
    deliveries: dict[str, list[dict[str, Any]]] = {}
    for attempt in attempts:
        deliveries.setdefault(attempt["id"], []).append(attempt)
    assert len(deliveries) == ROUNDS * len(FATES)
    for made in deliveries.values():
        state, count = FATES[names[made[0]["url"]]]
        assert (made[0]["state"], [one["number"] for one in made]) == (state, list(range(1, count + 1)))
        assert made[0]["started"] >= made[0]["settled"], "never before the settlement"
        for wait, before, after in zip(WAITS_S, made, made[1:], strict=False):
            assert after["started"] - before["ended"] >= wait * 1_000_000
    longest = max(one["duration_ms"] for one in attempts)
    assert longest <= ATTEMPT_MOST_MS
    return {
        "deliveries": f"{len(deliveries)} ({len(FATES)} behaviours x {ROUNDS})",
        "attempts": f"{len(attempts)}, at most {max(len(made) for made in deliveries.values())} of a delivery",
        "before settlement": 0,
        "longest attempt": f"{longest} ms",
    }
