"""Download the image behind a URL that an upstream answered with.

Such a URL is guarded like a user's, with one exception: the upstream's own origin, which the operator configured, may
be anywhere. Each redirect is checked anew, so the exception leads nowhere else.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, Final

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver

from imagegate.egress.addresses import EgressRules, address_policy
from imagegate.egress.connector import AddressGuard, GuardedConnector
from imagegate.egress.exchange import FetchFailed, fetch
from imagegate.egress.urls import CheckedUrl, Purpose, UrlRefused, check_redirect, check_url, url_on_origin
from imagegate.http.client import default_headers, default_tls, open_session
from imagegate.http.download import Download, DownloadFailed

_BUFFER_BYTES: Final = 256 * 1024


class ResultLimits(msgspec.Struct, frozen=True):
    """What one download may take: bytes, and seconds for all hops together."""

    max_bytes: int = 48 * 1024 * 1024
    total_s: float = 60.0


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

    An OSError of the target, a full disk above all, is raised; `target` does not exist then, or after DownloadFailed.
    """
    async with AsyncExitStack() as stack:
        hops = _Hops(base_url, rules, resolver or aiohttp.ThreadedResolver(), ssl_context or default_tls(), stack)
        try:
            first = hops.check(url)
            with _new_file(target) as file:
                return await fetch(
                    first,
                    file,
                    max_bytes=limits.max_bytes,
                    total_s=limits.total_s,
                    headers=default_headers(),
                    session_for=hops.open_session,
                    check_redirect=hops.check,
                )
        except UrlRefused as refused:
            return DownloadFailed(f"{refused.reason}: {refused}")
        except FetchFailed as failed:
            return DownloadFailed(str(failed))


@contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """A file that did not exist before, and is deleted again where the caller fails."""
    file = path.open("xb", buffering=_BUFFER_BYTES)
    try:
        with file:
            yield file
    except BaseException:
        path.unlink(missing_ok=True)
        raise


class _Hops:
    """The two kinds of connection of one download: to the upstream's own origin, and guarded to everything else."""

    def __init__(
        self, base_url: str, rules: EgressRules, resolver: AbstractResolver, tls: ssl.SSLContext, stack: AsyncExitStack
    ) -> None:
        self._base_url = base_url
        self._rules = rules
        self._resolver = resolver
        self._tls = tls
        self._stack = stack

    def check(self, text: str, base: CheckedUrl | None = None) -> CheckedUrl:
        """The URL, or where a redirect from `base` leads; UrlRefused."""
        own = url_on_origin(text, self._base_url, base)
        if own is not None:
            return own
        if base is None:
            return check_url(text, Purpose.REFERENCE, self._rules)
        return check_redirect(text, base, self._rules)

    async def open_session(self, url: CheckedUrl) -> aiohttp.ClientSession:
        """A session for one hop, so that no connection or address is shared with the next."""
        if url_on_origin(url.text, self._base_url) is not None:
            connector = aiohttp.TCPConnector(
                ssl=self._tls, resolver=self._resolver, use_dns_cache=False, force_close=True, limit=0
            )
        else:
            connector = GuardedConnector(AddressGuard(address_policy(self._rules)), self._resolver, self._tls)
        return await self._stack.enter_async_context(open_session(connector))
