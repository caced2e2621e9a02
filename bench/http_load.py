"""HTTP clients that cost little: many of them send from one process, each over its own connection."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit

_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_LAST_CHUNK = b"\r\n0\r\n\r\n"


class LoadError(Exception):
    """A response that is not the one that was measured."""


def request_bytes(url: str, method: str = "GET", body: object = None, **headers: str) -> bytes:
    """A request ready to be sent, as often as wanted."""
    parts = urlsplit(url)
    content = b"" if body is None else json.dumps(body).encode()
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    lines = [f"{method} {target} HTTP/1.1", f"Host: {parts.netloc}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join([*lines, "", ""]).encode() + content


class Connection(asyncio.Protocol):
    """One request at a time. `response` is the whole last one, head included."""

    def __init__(self) -> None:
        self.response = bytearray()
        self._length = -1  # of the whole response; -1: not known yet, or sent in chunks
        self._done: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._expected = b""
        self._arrived: asyncio.Future[None] | None = None
        self.is_lost = False

    @classmethod
    async def open(cls, url: str) -> Connection:
        host, _, port = urlsplit(url).netloc.partition(":")
        _, made = await asyncio.get_running_loop().create_connection(cls, host, int(port))
        return made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class

    def send(self, request: bytes) -> asyncio.Future[None]:
        """The future ends with the response's last byte."""
        assert self._transport is not None
        self.response.clear()
        self._length, self._done = -1, asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._done

    def watch(self, expected: bytes) -> asyncio.Future[None]:
        """The future ends when these bytes arrive in what a response to come brings next."""
        self._expected, self._arrived = expected, asyncio.get_running_loop().create_future()
        return self._arrived

    def data_received(self, data: bytes) -> None:
        self.response += data
        if self._arrived is not None and self._expected in data and not self._arrived.done():
            self._arrived.set_result(None)
        if self._length < 0:
            head_end = self.response.find(b"\r\n\r\n")
            if head_end < 0:
                return
            if found := _CONTENT_LENGTH.search(self.response, 0, head_end):
                self._length = head_end + 4 + int(found[1])
            elif not self.response.endswith(_LAST_CHUNK):
                return
            else:
                self._length = len(self.response)
        if len(self.response) >= self._length and self._done is not None and not self._done.done():
            self._done.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        self.is_lost = True
        if self._done is not None and not self._done.done():
            self._done.set_exception(LoadError(f"the connection ended: {bytes(self.response[:500])!r}"))

    @property
    def status(self) -> int:
        return int(self.response[9:12])

    def json(self) -> Any:
        return json.loads(bytes(self.response).partition(b"\r\n\r\n")[2])

    @property
    def is_answered(self) -> bool:
        return self._done is not None and self._done.done()

    def close(self) -> None:
        assert self._transport is not None
        self._done = None  # nobody waits for the rest
        self._transport.close()


def expect(connection: Connection, expected: bytes = b"") -> None:
    """LoadError unless the last response is a 200 with these bytes."""
    if connection.status != 200 or expected not in connection.response:
        raise LoadError(f"not the response that was expected: {bytes(connection.response[:1500])!r}")


@dataclass
class Load:
    """What a number of clients sent in a row got."""

    count: int = 0
    seconds: float = 0.0
    own_cpu_s: float = 0.0  # of the clients themselves
    server_cpu_s: float = 0.0  # for who measures it
    latencies: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return self.count / self.seconds

    def percentile_ms(self, share: float) -> float:
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000


async def drive(
    url: str,
    request: Callable[[], bytes],
    *,
    clients: int,
    seconds: float,
    expected: bytes = b"",
    warm_up_s: float = 0.0,
    follow_up: Callable[[bytearray], bytes] | None = None,
    begin: Callable[[], None] = lambda: None,
    end: Callable[[], None] = lambda: None,
) -> Load:
    """Each client sends its next request when it has the response to its last one.

    `begin` and `end` are called where the measured time begins and ends; a response without `expected` is an error.
    `follow_up` makes a second request of each response, which counts as part of the first.
    """
    load, loop = Load(), asyncio.get_running_loop()
    connections = await asyncio.gather(*(Connection.open(url) for _ in range(clients)))
    begins_at = loop.time() + warm_up_s
    ends_at = begins_at + seconds

    async def client(connection: Connection) -> None:
        while (sent := loop.time()) < ends_at:
            await connection.send(request())
            expect(connection, expected)
            if follow_up is not None:
                await connection.send(follow_up(connection.response))
                expect(connection)
            now = loop.time()
            if begins_at <= now < ends_at:
                load.count += 1
                load.latencies.append(now - sent)

    async def clock() -> None:
        await asyncio.sleep(begins_at - loop.time())
        begin()
        started, cpu = time.perf_counter(), time.process_time()
        await asyncio.sleep(ends_at - loop.time())
        load.seconds, load.own_cpu_s = time.perf_counter() - started, time.process_time() - cpu
        end()

    await asyncio.gather(clock(), *(client(connection) for connection in connections))
    for connection in connections:
        connection.close()
    return load


async def send_each(url: str, requests: Iterable[bytes], clients: int, expected: bytes = b"") -> list[bytes]:
    """Send each request once, by so many clients; the bodies of the responses, in no order."""
    left, bodies = iter(requests), list[bytes]()

    async def client() -> None:
        connection = await Connection.open(url)
        for request in left:
            await connection.send(request)
            expect(connection, expected)
            bodies.append(bytes(connection.response).partition(b"\r\n\r\n")[2])
        connection.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return bodies
