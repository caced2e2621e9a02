"""A webhook receiver with TLS on real sockets, in a thread of its own, with one behaviour per port."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Literal

from tests.egress.raw_server import Reply, Server, make_test_ca, serve_raw, server_tls
from tests.support.program import wait_until


@dataclasses.dataclass(frozen=True)
class Behaviour:
    """How one port responds. `tls` None means plain TCP."""

    reply: Reply
    tls: ssl.SSLContext | Literal["own"] | None = "own"
    greeting: bytes = b""


@dataclasses.dataclass(frozen=True)
class Request:
    """A received request; `at` is monotonic time."""

    at: float
    target: str
    headers: Mapping[str, str]
    body: bytes


class Receiver:
    """The open ports by name, and their requests."""

    def __init__(self) -> None:
        self._servers: dict[str, Server] = {}
        self._times: dict[str, list[float]] = {}

    def url(self, name: str, target: str = "/done?b=2&a=%7E1") -> str:
        return f"https://127.0.0.1:{self._servers[name].port}{target}"

    @property
    def egress_options(self) -> list[str]:
        """The options that allow a gateway to reach every port."""
        return [f"--egress-allow=127.0.0.1/32:{server.port}" for server in self._servers.values()]

    def connections(self, name: str) -> int:
        return self._servers[name].connections

    def requests(self, name: str) -> list[Request]:
        pairs = zip(self._times[name], list(self._servers[name].requests), strict=False)
        return [_parse_request(at, raw) for at, raw in pairs]

    def wait(self, name: str, count: int, seconds: float = 20) -> list[Request]:
        """The requests, once there are at least `count`."""
        what = f"{count} requests came to {name}"
        wait_until(lambda: len(self.requests(name)) >= count, seconds, what=lambda: f"{what}: {self.requests(name)}")
        return self.requests(name)

    async def serve(self, behaviours: Mapping[str, Behaviour], ready: Future[None], stop: asyncio.Event) -> None:
        async with contextlib.AsyncExitStack() as stack:
            for name, behaviour in behaviours.items():
                times = self._times[name] = []
                tls = server_tls("127.0.0.1") if behaviour.tls == "own" else behaviour.tls
                opened = serve_raw(_record_time(behaviour.reply, times), tls=tls, greeting=behaviour.greeting)
                self._servers[name] = await stack.enter_async_context(opened)
            ready.set_result(None)
            await stop.wait()


def _record_time(reply: Reply, times: list[float]) -> Reply:
    async def timed(request: bytes, writer: asyncio.StreamWriter) -> None:
        times.append(time.monotonic())
        await reply(request, writer)

    return timed


def _parse_request(at: float, raw: bytes) -> Request:
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Request(at, first.split(" ")[1], headers, body)


@contextlib.contextmanager
def webhook_receiver(behaviours: Mapping[str, Behaviour]) -> Iterator[Receiver]:
    receiver, ready, loop = Receiver(), Future[None](), asyncio.new_event_loop()
    stop = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(receiver.serve(behaviours, ready, stop)))
    thread.start()
    try:
        ready.result(timeout=10)
        yield receiver
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(timeout=10)
        loop.close()


def trust_environment(folder: Path) -> dict[str, str]:
    """The environment in which a program trusts the CA of these receivers only."""
    file = folder / "authority.pem"
    make_test_ca().cert_pem.write_to_path(str(file))
    return {"SSL_CERT_FILE": str(file)}
