"""From the URLs of an upstream's results to images in the spool: a failed download is repeated, never bought again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, MutableMapping
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from imagegate.crash_points import crash_point
from imagegate.domain.assets import EXTENSION_BY_MEDIA_TYPE
from imagegate.http.client import Download, DownloadFailed
from imagegate.images import InvalidImage, inspect
from imagegate.spool import SpooledImage, hash_file
from imagegate.upstreams.base import UpstreamDeps

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


class ResultSaver:
    """Brings the results of one attempt into its spool. OSError is the disk's."""

    def __init__(self, deps: UpstreamDeps, base_url: str, attempt_id: str) -> None:
        self._fetch = deps.fetch(base_url)
        self._place: Place = partial(deps.spool.path, attempt_id)
        self._retry = deps.download_retry
        self._decoder = deps.decoder

    async def save(self, index: int, url: str, files: MutableMapping[str, ImageFile]) -> SpooledImage | DownloadFailed:
        """Image number `index` of the attempt: one of `files`, which came with the response, or behind a URL."""
        file = files.pop(url, None)
        if file is not None:
            return await self._check(file, index)
        if url.startswith(IMAGE_MARK):
            return DownloadFailed(f"image {index} is unreadable")
        return await self._download(index, url.strip())

    async def _download(self, index: int, url: str) -> SpooledImage | DownloadFailed:
        if url.lower().startswith("data:"):
            return DownloadFailed(f"image {index}: a data URL without an image")
        clock, retry = asyncio.get_running_loop().time, self._retry
        end, delay_s = clock() + retry.max_total_s, retry.min_delay_s
        while True:
            result = await self._download_once(index, url)
            if isinstance(result, SpooledImage) or clock() + delay_s > end:
                return result
            await asyncio.sleep(delay_s)
            delay_s = min(2 * delay_s, retry.max_delay_s)

    async def _download_once(self, index: int, url: str) -> SpooledImage | DownloadFailed:
        """Bytes that are no image may be the error page of a store: they count as a failed download."""
        path = self._place(f"{index}.part")
        match await self._fetch(url, path, MAX_IMAGE_BYTES):
            case DownloadFailed(detail=detail, is_cut_off=is_cut_off):
                saved = await self._check_cut_off(path, index) if is_cut_off else None
                return saved if isinstance(saved, SpooledImage) else DownloadFailed(f"image {index}: {detail}")
            case Download(bytes=size, sha256=sha256):
                crash_point("spool.mid")
                return await self._check(ImageFile(path, size, sha256), index)

    async def _check_cut_off(self, path: Path, index: int) -> SpooledImage | DownloadFailed:
        return await self._check(ImageFile(path, *await self._decoder.call(hash_file, path)), index)

    async def _check(self, file: ImageFile, index: int) -> SpooledImage | DownloadFailed:
        try:
            return await self._decoder.call(self._adopt, file, index)
        except InvalidImage as flaw:
            return DownloadFailed(f"image {index}: {flaw}")

    def _adopt(self, file: ImageFile, index: int) -> SpooledImage:
        """Type and size are read from the bytes, never from what was asked for or announced."""
        facts = inspect(file.path, checksums=True)
        return name_image(file, self._place, index, facts.media_type, facts.width, facts.height)


def name_image(file: ImageFile, place: Place, index: int, media_type: str, width: int, height: int) -> SpooledImage:
    """Give a finished file its name."""
    name = f"{index}.{EXTENSION_BY_MEDIA_TYPE[media_type]}"
    file.path.rename(place(name))
    return SpooledImage(name, media_type, width, height, file.bytes, file.sha256)
