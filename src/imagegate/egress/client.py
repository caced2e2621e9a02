"""The client for URLs that users gave: fetch a reference, post a webhook."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import Final

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver

from imagegate.egress.addresses import EgressRules, address_policy
from imagegate.egress.connector import AddressGuard, GuardedConnector
from imagegate.egress.exchange import Sink, fetch, send_request, translate_errors
from imagegate.egress.urls import CheckedUrl, check_redirect
from imagegate.http.client import default_headers, default_tls, open_session
from imagegate.http.download import Download

MAX_RESPONSE_BYTES: Final = 64 * 1024
MAX_EXCERPT_BYTES: Final = 1024


class PostResponse(msgspec.Struct, frozen=True):
    """The response to a webhook, of any status. `excerpt` is its first kilobyte as printable text.

    `retry_after` is that header as text, for the log.
    """

    status: int
    elapsed_ms: int
    excerpt: str
    retry_after: str | None = None


class EgressClient:
    """One session for all user-given URLs of a process; opened on first use, in the loop that uses it."""

    def __init__(
        self, rules: EgressRules, *, resolver: AbstractResolver | None = None, ssl_context: ssl.SSLContext | None = None
    ) -> None:
        self._rules = rules
        self._resolver = resolver
        self._ssl = ssl_context or default_tls()
        self._guard = AddressGuard(address_policy(rules))
        self._opened: aiohttp.ClientSession | None = None

    async def fetch(self, url: CheckedUrl, sink: Sink, *, max_bytes: int, total_s: float = 60) -> Download:
        """GET the URL into `sink`, following redirects. Raises FetchFailed; `sink` may hold a part of the body then."""
        return await fetch(
            url,
            sink,
            max_bytes=max_bytes,
            total_s=total_s,
            headers=default_headers(self._rules.contact),
            session_for=self._session,
            check_redirect=lambda location, base: check_redirect(location, base, self._rules),
        )

    async def post(
        self, url: CheckedUrl, body: bytes, headers: Mapping[str, str], *, total_s: float = 10
    ) -> PostResponse:
        """POST the body once. A redirect is a response like any other and is not followed."""
        clock = asyncio.get_running_loop().time
        started = clock()
        async with translate_errors(url), asyncio.timeout(total_s):
            async with send_request(
                await self._session(), "POST", url, {**headers, **default_headers()}, body
            ) as response:
                excerpt = await _read_excerpt(response)
            return PostResponse(
                response.status, round((clock() - started) * 1000), excerpt, _retry_after_text(response)
            )

    async def close(self) -> None:
        """Drop the session and its connections."""
        if self._opened is not None:
            await self._opened.close()
            self._opened = None

    async def _session(self, _: CheckedUrl | None = None) -> aiohttp.ClientSession:
        if self._opened is None:
            # Named, never left to default: with aiodns installed the default would be another resolver.
            resolver = self._resolver or aiohttp.ThreadedResolver()
            self._opened = open_session(GuardedConnector(self._guard, resolver, self._ssl))
        return self._opened


async def _read_excerpt(response: aiohttp.ClientResponse) -> str:
    """Read to the end or to the cap, whichever comes first, and keep the beginning."""
    kept, total = b"", 0
    async for chunk in response.content.iter_any():
        kept = (kept + chunk[:MAX_EXCERPT_BYTES])[:MAX_EXCERPT_BYTES]
        total += len(chunk)
        if total >= MAX_RESPONSE_BYTES:
            break
    return _printable(kept)


def _retry_after_text(response: aiohttp.ClientResponse) -> str | None:
    value = response.headers.get("Retry-After")
    return None if value is None else _printable(value.encode("utf-8", "surrogateescape")[:64])


def _printable(raw: bytes) -> str:
    text = raw.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
