"""What each transport lets through: nothing but the protocol on standard output, and no stranger over HTTP."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.mcp.helpers import McpProgram
from tests.support.gateway import Gateway

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
HEADERS = {"Accept": "application/json, text/event-stream"}


@pytest.fixture(scope="module")
def server(gateway: Gateway) -> Iterator[McpProgram]:
    with McpProgram(gateway, "--allow-host", "mcp.example.com") as server:
        yield server


def post(server: McpProgram, **headers: str) -> httpx.Response:
    given = {**HEADERS, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return httpx.post(server.url, json=INITIALIZE, headers=given, timeout=60, trust_env=False, verify=False)


def test_http_listens_on_loopback_alone(server: McpProgram) -> None:
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/mcp", server.url)


def test_s15_mcp_http_each_request_needs_a_key_that_the_gateway_accepts(server: McpProgram, gateway: Gateway) -> None:
    for headers in ({}, {"Authorization": "Bearer"}, {"Authorization": f"Basic {gateway.key}"},
                    {"Authorization": "Bearer imk_live_nonsense"}):  # fmt: skip
        refused = post(server, **headers)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"
    assert post(server, Authorization=f"Bearer {gateway.key}").status_code == 200
    assert post(server, Authorization=f"bearer  {gateway.key}").status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:1"}, 200),
        ({"Host": "[::1]"}, 200),
        ({"Host": "mcp.example.com"}, 200),
        ({"Host": "evil.example.com"}, 421),
        ({"Host": "127.0.0.1.evil.example.com"}, 421),
        ({"Origin": "http://localhost:6274"}, 200),
        ({"Origin": "https://mcp.example.com"}, 200),
        ({"Origin": "https://evil.example.com"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost.evil.example.com"}, 403),
        ({"Origin": "http://evil.example.com@[::1"}, 403),
    ],
)
def test_s15_mcp_http_host_and_origin_are_checked(
    server: McpProgram, gateway: Gateway, headers: dict[str, str], status: int
) -> None:
    assert post(server, Authorization=f"Bearer {gateway.key}", **headers).status_code == status


def run_stdio(
    gateway: Gateway, *lines: Any, options: tuple[str, ...] = (), **env: str
) -> subprocess.CompletedProcess[str]:
    given = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    return subprocess.run(
        [sys.executable, "-m", "imagegate", "mcp"],
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "IMAGEGATE_URL": gateway.url, "IMAGEGATE_API_KEY": gateway.key, **env},
    )


def test_s15_mcp_stdout_has_nothing_but_the_protocol(gateway: Gateway) -> None:
    call = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "get_credits", "arguments": {}}}
    ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    # a fault of the environment makes the program log, and standard input ends while a call is under way
    done = run_stdio(gateway, INITIALIZE, "this is no JSON", ready, call, IMAGEGATE_URL="http://127.0.0.1:9")
    assert done.returncode == 0, done.stderr
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    assert messages
    assert all(message["jsonrpc"] == "2.0" for message in messages)
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize("cap", ["many", "-1", "nan", "inf"])
def test_a_cap_that_is_no_number_of_credits_is_refused(gateway: Gateway, cap: str) -> None:
    done = gateway.run("mcp", "--cap", cap, check=False)
    assert done.returncode == 2
    assert "--cap" in done.stderr
    assert done.stdout == ""


def test_a_place_that_cannot_be_listened_on_is_told_in_one_line(gateway: Gateway) -> None:
    taken = gateway.url.rpartition(":")[2]
    done = gateway.run("mcp", "--http", "--port", taken, check=False)
    refusal = f"imagegate: port {taken} on 127.0.0.1 is in use; choose another with --port\n"
    assert (done.returncode, done.stderr) == (1, refusal)
    done = gateway.run("mcp", "--http", "--host", "192.0.2.1", "--port", "0", check=False)
    assert done.returncode == 1
    assert re.fullmatch(r"imagegate: cannot listen on port 0 of 192\.0\.2\.1: .+\n", done.stderr)


def test_without_the_sdk_the_command_says_what_to_install(gateway: Gateway) -> None:
    code = "import sys; sys.modules['mcp'] = None; from imagegate.cli import main; sys.argv[1:] = ['mcp']; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=gateway.data.parent)
    assert done.returncode == 2
    assert "imagegate[mcp]" in done.stderr
