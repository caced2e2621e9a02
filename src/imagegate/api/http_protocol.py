"""Connections before they are requests: how many there may be, how long they may take, and bytes that are not HTTP.

A connection that costs its owner nothing must not cost anybody else the service: one without a complete request head
ends after `head_timeout_s`, one whose client does not read after `send_timeout_s`, and nobody opens all of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import http
import termios
from collections import Counter
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from imagegate.api.client_address import is_local_or_listed
from imagegate.api.client_connection import attach, mark_whole
from imagegate.api.problems import STATUS, problem_response
from imagegate.domain import ids
from imagegate.domain.errors import InvalidRequest, Problem, ServiceUnavailable
from imagegate.logging import log, log_warning
from imagegate.settings import Server

_LOG_INTERVAL_S = 10.0
_DELIVERY_S = 5.0  # without a reset after the last byte, then a response counts as delivered


class ConnectionGuard:
    """The connections of one process: their number in all and by address, and a log of what was refused.

    Loopback and trusted proxies stand for many clients and count in the total alone.
    """

    def __init__(self, server: Server, max_connections: int) -> None:
        self.server = server
        self._max_connections = max_connections
        # One address never takes more than half, however few there are.
        self._max_per_address = min(server.connections_per_address, max(1, max_connections // 2))
        self._total = 0
        self._by_address: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._last_refused: dict[str, str] = {}
        self._quiet: set[str] = set()  # reasons that had a line within the interval

    def admit(self, address: str) -> str | None:
        """Count the connection and return None, or the reason for which it must not be served."""
        if self._total >= self._max_connections:
            return "connections"
        if self._by_address[address] >= self._max_per_address:
            return "connections_per_address"
        self._total += 1
        if not is_local_or_listed(address, self.server.trusted_proxies):
            self._by_address[address] += 1
        return None

    def release(self, address: str) -> None:
        self._total -= 1
        if address in self._by_address:
            self._by_address[address] -= 1
            if self._by_address[address] <= 0:
                del self._by_address[address]

    def log_refusal(self, reason: str, address: str) -> None:
        """One line at once, then one line per reason and `_LOG_INTERVAL_S`: whoever attacks writes no log of ours."""
        self._refused[reason] += 1
        self._last_refused[reason] = address
        if reason not in self._quiet:
            self._write_log(reason)

    def _write_log(self, reason: str) -> None:
        self._quiet.discard(reason)
        count = self._refused.pop(reason, 0)
        if count:
            log_warning("connections_ended", reason=reason, count=count, last_address=self._last_refused[reason])
            self._quiet.add(reason)
            asyncio.get_running_loop().call_later(_LOG_INTERVAL_S, self._write_log, reason)


class HttpProtocol(HttpToolsProtocol):
    """What is no HTTP (also raw bytes outside ASCII in the path, a Content-Length that is not a number, and URLs above
    64 kB) gets an error like every other, JSON with a request id."""

    def __init__(self, *args: Any, guard: ConnectionGuard, **named: Any) -> None:
        super().__init__(*args, **named)
        self._guard = guard
        self._address = ""
        self._is_admitted = False
        self._is_serving = False
        self._head_has_begun = False
        self._head_timer: asyncio.TimerHandle | None = None
        self._send_timer: asyncio.TimerHandle | None = None
        self.is_lost = False
        self.on_lost: Callable[[], object] | None = None
        self._decide_delivery: Callable[[bool], object] | None = None
        self._delivery_timer: asyncio.TimerHandle | None = None
        self._is_cut = False  # ended before everything was acknowledged

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._address = self.client[0] if self.client else ""
        reason = self._guard.admit(self._address)
        if reason is not None:
            self._guard.log_refusal(reason, self._address)
            self._end_with(ServiceUnavailable("Too many connections, please try again later", reason=reason))
            return
        self._is_admitted = True
        self._start_head_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        self._end_delivery(exc is None and not self._is_cut)
        if self.on_lost is not None:
            self.on_lost()
        if self._is_admitted:
            self._is_admitted = False
            self._guard.release(self._address)
        self._stop_head_timer()
        self._stop_send_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        # Between two requests: also for bytes that begin no request, which end the keep-alive timer.
        if self._head_timer is None and not self._is_serving:
            self._start_head_timer()
        super().data_received(data)

    def on_message_begin(self) -> None:
        self._end_delivery(True)  # nobody asks for more before the last answer has arrived
        self._head_has_begun = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._head_has_begun, self._is_serving = False, True
        self._stop_head_timer()
        if not self.flow.write_paused:
            self._stop_send_timer()  # of the last response
        super().on_headers_complete()
        attach(self.scope["state"], self)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        mark_whole(self.scope["state"])

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # Closing waits until the client has read the rest, which it may never do.
        self._is_serving = not self.cycle.response_complete  # the next request may have come already
        if self.transport.get_write_buffer_size() > 0 and not self._is_serving:
            self._start_send_timer()

    def eof_received(self) -> None:
        self._is_cut = self._is_cut or self._has_unacknowledged()
        super().eof_received()

    def follow_delivery(self, decide: Callable[[bool], object]) -> None:
        if self.is_lost:
            decide(False)
            return
        self._decide_delivery = decide
        self._delivery_timer = self.loop.call_later(_DELIVERY_S, self._look_at_delivery)

    def _look_at_delivery(self) -> None:
        if self._has_unacknowledged():
            self._delivery_timer = self.loop.call_later(_DELIVERY_S, self._look_at_delivery)
        else:
            self._end_delivery(True)

    def _end_delivery(self, delivered: bool) -> None:
        if self._delivery_timer is not None:
            self._delivery_timer.cancel()
            self._delivery_timer = None
        if self._decide_delivery is not None:
            decide, self._decide_delivery = self._decide_delivery, None
            decide(delivered)

    def _has_unacknowledged(self) -> bool:
        """Whether the client's system has not confirmed all that was written. What cannot be asked counts as sent."""
        if self.transport.get_write_buffer_size() > 0:
            return True
        with contextlib.suppress(OSError, ValueError):
            number = self.transport.get_extra_info("socket").fileno()
            unsent = fcntl.ioctl(number, termios.TIOCOUTQ, bytes(4))  # of a socket: SIOCOUTQ
            return any(unsent)
        return False

    def pause_writing(self) -> None:
        super().pause_writing()
        self._start_send_timer()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_send_timer()

    def send_400_response(self, msg: str) -> None:
        self._guard.log_refusal("not_http", self._address)
        self._end_with(InvalidRequest(msg))

    def _start_head_timer(self) -> None:
        self._head_timer = self.loop.call_later(self._guard.server.head_timeout_s, self._end_slow_head)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _end_slow_head(self) -> None:
        self._head_timer = None
        if self.transport.is_closing():
            return
        self._guard.log_refusal("head_timeout", self._address)
        if self._head_has_begun:
            self._end_with(InvalidRequest("The request head did not arrive in time"))
        else:
            self.transport.close()  # browsers open connections in advance: no response to no request

    def _start_send_timer(self) -> None:
        self._stop_send_timer()
        self._send_timer = self.loop.call_later(self._guard.server.send_timeout_s, self._end_slow_reader)

    def _stop_send_timer(self) -> None:
        if self._send_timer is not None:
            self._send_timer.cancel()
            self._send_timer = None

    def _end_slow_reader(self) -> None:
        self._send_timer = None
        if self.transport.get_write_buffer_size() > 0:
            self._guard.log_refusal("slow_reader", self._address)
            self._is_cut = True
            self.transport.abort()  # close() would wait for the reader

    def _end_with(self, problem: Problem) -> None:
        request_id = ids.new_request_id()
        response = problem_response(problem, request_id, "")
        headers = {
            "content-type": "application/json",
            "content-length": str(len(response.content)),
            "x-request-id": request_id,
            "connection": "close",
            **{name.lower(): str(value) for name, value in response.headers.items()},
        }
        status = http.HTTPStatus(STATUS[type(problem)][0])
        lines = [f"HTTP/1.1 {status} {status.phrase}", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        if self._guard.server.access_log:  # like those of requests, though this is none
            log(
                "request",
                method=None,
                path=None,
                status=status.value,
                bytes=len(response.content),
                request_id=request_id,
                address=self._address,
            )
        self.transport.write("\r\n".join(lines).encode("ascii") + response.content)
        self.transport.close()
