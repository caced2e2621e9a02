"""Name lookups that end: c-ares asks the name servers itself, and nothing waits for a silent one longer than it should.

`getaddrinfo` cannot be given up: the wait for it ends, but its thread stays, and an event loop has four of them for
everything. A few names whose servers never answer would hold them all.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

LOOKUP_TIMEOUT_S: Final = 5.0
# c-ares doubles the first wait with every try, and shortens it to a quarter of a second while the server is quick. Four
# tries then still leave 3.75 s to a name whose own servers are slow.
_FIRST_TRY_S: Final = 1.0
_TRIES: Final = 4


class DnsResolver(AbstractResolver):
    """Asks these name servers (`ADDRESS` or `ADDRESS:PORT`), by default those of the system, after the hosts file.

    Opened on first use, in the loop that uses it. One that is shared knows nothing of the load of another.
    """

    def __init__(self, servers: Sequence[str] = ()) -> None:
        self._servers = tuple(servers)
        self._opened: aiohttp.AsyncResolver | None = None

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if self._opened is None:
            self._opened = aiohttp.AsyncResolver(nameservers=self._servers or None, timeout=_FIRST_TRY_S, tries=_TRIES)
        try:
            async with asyncio.timeout(LOOKUP_TIMEOUT_S):
                return await self._opened.resolve(host, port, family)
        except TimeoutError:
            # An OSError with a text is what a connector reports as a failed lookup.
            raise OSError("the name lookup took too long") from None

    async def close(self) -> None:
        """Lookups that are under way fail now."""
        if self._opened is not None:
            await self._opened.close()
            self._opened = None
