"""One request and its answer, and the words for what can go wrong with them.

Knows headers, bytes, time-outs of connecting and the forms of failure. It refuses to know who may be asked: the
connector that a session is opened with decides that. Nothing here reads the environment, keeps a cookie, inflates a
body or sends a credential.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import cache
from typing import Final, Literal, Protocol

import aiohttp
import msgspec
from yarl import URL

from imagegate import __version__
from imagegate.egress.connector import AddressRefused
from imagegate.egress.urls import CheckedUrl, UrlRefused

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

CONNECT_TIMEOUT_S: Final = 5.0
_CHUNK_BYTES: Final = 256 * 1024
_WRITER_THREADS: Final = 4
MAX_REDIRECTS: Final = 3
MAX_HEADER_BYTES: Final = 32 * 1024
REDIRECT_STATUSES: Final = frozenset({301, 302, 303, 307, 308})

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


class FetchResult(msgspec.Struct, frozen=True):
    """A body that arrived whole. What it is must be learnt from its bytes: headers can say anything."""

    bytes: int
    sha256: str


class FetchFailed(Exception):
    """No answer worth having. The reason and the text are for the operator: users learn one word for all."""

    def __init__(self, reason: FailureReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: Final = reason


@asynccontextmanager
async def translate_errors(url: CheckedUrl) -> AsyncIterator[None]:
    """Every way to fail becomes FetchFailed. Errors of the sink are not ours and pass."""
    try:
        yield
    except tuple(kind for kind, _ in _REASONS) as error:
        reason = next(word for kind, word in _REASONS if isinstance(error, kind))
        # The text of this kind holds the whole URL.
        said = error.message if isinstance(error, aiohttp.ClientResponseError) else error
        raise FetchFailed(reason, f"{url.origin}: {type(error).__name__} {said}") from error


@cache
def strict_tls() -> ssl.SSLContext:
    """TLS 1.2 or later with host names checked; one for all, because reading the authorities takes a while."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def open_session(connector: aiohttp.BaseConnector) -> aiohttp.ClientSession:
    """A session that keeps and adds nothing of its own."""
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
        auto_decompress=False,
        trust_env=False,
        max_line_size=MAX_HEADER_BYTES // 2,
        max_field_size=MAX_HEADER_BYTES // 2,
    )


def default_headers(contact: str = "") -> dict[str, str]:
    agent = f"imagegate/{__version__}"
    return {"User-Agent": f"{agent} ({contact})" if contact else agent, "Accept-Encoding": "identity"}


@asynccontextmanager
async def send_request(
    session: aiohttp.ClientSession,
    method: str,
    url: CheckedUrl,
    headers: Mapping[str, str],
    body: bytes | None = None,
) -> AsyncIterator[aiohttp.ClientResponse]:
    """One request, no redirect followed; the head of the answer is checked, its body still to be read."""
    async with session.request(
        method, _aiohttp_url(url), headers=headers, data=body, allow_redirects=False
    ) as response:
        _check_headers(response)
        try:
            yield response
        finally:
            # Releasing would read on; what was not asked for is not wanted.
            response.close()


def redirect_location(response: aiohttp.ClientResponse) -> str | None:
    """Where the answer sends us, if it sends us anywhere."""
    return response.headers.get("Location") if response.status in REDIRECT_STATUSES else None


async def copy_body(response: aiohttp.ClientResponse, sink: Sink, max_bytes: int) -> FetchResult:
    """The body of a 200 into `sink`, counted on the stream."""
    if response.status != 200:
        raise FetchFailed("status", f"status {response.status}")
    if (response.content_length or 0) > max_bytes:
        raise FetchFailed("too_large", f"announced {response.content_length} bytes of at most {max_bytes}")
    total, digest, piece = 0, hashlib.sha256(), bytearray()

    def keep(data: bytes) -> None:
        digest.update(data)
        sink.write(data)

    loop = asyncio.get_running_loop()
    async for chunk in response.content.iter_any():
        total += len(chunk)
        if total > max_bytes:
            raise FetchFailed("too_large", f"more than {max_bytes} bytes")
        piece += chunk
        # The first bytes at once: the sink may know enough by them.
        if len(piece) >= _CHUNK_BYTES or total == len(chunk):
            await loop.run_in_executor(_writer_threads(), keep, bytes(piece))
            piece.clear()
    await loop.run_in_executor(_writer_threads(), keep, bytes(piece))
    return FetchResult(total, digest.hexdigest())


@cache
def _writer_threads() -> ThreadPoolExecutor:
    """Threads for bytes alone: a slow disk must hold up neither the loop nor, in the loop's own threads, a lookup."""
    return ThreadPoolExecutor(_WRITER_THREADS, "imagegate-fetch")


def _aiohttp_url(url: CheckedUrl) -> URL:
    """The URL for aiohttp, which must read in it what we read in it."""
    with suppress(ValueError):
        wire = URL(url.text, encoded=True)
        read = (wire.scheme, wire.raw_host, wire.port, wire.raw_path_qs)
        if read == (url.scheme, url.host, url.port, url.target):
            return wire
    raise FetchFailed("protocol", f"the URL at {url.origin} has two readings")


def _check_headers(response: aiohttp.ClientResponse) -> None:
    # Name, colon, space, value, line end.
    if sum(len(name) + len(value) + 4 for name, value in response.raw_headers) > MAX_HEADER_BYTES:
        raise FetchFailed("too_large", f"response headers over {MAX_HEADER_BYTES} bytes")
    coding = response.headers.get("Content-Encoding", "").strip().lower()
    if coding not in {"", "identity"}:
        raise FetchFailed("encoding", f"response in content encoding {coding[:32]!r}")
