"""An OpenTelemetry collector in a thread: takes OTLP over HTTP and keeps the spans."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.program import wait_until


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """Ids in hex; `parent` is empty for a root."""

    name: str
    trace: str
    id: str
    parent: str
    kind: int
    began: int
    ended: int
    attributes: dict[str, Any]
    events: list[str]
    failed: bool


class Collector:
    """`url` is what OTEL_EXPORTER_OTLP_ENDPOINT gets. `bodies` are the requests as they came, `headers` of the last."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.bodies: list[bytes] = []
        self.headers: dict[str, str] = {}
        self.resource: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._spans: list[Span] = []

    def take(self, body: bytes, headers: dict[str, str]) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        with self._lock:
            self.bodies.append(body)
            self.headers = headers
            for group in request.resource_spans:
                self.resource = _values(group.resource.attributes)
                self._spans += [_read(span) for scope in group.scope_spans for span in scope.spans]

    @property
    def spans(self) -> list[Span]:
        with self._lock:
            return list(self._spans)

    def wait_for(self, count: int, name: str) -> list[Span]:
        """The spans whose name begins so, once there are `count`, oldest first."""

        def found() -> list[Span]:
            return [span for span in self.spans if span.name.startswith(name)]

        wait_until(lambda: len(found()) >= count, 30, 0.02, lambda: f"{count} of {name}: {self.spans}")
        return sorted(found(), key=lambda span: span.began)


def _values(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


def _read(span: Any) -> Span:
    return Span(
        name=span.name,
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        kind=span.kind,
        began=span.start_time_unix_nano,
        ended=span.end_time_unix_nano,
        attributes=_values(span.attributes),
        events=[event.name for event in span.events],
        failed=span.status.code == 2,
    )


@contextmanager
def otlp_collector() -> Iterator[Collector]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers["Content-Encoding"] == "gzip":
                body = gzip.decompress(body)
            assert self.path == "/v1/traces"
            collector.take(body, dict(self.headers))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector = Collector(f"http://127.0.0.1:{server.server_address[1]}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield collector
        server.shutdown()
