"""`imagegate webhooks listen`: what somebody who tries webhooks out on a laptop sees of them."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from imagegate.cli import program
from imagegate.cli.exit_codes import Exit
from imagegate.security.signing import sign_webhook
from tests.api.helpers import CREATE, SMALL_IMAGE, parse_error, parse_response
from tests.support.fork_server import shared_fork_server
from tests.support.gateway import Gateway, free_port
from tests.support.program import Program, wait_until

KEY = b"k" * 32
SECRET = "whsec_a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="
EVENT = re.compile(r"[0-9]{2}:[0-9]{2}:[0-9]{2}  (\S+)  (.*)")


class Listener(Program):
    """`stop()` is SIGINT."""

    def __init__(self, *options: str) -> None:
        super().__init__()
        self.options, self.url = options, ""

    def start(self) -> None:
        self._launch(shared_fork_server().start(["webhooks", "listen", *self.options], os.environ))
        wait_until(lambda: self.url, what=lambda: f"it listens: {self.output}")

    def read_line(self, line: str) -> None:
        if found := re.search(r"use as callback_url: (\S+)", line):
            self.url = found[1]

    def stop(self) -> int:
        return self._end(signal.SIGINT)

    def line(self, what: str) -> str:
        """The line that has this text, once there is one."""
        wait_until(lambda: any(what in line for line in self.output), 30, what=lambda: self.output)
        return next(line for line in self.output if what in line)

    def post(self, body: bytes, **headers: str) -> int:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.post(self.url, content=body, headers=named, trust_env=False).status_code


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def served(port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    data = tmp_path_factory.mktemp("listen") / "data"
    with Gateway(data, "--egress-allow", f"127.0.0.1/32:{port}") as gateway:
        yield gateway


@pytest.fixture(scope="module")
def listener(served: Gateway, port: int) -> Iterator[Listener]:
    with Listener("--data", str(served.data), "--port", str(port)) as started:
        yield started


@pytest.fixture(scope="module")
def alone() -> Iterator[Listener]:
    """Without a gateway, and as scripts use it."""
    with Listener("--port", "0", "--secret", SECRET, "--json") as started:
        yield started


def signed(body: bytes, key: bytes = KEY, age_s: int = 0) -> dict[str, str]:
    at = int(time.time()) - age_s
    return {
        "webhook_id": "evt_1",
        "webhook_timestamp": str(at),
        "webhook_signature": sign_webhook([key], "evt_1", at, body),
    }


def task_body(**more: Any) -> bytes:
    return json.dumps({"id": "task-1", "created": 1, "model": "m", "status": "completed", "progress": 100,
                       "usage": {"billing_rule": "per_token", "credits_reserved": 1}, **more}).encode()  # fmt: skip


def test_it_prints_a_line_for_the_test_event_and_for_each_task(served: Gateway, listener: Listener) -> None:
    with served.client() as client:
        sent = parse_response(client.post("/v1/webhooks/test", json={"callback_url": listener.url}))
        task = parse_response(client.post(CREATE, json={**SMALL_IMAGE, "callback_url": f"{listener.url}done?a=1"}))
        test_line, task_line = listener.line("evt_test_"), listener.line(task["id"])
        found = EVENT.fullmatch(test_line)
        assert found, test_line
        assert (found[1], found[2].split("  ")[1:]) == (sent["id"], ["completed", "verified, test"])
        found = EVENT.fullmatch(task_line)
        assert found, task_line
        assert (found[1], found[2].split("  ")) == (f"evt_{task['id']}", [task["id"], "completed", "verified"])
        wait_until(lambda: client.get("/v1/webhooks/deliveries").json()["data"][0]["status"] == "delivered")
        parse_response(client.post(f"/v1/webhooks/deliveries/evt_{task['id']}/replay"))
        listener.line("verified, again")
    assert not any("--egress-allow" in line for line in listener.output), "it is allowed"


def test_it_says_before_the_first_event_what_the_gateway_must_allow(served: Gateway) -> None:
    with Listener("--data", str(served.data), "--port", "0") as other:
        entry = f"127.0.0.1/32:{httpx.URL(other.url).port}"
        warning = other.line("WARNING")
        assert warning.endswith(f"--egress-allow {entry}")
        with served.client() as client:
            refused = client.post("/v1/webhooks/test", json={"callback_url": other.url})
            message = parse_error(refused, 400, "invalid_request", "callback_url")["message"]
        assert message.endswith(f"--egress-allow {entry}"), "the gateway says the same"


def test_without_a_gateway_it_needs_the_secret_and_says_what_a_gateway_needs(alone: Listener) -> None:
    assert alone.line("--egress-allow").endswith(f"--egress-allow 127.0.0.1/32:{httpx.URL(alone.url).port}")


def test_json_prints_the_bodies_of_what_is_verified(alone: Listener) -> None:
    body = task_body(id="task-json")
    assert alone.post(body, **signed(body)) == 200
    assert alone.line('"task-json"') == body.decode()


@pytest.mark.parametrize(
    ("body", "make_headers", "status", "says"),
    [
        (task_body(), dict, 401, "NOT verified: webhook-timestamp is missing"),
        (task_body(), lambda: signed(task_body(), b"x" * 32), 401, "the signature is not that of this secret"),
        (task_body(), lambda: signed(task_body(), age_s=400), 401, "too old"),
        (task_body(id="other"), lambda: signed(task_body()), 401, "NOT verified: the signature"),
        (b'{"object":"webhook.test"}', lambda: signed(b'{"object":"webhook.test"}'), 401, "no task"),
        (b"x" * 2_000_000, lambda: {"webhook_id": "evt_big"}, 413, "evt_big  NOT verified: a body of 2000000 bytes"),
        (task_body(error={"code": "timed_out", "message": "x", "type": "task_error"}, status="failed"), None, 200,
         "failed (timed_out)  verified"),
        (task_body(id="task-\x1b[31m\u009b31m"), None, 200, "task-?[31m?31m"),
        (task_body(), lambda: {"webhook_id": "evt_\x9b31m"}, 401, "evt_?31m  NOT verified"),
    ],
)  # fmt: skip
def test_it_answers_200_to_what_is_signed_and_says_of_the_rest_why_not(
    alone: Listener, body: bytes, make_headers: Callable[[], dict[str, str]] | None, status: int, says: str
) -> None:
    # Made here: a signature is too old five minutes after the tests were collected.
    headers = signed(body) if make_headers is None else make_headers()
    raw = {name: value.encode("latin-1") for name, value in headers.items()}
    assert alone.post(body, **raw) == status  # type: ignore[arg-type]
    assert alone.line(says).isprintable()


def test_it_outlives_connections_that_say_nothing_or_break(alone: Listener) -> None:
    url = httpx.URL(alone.url)
    for said in (
        b"",
        b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nx",
        b"\x00\xff\r\n\r\n",
        b"POST / HTTP/1.1\r\n\r\n",
    ):
        with socket.create_connection((url.host, url.port or 0)) as connection:
            connection.sendall(said)
    assert httpx.get(alone.url, trust_env=False).status_code == 405
    body = task_body(id="task-after")
    assert alone.post(body, **signed(body)) == 200
    assert not any("Traceback" in line for line in alone.output)


def test_ctrl_c_ends_it_quietly() -> None:
    with Listener("--port", "0", "--secret", SECRET) as ended:
        said = list(ended.output)
        assert ended.stop() == 0
        assert len(ended.output) <= len(said) + 1, "nothing but what it said at the start"
        assert not any("Aborted" in line or "Traceback" in line for line in ended.output)


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (("--secret", "whsec_short"), 2, "--secret must be whsec_ and 32 bytes in base64"),
        (("--secret", SECRET, "--port", "99999"), 2, "--port is '99999': must be a whole number from 0 to 65535"),
        (("--secret", SECRET, "--port", "x"), 2, "--port is 'x': must be a whole number from 0 to 65535"),
        (("--secret", SECRET, "--host", ""), 2, "--host is ''"),
        (("--secret", SECRET, "--host", "no.such.host.invalid"), 1, "cannot listen on no.such.host.invalid"),
        (("--secret", SECRET, "--host", "198.51.100.1"), 1, "cannot listen on port 9300 of 198.51.100.1"),
        (("--data", "nowhere", "--port", "0"), 2, "imagegate serve --data"),
        (("--url", "http://127.0.0.1:9", "--key", "k", "--port", "0"), 5, "http://127.0.0.1:9"),
    ],
)
def test_what_it_cannot_do_is_said_in_one_line(
    options: tuple[str, ...], code: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = CliRunner().invoke(program, ["webhooks", "listen", *options]).exception
    assert isinstance(ended, Exit)
    assert (ended.code, len(ended.message.splitlines())) == (code, 1)
    assert says in ended.message
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken_is_said_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = CliRunner().invoke(program, ["webhooks", "listen", "--secret", SECRET, "--port", str(port)]).exception
    assert isinstance(ended, Exit)
    assert ended.message == f"imagegate: port {port} on 127.0.0.1 is in use; choose another with --port"
