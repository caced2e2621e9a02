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

from imagegate.domain.time import US_PER_SECOND
from tests.api.helpers import CREATE, SMALL_IMAGE, parse_response
from tests.e2e.test_webhooks import BEHAVIOURS as ALL
from tests.support.gateway import Gateway
from tests.support.webhook_receiver import Behaviour, Receiver, Request, trust_environment, webhook_receiver

ROUNDS = int(os.environ.get("F9_ROUNDS", "20"))
RETRY_WAITS_S = (1.0, 2.0, 4.0)
# What becomes of a delivery, and after how many attempts.
EXPECTED_DELIVERIES = {
    "204": ("delivered", 1),
    "endless": ("delivered", 1),
    "410": ("exhausted", 1),
    "wrong name": ("exhausted", 4),
    "expired": ("exhausted", 4),
    "unknown authority": ("exhausted", 4),
    "plain text": ("exhausted", 4),
    "307": ("exhausted", 4),
    "drip": ("delivered", 1),
    "hang": ("exhausted", 4),
    "429": ("exhausted", 4),
    "reset": ("exhausted", 4),
}
UNREACHABLE = {"wrong name", "expired", "unknown authority", "plain text"}
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


class WebhookVerifier:
    """Verifies each request soon after it came: the official library refuses one that is five minutes old."""

    def __init__(self, receiver: Receiver, whsec: str) -> None:
        self._receiver = receiver
        self._library = Webhook(whsec)
        self._taken: Counter[str] = Counter()
        self.verified: dict[str, list[Request]] = {name: [] for name in EXPECTED_DELIVERIES}

    def verify_new(self) -> None:
        for name, requests in self.verified.items():
            for request in self._receiver.requests(name)[self._taken[name] :]:
                event = self._library.verify(request.body, dict(request.headers))
                assert request.headers["webhook-id"] == f"evt_{event['id']}"
                assert event["status"] == "completed"
                requests.append(request)
                self._taken[name] += 1


@pytest.mark.gate
@pytest.mark.fault("F9")
@pytest.mark.timeout(3000)
def test_f9_twelve_behaviours(tmp_path: Path, record_property: Callable[[str, object], None]) -> None:
    began = time.monotonic()
    behaviours = {name: ALL[name] for name in EXPECTED_DELIVERIES} | {"drip": Behaviour(drip)}
    with webhook_receiver(behaviours) as receiver:
        with Gateway(tmp_path / "data", *receiver.egress_options, env=trust_environment(tmp_path)) as gateway:
            with gateway.client() as client:
                whsec = parse_response(client.get("/v1/webhooks/secret"))["secret"]
                verifier = WebhookVerifier(receiver, whsec)
                for _ in range(ROUNDS):
                    for name in EXPECTED_DELIVERIES:
                        parse_response(client.post(CREATE, json={**SMALL_IMAGE, "callback_url": receiver.url(name)}))
                _until_closed(gateway, verifier)
                _check_requests(client, receiver, verifier)
            attempts = rows(gateway, _ATTEMPTS)
            gateway.check()
        figures = _check_attempts(attempts, {receiver.url(name): name for name in EXPECTED_DELIVERIES})
    for line, value in figures.items():
        record_property(line, value)
    record_property("wall", f"{time.monotonic() - began:.0f} s")


def _until_closed(gateway: Gateway, verifier: WebhookVerifier) -> None:
    give_up = time.monotonic() + 2400
    expected_count = ROUNDS * len(EXPECTED_DELIVERIES)
    while True:
        verifier.verify_new()
        [state] = rows(gateway, "SELECT COUNT(*) AS closed FROM deliveries WHERE state <> 'waiting'")
        if state["closed"] == expected_count:
            break
        assert time.monotonic() < give_up, f"{state['closed']} of {expected_count} deliveries are closed"
        time.sleep(1)
    time.sleep(5)  # one that came too late would come now
    verifier.verify_new()


def _check_requests(client: httpx.Client, receiver: Receiver, verifier: WebhookVerifier) -> None:
    for name, (_, attempts) in EXPECTED_DELIVERIES.items():
        expected = 0 if name in UNREACHABLE else attempts * ROUNDS
        assert len(verifier.verified[name]) == expected, name
        assert receiver.connections(name) <= attempts * ROUNDS
        by_id: dict[str, set[bytes]] = {}
        for request in verifier.verified[name]:
            by_id.setdefault(request.headers["webhook-id"], set()).add(request.body)
        assert len(by_id) == (ROUNDS if expected else 0)
        for name_of, bodies in by_id.items():
            queried = client.get(f"/v1/tasks/{name_of.removeprefix('evt_')}").content
            assert bodies == {queried}, "every attempt has the same bytes, and they are the query's"


def _check_attempts(attempts: list[dict[str, Any]], names: dict[str, str]) -> dict[str, object]:
    deliveries: dict[str, list[dict[str, Any]]] = {}
    for attempt in attempts:
        deliveries.setdefault(attempt["id"], []).append(attempt)
    assert len(deliveries) == ROUNDS * len(EXPECTED_DELIVERIES)
    for attempts_of_one in deliveries.values():
        state, count = EXPECTED_DELIVERIES[names[attempts_of_one[0]["url"]]]
        assert (attempts_of_one[0]["state"], [one["number"] for one in attempts_of_one]) == (
            state,
            list(range(1, count + 1)),
        )
        assert attempts_of_one[0]["started"] >= attempts_of_one[0]["settled"], "never before the settlement"
        for wait, before, after in zip(RETRY_WAITS_S, attempts_of_one, attempts_of_one[1:], strict=False):
            assert after["started"] - before["ended"] >= wait * US_PER_SECOND
    longest = max(one["duration_ms"] for one in attempts)
    return {
        "deliveries": f"{len(deliveries)} ({len(EXPECTED_DELIVERIES)} behaviours x {ROUNDS})",
        "attempts": f"{len(attempts)}, at most {max(map(len, deliveries.values()))} of a delivery",
        "before settlement": 0,
        "longest attempt": f"{longest} ms",
    }
