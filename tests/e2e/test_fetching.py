"""NET-10 on the real program: how many fetches at a time, for whom, and how many bytes in an hour."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.helpers import CREATE, SMALL, WAIT, answer_of
from tests.support.file_server import Act, Shelf, body, endless
from tests.support.gateway import Gateway
from tests.support.image_files import PNG, b64, bulk

BUDGET = 1_000_000
QUICK = {"IMAGEGATE_WORKERS": "4", "IMAGEGATE_POLL_S": "0.2"}
URL = "/api/v1/files/upload/url"


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with Shelf() as served:
        yield served


class Slow:
    """Answers that wait for `go`, and how many wait at a time."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.waiting = 0
        self.most = 0
        self._lock = threading.Lock()

    def act(self, then: Act) -> Act:
        def answer(request: BaseHTTPRequestHandler) -> None:
            with self._lock:
                self.waiting += 1
                self.most = max(self.most, self.waiting)
            self.go.wait(30)
            with self._lock:
                self.waiting -= 1
            then(request)

        return answer


def until(holds: Callable[[], bool], seconds: float = 20) -> None:
    give_up = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def order(client: httpx.Client, *urls: str, wait: bool = False) -> Any:
    return answer_of(client.post(CREATE, json={**SMALL, "image_urls": urls}, headers=WAIT if wait else {}))


def test_an_account_that_waits_for_its_references_blocks_nobody(tmp_path: Path, shelf: Shelf) -> None:
    """More slow edits than there are workers; another account's picture and another's edit come meanwhile."""
    slow = Slow()
    with Gateway(tmp_path, "--egress-allow", shelf.allowed, env=QUICK) as gateway:
        with gateway.client() as greedy, gateway.client(gateway.new_key("neighbour")) as neighbour:
            edits = [order(greedy, shelf.put(f"/slow{n}", slow.act(body(PNG))))["id"] for n in range(12)]
            until(lambda: slow.waiting == 4)
            quick = answer_of(neighbour.post(CREATE, json=SMALL, headers={"Prefer": "wait=20"}))
            assert quick["status"] == "completed", quick
            edit = order(neighbour, shelf.put("/quick", body(PNG)), wait=True)
            assert edit["status"] == "completed", edit
            assert (slow.waiting, slow.most) == (4, 4), "four of an account at a time"
            slow.go.set()
            ended = [answer_of(greedy.get(f"/v1/tasks/{name}?wait=60"))["status"] for name in edits]
            assert ended == ["completed"] * 12
        gateway.check()


@pytest.mark.gate
def test_sixteen_in_all(tmp_path: Path, shelf: Shelf) -> None:
    slow = Slow()
    with Gateway(tmp_path, "--egress-allow", shelf.allowed, env=QUICK) as gateway:
        keys = [gateway.new_key(f"account-{n}") for n in range(5)]
        clients = [gateway.client(key) for key in keys]
        edits = [
            (client, order(client, shelf.put(f"/slow{n}-{m}", slow.act(body(PNG))))["id"])
            for n, client in enumerate(clients)
            for m in range(5)
        ]
        until(lambda: slow.waiting == 16)
        time.sleep(0.5)
        assert slow.most == 16
        slow.go.set()
        for client, name in edits:
            assert answer_of(client.get(f"/v1/tasks/{name}?wait=60"))["status"] == "completed"
        for client in clients:
            client.close()
        gateway.check()


def test_bytes_beyond_the_budget_fail_the_task_and_the_upload(tmp_path: Path, shelf: Shelf) -> None:
    """Counted in the database: a new process knows what the last one fetched, and an own link costs nothing."""
    env = {**QUICK, "IMAGEGATE_FETCH_BYTES_PER_HOUR": str(BUDGET), "IMAGEGATE_REFERENCE_MAX_BYTES": "600000"}
    gateway = Gateway(tmp_path, "--egress-allow", shelf.allowed, env=env)
    _leave_an_hour_begin()
    with gateway, gateway.client() as client:
        first = client.post(URL, json={"file_url": shelf.put("/first", body(bulk(500_000)))})
        assert first.status_code == 200
        too_much = order(client, shelf.put("/fine", body(PNG)), shelf.put("/endless", endless(bulk(65_536))), wait=True)
        _spent(client, too_much, "image_urls[1]")
    with gateway:
        with gateway.client() as client:
            _spent(client, order(client, shelf.put("/again", body(PNG)), wait=True), "image_urls[0]")
            refused = client.post(URL, json={"file_url": shelf.put("/again", body(PNG))})
            assert (refused.status_code, refused.json()["code"]) == (400, 40003)
            assert shelf.asked["/again"] == 0, "nothing is fetched that may not be kept"
            own = client.post("/api/v1/files/upload/base64", json={"base64": b64(PNG)}).json()["data"]["file_url"]
            assert order(client, own, wait=True)["status"] == "completed"
        with gateway.client(gateway.new_key("neighbour")) as neighbour:
            assert order(neighbour, shelf.put("/theirs", body(PNG)), wait=True)["status"] == "completed"
        gateway.check()


def _spent(client: httpx.Client, task: Any, param: str) -> None:
    assert task["status"] == "failed", task
    error = task["error"]
    assert (error["code"], error["reason"], error["param"]) == ("quota_exceeded", "fetch_budget_spent", param)
    assert answer_of(client.get("/v1/credits"))["data"]["user"]["reserved_credits"] == 0


def _leave_an_hour_begin() -> None:
    """The budget is that of an hour of the clock: a test must not stand across its end."""
    if (left := 3600 - time.time() % 3600) < 40:
        time.sleep(left + 1)
