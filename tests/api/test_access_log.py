"""The log lines of requests: one for each where `access_log` is on, and of failures of the gateway always."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import re
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from litestar.types import Receive, Send
from litestar.types import Scope as AsgiScope

from imagegate.api.access_log import AccessLog
from imagegate.api.middleware import RequestMiddleware
from imagegate.settings import Server
from tests.api.helpers import CREATE, SMALL_IMAGE, parse_response
from tests.support.gateway import Gateway
from tests.support.program import wait_until

ENV = {"IMAGEGATE_ACCESS_LOG": "true", "IMAGEGATE_TRUSTED_PROXIES": "127.0.0.1", "IMAGEGATE_MAX_BODY_BYTES": "2000"}


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with Gateway(tmp_path_factory.mktemp("access") / "data", env=ENV) as gateway:
        yield gateway


def lines(gateway: Gateway, event: str = "request") -> list[dict[str, Any]]:
    found = [json.loads(line) for line in list(gateway.output) if line.startswith("{")]
    return [line for line in found if line["event"] == event]


def line_of(gateway: Gateway, request_id: str) -> dict[str, Any]:
    def found() -> list[dict[str, Any]]:
        return [line for line in lines(gateway) if line["request_id"] == request_id]

    wait_until(found, 20, what=lambda: gateway.output[-20:])
    assert len(found()) == 1
    return found()[0]


def test_a_request_has_one_line_that_says_who_asked_for_what_and_what_came_of_it(logged: Gateway) -> None:
    with logged.client() as client:
        answer = client.post(f"{CREATE}?x=1", json=SMALL_IMAGE, headers={"X-Forwarded-For": "203.0.113.9"})
    line = line_of(logged, answer.headers["x-request-id"])
    assert (line["method"], line["path"], line["status"], line["bytes"]) == ("POST", CREATE, 200, len(answer.content))
    assert line["ms"] >= 0
    assert line["address"] == "203.0.113.9"
    assert re.fullmatch("key_.{26}", line["key"])
    assert re.fullmatch("acc_.{26}", line["account"])
    assert (line["level"], line["cut"]) == ("info", None)


def test_the_query_and_the_ids_of_files_are_left_out(logged: Gateway) -> None:
    with logged.client() as client:
        task = parse_response(client.post(CREATE, json=SMALL_IMAGE, headers={"Prefer": "wait=60"}))
        link = client.get(task["results"][0])
        file = parse_response(client.post("/api/v1/files/upload/url", json={"file_url": task["results"][0]}))["data"]
        shown = [client.get(file["file_url"]), client.get(file["download_url"])]
    assert [one.status_code for one in (link, *shown)] == [200, 200, 200]
    paths = [line_of(logged, one.headers["x-request-id"])["path"] for one in (link, *shown)]
    assert paths[0] == f"/files/results/{task['id']}/0.png"
    for path, url in zip(paths[1:], (file["file_url"], file["download_url"]), strict=True):
        assert "[removed]" in path
        assert re.findall("[0-9a-f]{32}", url)
    log = "\n".join(json.dumps(line) for line in lines(logged))
    for secret in (
        file["file_id"].removeprefix("file_"),
        "sig=",
        "exp=",
        re.findall("[0-9a-f]{32}", file["file_url"])[0],
    ):
        assert secret not in log


def test_the_request_id_of_every_error_is_in_the_log(logged: Gateway) -> None:
    """Also of what is refused before its body, its key or its head has been read."""
    read_only = logged.new_key("reader", "0", "--scope", "tasks:read")
    slow = logged.new_key("slow", "0", "--rate-per-minute", "1")
    with logged.client() as client:
        client.get("/v1/tasks", headers={"Authorization": f"Bearer {slow}"})
        answers = [
            client.post(CREATE, json={"prompt": "x", "size": "huge"}),
            client.post(CREATE, content=b"{", headers={"Content-Type": "application/json"}),
            client.get("/v1/tasks?key=imk_live_abcdefgh"),
            client.get("/v1/tasks", headers={"Host": "evil.example"}),
            client.get("/v1/tasks", headers={"Authorization": "Bearer imk_live_nonsense"}),
            client.post(CREATE, json=SMALL_IMAGE, headers={"Authorization": f"Bearer {slow}"}),
            client.post(CREATE, json=SMALL_IMAGE, headers={"Authorization": f"Bearer {read_only}"}),
            client.post(CREATE, json={**SMALL_IMAGE, "prompt": "x" * 3000}),
            client.post(CREATE, content=b"", headers={"Content-Encoding": "gzip"}),
            client.get("/v1/tasks/task-unified-1-aaaaaaaa"),
            client.get("/nowhere%1b[31m%0aforged"),
            client.delete("/v1/models"),
            client.head("/v1/tasks/task-unified-1-aaaaaaaa"),
            client.post("/openai/v1/images/generations", json={"prompt": "x", "n": 99}),
            client.get("/files/results/task-unified-1-aaaaaaaa/0.png?exp=1&sig=k1.abc"),
        ]
    statuses = [answer.status_code for answer in answers]
    assert statuses == [400, 400, 400, 400, 401, 429, 403, 413, 415, 404, 404, 405, 404, 400, 403]
    for answer in answers:
        line = line_of(logged, answer.headers["x-request-id"])
        assert (line["status"], line["bytes"]) == (answer.status_code, len(answer.content))
    assert {line_of(logged, answers[n].headers["x-request-id"])["key"] is None for n in (5, 6)} == {False}
    assert "imk_live_abcdefgh" not in "\n".join(logged.output)


@pytest.mark.parametrize("said", [b"\x00\x01\r\n\r\n", b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n"])
def test_what_is_no_http_has_a_line_too(logged: Gateway, said: bytes) -> None:
    url = httpx.URL(logged.url)
    with socket.create_connection((url.host, url.port or 0)) as connection:
        connection.sendall(said)
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    found = re.search(rb"x-request-id: (\S+)", answer)
    assert found, answer
    assert line_of(logged, found[1].decode())["status"] == 400


def test_a_connection_that_is_cut_has_a_line_that_says_so(logged: Gateway) -> None:
    before = len(lines(logged))
    with logged.client() as client:
        task = parse_response(client.post(CREATE, json={**SMALL_IMAGE, "prompt": "a lighthouse", "size": "2048x2048"}))
        with client.stream("GET", f"/v1/tasks/{task['id']}/events") as stream:
            request_id = stream.headers["x-request-id"]
            next(stream.iter_raw())
            stream.close()
    line = line_of(logged, request_id)
    assert (line["status"], line["cut"]) == (200, True)
    assert line["bytes"] > 0
    assert len(lines(logged)) == before + 2


def test_probes_have_no_line_while_they_succeed(logged: Gateway) -> None:
    with logged.client() as client:
        for path in ("/healthz", "/readyz", "/metrics"):
            assert client.get(path).status_code == 200
        refused = client.post("/healthz")
    assert line_of(logged, refused.headers["x-request-id"])["status"] == 405
    assert not [line for line in lines(logged) if line["path"] in ("/readyz", "/metrics")]


def answer_with(status: int | None, server: Server, path: str = "/v1/tasks") -> list[dict[str, Any]]:
    """The log lines of one request whose handler answers with this status, or is left by its client."""

    async def application(scope: AsgiScope, receive: Receive, send: Send) -> None:
        if status is None:
            raise asyncio.CancelledError
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"said", "more_body": False})

    async def scenario() -> None:
        scope: Any = {
            "type": "http",
            "method": "GET",
            "path": path,
            "query_string": b"sig=1",
            "headers": [(b"host", b"127.0.0.1")],
            "client": ("127.0.0.1", 1),
            "state": {},
        }
        middle = RequestMiddleware(application, server, (), lambda *_: None)
        whole = AccessLog(middle, ()) if server.access_log else middle
        with contextlib.suppress(asyncio.CancelledError):
            await whole(scope, receive, send)

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(_: Any) -> None:
        pass

    with contextlib.redirect_stderr(io.StringIO()) as written:
        asyncio.run(scenario())
    return [json.loads(line) for line in written.getvalue().splitlines()]


@pytest.mark.parametrize("on", [False, True])
@pytest.mark.parametrize("status", [500, 503])
def test_a_failure_of_the_gateway_has_one_line_always(status: int, on: bool) -> None:
    [line] = answer_with(status, Server(access_log=on))
    assert (line["event"], line["level"], line["status"], line["path"]) == ("request", "warning", status, "/v1/tasks")
    assert re.fullmatch("req_[0-9a-f]{24}", line["request_id"])


@pytest.mark.parametrize("status", [200, 404, 429])
def test_without_the_setting_nothing_else_has_a_line(status: int) -> None:
    assert answer_with(status, Server()) == []


def test_a_request_that_ends_without_an_answer_has_a_line() -> None:
    [line] = answer_with(None, Server(access_log=True))
    assert (line["status"], line["bytes"], line["cut"]) == (None, 0, True)
