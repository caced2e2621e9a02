"""HTTP to one upstream: one request, one answer, and what it means when neither comes.

Knows: sessions, deadlines, header limits and whether the whole request had left. Refuses to know what is said. It
follows no redirect, repeats nothing, reads no environment and keeps no cookie.
"""

from __future__ import annotations

import ssl
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import aiohttp
import msgspec
from yarl import URL

from imagegate import __version__
from imagegate.crash_points import crash_point
from imagegate.http.request_body import RequestBody

MAX_HEADER_BYTES: Final = 32 * 1024
MAX_ERROR_BYTES: Final = 1024 * 1024
_INFLATE_CHUNK_BYTES: Final = 64 * 1024
_WINDOW_BITS_BY_CODING = {
    "": 0,
    "identity": 0,
    "gzip": 16 + zlib.MAX_WBITS,
    "x-gzip": 16 + zlib.MAX_WBITS,
    "deflate": zlib.MAX_WBITS,
}


class NoResponse(Exception):
    """No answer, or not all of one. `request_sent`: the whole request had left, so that something may have been made.

    `response_truncated`: an answer had begun and broke off. The text is for the operator.
    """

    def __init__(self, detail: str, *, sent: bool, cut: bool) -> None:
        super().__init__(detail)
        self.request_sent = sent
        self.response_truncated = cut


class Timeouts(msgspec.Struct, frozen=True):
    connect_s: float = 5.0
    total_s: float = 600.0


class HttpClient:
    """One session, opened on first use in the loop that uses it; a connection carries one request.

    A kept connection that the other side has closed would turn a harmless failure into a doubtful one.
    """

    def __init__(self, deadlines: Timeouts, tls: ssl.SSLContext | None = None) -> None:
        self._timeouts = deadlines
        self._tls = tls
        self._open_session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def post(
        self, url: URL, headers: Mapping[str, str], body: RequestBody
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer's head; its body is read inside. Raises Silence, also for what breaks while it is read."""
        begun = False
        try:
            async with self._session().post(
                url, headers=_all_headers(headers, body), data=body.chunks(), allow_redirects=False
            ) as response:
                begun = True
                crash_point("upstream.post_response")
                _check_header_size(response)
                try:
                    yield response
                finally:
                    # Releasing would read on; what was not asked for is not wanted.
                    response.close()
        except (aiohttp.ClientError, TimeoutError) as error:
            if body.read_error is not None:
                raise body.read_error from error
            cut = begun and not isinstance(error, TimeoutError)
            detail = f"{type(error).__name__}: {error}"[:400]
            raise NoResponse(detail, sent=begun or body.is_sent, cut=cut) from error

    async def close(self) -> None:
        if self._open_session is not None:
            await self._open_session.close()
            self._open_session = None

    def _session(self) -> aiohttp.ClientSession:
        if self._open_session is None:
            self._open_session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0, force_close=True, ssl=self._tls or _default_tls(), resolver=aiohttp.ThreadedResolver()
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=self._timeouts.total_s, sock_connect=self._timeouts.connect_s),
                auto_decompress=False,
                trust_env=False,
                max_line_size=MAX_HEADER_BYTES // 2,
                max_field_size=MAX_HEADER_BYTES // 2,
            )
        return self._open_session


async def iter_body(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The body as it arrives, inflated where the server compressed it against our wish."""
    coding = response.headers.get("Content-Encoding", "").strip().lower()
    window = _WINDOW_BITS_BY_CODING.get(coding)
    if window is None:
        raise aiohttp.ClientPayloadError(f"an answer in content encoding {coding[:32]!r}")
    if not window:
        async for piece in response.content.iter_any():
            yield piece
        return
    inflater = zlib.decompressobj(window)
    try:
        async for piece in response.content.iter_any():
            while piece:
                yield inflater.decompress(piece, _INFLATE_CHUNK_BYTES)
                piece = inflater.unconsumed_tail  # noqa: PLW2901  # what did not fit comes next
    except zlib.error as error:
        raise aiohttp.ClientPayloadError(f"the answer is not {coding}: {error}") from error


async def read_prefix(response: aiohttp.ClientResponse, max_bytes: int = MAX_ERROR_BYTES) -> bytes:
    """The body up to a cap; what came before it broke is enough for an error."""
    read = bytearray()
    try:
        async for piece in iter_body(response):
            read += piece[: max_bytes - len(read)]
            if len(read) >= max_bytes:
                break
    except (aiohttp.ClientError, TimeoutError):
        pass
    return bytes(read)


def _all_headers(headers: Mapping[str, str], body: RequestBody) -> dict[str, str]:
    return {
        "User-Agent": f"imagegate/{__version__}",
        "Accept-Encoding": "identity",
        "Content-Type": body.media_type,
        "Content-Length": str(body.length),
        **headers,
    }


def _check_header_size(response: aiohttp.ClientResponse) -> None:
    # Name, colon, space, value, line end.
    if sum(len(name) + len(value) + 4 for name, value in response.raw_headers) > MAX_HEADER_BYTES:
        raise aiohttp.ClientPayloadError(f"response headers over {MAX_HEADER_BYTES} bytes")


def _default_tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
