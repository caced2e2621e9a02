"""OpenTelemetry traces of requests, tasks and attempts, sent by OTLP over HTTP: the extra `otel`.

A request's span is open while it is served. What outlives it, and may end in another process, is recorded when it has
ended: its span gets the id that follows from its own id, so that whoever records a part of a task knows its parent, and
a part that is recorded twice is one span. While no endpoint is set, nothing of OpenTelemetry is imported.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import threading
import time
import typing
from collections.abc import Mapping, Sequence
from typing import Self

from imagegate import __version__
from imagegate.logging import log, log_warning

if typing.TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

Attributes = dict[str, str | int | float]

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL = "http/protobuf"
_NANOS_PER_US = 1000
# How long a stop waits for the last spans to reach the collector.
_FLUSH_S = 3.0
# A collector that is down fails an export every few seconds: one line a minute says so.
_WARN_EVERY_S = 60.0
_MAX_WARNING_CHARS = 300


def open_tracing(instance: str, env: Mapping[str, str] = os.environ) -> Tracing | None:
    """None while the environment names no endpoint, or where it asks for what is not here, which the log says."""
    if not any(env.get(name) for name in _ENDPOINTS) or env.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    if "otlp" not in env.get("OTEL_TRACES_EXPORTER", "otlp").split(","):
        return None
    protocol = next((env[name] for name in _PROTOCOLS if env.get(name)), _PROTOCOL)
    if protocol != _PROTOCOL:
        log_warning("tracing_off", reason=f"OTLP over {protocol} is not supported, only {_PROTOCOL}")
        return None
    try:
        tracing = Tracing(instance)
    except ImportError as error:
        log_warning(
            "tracing_off", reason=f"an endpoint is set, but the extra is missing: install imagegate[otel] ({error})"
        )
        return None
    except ValueError as error:  # of a variable; no reason to accept no tasks
        log_warning("tracing_off", reason=str(error))
        return None
    log("tracing_on")  # not where to: the address may have a password in it
    return tracing


class Tracing:
    """One per process. A trace is named by the `traceparent` of the request that began it."""

    def __init__(self, instance: str) -> None:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        class Ids(RandomIdGenerator):
            """The next span gets `chosen` where that is set. All spans are begun on the event loop's thread."""

            chosen: int | None = None

            def generate_span_id(self) -> int:
                chosen, self.chosen = self.chosen, None
                return chosen or super().generate_span_id()

        _log_warnings_of_sdk()
        resource = Resource.create({"service.version": __version__, "service.instance.id": instance})
        if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
            resource = resource.merge(Resource({SERVICE_NAME: "imagegate"}))
        self._trace, self._ids = trace, Ids()
        self._provider = TracerProvider(resource=resource, id_generator=self._ids, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer: Tracer = self._provider.get_tracer("imagegate", __version__)
        self._propagator = TraceContextTextMapPropagator()

    def serve(self, method: str, headers: Mapping[bytes, bytes]) -> ServedRequest:
        """Enter it while the request is served. It continues the trace that the client has begun, if any."""
        sent = {name: headers.get(name.encode(), b"").decode("latin-1") for name in ("traceparent", "tracestate")}
        context = self._propagator.extract({name: value for name, value in sent.items() if value})
        span = self._tracer.start_span(method, context, self._trace.SpanKind.SERVER, {"http.request.method": method})
        return ServedRequest(span, method)

    def traceparent(self) -> str:
        """Of the request that is being served; empty where it is not sampled, and so nothing of it is."""
        found = self._trace.get_current_span().get_span_context()
        return f"00-{found.trace_id:032x}-{found.span_id:016x}-01" if found.trace_flags.sampled else ""

    def name_task(self, task_id: str) -> None:
        """The request that is being served has created this task, or found it."""
        self._trace.get_current_span().set_attribute("imagegate.task.id", task_id)

    def record(
        self,
        traceparent: str,
        name: str,
        began: int,
        ended: int,
        attributes: Attributes,
        *,
        span: str = "",
        parent: str = "",
        error: str = "",
        events: Sequence[tuple[str, int]] = (),
        is_call: bool = False,
    ) -> None:
        """Record what has ended, in UTC microseconds. `span` is its own id, `parent` that of what it is a part of, by
        default the request's span; `error` a code where it failed."""
        context = self._propagator.extract({"traceparent": traceparent})
        if parent:
            request = self._trace.get_current_span(context).get_span_context()
            above = self._trace.SpanContext(request.trace_id, _span_id(parent), True, request.trace_flags)
            context = self._trace.set_span_in_context(self._trace.NonRecordingSpan(above))
        self._ids.chosen = _span_id(span) if span else None
        kind = self._trace.SpanKind.CLIENT if is_call else self._trace.SpanKind.INTERNAL
        made = self._tracer.start_span(name, context, kind, attributes, start_time=began * _NANOS_PER_US)
        for event, at in events:
            made.add_event(event, timestamp=at * _NANOS_PER_US)
        _set_error(made, error)
        made.end(max(began, ended) * _NANOS_PER_US)

    async def close(self) -> None:
        """Send what is left, for a few seconds at most: the thread is given up with the process."""
        flush = threading.Thread(target=self._provider.shutdown, name="imagegate-traces", daemon=True)
        flush.start()
        await asyncio.to_thread(flush.join, _FLUSH_S)


class ServedRequest:
    """A context manager. Set `route`, `status` and `request_id` before it ends; a `status` of 0 means no response."""

    def __init__(self, span: Span, method: str) -> None:
        self.route, self.status, self.request_id = "", 0, ""
        self._span = span
        self._method = method

    def __enter__(self) -> Self:
        from opentelemetry import context, trace

        self._token = context.attach(trace.set_span_in_context(self._span))
        return self

    def __exit__(self, *_: object) -> None:
        from opentelemetry import context

        context.detach(self._token)
        span = self._span
        span.update_name(f"{self._method} {self.route}" if self.route else self._method)
        # Neither path nor query nor address: paths of files and their signatures give access.
        if self.route:
            span.set_attribute("http.route", self.route)
        if self.status:
            span.set_attribute("http.response.status_code", self.status)
        span.set_attribute("imagegate.request.id", self.request_id)
        _set_error(span, str(self.status) if self.status >= 500 else "")
        span.end()


def _set_error(span: Span, error: str) -> None:
    if error:
        from opentelemetry.trace import StatusCode

        span.set_attribute("error.type", error)
        span.set_status(StatusCode.ERROR)


def _span_id(own_id: str) -> int:
    return int.from_bytes(hashlib.sha256(own_id.encode()).digest()[:8]) or 1


def _log_warnings_of_sdk() -> None:
    logger = logging.getLogger("opentelemetry")
    logger.setLevel(logging.WARNING)
    logger.propagate = False
    if not any(isinstance(handler, _SdkLog) for handler in logger.handlers):
        logger.addHandler(_SdkLog())


class _SdkLog(logging.Handler):
    """What the SDK complains about as lines like all others, of each of its parts at most one a minute."""

    def __init__(self) -> None:
        super().__init__()
        self._quiet_until: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        now = time.monotonic()
        if now >= self._quiet_until.get(record.name, now):
            self._quiet_until[record.name] = now + _WARN_EVERY_S
            log_warning("tracing_warning", message=_without_headers(record.getMessage())[:_MAX_WARNING_CHARS])


def _without_headers(message: str) -> str:
    """The SDK quotes a header that it cannot read, and it may be a key."""
    for name, value in os.environ.items():
        if name.startswith("OTEL_") and name.endswith("_HEADERS"):
            for header in filter(None, (part.strip() for part in value.split(","))):
                message = message.replace(header, "[removed]")
    return message
