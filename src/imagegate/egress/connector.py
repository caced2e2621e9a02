"""The guard at the connection: every address is checked before it is connected to, and again afterwards.

Two places are needed: aiohttp asks no resolver about literal addresses, and tries the next address after one failed.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import suppress
from functools import partial

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from imagegate.egress.addresses import AddressPolicy
from imagegate.egress.status_line import StatusLineHandler


class AddressRefused(Exception):
    """An address that must not be reached. Not an OSError: the connector would go on to the next address."""


class AddressGuard:
    """Checks addresses against a policy, and that none is this machine's own.

    `only_named`: every address must be one that an entry of the operator names together with its port.
    """

    def __init__(self, book: AddressPolicy, *, only_named: bool = False) -> None:
        self._policy = book
        self._only_named = only_named
        # Where a socket can bind to a foreign address (documentation, here), binding does not tell which are our own.
        self._detects_own_addresses = not _can_bind("198.51.100.255")

    def check(self, address: str, port: int) -> None:
        """Raise AddressRefused unless this address and port may be connected to."""
        refusal = self._policy.refusal_reason(address, port)
        if refusal is not None:
            raise AddressRefused(f"{address} port {port} {refusal}")
        if self._only_named and not self._policy.names(address, port):
            raise AddressRefused(f"{address} port {port} is not named by egress_allow, as http needs")
        if self._policy.is_allowed(address, port):
            return
        if self._detects_own_addresses and _can_bind(address):
            raise AddressRefused(f"{address} is an address of this machine")

    def open_socket(self, info: aiohttp.AddrInfoType) -> socket.socket:
        """The socket factory of the connector."""
        family, kind, protocol, _, address = info
        host, port = address[:2]
        self.check(str(host), int(port))
        return socket.socket(family, kind, protocol)

    def check_peer(self, transport: asyncio.BaseTransport | None) -> None:
        """Check what is really at the other end, before a byte of the request is sent."""
        peer = transport.get_extra_info("peername") if transport is not None else None
        own = transport.get_extra_info("sockname") if transport is not None else None
        if not peer or not own:
            raise ConnectionResetError("the connection is closed")
        self.check(peer[0], peer[1])
        # A connection from an address to itself never left this machine.
        if peer[0] == own[0] and not self._policy.is_allowed(peer[0], peer[1]):
            raise AddressRefused(f"{peer[0]} is an address of this machine")


class GuardedResolver(AbstractResolver):
    """Refuses a name for one refused address, so that no name can mix allowed ones with others."""

    def __init__(self, guard: AddressGuard, inner: AbstractResolver) -> None:
        self._guard = guard
        self._inner = inner

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        addresses = await self._inner.resolve(host, port, family)
        if not addresses:
            raise OSError("the name has no address")
        if host == "localhost":
            # By definition this machine, as ::1 and as 127.0.0.1: whoever allows one of them means that one.
            addresses = [one for one in addresses if self._allows(one)] or addresses
        for address in addresses:
            self._guard.check(address["host"], address["port"])
        return addresses

    def _allows(self, address: ResolveResult) -> bool:
        try:
            self._guard.check(address["host"], address["port"])
        except AddressRefused:
            return False
        return True

    async def close(self) -> None:
        await self._inner.close()


class GuardedConnector(aiohttp.TCPConnector):
    """A connector whose connections all pass the guard three times: name, socket, peer."""

    def __init__(self, guard: AddressGuard, resolver: AbstractResolver, tls: ssl.SSLContext) -> None:
        super().__init__(
            ssl=tls,
            resolver=GuardedResolver(guard, resolver),
            socket_factory=guard.open_socket,
            use_dns_cache=False,
            happy_eyeballs_delay=None,
            force_close=True,
            limit=0,
        )
        self._guard = guard
        # aiohttp's own place for the class of a connection's protocol.
        self._factory = partial(StatusLineHandler, loop=self._loop)  # type: ignore[assignment]

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - the signature is aiohttp's
    ) -> Connection:
        connection = await super().connect(req, traces, timeout)
        try:
            self._guard.check_peer(connection.transport)
        except BaseException:
            connection.close()
            raise
        return connection


def _can_bind(address: str) -> bool:
    """Whether a socket can be bound to the address: as a rule, only to those of our own interfaces."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.bind((address, 0))
        return True
    return False
