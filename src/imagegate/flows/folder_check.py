"""Whether the store of images and the folder of the spool are ones of the database.

Processes that share a database must see each other's images, and a file system that is not mounted looks like an empty
folder, a wrong prefix like an empty bucket. A file or object with an id, which the database knows, tells. Spools are as
many as there are disks that hold one.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from pathlib import Path

from imagegate.blobs import BlobStore, StorageUnavailable
from imagegate.blobs.base import MARKER
from imagegate.blobs.local import read_marker_file
from imagegate.security.keyring import write_private_file
from imagegate.settings import Settings, SettingsError
from imagegate.store import assets, installation
from imagegate.store.database import Database

_STORAGE = "blobs_folder"  # from when there were folders alone


async def verify_folders(db: Database, settings: Settings, blobs: BlobStore, *, adopt: bool = True) -> str:
    """The id of the spool, empty where it has none yet. SettingsError where a store or folder is of another database,
    or does not answer.

    `adopt`: a database that knows no store yet takes the present one, and every new spool.
    """
    await verify_storage(db, blobs, adopt=adopt)
    return await _identify_spool(db, settings.spool_dir, adopt=adopt)


async def verify_storage(db: Database, blobs: BlobStore, *, adopt: bool) -> None:
    try:
        await _verify_storage(db, blobs, adopt=adopt)
    except StorageUnavailable as error:
        raise SettingsError(f"the storage of images does not answer: {error}") from error
    except OSError as error:
        raise SettingsError(f"{MARKER} in {blobs.location} cannot be read: {error.strerror}") from error


async def _verify_storage(db: Database, blobs: BlobStore, *, adopt: bool) -> None:
    expected = await db.read(installation.find_value, _STORAGE)
    if expected is None:
        if not adopt:
            return
        if not await db.read(assets.has_assets) and await _holds_blobs(blobs):
            raise SettingsError(
                f"{blobs.location} holds images, and the database is new: it would delete them as nobody's. Restore the"
                " database that they belong to, or name an empty place with `storage`"
            )
        # Of two processes at their first start, the one whose marker is kept has named the place for both.
        await blobs.add_marker(_new_id())
        expected = await db.write(installation.add_value, _STORAGE, await blobs.read_marker())
    found = await blobs.read_marker()
    if found != expected:
        raise SettingsError(
            f"{blobs.location} is not the `storage` of this database: its {MARKER} "
            + (f"says {found[:40]!r}, not {expected}" if found else f"is missing or empty, it must say {expected}")
            + ". Mount the right one, or name it with `storage`, the same for all processes. If its files were moved"
            f" here without it, write {expected} into {blobs.location}/{MARKER}"
        )


async def _holds_blobs(blobs: BlobStore) -> bool:
    async for page in blobs.list_pages():
        if page:
            return True
    return False


async def _identify_spool(db: Database, folder: Path, *, adopt: bool) -> str:
    """The spool of another database is refused while it holds anything: the sweep would delete that as nobody's."""
    marker = folder / MARKER
    try:
        is_new = not await asyncio.to_thread(marker.exists)
        if is_new:
            if not adopt:
                return ""
            await asyncio.to_thread(write_private_file, marker, _new_id())
        found = await asyncio.to_thread(read_marker_file, marker)
        holds_more = await asyncio.to_thread(_holds_more_than_marker, folder)
    except OSError as error:
        raise SettingsError(f"{MARKER} in {folder} cannot be read: {error.strerror}") from error
    if not re.fullmatch("fld_[0-9a-f]{16}", found):
        raise SettingsError(
            f"{marker} says {found[:40]!r}, which is no id: remove it where {folder} is the spool of this database"
        )
    if await db.read(installation.find_value, f"spool:{found}") is not None:
        return found
    # Until 0.3 one spool was that of all processes.
    is_known = is_new or found == await db.read(installation.find_value, "spool_folder")
    if not is_known and holds_more:
        raise SettingsError(
            f"{folder} is the spool of another database, and not empty: its file {MARKER} says {found}. Name another"
            f" folder with `spool`. Where it is this database's own, remove {MARKER}"
        )
    if adopt:
        await db.write(installation.add_value, f"spool:{found}", "")
    return found


def _holds_more_than_marker(folder: Path) -> bool:
    return any(path.name != MARKER and not path.name.startswith(".") for path in folder.iterdir())


def _new_id() -> str:
    return f"fld_{secrets.token_hex(8)}\n"
