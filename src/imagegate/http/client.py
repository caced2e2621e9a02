"""HTTP for upstreams and for URLs that users give: one request and its response.

It follows no redirect, repeats nothing, reads no proxy settings and keeps no cookie.
"""

from __future__ import annotations

import codecs
import math
import re
import ssl
import zlib
from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache, reduce
from typing import Final

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver
from yarl import URL

from imagegate import __version__
from imagegate.crash_points import crash_point
from imagegate.http.request_body import RequestBody

MAX_HEADER_BYTES: Final = 32 * 1024
# An upstream that the operator chose: policies and cookies of its proxies must not cost what was paid for.
MAX_UPSTREAM_HEADER_BYTES: Final = 256 * 1024
MAX_RESPONSE_BYTES: Final = 1024 * 1024
CONNECT_TIMEOUT_S: Final = 5.0
# A day: what asks for more is a mistake or a trick, and whoever waits has a limit of its own.
MAX_RETRY_AFTER_S: Final = 86_400.0
_MAX_DETAIL_CHARS: Final = 400
_INFLATE_CHUNK_BYTES: Final = 64 * 1024
_GZIP_BITS: Final = 16 + zlib.MAX_WBITS
_GZIP_MAGIC: Final = b"\x1f\x8b"
_CODINGS: Final = frozenset({"gzip", "x-gzip", "deflate"})
# Nobody compresses twice on purpose; more than that is a trick to make us work.
_MAX_CODINGS: Final = 2
# Less than that is not worth stopping and starting the connection for.
_MIN_PAUSE_BYTES: Final = 64 * 1024
# Enough to see whether a body is compressed at all.
_CODING_SNIFF_BYTES: Final = 2
# Bare deflate has no mark of its own: JSON, events, markup and images are told from it by theirs.
_PLAIN_START: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?[ \t\r\n]*+(?:[{\[<:]|data|event|id|retry)|\x89PNG|\xff\xd8\xff|RIFF"
)
_MAX_PLAIN_SNIFF_BYTES: Final = 64
_REQUEST_ID_HEADERS: Final = ("x-request-id", "apim-request-id", "x-fal-request-id")


class NoResponse(Exception):
    """No response, or not all of one; the text is for the operator.

    `request_sent`: the whole request was handed to the connection, so the other side may have acted on it.
    `response_truncated`: a response had begun and broke off.
    """

    def __init__(self, detail: str, *, request_sent: bool, response_truncated: bool) -> None:
        super().__init__(detail)
        self.request_sent = request_sent
        self.response_truncated = response_truncated


class HeadersTooLarge(aiohttp.ClientPayloadError):
    """The response's headers take more bytes than they may."""


class EncodingError(aiohttp.ClientPayloadError):
    """The response is compressed, and its compressed bytes are damaged."""


class HttpResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A response of any status, read to its end. A `retry_after_s` of 0 means that the header is absent or unreadable.

    `request_sent` is false where the response came before the whole request had been sent.
    """

    status: int
    body: bytes
    retry_after_s: float = 0.0
    request_id: str = ""
    request_sent: bool = True


class Download(msgspec.Struct, frozen=True):
    """The whole body was written, not yet synced to disk. Its type must be read from its bytes, never from headers.

    `sha256` in hex.
    """

    bytes: int
    sha256: str


class DownloadFailed(msgspec.Struct, frozen=True):
    """`detail` is for the operator and names no path or query.

    `is_cut_off`: the connection broke, and the file has what came before. Otherwise there is no file.
    """

    detail: str
    is_cut_off: bool = False


class HttpClient:
    """Requests to one upstream; sessions are opened on first use, in the loop that uses them.

    A request with a body may cost money and gets a connection of its own: on a kept connection that the other side has
    closed meanwhile, a harmless failure would look like an unknown outcome. Requests without a body share connections.
    """

    def __init__(
        self,
        connect_s: float,
        headers: Mapping[str, str],
        resolver: AbstractResolver,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._connect_s = connect_s
        self._resolver = resolver
        self._headers = {**default_headers(), **headers}
        self._tls = tls
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def request(
        self,
        method: str,
        url: str | URL,
        headers: Mapping[str, str] | None = None,
        *,
        total_s: float,
        body: RequestBody | None = None,
    ) -> HttpResponse:
        """The response as a whole; a successful one of more than MAX_RESPONSE_BYTES is an error. Raises NoResponse."""
        async with self.stream(method, url, headers, total_s=total_s, body=body) as response:
            return await read_response(response, body)

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        url: str | URL,
        headers: Mapping[str, str] | None = None,
        *,
        total_s: float,
        body: RequestBody | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The response's head; its body is read inside. Raises NoResponse, also for what breaks while it is read."""
        session = self._session(paid=body is not None)
        timeout = aiohttp.ClientTimeout(total=max(total_s, 0.1), sock_connect=self._connect_s)
        merged = {**self._headers, **(headers or {}), **(body.headers() if body else {})}
        response_started = False
        try:
            async with send_request(session, method, url, merged, body.chunks() if body else None, timeout) as response:
                response_started = True
                if body is not None:
                    crash_point("upstream.post_response")
                check_header_size(response, MAX_UPSTREAM_HEADER_BYTES)
                yield response
        except (aiohttp.ClientError, TimeoutError) as error:
            if body is not None and body.read_error is not None:
                raise body.read_error from error
            raise NoResponse(
                f"{type(error).__name__}: {error}"[:_MAX_DETAIL_CHARS],
                request_sent=response_started or body is None or body.is_sent,
                response_truncated=response_started and not isinstance(error, TimeoutError),
            ) from error

    async def close(self) -> None:
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()

    def _session(self, *, paid: bool) -> aiohttp.ClientSession:
        if paid not in self._sessions:
            connector = aiohttp.TCPConnector(
                limit=0, force_close=paid, ssl=self._tls or default_tls(), resolver=self._resolver
            )
            self._sessions[paid] = open_session(connector, MAX_UPSTREAM_HEADER_BYTES)
        return self._sessions[paid]


@cache
def default_tls() -> ssl.SSLContext:
    """TLS 1.2 or later with host names checked; one for all, because loading the certificate authorities is slow."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def default_headers(contact: str = "") -> dict[str, str]:
    """What every request says of us. `contact` goes into the user agent."""
    agent = f"imagegate/{__version__}"
    return {"User-Agent": f"{agent} ({contact})" if contact else agent, "Accept-Encoding": "identity"}


def open_session(connector: aiohttp.BaseConnector, max_header_bytes: int = MAX_HEADER_BYTES) -> aiohttp.ClientSession:
    """A session that keeps and adds nothing of its own. It bounds the time to connect, callers bound the whole."""
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
        auto_decompress=False,
        read_bufsize=16 * 1024,
        trust_env=False,
        max_line_size=max_header_bytes,
        max_field_size=max_header_bytes,
        # No bound of its own: the bytes of all headers together are bounded by `check_header_size`.
        max_headers=max_header_bytes,
    )


@asynccontextmanager
async def send_request(
    session: aiohttp.ClientSession,
    method: str,
    url: str | URL,
    headers: Mapping[str, str],
    body: bytes | AsyncIterable[bytes] | None = None,
    timeout: aiohttp.ClientTimeout | None = None,  # noqa: ASYNC109 - aiohttp's own, not a cancel scope
) -> AsyncIterator[aiohttp.ClientResponse]:
    """One request, no redirect followed. The body of the response is still to be read. Raises what aiohttp raises."""
    async with session.request(
        method, url, headers=headers, data=body, allow_redirects=False, timeout=timeout or session.timeout
    ) as response:
        try:
            yield response
        finally:
            # Not released: that would read the rest of a body which nobody asked for.
            response.close()


def check_header_size(response: aiohttp.ClientResponse, max_bytes: int = MAX_HEADER_BYTES) -> None:
    # Name, colon, space, value, line end.
    if sum(len(name) + len(value) + 4 for name, value in response.raw_headers) > max_bytes:
        raise HeadersTooLarge(f"response headers over {max_bytes} bytes")


async def read_response(response: aiohttp.ClientResponse, request_body: RequestBody | None = None) -> HttpResponse:
    """The whole response. Of an error, what came before a cap or a broken connection is enough."""
    is_success = 200 <= response.status < 300
    content = bytearray()
    try:
        async for chunk in iter_body(response):
            content += chunk[: MAX_RESPONSE_BYTES + 1 - len(content)]
            if len(content) > MAX_RESPONSE_BYTES:
                raise aiohttp.ClientPayloadError(f"status {response.status} with more than {MAX_RESPONSE_BYTES} bytes")
    except (aiohttp.ClientError, TimeoutError):
        if is_success:
            raise
    return build_response(response, bytes(content), request_body)


def build_response(
    response: aiohttp.ClientResponse, content: bytes, request_body: RequestBody | None = None
) -> HttpResponse:
    """The head of a response with what was read of its body."""
    return HttpResponse(
        status=response.status,
        body=content.removeprefix(codecs.BOM_UTF8),
        retry_after_s=parse_retry_after(response.headers),
        request_id=request_id_of(response.headers),
        request_sent=request_body is None or request_body.is_sent,
    )


def request_id_of(headers: Mapping[str, str]) -> str:
    """The upstream's own name of the call, empty where it gives none."""
    return next((headers[name] for name in _REQUEST_ID_HEADERS if headers.get(name)), "")


def parse_retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float:
    """Seconds to wait by `retry-after-ms`, else by `Retry-After` as seconds (also 1.5) or as an HTTP date.

    From 0 to MAX_RETRY_AFTER_S; 0 where nothing readable stands. Never raises. `headers` ignores case.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return _clamp(milliseconds / 1000)
    value = headers.get("retry-after", "")
    seconds = _number(value)
    return _clamp(_seconds_until(value, now or datetime.now(UTC)) if seconds is None else seconds)


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _seconds_until(text: str, now: datetime) -> float:
    try:
        date = parsedate_to_datetime(text)
        # A date without a zone is in UTC by the rules of HTTP.
        date = date.replace(tzinfo=UTC) if date.tzinfo is None else date
        return (date - now).total_seconds()
    except (ValueError, IndexError, TypeError, OverflowError):
        # OverflowError: a year, or a zone, beyond what a date can hold.
        return 0.0


def _clamp(seconds: float) -> float:
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S)


async def iter_body(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The body's chunks as they arrive, inflated where the server compressed it although asked not to.

    An unknown coding (`utf-8`, `none`, `aws-chunked`, `br`) is ignored, and so is a known one whose bytes are not
    compressed at all: the bytes must prove themselves to whoever reads them, as JSON or as an image. gzip is known by
    its first bytes, whatever the header says or if there is none. Raises EncodingError for compressed bytes that are
    damaged.
    """
    header = ",".join(response.headers.getall("Content-Encoding", []))
    codings = [coding for part in header.lower().split(",") if (coding := part.strip()) in _CODINGS] or ["gzip"]
    # What was applied last stands last and is undone first.
    inflaters = [_Inflater(coding) for coding in reversed(codings[:_MAX_CODINGS])]
    async for chunk in _iter_received(response):
        pieces = reduce(_inflate, inflaters, iter((chunk,)))
        del chunk  # here and wherever chunks pass: else the last one lives on while the next arrives
        for inflated in pieces:
            yield inflated
            del inflated
    for index, inflater in enumerate(inflaters):
        for inflated in reduce(_inflate, inflaters[index + 1 :], inflater.finish()):
            yield inflated


async def _iter_received(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """All that was received, also of a connection that broke.

    While a chunk is in hand nothing more is received: of many responses that land together each takes the memory of
    one chunk, however long it waits to be written.
    """
    stream = response.content
    try:
        async for chunk in stream.iter_any():
            protocol = response.connection and response.connection.protocol
            if protocol is None or len(chunk) < _MIN_PAUSE_BYTES:
                yield chunk
                continue
            protocol.pause_reading()
            yield chunk
            del chunk
            protocol.resume_reading()
    except RuntimeError as error:
        # aiohttp's word for a body behind a response that switches protocols and hangs up.
        raise aiohttp.ClientPayloadError(str(error)) from error
    except aiohttp.ClientError:
        # aiohttp raises at once and keeps to itself what it had received and not yet handed out.
        stream.set_exception(None)  # type: ignore[arg-type]
        if received := stream.read_nowait():
            yield received
        raise


def _inflate(chunks: Iterator[bytes], inflater: _Inflater) -> Iterator[bytes]:
    for chunk in chunks:
        yield from inflater.feed(chunk)


class _Inflater:
    """gzip of one or more members, and deflate with or without the zlib header: servers send each under the other's
    name.

    Bytes that do not begin as a coding does pass as they are.
    """

    def __init__(self, coding: str) -> None:
        self._coding = coding
        self._first_bytes = b""
        self._is_plain: bool | None = None  # None until the first bytes have told
        self._has_ended = False
        self._stream: zlib._Decompress | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The inflated bytes in chunks of a bounded size. Raises EncodingError."""
        if self._is_plain is None:
            data, self._first_bytes = self._first_bytes + data, b""
            if len(data) < _CODING_SNIFF_BYTES or self._needs_more(data):
                self._first_bytes = data
                return
            self._is_plain = self._looks_plain(data)
        if self._is_plain:
            yield data
            return
        try:
            yield from self._decompress(data)
        except zlib.error as error:
            raise EncodingError(f"the response is not {self._coding}: {error}") from error

    def finish(self) -> Iterator[bytes]:
        """What was held back of a body that is shorter than what tells its coding."""
        data, self._first_bytes = self._first_bytes, b""
        if data and self._looks_plain(data):
            yield data
        elif data:
            self._is_plain = False
            yield from self.feed(data)

    def _decompress(self, data: bytes) -> Iterator[bytes]:
        while (data or self._stream is not None) and not self._has_ended:
            if self._stream is None:
                self._stream = zlib.decompressobj(_window_bits(data))
            chunk = self._stream.decompress(data, _INFLATE_CHUNK_BYTES)
            if chunk:
                yield chunk
            data = self._stream.unconsumed_tail
            if self._stream.eof:
                data = self._stream.unused_data
                # What follows is another member, or padding.
                self._has_ended = bool(data) and not data.startswith(_GZIP_MAGIC[:1])
                self._stream = None
            elif not data and len(chunk) < _INFLATE_CHUNK_BYTES:
                return  # after a full chunk there may be output left although all input was taken

    def _needs_more(self, data: bytes) -> bool:
        """Whether it is bare deflate cannot be told from so little."""
        is_marked = data.startswith(_GZIP_MAGIC) or _has_zlib_header(data) or _PLAIN_START.match(data)
        return self._coding == "deflate" and not is_marked and len(data) < _MAX_PLAIN_SNIFF_BYTES

    def _looks_plain(self, data: bytes) -> bool:
        if data.startswith(_GZIP_MAGIC):
            return False
        if _PLAIN_START.match(data):
            return True
        if self._coding != "deflate" and not _has_zlib_header(data):
            return True
        try:
            zlib.decompressobj(_window_bits(data)).decompress(data, 1)
        except zlib.error:
            return True
        return False


def _window_bits(data: bytes) -> int:
    if data.startswith(_GZIP_MAGIC[:1]):
        return _GZIP_BITS
    return zlib.MAX_WBITS if _has_zlib_header(data) else -zlib.MAX_WBITS


def _has_zlib_header(data: bytes) -> bool:
    return len(data) > 1 and data[0] & 0x0F == zlib.DEFLATED and int.from_bytes(data[:2]) % 31 == 0
