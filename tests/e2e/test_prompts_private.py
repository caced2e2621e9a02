"""P15: an upstream that quotes the prompt puts it neither into the log nor into the attempts."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.routed_gateway import RoutedGateway, route_config, upstream_config

PROMPT = 'A secret rendezvous of Zebulon and Quillon\nunder the "vermilion" bridge'
_ERRORS: dict[str, Callable[[str], Any]] = {
    "openai": lambda prompt: {"error": {"message": f"Your prompt: {prompt} was rejected", "code": "bad", "type": "x"}},
    "fal": lambda prompt: {"detail": [{"type": "value_error", "msg": f"Not possible: {prompt}", "input": prompt}]},
    "replicate": lambda prompt: {"detail": f"Prompt {json.dumps(prompt)} is not supported", "status": 400},
    "task_api": lambda prompt: {"error": {"message": f"no: {prompt[:50].upper()}", "code": "x"}},
}


class _Quoting(BaseHTTPRequestHandler):
    """Answers every request with the error of the protocol and status in its path, which quotes the prompt."""

    def do_POST(self) -> None:
        _, protocol, status, *_ = self.path.split("/")
        self.rfile.read(int(self.headers["Content-Length"] or 0))
        body = json.dumps(_ERRORS[protocol](PROMPT)).encode()
        self.send_response(int(status))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def quoting_upstream() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Quoting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.parametrize("protocol", _ERRORS)
def test_what_an_upstream_quotes_of_the_prompt_is_kept_nowhere(
    tmp_path: Path, quoting_upstream: str, protocol: str
) -> None:
    rows = []
    for status in (400, 422):
        name = f"u{status}"
        rows += [
            upstream_config(name, f"{quoting_upstream}/{protocol}/{status}", protocol=protocol),
            route_config(name, f"0.00{status}"),
        ]
    with RoutedGateway(tmp_path / "data", *rows) as gateway:
        task = gateway.create(PROMPT)
        assert task["status"] == "failed"
        gateway.stop()
        with contextlib.closing(sqlite3.connect(gateway.data / "imagegate.db")) as db:
            details = [detail for (detail,) in db.execute("SELECT detail FROM attempts")]
    assert details
    assert all("(prompt)" in detail for detail in details), details
    kept = "\n".join([*details, *(line for line in gateway.output if line.startswith("{"))]).casefold()
    for word in ("rendezvous", "zebulon", "quillon"):
        assert word not in kept
