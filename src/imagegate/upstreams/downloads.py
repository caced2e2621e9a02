"""From the URLs of an upstream's results to pictures in the spool.

Knows: that a failed download is tried again and never bought again. Refuses to know: how a URL is fetched and which
addresses are allowed (the fetcher that it is given does), and what was asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import msgspec

from imagegate.crash_points import point
from imagegate.spool import Spool, SpooledImage
from imagegate.upstreams.result_files import NotAnImage, adopt_picture

PICTURE_MAX_BYTES = 36 * 1024 * 1024


class Saved(msgspec.Struct, frozen=True):
    """The body arrived whole."""

    bytes: int


class NotSaved(msgspec.Struct, frozen=True):
    """It did not; the target may hold rubbish. `detail` is for the operator."""

    detail: str


# URL, target and most bytes. Nothing that the other side does raises; a full disk does.
Fetch = Callable[[str, Path, int], Awaitable[Saved | NotSaved]]

# A short-lived signed https link to our own copy of a reference. It must outlive the deadline of the task.
Link = Callable[[Path], str]


class Patience(msgspec.Struct, frozen=True):
    """How long a download is tried: waits of 1, 2, 4, 8, 8 ... seconds, the last try after `give_up_s`."""

    first_s: float = 1.0
    most_s: float = 8.0
    give_up_s: float = 60.0


async def collect(
    fetch: Fetch, spool: Spool, attempt_id: str, urls: Sequence[str], patience: Patience
) -> list[SpooledImage | NotSaved]:
    """Every picture in the attempt's folder, in the order of the URLs; all are fetched at once."""
    folder = spool.folder(attempt_id)
    try:
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(_bring(fetch, url, folder, index, patience)) for index, url in enumerate(urls)]
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    return [task.result() for task in running]


async def _bring(fetch: Fetch, url: str, folder: Path, index: int, patience: Patience) -> SpooledImage | NotSaved:
    clock = asyncio.get_running_loop().time
    end, wait = clock() + patience.give_up_s, patience.first_s
    while True:
        got = await _try(fetch, url, folder / f"{index}.part", index)
        if isinstance(got, SpooledImage) or clock() + wait > end:
            return got
        await asyncio.sleep(wait)
        wait = min(2 * wait, patience.most_s)


async def _try(fetch: Fetch, url: str, draft: Path, index: int) -> SpooledImage | NotSaved:
    """Bytes that are no picture may be an error page of the store: they count as a failed download."""
    match await fetch(url, draft, PICTURE_MAX_BYTES):
        case NotSaved() as failed:
            return failed
        case Saved():
            try:
                point("spool.mid")
                return await asyncio.to_thread(adopt_picture, draft, index)
            except NotAnImage as fault:
                return NotSaved(f"result {index} is no picture: {fault}")
