"""Copies the images that a database names from one store to another, each compared with its SHA-256."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

from imagegate.backup.manifest import BackupError
from imagegate.blobs import BlobDamaged, BlobNotFound, BlobStore, StorageUnavailable
from imagegate.domain.assets import Asset
from imagegate.store import assets
from imagegate.store.database import Database

_BATCH = 500
_AT_ONCE = 8  # a bucket answers slowly, and each copy keeps one chunk in memory
_CHUNK_BYTES = 1024 * 1024
_OUTAGE_S, _OUTAGE_PAUSE_S = 300.0, 0.5

HasEnded = Callable[[Asset], Awaitable[bool]]


@dataclasses.dataclass
class CopiedImages:
    number: int = 0
    bytes: int = 0
    ended: list[Asset] = dataclasses.field(default_factory=list)
    missing: list[str] = dataclasses.field(default_factory=list)


async def copy_images(
    db: Database,
    source: BlobStore,
    target: BlobStore,
    incoming: Path,
    has_ended: HasEnded,
    *,
    linked: bool = False,
) -> CopiedImages:
    """Copy the images of all live rows of `db`, through files in `incoming`, and remove that folder.

    One that is not there or damaged is asked about: it may have ended since the rows were read. `linked`: what is
    published may be the file of the source, and whoever wants to know compares it there.
    """
    report = CopiedImages()
    incoming.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def copy(asset: Asset) -> None:
        try:
            await _wait_out(_link_image if linked else _copy_image, source, target, asset, incoming / asset.id)
        except (BlobNotFound, BlobDamaged):
            if await has_ended(asset):
                report.ended.append(asset)
            else:
                report.missing.append(asset.key)
        else:
            report.number += 1
            report.bytes += asset.bytes

    async for batch in _list_batches(db):
        line = iter(batch)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(_AT_ONCE):
                    group.create_task(_copy_each(line, copy))
        except BaseExceptionGroup as errors:  # the first one ended the others
            raise errors.exceptions[0] from None
    incoming.rmdir()
    report.missing.sort()
    return report


async def _copy_each(line: Iterator[Asset], copy: Callable[[Asset], Awaitable[None]]) -> None:
    """One of several that take from the same line."""
    for asset in line:
        await copy(asset)


async def never_ended(_: Asset) -> bool:
    """Where nothing deletes images meanwhile."""
    return False


async def _list_batches(db: Database) -> AsyncIterator[list[Asset]]:
    batch = await db.read(assets.list_live_assets, "", _BATCH)
    while batch:
        yield batch
        batch = await db.read(assets.list_live_assets, batch[-1].id, _BATCH)


Copy = Callable[[BlobStore, BlobStore, Asset, Path], Awaitable[None]]


async def _wait_out(copy: Copy, source: BlobStore, target: BlobStore, asset: Asset, partial: Path) -> None:
    """BackupError where a store stays away for too long."""
    give_up = time.monotonic() + _OUTAGE_S
    while True:
        try:
            return await copy(source, target, asset, partial)
        except StorageUnavailable as error:
            if time.monotonic() > give_up:
                raise BackupError(f"the storage of images does not answer: {error}") from error
            await error.outage.wait()
            await asyncio.sleep(_OUTAGE_PAUSE_S)


async def _link_image(source: BlobStore, target: BlobStore, asset: Asset, _: Path) -> None:
    async with source.local_copy(asset) as path:
        await target.put(path, asset)


async def _copy_image(source: BlobStore, target: BlobStore, asset: Asset, partial: Path) -> None:
    """BlobNotFound or BlobDamaged where the source has not the bytes that were stored."""
    blob = await source.open(asset.key, asset.bytes)
    digest = hashlib.sha256()
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            async for chunk in blob.read(0, asset.bytes, _CHUNK_BYTES):
                digest.update(chunk)
                await asyncio.to_thread(file.write, chunk)
            if digest.hexdigest() != asset.sha256:
                raise BlobDamaged(f"{asset.key}: another SHA-256")
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())
        await target.put(partial, asset)
    finally:
        blob.close()
        partial.unlink(missing_ok=True)
