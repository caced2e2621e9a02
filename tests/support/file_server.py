"""An HTTP server on loopback that serves reference files and counts requests."""

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

Responder = Callable[[BaseHTTPRequestHandler], None]


class FileServer:
    """`serve` sets the response of a path; `requests` counts requests by path."""

    def __init__(self) -> None:
        self.requests: Counter[str] = Counter()
        self._responders: dict[str, Responder] = {}
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
    def egress_allow(self) -> str:
        """The value of `--egress-allow` for this server."""
        return f"127.0.0.1/32:{self._server.server_port}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def serve(self, path: str, responder: Responder) -> str:
        """Returns the URL of the path."""
        self._responders[path] = responder
        return self.url + path

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests[self.path] += 1
                with contextlib.suppress(OSError):  # whoever asked may be gone
                    server._responders.get(self.path, send_status(404))(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        return Handler


def _send_head(request: BaseHTTPRequestHandler, status: int, **headers: object) -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name.replace("_", "-"), str(value))
    request.end_headers()


def send_bytes(data: bytes, announced: int | None = None, kind: str = "application/octet-stream") -> Responder:
    def act(request: BaseHTTPRequestHandler) -> None:
        _send_head(request, 200, Content_Type=kind, Content_Length=len(data) if announced is None else announced)
        request.wfile.write(data)

    return act


def send_file(path: Path, kind: str = "application/octet-stream") -> Responder:
    """A file from disk, by sendfile."""

    def act(request: BaseHTTPRequestHandler) -> None:
        with path.open("rb") as opened:
            _send_head(request, 200, Content_Type=kind, Content_Length=path.stat().st_size)
            request.wfile.flush()
            request.connection.sendfile(opened)

    return act


def send_endless(piece: bytes) -> Responder:
    """No length and no end; raises once the client disconnects."""

    def act(request: BaseHTTPRequestHandler) -> None:
        _send_head(request, 200)
        while True:
            request.wfile.write(piece)

    return act


def send_endless_chunks(piece: bytes) -> Responder:
    """Valid chunks without end."""

    def act(request: BaseHTTPRequestHandler) -> None:
        request.protocol_version = "HTTP/1.1"
        _send_head(request, 200, Transfer_Encoding="chunked")
        while True:
            request.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")

    return act


def send_slowly(data: bytes, pause_s: float) -> Responder:
    """One byte at a time."""

    def act(request: BaseHTTPRequestHandler) -> None:
        _send_head(request, 200, Content_Length=len(data))
        for byte in data:
            request.wfile.write(bytes([byte]))
            time.sleep(pause_s)

    return act


def send_after(seconds: float, responder: Responder) -> Responder:
    def act(request: BaseHTTPRequestHandler) -> None:
        time.sleep(seconds)
        responder(request)

    return act


def send_status(code: int) -> Responder:
    return lambda request: _send_head(request, code, Content_Length=0)


def send_redirect(target: str) -> Responder:
    return lambda request: _send_head(request, 302, Location=target, Content_Length=0)
