"""From the URLs of an upstream's results to images in the spool: a failed download is repeated, never bought again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, MutableMapping
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from imagegate.crash_points import crash_point
from imagegate.domain.assets import EXTENSION_BY_MEDIA_TYPE
from imagegate.http.client import Download, DownloadFailed
from imagegate.images import InvalidImage, check_structure, inspect
from imagegate.spool import SpooledImage, hash_file
from imagegate.upstreams.base import Fetch, RetrySchedule

# The largest image that a model makes, uncompressed, and some more.
MAX_IMAGE_BYTES: Final = 36 * 1024 * 1024
# What begins the text that stands in a scanned response where an image stood. No URL begins so.
IMAGE_MARK: Final = "@"

T = TypeVar("T")
Place = Callable[[str], Path]
"""Where a file of this name of the attempt is."""


class ImageFile(msgspec.Struct, frozen=True):
    """A file whose `bytes` are all written. `sha256` in hex."""

    path: Path
    bytes: int
    sha256: str


async def gather(running: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """All at once, because result URLs expire. The first failure cancels the others and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in running]
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    return [task.result() for task in tasks]


async def save_image(
    fetch: Fetch,
    url: str,
    files: MutableMapping[str, ImageFile],
    place: Place,
    index: int,
    retry: RetrySchedule,
) -> SpooledImage | DownloadFailed:
    """Image number `index` of an attempt: one of `files`, which came with the response, or behind a URL.
    OSError is the disk's."""
    file = files.pop(url, None)
    if file is not None:
        return await adopt_image(file, place, index)
    if url.startswith(IMAGE_MARK):
        return DownloadFailed(f"image {index} is unreadable")
    return await download_image(fetch, url.strip(), place, index, retry)


async def download_image(
    fetch: Fetch, url: str, place: Place, index: int, retry: RetrySchedule
) -> SpooledImage | DownloadFailed:
    """Image number `index` of an attempt. OSError is the disk's."""
    if url.lower().startswith("data:"):
        return DownloadFailed(f"image {index}: a data URL without an image")
    clock = asyncio.get_running_loop().time
    end, delay_s = clock() + retry.max_total_s, retry.min_delay_s
    while True:
        result = await _download_once(fetch, url, place, index)
        if isinstance(result, SpooledImage) or clock() + delay_s > end:
            return result
        await asyncio.sleep(delay_s)
        delay_s = min(2 * delay_s, retry.max_delay_s)


async def _download_once(fetch: Fetch, url: str, place: Place, index: int) -> SpooledImage | DownloadFailed:
    """Bytes that are no image may be the error page of a store: they count as a failed download."""
    path = place(f"{index}.part")
    match await fetch(url, path, MAX_IMAGE_BYTES):
        case DownloadFailed(detail=detail, is_cut_off=is_cut_off):
            adopted = await _adopt_cut_off(path, place, index) if is_cut_off else None
            return adopted if isinstance(adopted, SpooledImage) else DownloadFailed(f"image {index}: {detail}")
        case Download(bytes=size, sha256=sha256):
            crash_point("spool.mid")
            return await adopt_image(ImageFile(path, size, sha256), place, index)


async def _adopt_cut_off(path: Path, place: Place, index: int) -> SpooledImage | DownloadFailed:
    size, digest = await asyncio.to_thread(hash_file, path)
    return await adopt_image(ImageFile(path, size, digest), place, index)


async def adopt_image(file: ImageFile, place: Place, index: int) -> SpooledImage | DownloadFailed:
    """Check a finished file of an attempt and give it its name. OSError is the disk's."""
    try:
        return await asyncio.to_thread(_adopt_image, file, place, index)
    except InvalidImage as error:
        return DownloadFailed(f"image {index}: {error}")


def _adopt_image(file: ImageFile, place: Place, index: int) -> SpooledImage:
    """Type and size are read from the bytes, never from what was asked for or announced."""
    facts = inspect(file.path)
    check_structure(file.path, facts.media_type)
    return name_image(file, place, index, facts.media_type, facts.width, facts.height)


def name_image(file: ImageFile, place: Place, index: int, media_type: str, width: int, height: int) -> SpooledImage:
    name = f"{index}.{EXTENSION_BY_MEDIA_TYPE[media_type]}"
    file.path.rename(place(name))
    return SpooledImage(name, media_type, width, height, file.bytes, file.sha256)
