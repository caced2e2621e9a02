"""`imagegate health`: what a supervisor learns from its exit code, and a person from its line."""

from __future__ import annotations

import http.server
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagegate.security.origins import listen_url
from tests.support.gateway import Gateway, free_port

_BODIES = {
    "503": b'{"status":"unavailable","checks":{"database":"ok","storage":"full","workers":"stopped"}}',
    "502": b"<html>Bad Gateway</html>",
    "302": b"",
    "200": b"{}",
}


class Answers(http.server.BaseHTTPRequestHandler):
    """Answers with what the path says: `/503/readyz`."""

    def do_GET(self) -> None:
        status = self.path.split("/")[1]
        self.send_response(int(status))
        if status == "302":
            self.send_header("Location", "/200/readyz")
        self.send_header("Content-Length", str(len(_BODIES[status])))
        self.end_headers()
        self.wfile.write(_BODIES[status])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()


def test_a_gateway_that_serves_is_healthy_by_its_own_settings(gateway: Gateway) -> None:
    port = gateway.url.rpartition(":")[2]
    proxies = {"http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
    env = {"IMAGEGATE_PORT": port, "IMAGEGATE_HOST": "0.0.0.0", "IMAGEGATE_PUBLIC_URL": "https://images.example.com"}
    done = Gateway(gateway.data, env={**env, **proxies}).run("health", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "ok\n", "")


def test_a_gateway_is_found_by_its_folder_whatever_the_settings_say(gateway: Gateway) -> None:
    place = Gateway(gateway.data, env={"IMAGEGATE_PORT": str(free_port())})
    assert json.loads(place.run("health", "--json").stdout) == {"url": gateway.url, "ready": True}


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/503", "is not ready: storage full, workers stopped"),
        ("/502", "is not ready: status 502"),
        ("/302", "is not ready: status 302"),
    ],
)
def test_a_process_that_is_not_ready_is_not_healthy(path: str, reason: str, server: str, tmp_path: Path) -> None:
    done = Gateway(tmp_path).run("health", "--url", server + path, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"imagegate: {server}{path} {reason}\n"
    assert Gateway(tmp_path).run("health", "--url", f"{server}/200").returncode == 0


def test_nobody_there_is_not_healthy(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    done = Gateway(tmp_path).run("health", "--url", url, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"imagegate: {url} does not answer: connection refused\n"
    assert not any(tmp_path.iterdir())


def test_json_says_what_answered(server: str, tmp_path: Path) -> None:
    done = Gateway(tmp_path).run("health", "--url", f"{server}/200", "--json")
    assert json.loads(done.stdout) == {"url": f"{server}/200", "ready": True}


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("", "http://127.0.0.1:8000"),
        ("::", "http://[::1]:8000"),
        ("fd00::7", "http://[fd00::7]:8000"),
        ("localhost", "http://localhost:8000"),
    ],
)
def test_the_address_is_the_one_that_serve_listens_on(host: str, url: str) -> None:
    assert listen_url(host, 8000) == url


def test_it_starts_without_what_serving_needs() -> None:
    program = "import sys, imagegate.cli.health; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    heavy = {"asyncio", "litestar", "uvicorn", "aiohttp", "apsw", "psycopg", "cryptography", "numpy", "PIL", "httpx2"}
    assert heavy & set(loaded) == set()
