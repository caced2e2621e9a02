"""The client for URLs that users gave: fetch a reference, post a callback.

Knows time, bytes, redirects and the words for what went wrong. It refuses to know what the bytes are, who
asked, and whether to try again. Nothing here reads the environment, keeps a cookie, inflates a body or sends
a credential.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Final, Literal, Protocol

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver
from yarl import URL

from imagegate import __version__
from imagegate.outbound.addresses import EgressRules, address_book
from imagegate.outbound.guard import AddressRefused, Guard, GuardedConnector
from imagegate.outbound.urls import CheckedUrl, UrlRefused, check_redirect

FailureReason = Literal[
    "refused_address", "dns", "connect", "tls", "timeout", "too_large", "status", "encoding", "redirect",
    "reset", "truncated", "protocol",
]  # fmt: skip

CONNECT_S: Final = 5.0
MAX_REDIRECTS: Final = 3
MAX_HEADER_BYTES: Final = 32 * 1024
MAX_REPLY_BYTES: Final = 64 * 1024
EXCERPT_BYTES: Final = 1024
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})

# The order matters where one class is a kind of another.
_REASONS: Final[tuple[tuple[type[BaseException], FailureReason], ...]] = (
    (AddressRefused, "refused_address"),
    (UrlRefused, "redirect"),
    (aiohttp.ClientConnectorDNSError, "dns"),
    (aiohttp.ClientSSLError, "tls"),
    (TimeoutError, "timeout"),
    (aiohttp.ClientConnectorError, "connect"),
    (aiohttp.ClientPayloadError, "truncated"),
    (aiohttp.ClientConnectionError, "reset"),
    (aiohttp.ClientError, "protocol"),
)


class Sink(Protocol):
    """Anything that takes bytes; an open file does."""

    def write(self, data: bytes, /) -> object: ...


class Fetched(msgspec.Struct, frozen=True):
    """A body that arrived whole. What it is must be learnt from its bytes: headers can say anything."""

    bytes: int
    sha256: str


class Posted(msgspec.Struct, frozen=True):
    """An answer to a callback, of whatever status. `excerpt` is its first kilobyte as printable text.

    `retry_after` is what the receiver asked for in that header, for the log.
    """

    status: int
    elapsed_ms: int
    excerpt: str
    retry_after: str | None = None


class FetchFailed(Exception):
    """No answer worth having. The reason and the text are for the operator: users learn one word for all."""

    def __init__(self, reason: FailureReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: Final = reason


class Outbound:
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
        self._ssl = ssl_context or _strict_tls()
        self._guard = Guard(address_book(rules))
        self._opened: aiohttp.ClientSession | None = None

    async def fetch(self, url: CheckedUrl, sink: Sink, *, max_bytes: int, total_s: float = 60) -> Fetched:
        """GET the URL into `sink`, following at most three redirects. A failure leaves rubbish in `sink`."""
        async with _explained(url), asyncio.timeout(total_s):
            here = url
            for _ in range(MAX_REDIRECTS + 1):
                async with self._request("GET", here, _own_headers(self._rules.contact)) as response:
                    if response.status not in REDIRECTS or "Location" not in response.headers:
                        return await _copy(response, sink, max_bytes)
                    here = check_redirect(response.headers["Location"], here, self._rules)
            raise FetchFailed("redirect", f"more than {MAX_REDIRECTS} redirects, the last to {here.origin}")

    async def post(self, url: CheckedUrl, body: bytes, headers: Mapping[str, str], *, total_s: float = 10) -> Posted:
        """POST the body once. A redirect is an answer like any other and is not followed."""
        clock = asyncio.get_running_loop().time
        started = clock()
        async with _explained(url), asyncio.timeout(total_s):
            async with self._request("POST", url, {**headers, **_own_headers()}, body) as response:
                excerpt = await _beginning(response)
            return Posted(response.status, round((clock() - started) * 1000), excerpt, _asked_wait(response))

    async def close(self) -> None:
        """Drop the session and its connections."""
        if self._opened is not None:
            await self._opened.close()
            self._opened = None

    @asynccontextmanager
    async def _request(
        self, method: str, url: CheckedUrl, headers: Mapping[str, str], body: bytes | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        session = self._session()
        async with session.request(
            method, _wire_url(url), headers=headers, data=body, allow_redirects=False
        ) as response:
            _check_head(response)
            try:
                yield response
            finally:
                # Releasing would read on; what was not asked for is not wanted.
                response.close()

    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            # Named, never left to default: with aiodns installed the default would be another resolver.
            resolver = self._resolver or aiohttp.ThreadedResolver()
            self._opened = aiohttp.ClientSession(
                connector=GuardedConnector(self._guard, resolver, self._ssl),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
                auto_decompress=False,
                trust_env=False,
                max_line_size=MAX_HEADER_BYTES // 2,
                max_field_size=MAX_HEADER_BYTES // 2,
            )
        return self._opened


@asynccontextmanager
async def _explained(url: CheckedUrl) -> AsyncIterator[None]:
    """Every way to fail becomes FetchFailed. Errors of the sink are not ours and pass."""
    try:
        yield
    except tuple(kind for kind, _ in _REASONS) as error:
        reason = next(word for kind, word in _REASONS if isinstance(error, kind))
        raise FetchFailed(reason, f"{url.origin}: {type(error).__name__} {error}") from error


def _strict_tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _own_headers(contact: str = "") -> dict[str, str]:
    agent = f"imagegate/{__version__}"
    return {"User-Agent": f"{agent} ({contact})" if contact else agent, "Accept-Encoding": "identity"}


def _wire_url(url: CheckedUrl) -> URL:
    """The URL for aiohttp, which must read in it what we read in it."""
    with suppress(ValueError):
        wire = URL(url.text, encoded=True)
        read = (wire.scheme, wire.raw_host, wire.port, wire.raw_path_qs)
        if read == (url.scheme, url.host, url.port, url.target):
            return wire
    raise FetchFailed("protocol", f"the URL at {url.origin} has two readings")


def _check_head(response: aiohttp.ClientResponse) -> None:
    # Name, colon, space, value, line end.
    if sum(len(name) + len(value) + 4 for name, value in response.raw_headers) > MAX_HEADER_BYTES:
        raise FetchFailed("too_large", f"response headers over {MAX_HEADER_BYTES} bytes")
    coding = response.headers.get("Content-Encoding", "").strip().lower()
    if coding not in {"", "identity"}:
        raise FetchFailed("encoding", f"response in content encoding {coding[:32]!r}")


async def _copy(response: aiohttp.ClientResponse, sink: Sink, max_bytes: int) -> Fetched:
    if response.status != 200:
        raise FetchFailed("status", f"status {response.status}")
    if (response.content_length or 0) > max_bytes:
        raise FetchFailed("too_large", f"announced {response.content_length} bytes of at most {max_bytes}")
    total, digest = 0, hashlib.sha256()
    async for chunk in response.content.iter_any():
        total += len(chunk)
        if total > max_bytes:
            raise FetchFailed("too_large", f"more than {max_bytes} bytes")
        digest.update(chunk)
        sink.write(chunk)
    return Fetched(total, digest.hexdigest())


async def _beginning(response: aiohttp.ClientResponse) -> str:
    """Read the answer to its end or to the cap, whichever comes first, and keep the excerpt."""
    kept, total = b"", 0
    async for chunk in response.content.iter_any():
        kept = (kept + chunk[:EXCERPT_BYTES])[:EXCERPT_BYTES]
        total += len(chunk)
        if total >= MAX_REPLY_BYTES:
            break
    return _printable(kept)


def _asked_wait(response: aiohttp.ClientResponse) -> str | None:
    asked = response.headers.get("Retry-After")
    return None if asked is None else _printable(asked.encode("utf-8", "surrogateescape")[:64])


def _printable(raw: bytes) -> str:
    text = raw.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
