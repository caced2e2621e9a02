"""Whether the folders of images and of the spool are ones of the database.

Processes that share a database must see each other's images, and a file system that is not mounted looks like an empty
folder. A file with an id, which the database knows, tells. Spools are as many as there are disks that hold one.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from pathlib import Path

from imagegate.blobs import KEY_ROOT
from imagegate.security.keyring import write_private_file
from imagegate.settings import Settings, SettingsError
from imagegate.store import assets, installation
from imagegate.store.database import Database

MARKER = "folder-id"


async def verify_folders(db: Database, settings: Settings, *, adopt: bool = True) -> str:
    """The id of the spool, empty where it has none yet. SettingsError where a folder is of another database.

    `adopt`: a database that knows no folder yet takes the present one, and every new spool.
    """
    await verify_folder(db, "blobs", settings.blob_dir, adopt=adopt)
    return await _identify_spool(db, settings.spool_dir, adopt=adopt)


async def _identify_spool(db: Database, folder: Path, *, adopt: bool) -> str:
    """The spool of another database is refused while it holds anything: the sweep would delete that as nobody's."""
    marker = folder / MARKER
    found = await asyncio.to_thread(_read, marker)
    is_new = not await asyncio.to_thread(marker.exists)
    if is_new:
        if not adopt:
            return ""
        await asyncio.to_thread(write_private_file, marker, f"fld_{secrets.token_hex(8)}\n")
        found = await asyncio.to_thread(_read, marker)
    if not re.fullmatch("fld_[0-9a-f]{16}", found):
        raise SettingsError(
            f"{marker} says {found[:40]!r}, which is no id: remove it where {folder} is the spool of this database"
        )
    if await db.read(installation.find_value, f"spool:{found}") is not None:
        return found
    # Until 0.3 one spool was that of all processes.
    is_known = is_new or found == await db.read(installation.find_value, "spool_folder")
    if not is_known and await asyncio.to_thread(_holds_more_than_marker, folder):
        raise SettingsError(
            f"{folder} is the spool of another database, and not empty: its file {MARKER} says {found}. Name another"
            f" folder with `spool`. Where it is this database's own, remove {MARKER}"
        )
    if adopt:
        await db.write(installation.add_value, f"spool:{found}", "")
    return found


def _holds_more_than_marker(folder: Path) -> bool:
    return any(path.name != MARKER and not path.name.startswith(".") for path in folder.iterdir())


async def verify_folder(db: Database, setting: str, folder: Path, *, adopt: bool) -> None:
    name, marker = f"{setting}_folder", folder / MARKER
    expected = await db.read(installation.find_value, name)
    if expected is None:
        if not adopt:
            return
        if setting == "blobs" and await _holds_images_of_another(db, folder):
            raise SettingsError(
                f"{folder} holds images, and the database is new: it would delete them as nobody's. Restore the"
                " database that they belong to, or name an empty folder with `blobs`"
            )
        # Of two processes at their first start, the one whose file is kept has named the folder for both.
        await asyncio.to_thread(write_private_file, marker, f"fld_{secrets.token_hex(8)}\n")
        expected = await db.write(installation.add_value, name, await asyncio.to_thread(_read, marker))
    found = await asyncio.to_thread(_read, marker)
    if found != expected:
        raise SettingsError(
            f"{folder} is not the folder `{setting}` of this database: its file {MARKER} "
            + (f"says {found[:40]!r}, not {expected}" if found else f"is missing or empty, it must say {expected}")
            + f". Mount the right one, or name it with `{setting}`, the same for all processes. If its files were moved"
            f" here without it, write {expected} into {marker}"
        )


async def _holds_images_of_another(db: Database, folder: Path) -> bool:
    if await db.read(assets.has_assets):
        return False
    return await asyncio.to_thread(lambda: any(path.is_file() for path in (folder / KEY_ROOT).rglob("*")))


def _read(marker: Path) -> str:
    try:
        return marker.read_text("utf-8", "replace").strip()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise SettingsError(f"{marker} cannot be read: {error.strerror}") from error
