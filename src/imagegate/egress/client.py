"""The client for URLs that users gave: fetch a reference, post a webhook, and the reasons for which these fail."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import cache
from typing import Final, Literal, Protocol

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver
from yarl import URL

from imagegate.egress.addresses import EgressRules, address_policy
from imagegate.egress.connector import AddressGuard, AddressRefused, GuardedConnector
from imagegate.egress.urls import CheckedUrl, UrlRefused, check_redirect
from imagegate.http import client as http
from imagegate.http.client import Download
from imagegate.http.resolver import DnsResolver

FailureReason = Literal[
    "refused_address",
    "dns",
    "connect",
    "tls",
    "timeout",
    "too_large",
    "status",
    "encoding",
    "redirect",
    "reset",
    "truncated",
    "protocol",
]

MAX_RESPONSE_BYTES: Final = 64 * 1024
MAX_EXCERPT_BYTES: Final = 1024
_CHUNK_BYTES: Final = 256 * 1024
_WRITER_THREADS: Final = 4
MAX_REDIRECTS: Final = 3
_REDIRECT_STATUSES: Final = frozenset({301, 302, 303, 307, 308})

# The order matters where one class is a kind of another.
_REASONS: Final[tuple[tuple[type[BaseException], FailureReason], ...]] = (
    (AddressRefused, "refused_address"),
    (UrlRefused, "redirect"),
    (aiohttp.ClientConnectorDNSError, "dns"),
    (aiohttp.ClientSSLError, "tls"),
    (TimeoutError, "timeout"),
    (aiohttp.ClientConnectorError, "connect"),
    (http.HeadersTooLarge, "too_large"),
    (aiohttp.ClientPayloadError, "truncated"),
    (aiohttp.ClientConnectionError, "reset"),
    (aiohttp.ClientError, "protocol"),
)


class Sink(Protocol):
    """Anything that takes bytes; an open file does."""

    def write(self, data: bytes, /) -> object: ...


class FetchFailed(Exception):
    """No usable response. Reason and text are for the operator; users get one message for all of them."""

    def __init__(self, reason: FailureReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: Final = reason


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
        # Its own, never the upstreams': what customers' names do to it concerns no upstream.
        self._resolver = resolver or DnsResolver()
        self._ssl = ssl_context or http.default_tls()
        self._guard = AddressGuard(address_policy(rules))
        self._opened: aiohttp.ClientSession | None = None

    async def fetch(self, url: CheckedUrl, sink: Sink, *, max_bytes: int, total_s: float = 60) -> Download:
        """GET the URL into `sink`, following redirects. Raises FetchFailed; `sink` may hold a part of the body then."""
        return await fetch(
            url,
            sink,
            max_bytes=max_bytes,
            total_s=total_s,
            headers=http.default_headers(self._rules.contact),
            session_for=self._session,
            check_redirect=lambda location, base: check_redirect(location, base, self._rules),
        )

    async def post(
        self, url: CheckedUrl, body: bytes, headers: Mapping[str, str], *, total_s: float = 10
    ) -> PostResponse:
        """POST the body once. A redirect is a response like any other and is not followed."""
        clock = asyncio.get_running_loop().time
        started = clock()
        async with _translate_errors(url), asyncio.timeout(total_s):
            async with _send_request(
                await self._session(), "POST", url, {**headers, **http.default_headers()}, body
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
        await self._resolver.close()

    async def _session(self, _: CheckedUrl | None = None) -> aiohttp.ClientSession:
        if self._opened is None:
            self._opened = http.open_session(GuardedConnector(self._guard, self._resolver, self._ssl))
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


@asynccontextmanager
async def _translate_errors(url: CheckedUrl) -> AsyncIterator[None]:
    """Every failure becomes FetchFailed. Errors of the sink pass: they are no fault of the other side."""
    try:
        yield
    except tuple(kind for kind, _ in _REASONS) as error:
        reason = next(word for kind, word in _REASONS if isinstance(error, kind))
        # The text of this kind holds the whole URL.
        text = error.message if isinstance(error, aiohttp.ClientResponseError) else error
        raise FetchFailed(reason, f"{url.origin}: {type(error).__name__} {text}") from error


@asynccontextmanager
async def _send_request(
    session: aiohttp.ClientSession, method: str, url: CheckedUrl, headers: Mapping[str, str], body: bytes | None = None
) -> AsyncIterator[aiohttp.ClientResponse]:
    """One request, no redirect followed. The headers of the response are checked, its body is still to be read."""
    async with http.send_request(session, method, _aiohttp_url(url), headers, body) as response:
        http.check_header_size(response)
        coding = response.headers.get("Content-Encoding", "").strip().lower()
        if coding not in {"", "identity"}:
            raise FetchFailed("encoding", f"response in content encoding {coding[:32]!r}")
        yield response


async def fetch(
    url: CheckedUrl,
    sink: Sink,
    *,
    max_bytes: int,
    total_s: float,
    headers: Mapping[str, str],
    session_for: Callable[[CheckedUrl], Awaitable[aiohttp.ClientSession]],
    check_redirect: Callable[[str, CheckedUrl], CheckedUrl],
) -> Download:
    """GET `url` into `sink`, following at most MAX_REDIRECTS redirects that `check_redirect` accepts.

    `total_s` is for all hops together. Raises FetchFailed, and then `sink` may hold a part of the body.
    """
    async with _translate_errors(url), asyncio.timeout(total_s):
        here = url
        for _ in range(MAX_REDIRECTS + 1):
            async with _send_request(await session_for(here), "GET", here, headers) as response:
                location = response.headers.get("Location") if response.status in _REDIRECT_STATUSES else None
                if location is None:
                    return await _copy_body(response, sink, max_bytes)
                here = check_redirect(location, here)
        raise FetchFailed("redirect", f"more than {MAX_REDIRECTS} redirects, the last to {here.origin}")


async def _copy_body(response: aiohttp.ClientResponse, sink: Sink, max_bytes: int) -> Download:
    """The body of a 200 into `sink`; its bytes are counted as they arrive, whatever was announced."""
    if response.status != 200:
        raise FetchFailed("status", f"status {response.status}")
    if (response.content_length or 0) > max_bytes:
        raise FetchFailed("too_large", f"announced {response.content_length} bytes of at most {max_bytes}")
    total, digest, buffer = 0, hashlib.sha256(), bytearray()

    def keep(data: bytes) -> None:
        digest.update(data)
        sink.write(data)

    loop = asyncio.get_running_loop()
    async for chunk in response.content.iter_any():
        total += len(chunk)
        if total > max_bytes:
            raise FetchFailed("too_large", f"more than {max_bytes} bytes")
        buffer += chunk
        # The first bytes at once: the sink may reject the body by them.
        if len(buffer) >= _CHUNK_BYTES or total == len(chunk):
            await loop.run_in_executor(_writer_threads(), keep, bytes(buffer))
            buffer.clear()
    await loop.run_in_executor(_writer_threads(), keep, bytes(buffer))
    return Download(total, digest.hexdigest())


@cache
def _writer_threads() -> ThreadPoolExecutor:
    """Threads for writing alone: in the loop's own threads a slow disk would hold up name lookups."""
    return ThreadPoolExecutor(_WRITER_THREADS, "imagegate-fetch")


def _aiohttp_url(url: CheckedUrl) -> URL:
    """The URL for aiohttp, whose parser must read it as ours does."""
    with suppress(ValueError):
        parsed = URL(url.text, encoded=True)
        read = (parsed.scheme, parsed.raw_host, parsed.port, parsed.raw_path_qs)
        if read == (url.scheme, url.host, url.port, url.target):
            return parsed
    raise FetchFailed("protocol", f"the URL at {url.origin} has two readings")
