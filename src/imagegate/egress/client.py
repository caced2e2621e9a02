"""The client for URLs that users gave: fetch a reference, post a webhook, and the reasons for which these fail."""

from __future__ import annotations

import asyncio
import hashlib
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Mapping
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
from imagegate.egress.status_line import read_status_line
from imagegate.egress.urls import CheckedUrl, UrlRefused, check_redirect, needs_named_address
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
# The status of a webhook's response decides; its body is worth no longer wait.
EXCERPT_TIMEOUT_S: Final = 1.0
_CHUNK_BYTES: Final = 256 * 1024
_WRITER_THREADS: Final = 4
MAX_REDIRECTS: Final = 3
# The bytes of a user's URL must be the whole: 206 is a part, 202 says that there is nothing yet.
_WHOLE_STATUSES: Final = frozenset({200, 203})
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
    (http.EncodingError, "encoding"),
    (aiohttp.ClientPayloadError, "truncated"),
    (aiohttp.ClientConnectionError, "reset"),
    (aiohttp.ClientError, "protocol"),
)


class Sink(Protocol):
    """Anything that takes bytes; an open file does."""

    def write(self, data: bytes, /) -> object: ...


class FetchFailed(Exception):
    """No usable response. Reason and text are for the operator; users get one message for all of them.

    `words` say the same without the URL and without what the other side sent.
    """

    def __init__(self, reason: FailureReason, detail: str, words: str = "") -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: Final = reason
        self.words: Final = f"{reason}: {words or detail}"


class PostResponse(msgspec.Struct, frozen=True):
    """The response to a webhook, of any status. `excerpt` is its first kilobyte as printable text, or less.

    `retry_after` is that header as text, for the log. Both are empty where only the status line could be read.
    """

    status: int
    elapsed_ms: int
    excerpt: str
    retry_after: str | None = None


class EgressClient:
    """The sessions for all user-given URLs of a process; opened on first use, in the loop that uses them."""

    def __init__(
        self, rules: EgressRules, *, resolver: AbstractResolver | None = None, ssl_context: ssl.SSLContext | None = None
    ) -> None:
        self._rules = rules
        # Its own, never the upstreams': what customers' names do to it concerns no upstream.
        self._resolver = resolver or DnsResolver()
        self._ssl = ssl_context
        policy = address_policy(rules)
        self._guards = {only_named: AddressGuard(policy, only_named=only_named) for only_named in (False, True)}
        self._opened: dict[bool, aiohttp.ClientSession] = {}

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
        """POST the body once. A redirect is a response like any other and is not followed.

        The status line is the response: whatever breaks after it costs the excerpt alone. Raises FetchFailed where
        there is none.
        """
        clock = asyncio.get_running_loop().time
        started = clock()
        excerpt, retry_after = "", None
        with read_status_line() as status_line:
            try:
                async with _translate_errors(url), asyncio.timeout(total_s):
                    session, all_headers = await self._session(url), {**headers, **http.default_headers()}
                    async with http.send_request(session, "POST", _aiohttp_url(url), all_headers, body) as response:
                        status_line.status = response.status
                        retry_after = _retry_after_text(response)
                        excerpt = await _read_excerpt(response)
            except FetchFailed as failed:
                # Whoever is refused has answered nothing, even if it spoke first.
                if not status_line.status or failed.reason == "refused_address":
                    raise
        return PostResponse(status_line.status, round((clock() - started) * 1000), excerpt, retry_after)

    async def close(self) -> None:
        """Drop the session and its connections."""
        for session in self._opened.values():
            await session.close()
        self._opened.clear()
        await self._resolver.close()

    async def _session(self, url: CheckedUrl) -> aiohttp.ClientSession:
        only_named = needs_named_address(url.purpose, url.scheme)
        if only_named not in self._opened:
            connector = GuardedConnector(self._guards[only_named], self._resolver, self._ssl or http.default_tls())
            self._opened[only_named] = http.open_session(connector)
        return self._opened[only_named]


async def _read_excerpt(response: aiohttp.ClientResponse) -> str:
    """The beginning of the body, as far as it can be read at all."""
    kept, total = b"", 0
    with suppress(aiohttp.ClientError, TimeoutError):
        async with asyncio.timeout(EXCERPT_TIMEOUT_S):
            async for chunk in http.iter_body(response):
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
        raise FetchFailed(reason, f"{url.origin}: {type(error).__name__} {text}", _in_words(error)) from error


def _in_words(error: BaseException) -> str:
    match error:
        case AddressRefused() | UrlRefused() | http.HeadersTooLarge() | http.EncodingError():
            return str(error)
        case aiohttp.ClientConnectorCertificateError(certificate_error=ssl.SSLCertVerificationError() as refused):
            return f"certificate verify failed: {refused.verify_message.rstrip('.')}"
        case aiohttp.ClientConnectorDNSError():
            return "the name has no address, or its name server does not answer"
        case aiohttp.ClientConnectorError(os_error=ssl.SSLError(reason=str() as reason)):
            return reason.lower().replace("_", " ")
        case aiohttp.ClientConnectorError(os_error=OSError(errno=int() as number)) if number > 0:
            return os.strerror(number).lower()
        case TimeoutError():
            return "no answer in time"
        case aiohttp.ClientPayloadError():
            return "the connection ended within the answer"
        case aiohttp.ClientConnectionError():
            return "the connection ended before an answer"
        case _:
            return "the answer is not HTTP"


async def fetch(
    url: CheckedUrl,
    sink: Sink,
    *,
    max_bytes: int,
    total_s: float,
    headers: Mapping[str, str],
    session_for: Callable[[CheckedUrl], Awaitable[aiohttp.ClientSession]],
    check_redirect: Callable[[str, CheckedUrl], CheckedUrl],
    max_header_bytes: int = http.MAX_HEADER_BYTES,
    statuses: Container[int] = _WHOLE_STATUSES,
) -> Download:
    """GET `url` into `sink`, following at most MAX_REDIRECTS redirects that `check_redirect` accepts.

    `total_s` is for all hops together, `statuses` are those whose body is taken. Raises FetchFailed, and
    then `sink` may hold a part of the body.
    """
    async with _translate_errors(url), asyncio.timeout(total_s):
        here = url
        for _ in range(MAX_REDIRECTS + 1):
            async with http.send_request(await session_for(here), "GET", _aiohttp_url(here), headers) as response:
                http.check_header_size(response, max_header_bytes)
                location = response.headers.get("Location") if response.status in _REDIRECT_STATUSES else None
                if location is None:
                    if response.status not in statuses:
                        raise FetchFailed("status", f"status {response.status}")
                    return await _copy_body(response, sink, max_bytes)
                here = check_redirect(location, here)
        raise FetchFailed("redirect", f"more than {MAX_REDIRECTS} redirects, the last to {here.origin}")


async def _copy_body(response: aiohttp.ClientResponse, sink: Sink, max_bytes: int) -> Download:
    """The body into `sink`, inflated; its bytes are counted as they arrive, whatever was announced."""
    if (response.content_length or 0) > max_bytes:
        raise FetchFailed("too_large", f"announced {response.content_length} bytes of at most {max_bytes}")
    total, digest, buffer = 0, hashlib.sha256(), bytearray()

    def keep(data: bytes) -> None:
        digest.update(data)
        sink.write(data)

    loop = asyncio.get_running_loop()
    try:
        async for chunk in http.iter_body(response):
            total += len(chunk)
            if total > max_bytes:
                raise FetchFailed("too_large", f"more than {max_bytes} bytes")
            buffer += chunk
            # The first bytes at once: the sink may reject the body by them.
            if len(buffer) >= _CHUNK_BYTES or total == len(chunk):
                await loop.run_in_executor(_writer_threads(), keep, bytes(buffer))
                buffer.clear()
    except aiohttp.ClientError:
        await loop.run_in_executor(_writer_threads(), keep, bytes(buffer))
        raise
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
