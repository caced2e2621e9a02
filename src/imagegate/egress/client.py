"""The client for URLs that users gave: fetch a reference, post a callback.

Knows time, redirects and how much of an answer is wanted. It refuses to know what the bytes are, who asked, and
whether to try again.
"""

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
from imagegate.egress.exchange import (
    MAX_REDIRECTS,
    FetchFailed,
    FetchResult,
    Sink,
    copy_body,
    default_headers,
    open_session,
    redirect_location,
    send_request,
    strict_tls,
    translate_errors,
)
from imagegate.egress.urls import CheckedUrl, check_redirect

MAX_RESPONSE_BYTES: Final = 64 * 1024
MAX_EXCERPT_BYTES: Final = 1024


class PostResponse(msgspec.Struct, frozen=True):
    """An answer to a callback, of whatever status. `excerpt` is its first kilobyte as printable text.

    `retry_after` is what the receiver asked for in that header, for the log.
    """

    status: int
    elapsed_ms: int
    excerpt: str
    retry_after: str | None = None


class EgressClient:
    """One session for all user-given URLs of a process; opened on first use, in the loop that uses it."""

    def __init__(
        self,
        rules: EgressRules,
        *,
        resolver: AbstractResolver | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._rules = rules
        self._resolver = resolver
        self._ssl = ssl_context or strict_tls()
        self._guard = AddressGuard(address_policy(rules))
        self._open_session: aiohttp.ClientSession | None = None

    async def fetch(self, url: CheckedUrl, sink: Sink, *, max_bytes: int, total_s: float = 60) -> FetchResult:
        """GET the URL into `sink`, following at most three redirects. A failure leaves rubbish in `sink`."""
        async with translate_errors(url), asyncio.timeout(total_s):
            here = url
            for _ in range(MAX_REDIRECTS + 1):
                async with send_request(self._session(), "GET", here, default_headers(self._rules.contact)) as response:
                    location = redirect_location(response)
                    if location is None:
                        return await copy_body(response, sink, max_bytes)
                    here = check_redirect(location, here, self._rules)
            raise FetchFailed("redirect", f"more than {MAX_REDIRECTS} redirects, the last to {here.origin}")

    async def post(
        self, url: CheckedUrl, body: bytes, headers: Mapping[str, str], *, total_s: float = 10
    ) -> PostResponse:
        """POST the body once. A redirect is an answer like any other and is not followed."""
        clock = asyncio.get_running_loop().time
        started = clock()
        async with translate_errors(url), asyncio.timeout(total_s):
            async with send_request(self._session(), "POST", url, {**headers, **default_headers()}, body) as response:
                excerpt = await _read_excerpt(response)
            return PostResponse(
                response.status, round((clock() - started) * 1000), excerpt, _retry_after_text(response)
            )

    async def close(self) -> None:
        """Drop the session and its connections."""
        if self._open_session is not None:
            await self._open_session.close()
            self._open_session = None

    def _session(self) -> aiohttp.ClientSession:
        if self._open_session is None:
            # Named, never left to default: with aiodns installed the default would be another resolver.
            resolver = self._resolver or aiohttp.ThreadedResolver()
            self._open_session = open_session(GuardedConnector(self._guard, resolver, self._ssl))
        return self._open_session


async def _read_excerpt(response: aiohttp.ClientResponse) -> str:
    """Read the answer to its end or to the cap, whichever comes first, and keep the excerpt."""
    kept, total = b"", 0
    async for chunk in response.content.iter_any():
        kept = (kept + chunk[:MAX_EXCERPT_BYTES])[:MAX_EXCERPT_BYTES]
        total += len(chunk)
        if total >= MAX_RESPONSE_BYTES:
            break
    return _printable(kept)


def _retry_after_text(response: aiohttp.ClientResponse) -> str | None:
    asked = response.headers.get("Retry-After")
    return None if asked is None else _printable(asked.encode("utf-8", "surrogateescape")[:64])


def _printable(raw: bytes) -> str:
    text = raw.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
