"""The outermost layer: request ids, rate limit headers, the host check, and the count of responses."""

from __future__ import annotations

import contextlib
import functools
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from litestar.enums import ScopeType
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from imagegate.api.access_log import log_request
from imagegate.api.client_address import forwarded_for, is_listed, last_untrusted
from imagegate.api.client_connection import has_waited
from imagegate.api.openai.surface import Headers, answer_preflight, canonical_path, cors_headers
from imagegate.api.problems import is_openai_path, problem_response
from imagegate.domain import ids
from imagegate.domain.errors import InvalidRequest, Problem, ServiceUnavailable, UnsupportedMediaType
from imagegate.security.origins import AcceptedHosts
from imagegate.settings import Server

# Route, method, status, and how long the answer took; None where it waited for a task.
CountResponse = Callable[[str, str, int, float | None], None]

# They declare HEAD themselves, and open no file for it.
_FILE_LINKS = "/files/"
_WAIT = re.compile(rb"(^|&)wait=[0-9]+(?=&|$)")
_METHODS = ("GET", "HEAD", "POST", "PATCH", "DELETE", "PUT", "OPTIONS")
_UNCHECKED_HOST_PATHS = ("/healthz", "/readyz")


class RequestMiddleware:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, server: Server, openai_origins: Sequence[str], count: CountResponse) -> None:
        self._app = app
        self._openai_origins = openai_origins
        self._count = count
        self._server = server
        self._open_requests: Counter[str] = Counter()  # by the address that a trusted proxy named
        self._hosts = AcceptedHosts(server.host, server.public_url, server.allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        request_id, headers = ids.new_request_id(), dict(scope["headers"])
        state = scope.setdefault("state", {})
        state["request_id"], state["headers"] = request_id, headers
        scope["path"] = canonical_path(scope["path"])
        app, more_headers = self._app, Headers()
        if is_openai_path(scope["path"]):
            more_headers = cors_headers(self._openai_origins, headers)
            app = answer_preflight if scope["method"] == "OPTIONS" else app
        method, asked_path = scope["method"], scope["path"]
        if method == "HEAD" and not scope["path"].startswith(_FILE_LINKS):
            scope, send = _as_get(scope), _without_body(send)
            state["head_only"] = True

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                limits = state.get("limits", ())
                own = (b"x-request-id", request_id.encode())
                message["headers"] = [*message["headers"], own, *more_headers, *limits]
                # All unknown paths are one label, however many are tried.
                route = str(scope.get("path_template") or "unknown")
                answer_s = None if has_waited(scope) else time.perf_counter() - began
                self._count(route, method if method in _METHODS else "other", message["status"], answer_s)
                if message["status"] >= 500 and not self._server.access_log and asked_path != "/readyz":
                    log_request(scope, self._server.trusted_proxies, method, asked_path, message["status"], began)
            await send(message)

        problem = self._find_problem(scope, headers)
        address = self._forwarded_address(scope) if self._server.trusted_proxies else ""
        if address and self._open_requests[address] >= self._server.connections_per_address and problem is None:
            problem = ServiceUnavailable(
                "Too many connections, please try again later", reason="connections_per_address"
            )
        if problem is None and not address:
            await app(scope, receive, send_with_headers)
        elif problem is None:
            with self._count_open(address):
                await app(scope, receive, send_with_headers)
        else:
            refusal = problem_response(problem, request_id, scope["path"])
            answer = ASGIResponse(body=refusal.content, status_code=refusal.status_code, headers=refusal.headers)
            await answer(scope, receive, send_with_headers)

    def _forwarded_address(self, scope: Scope) -> str:
        """Whom a trusted proxy's request comes from: its own connections are not counted by address. Else empty."""
        peer = (scope.get("client") or ("", 0))[0]
        if not is_listed(peer, self._server.trusted_proxies):
            return ""
        address = last_untrusted(peer, forwarded_for(scope), self._server.trusted_proxies)
        return "" if address == peer else address

    @contextlib.contextmanager
    def _count_open(self, address: str) -> Iterator[None]:
        self._open_requests[address] += 1
        try:
            yield
        finally:
            self._open_requests[address] -= 1
            if not self._open_requests[address]:
                del self._open_requests[address]

    def _find_problem(self, scope: Scope, headers: dict[bytes, bytes]) -> Problem | None:
        if not self._is_served(headers.get(b"host", b"")) and scope["path"] not in _UNCHECKED_HOST_PATHS:
            return InvalidRequest("This host name is not served; see the setting allowed_hosts", param="Host")
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            return UnsupportedMediaType("Compressed request bodies are not accepted", param="Content-Encoding")
        return None

    @functools.lru_cache(maxsize=100)  # noqa: B019  one for the whole process
    def _is_served(self, host: bytes) -> bool:
        return host.decode("latin-1") in self._hosts


def _as_get(scope: HTTPScope) -> HTTPScope:
    """HEAD as GET, but without waiting: its answer is at hand."""
    return {**scope, "method": "GET", "query_string": _WAIT.sub(rb"\1wait=0", scope["query_string"])}


def _without_body(send: Send) -> Send:
    """The head with its Content-Length, and the end at once: a stream that never ends has a head too."""
    has_ended = False

    async def send_head(message: Message) -> None:
        nonlocal has_ended
        if has_ended:
            return
        await send(message)
        if message["type"] == "http.response.start":
            has_ended = True
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    return send_head
