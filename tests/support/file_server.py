"""A real HTTP server on loopback that hands out files and counts who asked: where references come from."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

Act = Callable[[BaseHTTPRequestHandler], None]


class Shelf:
    """`put` a path and what happens there; `asked` counts requests by path."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self._acts: dict[str, Act] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def allowed(self) -> str:
        """What `--egress-allow` must say."""
        return f"127.0.0.1/32:{self._server.server_port}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def put(self, path: str, act: Act) -> str:
        """The URL of what now stands there."""
        self._acts[path] = act
        return self.url + path

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        shelf = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                shelf.asked[self.path] += 1
                with contextlib.suppress(OSError):  # whoever asked may be gone
                    shelf._acts.get(self.path, status(404))(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        return Handler


def body(data: bytes, announced: int | None = None, kind: str = "application/octet-stream") -> Act:
    def act(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(data) if announced is None else announced))
        request.end_headers()
        request.wfile.write(data)

    return act


def file(path: Path, kind: str = "application/octet-stream") -> Act:
    """A file from the disk, handed to the wire by the kernel."""

    def act(request: BaseHTTPRequestHandler) -> None:
        with path.open("rb") as opened:
            request.send_response(200)
            request.send_header("Content-Type", kind)
            request.send_header("Content-Length", str(path.stat().st_size))
            request.end_headers()
            request.wfile.flush()
            request.connection.sendfile(opened)

    return act


def endless(piece: bytes) -> Act:
    """No length, and no end before the reader goes away, which raises."""

    def act(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        while True:
            request.wfile.write(piece)

    return act


def chunked(piece: bytes) -> Act:
    """Well-formed chunks without end."""

    def act(request: BaseHTTPRequestHandler) -> None:
        request.protocol_version = "HTTP/1.1"
        request.send_response(200)
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        while True:
            request.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")

    return act


def drip(data: bytes, pause_s: float) -> Act:
    """One byte, a pause, the next byte."""

    def act(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        for byte in data:
            request.wfile.write(bytes([byte]))
            time.sleep(pause_s)

    return act


def late(seconds: float, then: Act) -> Act:
    def act(request: BaseHTTPRequestHandler) -> None:
        time.sleep(seconds)
        then(request)

    return act


def status(code: int) -> Act:
    def act(request: BaseHTTPRequestHandler) -> None:
        request.send_response(code)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return act


def redirect(target: str) -> Act:
    def act(request: BaseHTTPRequestHandler) -> None:
        request.send_response(302)
        request.send_header("Location", target)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return act
