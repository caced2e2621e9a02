"""The span of each request, where traces are recorded."""

from __future__ import annotations

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from imagegate.tracing import Tracing

# Asked every few seconds by probes and monitoring, and part of nothing else.
_UNTRACED_PATHS = ("/healthz", "/readyz", "/metrics")


class TracedRequests:
    """ASGI middleware inside RequestMiddleware, which has worked out id and headers, and outside the endpoints."""

    def __init__(self, app: ASGIApp, tracing: Tracing) -> None:
        self._app = app
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or scope["path"] in _UNTRACED_PATHS:
            await self._app(scope, receive, send)
            return
        state = scope["state"]
        method = "HEAD" if "head_only" in state else scope["method"]
        with self._tracing.serve(method, state["headers"]) as served:
            served.request_id = state["request_id"]

            async def send_and_note(message: Message) -> None:
                if message["type"] == "http.response.start":
                    served.status = message["status"]
                await send(message)

            try:
                await self._app(scope, receive, send_and_note)
            finally:
                served.route = str(scope.get("path_template") or "")
