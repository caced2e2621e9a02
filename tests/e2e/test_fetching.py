"""NET-10 on the real program: how many fetches at a time, for whom, and how many bytes in an hour."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.helpers import CREATE, SMALL_IMAGE, WAIT, parse_response
from tests.support.file_server import FileServer, Responder, send_bytes, send_endless
from tests.support.gateway import Gateway
from tests.support.image_files import PNG, b64, large_png
from tests.support.program import wait_until

BUDGET = 1_000_000
QUICK = {"IMAGEGATE_WORKERS": "4", "IMAGEGATE_POLL_S": "0.2"}
URL = "/api/v1/files/upload/url"


class SlowServer:
    """Responses that wait for `released`, and how many waited at the same time."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.waiting = 0
        self.max_waiting = 0
        self._lock = threading.Lock()

    def delayed(self, then: Responder) -> Responder:
        def answer(request: BaseHTTPRequestHandler) -> None:
            with self._lock:
                self.waiting += 1
                self.max_waiting = max(self.max_waiting, self.waiting)
            self.released.wait(30)
            with self._lock:
                self.waiting -= 1
            then(request)

        return answer


def order(client: httpx.Client, *urls: str, wait: bool = False) -> Any:
    return parse_response(client.post(CREATE, json={**SMALL_IMAGE, "image_urls": urls}, headers=WAIT if wait else {}))


def test_an_account_that_waits_for_its_references_blocks_nobody(tmp_path: Path, server: FileServer) -> None:
    """More slow edits than there are workers; an image and an edit of another account are completed meanwhile."""
    slow = SlowServer()
    with Gateway(tmp_path, "--egress-allow", server.egress_allow, env=QUICK) as gateway:
        with gateway.client() as greedy, gateway.client(gateway.new_key("neighbour")) as neighbour:
            edits = [order(greedy, server.serve(f"/slow{n}", slow.delayed(send_bytes(PNG))))["id"] for n in range(12)]
            wait_until(lambda: slow.waiting == 4)
            quick = parse_response(neighbour.post(CREATE, json=SMALL_IMAGE, headers={"Prefer": "wait=20"}))
            assert quick["status"] == "completed", quick
            edit = order(neighbour, server.serve("/quick", send_bytes(PNG)), wait=True)
            assert edit["status"] == "completed", edit
            assert (slow.waiting, slow.max_waiting) == (4, 4), "four of an account at a time"
            slow.released.set()
            ended = [parse_response(greedy.get(f"/v1/tasks/{name}?wait=60"))["status"] for name in edits]
            assert ended == ["completed"] * 12
        gateway.check()


@pytest.mark.gate
def test_sixteen_in_all(tmp_path: Path, server: FileServer) -> None:
    slow = SlowServer()
    with Gateway(tmp_path, "--egress-allow", server.egress_allow, env=QUICK) as gateway:
        keys = [gateway.new_key(f"account-{n}") for n in range(5)]
        clients = [gateway.client(key) for key in keys]
        edits = [
            (client, order(client, server.serve(f"/slow{n}-{m}", slow.delayed(send_bytes(PNG))))["id"])
            for n, client in enumerate(clients)
            for m in range(5)
        ]
        wait_until(lambda: slow.waiting == 16)
        time.sleep(0.5)
        assert slow.max_waiting == 16
        slow.released.set()
        for client, name in edits:
            assert parse_response(client.get(f"/v1/tasks/{name}?wait=60"))["status"] == "completed"
        for client in clients:
            client.close()
        gateway.check()


@pytest.mark.gate
def test_bytes_beyond_the_budget_fail_the_task_and_the_upload(tmp_path: Path, server: FileServer) -> None:
    """Counted in the database: a new process knows what the last one fetched. Links of this origin cost nothing."""
    env = {**QUICK, "IMAGEGATE_FETCH_BYTES_PER_HOUR": str(BUDGET), "IMAGEGATE_MAX_REFERENCE_BYTES": "600000"}
    gateway = Gateway(tmp_path, "--egress-allow", server.egress_allow, env=env)
    avoid_hour_change()
    with gateway, gateway.client() as client:
        first = client.post(URL, json={"file_url": server.serve("/first", send_bytes(large_png(500_000)))})
        assert first.status_code == 200
        too_much = order(
            client,
            server.serve("/fine", send_bytes(PNG)),
            server.serve("/endless", send_endless(large_png(65_536))),
            wait=True,
        )
        assert_budget_exceeded(client, too_much, "image_urls[1]")
    with gateway:
        with gateway.client() as client:
            assert_budget_exceeded(
                client, order(client, server.serve("/again", send_bytes(PNG)), wait=True), "image_urls[0]"
            )
            refused = client.post(URL, json={"file_url": server.serve("/again", send_bytes(PNG))})
            assert (refused.status_code, refused.json()["code"]) == (400, 40003)
            assert server.requests["/again"] == 0, "nothing is fetched that may not be kept"
            own = client.post("/api/v1/files/upload/base64", json={"base64": b64(PNG)}).json()["data"]["file_url"]
            assert order(client, own, wait=True)["status"] == "completed"
        with gateway.client(gateway.new_key("neighbour")) as neighbour:
            assert order(neighbour, server.serve("/theirs", send_bytes(PNG)), wait=True)["status"] == "completed"
        gateway.check()


def assert_budget_exceeded(client: httpx.Client, task: Any, param: str) -> None:
    assert task["status"] == "failed", task
    error = task["error"]
    assert (error["code"], error["reason"], error["param"]) == ("quota_exceeded", "fetch_budget_spent", param)
    assert parse_response(client.get("/v1/credits"))["data"]["user"]["reserved_credits"] == 0


def avoid_hour_change() -> None:
    """The budget is per hour of the clock: the test must not cross its end."""
    if (left := 3600 - time.time() % 3600) < 40:
        time.sleep(left + 1)
