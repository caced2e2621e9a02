"""Sockets that cost nothing: idle, half a request, no reading. They end, and others are served meanwhile."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.api.helpers import CREATE, SMALL_IMAGE
from tests.support.gateway import Gateway
from tests.support.program import wait_until

HALF_A_HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Half"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
GATEWAY_ENV = {"IMAGEGATE_HEAD_TIMEOUT_S": "1", "IMAGEGATE_SEND_TIMEOUT_S": "1", "IMAGEGATE_MAX_CONNECTIONS": "40"}


@contextlib.contextmanager
def connections(gateway: Gateway, count: int, first: bytes = b"") -> Iterator[list[socket.socket]]:
    host, _, port = gateway.url.rpartition("//")[2].rpartition(":")
    with contextlib.ExitStack() as stack:
        opened = [stack.enter_context(socket.create_connection((host, int(port)), timeout=20)) for _ in range(count)]
        for one in opened:
            one.sendall(first)
        yield opened


def read_to_end(one: socket.socket) -> bytes:
    """What came until the other side closed. Raises TimeoutError where it does not."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := one.recv(65536):
            received += chunk
    return received


def refusals(gateway: Gateway, reason: str) -> int:
    """How many the log has counted."""
    lines = [json.loads(line) for line in gateway.output if '"connections_ended"' in line]
    return sum(line["count"] for line in lines if line["reason"] == reason)


def test_idle_sockets_end_and_hold_nothing_up(gateway: Gateway) -> None:
    with connections(gateway, 30) as idle:
        assert httpx.get(f"{gateway.url}/healthz", timeout=60).status_code == 200
        assert [read_to_end(one) for one in idle] == [b""] * 30
    # The line is written before the socket ends, but read by another thread than the test's.
    wait_until(lambda: refusals(gateway, "head_timeout") > 0, what=lambda: gateway.output[-5:])


def test_half_a_request_head_ends_with_an_error_however_it_drips(gateway: Gateway) -> None:
    with connections(gateway, 3, HALF_A_HEAD) as halves:
        while not select.select(halves, [], [], 0.1)[0]:
            for one in halves:
                with contextlib.suppress(OSError):
                    one.sendall(b"y")
        answers = [read_to_end(one) for one in halves]
    assert any(b"400 Bad Request" in answer and b"did not arrive in time" in answer for answer in answers)


def test_a_connection_that_was_used_ends_too_when_half_a_request_follows(gateway: Gateway) -> None:
    with connections(gateway, 2, HEALTH) as (half, blank):
        for one in (half, blank):
            response = b""
            while not response.endswith(b"}"):
                response += one.recv(65536)
        half.sendall(HALF_A_HEAD)
        blank.sendall(b"\r\n")  # begins no request, but ends the wait for the next one
        assert b"did not arrive in time" in read_to_end(half)
        assert read_to_end(blank) == b""


def test_connections_beyond_the_cap_are_refused_with_an_error_and_one_log_line(gateway: Gateway) -> None:
    with connections(gateway, 60) as many:
        answers = [read_to_end(one) for one in many]
    refused = [answer for answer in answers if answer]
    assert len(refused) >= 20
    head, _, body = refused[0].partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"retry-after: " in head
    assert json.loads(body)["error"]["reason"] == "connections"
    assert httpx.get(f"{gateway.url}/healthz", timeout=60).status_code == 200, "there is room again"
    wait_until(lambda: refusals(gateway, "connections") > 0, what=lambda: gateway.output[-5:])
    lines = [line for line in gateway.output if '"reason": "connections"' in line]
    assert len(lines) < len(refused)


def test_clients_that_do_not_read_end(gateway: Gateway) -> None:
    """They ask for an image again and again on one connection, and read none of it."""
    with gateway.client() as client:
        task = client.post(CREATE, json={**SMALL_IMAGE, "size": "1024x1024"}, headers={"Prefer": "wait=60"}).json()
        link = task["results"][0]
        size = len(client.get(link).content)
    path = httpx.URL(link).raw_path
    # More than the buffers of both kernels hold together.
    request = b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with connections(gateway, 4, request * (24_000_000 // size)) as lazy:
        before = refusals(gateway, "slow_reader")
        wait_until(lambda: refusals(gateway, "slow_reader") > before, what=lambda: gateway.output[-5:])
        assert all(len(read_to_end(one)) < 24_000_000 for one in lazy), "cut off in the middle"
        assert httpx.get(f"{gateway.url}/healthz", timeout=60).status_code == 200


def test_bytes_that_are_no_http_make_one_json_line(gateway: Gateway) -> None:
    with connections(gateway, 20, b"\x16\x03\x01 hello\r\n\r\n") as strangers:
        assert all(b"400 Bad Request" in read_to_end(one) for one in strangers)
    assert not any("Invalid HTTP" in line and not line.startswith("{") for line in gateway.output)
    assert len([line for line in gateway.output if "not_http" in line]) < 20


@pytest.mark.parametrize("hard", [1024, 4096])
def test_the_soft_file_limit_becomes_the_hard_one_and_leaves_room_for_the_gateways_own(hard: int) -> None:
    script = (
        f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (256, {hard}))\n"
        "from imagegate.cli.file_limit import connection_limit, raise_file_limit\n"
        "from imagegate.settings import Settings\n"
        "files = raise_file_limit()\n"
        "print(files, resource.getrlimit(resource.RLIMIT_NOFILE)[0], connection_limit(Settings(), files))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    files, soft, connections_left = map(int, done.stdout.splitlines()[-1].split())
    assert files == soft == hard
    assert connections_left == hard - 256 - 500


def test_event_streams_of_a_key_are_capped(tmp_path: Path) -> None:
    env = {"IMAGEGATE_EVENT_STREAMS_PER_KEY": "2"}
    with (
        Gateway(tmp_path / "data", "--no-workers", env=env) as gateway,
        gateway.client() as client,
        contextlib.ExitStack() as stack,
    ):
        other = stack.enter_context(gateway.client(gateway.new_key("other")))
        task = client.post(CREATE, json=SMALL_IMAGE).json()["id"]
        theirs = other.post(CREATE, json=SMALL_IMAGE).json()["id"]
        events = f"/v1/tasks/{task}/events"
        # Kept: an iterator that is dropped closes its stream.
        lines = [stack.enter_context(client.stream("GET", events)).iter_lines() for _ in range(2)]
        assert [next(one) for one in lines] == ["retry: 2000"] * 2
        refused = client.get(events)
        assert refused.status_code == 429
        assert refused.json()["error"]["reason"] == "event_streams"
        with other.stream("GET", f"/v1/tasks/{theirs}/events") as stream:
            assert stream.status_code == 200
        stack.close()
        wait_until(lambda: _opens(gateway, events))


def test_behind_a_trusted_proxy_the_forwarded_address_is_counted(tmp_path: Path) -> None:
    env = {"IMAGEGATE_TRUSTED_PROXIES": "127.0.0.1", "IMAGEGATE_CONNECTIONS_PER_ADDRESS": "2"}
    with (
        Gateway(tmp_path / "data", "--no-workers", env=env) as gateway,
        gateway.client() as client,
        contextlib.ExitStack() as stack,
    ):
        events = "/v1/tasks/{}/events".format(client.post(CREATE, json=SMALL_IMAGE).json()["id"])
        one, other = ({"X-Forwarded-For": f"10.9.9.9, 198.51.100.{number}"} for number in (1, 2))
        lines = [stack.enter_context(client.stream("GET", events, headers=one)).iter_lines() for _ in range(2)]
        assert [next(some) for some in lines] == ["retry: 2000"] * 2
        refused = client.get("/v1/models", headers=one)
        assert refused.status_code == 503
        assert refused.json()["error"]["reason"] == "connections_per_address"
        assert client.get("/v1/models", headers=other).status_code == 200
        assert client.get("/v1/models").status_code == 200, "the proxy itself is not counted by its address"
        stack.close()
        wait_until(lambda: client.get("/v1/models", headers=one).status_code == 200)


def _opens(gateway: Gateway, path: str) -> bool:
    with gateway.client() as client, client.stream("GET", path) as stream:
        return stream.status_code == 200
