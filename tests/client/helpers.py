"""Clients whose connections break where a test says."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx2

from imagegate_client import Client
from tests.support.gateway import Gateway

# What becomes of a request: a response, or an exception. It may be passed on first.
Fate = Callable[[httpx2.BaseTransport, httpx2.Request], httpx2.Response]


class BreakingTransport(httpx2.BaseTransport):
    """The next requests have these fates, all others reach the gateway. `seen` has every request."""

    def __init__(self, *fates: Fate) -> None:
        self.fates = list(fates)
        self.seen: list[httpx2.Request] = []
        self._real = httpx2.HTTPTransport(verify=False)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.seen.append(request)
        return self.fates.pop(0)(self._real, request) if self.fates else self._real.handle_request(request)

    def close(self) -> None:
        self._real.close()


def passed_on(real: httpx2.BaseTransport, request: httpx2.Request) -> httpx2.Response:
    return real.handle_request(request)


def refused(_: httpx2.BaseTransport, request: httpx2.Request) -> httpx2.Response:
    raise httpx2.ConnectError("refused", request=request)


def answer_lost(real: httpx2.BaseTransport, request: httpx2.Request) -> httpx2.Response:
    """The gateway has done it."""
    real.handle_request(request).read()
    raise httpx2.ReadError("reset", request=request)


def answer_late(real: httpx2.BaseTransport, request: httpx2.Request) -> httpx2.Response:
    real.handle_request(request).read()
    raise httpx2.ReadTimeout("late", request=request)


def answer_cut(real: httpx2.BaseTransport, request: httpx2.Request) -> httpx2.Response:
    response = real.handle_request(request)

    class Cut(httpx2.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            yield response.read()[:40]
            raise httpx2.RemoteProtocolError("incomplete", request=request)

    return httpx2.Response(200, headers={"content-type": "application/json"}, stream=Cut())


def proxy_gives_up(real: httpx2.BaseTransport, request: httpx2.Request) -> httpx2.Response:
    real.handle_request(request).read()
    return httpx2.Response(504, text="<html>gateway timeout</html>")


def answers(status: int, code: str = "", **headers: str) -> Fate:
    body = {"error": {"code": code, "message": "no"}}
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _, __: httpx2.Response(status, json=body, headers=given)


def breaking_client(gateway: Gateway, *fates: Fate, max_retries: int = 4) -> tuple[Client, BreakingTransport]:
    transport = BreakingTransport(*fates)
    http_client = httpx2.Client(transport=transport)
    return Client(gateway.url, gateway.key, max_retries=max_retries, http_client=http_client), transport
