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
from aiohttp.abc import AbstractResolver

from imagegate.egress.addresses import EgressRules, address_policy
from imagegate.egress.client import FetchFailed, fetch
from imagegate.egress.connector import AddressGuard, GuardedConnector
from imagegate.egress.urls import CheckedUrl, Purpose, UrlRefused, check_redirect, check_url, url_on_origin
from imagegate.http.client import (
    MAX_UPSTREAM_HEADER_BYTES,
    Download,
    DownloadFailed,
    default_headers,
    default_tls,
    open_session,
)

MAX_BYTES: Final = 48 * 1024 * 1024
_BUFFER_BYTES: Final = 256 * 1024
_CUT_OFF: Final = frozenset({"truncated", "reset"})


async def download_result(
    url: str,
    base_url: str,
    target: Path,
    *,
    rules: EgressRules,
    max_bytes: int = MAX_BYTES,
    total_s: float = 60.0,
    resolver: AbstractResolver,
    ssl_context: ssl.SSLContext | None = None,
) -> Download | DownloadFailed:
    """GET `url`, which the upstream at `base_url` answered with, into the new file `target`; `total_s` is for all hops.

    An OSError of the target, a full disk above all, is raised; `target` does not exist then.
    """
    tls = ssl_context or default_tls()

    def check(text: str, base: CheckedUrl | None = None) -> CheckedUrl:
        own = url_on_origin(text, base_url, base)
        if own is not None:
            return own
        return check_redirect(text, base, rules) if base else check_url(text, Purpose.REFERENCE, rules)

    async with AsyncExitStack() as stack:

        async def open_hop(hop: CheckedUrl) -> aiohttp.ClientSession:
            """A session for one hop, so that no connection or address is shared with the next."""
            if url_on_origin(hop.text, base_url) is None:
                connector: aiohttp.TCPConnector = GuardedConnector(AddressGuard(address_policy(rules)), resolver, tls)
            else:
                connector = aiohttp.TCPConnector(
                    ssl=tls, resolver=resolver, use_dns_cache=False, force_close=True, limit=0
                )
            return await stack.enter_async_context(open_session(connector, MAX_UPSTREAM_HEADER_BYTES))

        try:
            first = check(url)
            with _new_file(target) as file:
                try:
                    return await fetch(
                        first,
                        file,
                        max_bytes=max_bytes,
                        total_s=total_s,
                        headers=default_headers(),
                        session_for=open_hop,
                        check_redirect=check,
                        max_header_bytes=MAX_UPSTREAM_HEADER_BYTES,
                        # It was paid for: its bytes prove themselves as a whole image.
                        statuses=range(200, 300),
                    )
                except FetchFailed as failed:
                    # What was paid for may be whole: connections also break behind the last byte of an image.
                    if failed.reason not in _CUT_OFF or not file.tell():
                        raise
                    return DownloadFailed(str(failed), is_cut_off=True)
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
