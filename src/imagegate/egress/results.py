"""Fetch the image behind a URL that an upstream answered with.

Such a URL is a stranger's, guarded just like a reference, with one exception: what stands on the upstream's own
origin, which the operator wrote, may be anywhere. Each redirect is judged anew, so the exception leads nowhere else.
Refuses to know what the bytes are and what the attempt is worth without them.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, Final, Self

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
from imagegate.egress.urls import CheckedUrl, Purpose, UrlRefused, check_redirect, check_url, url_on_origin

_BUFFER_BYTES: Final = 256 * 1024


class ResultLimits(msgspec.Struct, frozen=True):
    """What one result may take: its bytes, and the seconds for all hops together."""

    max_bytes: int = 48 * 1024 * 1024
    total_s: float = 60.0


class Download(msgspec.Struct, frozen=True):
    """The result is in the target file, unflushed; what it is must be learnt from its bytes."""

    bytes: int
    sha256: str


class DownloadFailed(msgspec.Struct, frozen=True):
    """No result; the target file is gone. `detail` is for the operator and names no path or query."""

    detail: str


async def download_result(
    url: str,
    base_url: str,
    target: Path,
    limits: ResultLimits,
    *,
    rules: EgressRules,
    resolver: AbstractResolver | None = None,
    ssl_context: ssl.SSLContext | None = None,
) -> Download | DownloadFailed:
    """GET `url`, which the upstream at `base_url` answered with, into the new file `target`.

    The two contexts and the rules are the process's, bound once where upstreams are put together. An OSError of the
    target, a full disk above all, is raised.
    """
    try:
        async with _ResultFetcher(base_url, rules, resolver, ssl_context) as hops:
            first = hops.check(url)
            with _new_file(target) as file:
                fetched = await hops.fetch(first, file, limits)
    except UrlRefused as refused:
        return DownloadFailed(f"{refused.reason}: {refused}")
    except FetchFailed as failed:
        return DownloadFailed(str(failed))
    return Download(fetched.bytes, fetched.sha256)


@contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """A file that was not there before, and is gone again where the caller fails."""
    file = path.open("xb", buffering=_BUFFER_BYTES)
    try:
        with file:
            yield file
    except BaseException:
        path.unlink(missing_ok=True)
        raise


class _ResultFetcher:
    """The two ways to the wire, for one result: the upstream's own, and the guarded one for everything else."""

    def __init__(
        self, base_url: str, rules: EgressRules, resolver: AbstractResolver | None, tls: ssl.SSLContext | None
    ) -> None:
        self._base_url = base_url
        self._rules = rules
        self._resolver = resolver
        self._tls = tls or strict_tls()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def check(self, text: str, base: CheckedUrl | None = None) -> CheckedUrl:
        """The URL, or where a redirect from `base` leads; UrlRefused."""
        own = url_on_origin(text, self._base_url, base)
        if own is not None:
            return own
        if base is None:
            return check_url(text, Purpose.REFERENCE, self._rules)
        return check_redirect(text, base, self._rules)

    async def fetch(self, url: CheckedUrl, sink: Sink, limits: ResultLimits) -> FetchResult:
        async with translate_errors(url), asyncio.timeout(limits.total_s):
            here = url
            for _ in range(MAX_REDIRECTS + 1):
                session = await self._session(here)
                async with send_request(session, "GET", here, default_headers()) as response:
                    location = redirect_location(response)
                    if location is None:
                        return await copy_body(response, sink, limits.max_bytes)
                    here = self.check(location, here)
            raise FetchFailed("redirect", f"more than {MAX_REDIRECTS} redirects, the last to {here.origin}")

    async def _session(self, url: CheckedUrl) -> aiohttp.ClientSession:
        """A session for one hop: nothing of one is left for the next."""
        resolver = self._resolver or aiohttp.ThreadedResolver()
        if url_on_origin(url.text, self._base_url) is not None:
            connector = aiohttp.TCPConnector(
                ssl=self._tls, resolver=resolver, use_dns_cache=False, force_close=True, limit=0
            )
        else:
            connector = GuardedConnector(AddressGuard(address_policy(self._rules)), resolver, self._tls)
        return await self._stack.enter_async_context(open_session(connector))
