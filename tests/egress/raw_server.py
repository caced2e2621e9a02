"""Real servers, a resolver that says what a test wants, and an ear on every connect of this process."""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

import trustme
from aiohttp.abc import AbstractResolver, ResolveResult

Reply = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@cache
def make_test_ca() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


def client_tls(ca: trustme.CA | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    (ca or make_test_ca()).configure_trust(context)
    return context


@cache
def server_tls(
    *names: str,
    ca: trustme.CA | None = None,
    not_after: datetime | None = None,
    not_before: datetime | None = None,
) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    cert = (ca or make_test_ca()).issue_cert(
        *names, key_type=trustme.KeyType.ECDSA, not_after=not_after, not_before=not_before
    )
    cert.configure_cert(context)
    return context


@dataclass
class Server:
    port: int
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0


@asynccontextmanager
async def serve_raw(
    reply: Reply, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None, greeting: bytes = b""
) -> AsyncIterator[Server]:
    """Listen, read each request whole, hand it to `reply`, hang up."""
    seen = Server(0)
    running: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        seen.connections += 1
        try:
            writer.write(greeting)
            request = await _read_request(reader)
            seen.requests.append(request)
            await reply(request, writer)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            running.discard(task)
            writer.close()
            with suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    server = await asyncio.start_server(serve, host, 0, ssl=tls)
    seen.port = server.sockets[0].getsockname()[1]
    try:
        yield seen
    finally:
        server.close()
        for task in tuple(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await server.wait_closed()


async def _read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return head + await reader.readexactly(length)


def http_response(status: int = 200, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def reply_with(*parts: bytes) -> Reply:
    async def reply(_: bytes, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()

    return reply


async def drip(_: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
    while True:
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(0.1)


async def drip_headers(_: bytes, writer: asyncio.StreamWriter) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nX-Slow: very slow indeed\r\n":
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.1)


async def hang(_: bytes, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def reset(_: bytes, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def endless(_: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        await writer.drain()


class ScriptedResolver(AbstractResolver):
    """Each name has a row of answers, one per lookup; the last one stays. Any other name is this machine."""

    def __init__(self, **names: list[list[str]]) -> None:
        self.names = {name.replace("_", "."): list(rows) for name, rows in names.items()}
        self.lookups: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.lookups.append(host)
        rows = self.names.get(host, [["127.0.0.1"]])
        addresses = rows.pop(0) if len(rows) > 1 else rows[0]
        return [_result(host, address, port) for address in addresses]

    async def close(self) -> None:
        pass


def _result(name: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(hostname=name, host=address, port=port, family=family, proto=0, flags=0)


# An audit hook cannot be taken out again, so there is one, and it hears only while someone listens.
_listeners: list[list[tuple[Any, ...]]] = []


def _on_audit_event(event: str, args: tuple[Any, ...]) -> None:
    if event == "socket.connect":
        for heard in _listeners:
            heard.append(tuple(args[1][:2]))


@cache
def _install_audit_hook() -> None:
    sys.addaudithook(_on_audit_event)


@contextmanager
def record_connects() -> Iterator[list[tuple[Any, ...]]]:
    """Every address that this process dials, whatever it is dialled with."""
    _install_audit_hook()
    heard: list[tuple[Any, ...]] = []
    _listeners.append(heard)
    try:
        yield heard
    finally:
        _listeners.remove(heard)
