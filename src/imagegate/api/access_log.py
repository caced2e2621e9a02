"""One log line `request` for each request, where the setting `access_log` asks for it; for answers above 499 always."""

from __future__ import annotations

import re
import time

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from imagegate.api.client_address import client_address
from imagegate.api.client_connection import is_client_gone
from imagegate.logging import log, log_warning

# Asked every few seconds: they have a line where they fail.
_PROBES = ("/healthz", "/readyz", "/metrics")
# Whoever has the id of a file can download it.
_FILE_ID = re.compile("[0-9a-f]{32}")


class AccessLog:
    """ASGI middleware around all others."""

    def __init__(self, app: ASGIApp, trusted_proxies: tuple[str, ...]) -> None:
        self._app = app
        self._trusted_proxies = trusted_proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        method, path = scope["method"], scope["path"]  # before others change them
        status, sent, is_whole = 0, 0, False

        async def send_and_count(message: Message) -> None:
            nonlocal status, sent, is_whole
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                sent += len(message.get("body", b""))
                is_whole = not message.get("more_body", False)
            await send(message)

        try:
            await self._app(scope, receive, send_and_count)
        finally:
            if path not in _PROBES or status >= 400:
                is_cut = not is_whole or is_client_gone(scope)
                log_request(scope, self._trusted_proxies, method, path, status, began, sent=sent, is_cut=is_cut)


def log_request(
    scope: Scope,
    trusted_proxies: tuple[str, ...],
    method: str,
    path: str,
    status: int,
    began: float,
    *,
    sent: int | None = None,
    is_cut: bool = False,
) -> None:
    """Without the query, which holds signatures. `status` 0: there was no answer. `began` is of `perf_counter`."""
    state = scope["state"]
    key = state.get("key")
    write = log_warning if status >= 500 else log
    write(
        "request",
        method=method,
        path=_FILE_ID.sub("[removed]", path),
        status=status or None,
        ms=round((time.perf_counter() - began) * 1000),
        bytes=sent,
        cut=is_cut or None,
        request_id=state["request_id"],
        key=key.id if key else None,
        account=key.account_id if key else None,
        address=client_address(scope, trusted_proxies),
    )
