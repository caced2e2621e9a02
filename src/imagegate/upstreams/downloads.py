"""From the URLs of an upstream's results to pictures in the spool.

Knows: that a failed download is tried again and never bought again. Refuses to know: how a URL is fetched and which
addresses are allowed (the fetcher that it is given does), and what was asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import msgspec

from imagegate.crash_points import crash_point
from imagegate.spool import Spool, SpooledImage
from imagegate.upstreams.result_files import InvalidImage, adopt_image

PICTURE_MAX_BYTES = 36 * 1024 * 1024


class Download(msgspec.Struct, frozen=True):
    """The body arrived whole."""

    bytes: int


class DownloadFailed(msgspec.Struct, frozen=True):
    """It did not; the target may hold rubbish. `detail` is for the operator."""

    detail: str


# URL, target and most bytes. Nothing that the other side does raises; a full disk does.
Fetch = Callable[[str, Path, int], Awaitable[Download | DownloadFailed]]

# A short-lived signed https link to our own copy of a reference. It must outlive the deadline of the task.
Link = Callable[[Path], str]


class RetrySchedule(msgspec.Struct, frozen=True):
    """How long a download is tried: waits of 1, 2, 4, 8, 8 ... seconds, the last try after `max_total_s`."""

    min_delay_s: float = 1.0
    max_delay_s: float = 8.0
    max_total_s: float = 60.0


async def download_images(
    fetch: Fetch, spool: Spool, attempt_id: str, urls: Sequence[str], retry: RetrySchedule
) -> list[SpooledImage | DownloadFailed]:
    """Every picture in the attempt's folder, in the order of the URLs; all are fetched at once."""
    folder = spool.create_directory(attempt_id)
    try:
        async with asyncio.TaskGroup() as group:
            running = [
                group.create_task(_download_with_retry(fetch, url, folder, index, retry))
                for index, url in enumerate(urls)
            ]
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    return [task.result() for task in running]


async def _download_with_retry(
    fetch: Fetch, url: str, folder: Path, index: int, retry: RetrySchedule
) -> SpooledImage | DownloadFailed:
    clock = asyncio.get_running_loop().time
    end, wait = clock() + retry.max_total_s, retry.min_delay_s
    while True:
        got = await _download_once(fetch, url, folder / f"{index}.part", index)
        if isinstance(got, SpooledImage) or clock() + wait > end:
            return got
        await asyncio.sleep(wait)
        wait = min(2 * wait, retry.max_delay_s)


async def _download_once(fetch: Fetch, url: str, draft: Path, index: int) -> SpooledImage | DownloadFailed:
    """Bytes that are no picture may be an error page of the store: they count as a failed download."""
    match await fetch(url, draft, PICTURE_MAX_BYTES):
        case DownloadFailed() as failed:
            return failed
        case Download():
            try:
                crash_point("spool.mid")
                return await asyncio.to_thread(adopt_image, draft, index)
            except InvalidImage as fault:
                return DownloadFailed(f"result {index} is no picture: {fault}")
