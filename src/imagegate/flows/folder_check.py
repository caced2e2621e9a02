"""Whether the store of images and the folder of the spool are the ones of the database.

Processes that share a database must see each other's files, and a file system that is not mounted looks like an empty
folder, a wrong prefix like an empty bucket. A file or object with an id, which the database knows, tells.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path

from imagegate.blobs import BlobStore, StorageUnavailable
from imagegate.blobs.base import MARKER
from imagegate.blobs.local import read_marker_file
from imagegate.security.keyring import write_private_file
from imagegate.settings import Settings, SettingsError
from imagegate.store import assets, installation
from imagegate.store.database import Database


async def verify_folders(db: Database, settings: Settings, blobs: BlobStore, *, adopt: bool = True) -> None:
    """SettingsError where a store or folder is another one than that of the database, or does not answer.

    `adopt`: a database that knows none yet takes the present one. The spool of a single process holds nothing that
    another one needs, and may be lost with the machine.
    """
    await verify_storage(db, blobs, adopt=adopt)
    if db.engine.shared:
        await verify_folder(db, "spool", settings.spool_dir, adopt=adopt)


async def verify_storage(db: Database, blobs: BlobStore, *, adopt: bool) -> None:
    async def refuse_images_of_another() -> None:
        if not await db.read(assets.has_assets) and await _holds_blobs(blobs):
            raise SettingsError(
                f"{blobs.location} holds images, and the database is new: it would delete them as nobody's. Restore the"
                " database that they belong to, or name an empty place with `storage`"
            )

    try:
        # The name is from when there were folders alone.
        await _verify(
            db,
            "blobs_folder",
            "storage",
            blobs.location,
            read=blobs.read_marker,
            add=blobs.add_marker,
            check_new=refuse_images_of_another,
            adopt=adopt,
        )
    except StorageUnavailable as error:
        raise SettingsError(f"the storage of images does not answer: {error}") from error
    except OSError as error:
        raise SettingsError(f"{MARKER} in {blobs.location} cannot be read: {error.strerror}") from error


async def verify_folder(db: Database, setting: str, folder: Path, *, adopt: bool) -> None:
    async def read() -> str:
        return await asyncio.to_thread(read_marker_file, folder / MARKER)

    async def add(text: str) -> None:
        await asyncio.to_thread(write_private_file, folder / MARKER, text)

    try:
        await _verify(db, f"{setting}_folder", setting, str(folder), read=read, add=add, adopt=adopt)
    except OSError as error:
        raise SettingsError(f"{MARKER} in {folder} cannot be read: {error.strerror}") from error


async def _nothing() -> None:
    pass


async def _verify(
    db: Database,
    name: str,
    setting: str,
    location: str,
    *,
    read: Callable[[], Awaitable[str]],
    add: Callable[[str], Awaitable[None]],
    check_new: Callable[[], Awaitable[None]] = _nothing,
    adopt: bool,
) -> None:
    expected = await db.read(installation.find_value, name)
    if expected is None:
        if not adopt:
            return
        await check_new()
        # Of two processes at their first start, the one whose marker is kept has named the place for both.
        await add(f"fld_{secrets.token_hex(8)}\n")
        expected = await db.write(installation.add_value, name, await read())
    found = await read()
    if found != expected:
        raise SettingsError(
            f"{location} is not the `{setting}` of this database: its {MARKER} "
            + (f"says {found[:40]!r}, not {expected}" if found else f"is missing or empty, it must say {expected}")
            + f". Mount the right one, or name it with `{setting}`, the same for all processes. If its files were moved"
            f" here without it, write {expected} into {location}/{MARKER}"
        )


async def _holds_blobs(blobs: BlobStore) -> bool:
    async for page in blobs.list_pages():
        if page:
            return True
    return False
