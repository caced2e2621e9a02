"""`backup create`: the database as it is at one moment, then the images that it names, beside a running gateway."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from imagegate import __version__
from imagegate.app import connect_database
from imagegate.backup.images import CopiedImages, copy_images
from imagegate.backup.manifest import (
    BLOBS,
    DATABASE,
    SECRET,
    BackupError,
    Manifest,
    clear_folder,
    hash_file,
    write_manifest,
)
from imagegate.blobs import LocalBlobStore, open_blobs
from imagegate.domain.assets import Asset
from imagegate.domain.time import US_PER_SECOND
from imagegate.flows.secret_check import open_verified_keyring
from imagegate.security.keyring import ENV_VARIABLE, write_private_file
from imagegate.settings import Settings
from imagegate.store import assets, files, installation, snapshot
from imagegate.store.database import Database
from imagegate.store.sqlite import SqliteEngine

# A backup that was killed stops keeping inputs after this long; one that goes on says so in time.
_KEEP_S, _KEEP_AGAIN_S = 120, 30


async def create_backup(settings: Settings, folder: Path) -> Manifest:
    """Write a backup into the folder, which is new or empty. BackupError says why there is none; the folder is then as
    it was."""
    is_new = not folder.exists()
    _make_empty_folder(folder)
    db = connect_database(settings)
    try:
        db.check_schema()
        async with _inputs_kept(db):
            return await _create(settings, db, folder)
    except BaseException:
        clear_folder(folder)
        if is_new:
            folder.rmdir()
        raise
    finally:
        db.close()


def _make_empty_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise BackupError(f"{folder} is not empty: name a new folder for each backup")
    folder.chmod(0o700)  # before anything is in it


async def _create(settings: Settings, db: Database, folder: Path) -> Manifest:
    await _refuse_small_disk(db, folder)
    file, taken = folder / DATABASE, await db.read(lambda tx: tx.now)
    await asyncio.to_thread(snapshot.write_snapshot, db.engine, file)
    copy = Database(SqliteEngine(file, is_copy=True))
    try:
        # After the snapshot: a rotation in between would leave it with the secret before.
        has_secret = await _copy_secret(settings, db, copy, folder)
        kept = LocalBlobStore(folder / BLOBS)

        async def has_ended(asset: Asset) -> bool:
            return await db.read(assets.is_ended, asset.id)

        images = await copy_images(copy, open_blobs(settings), kept, folder / "incoming", has_ended)
        await _record_ended(copy, images)
        rows = await copy.read_report(snapshot.count_rows)
    finally:
        copy.close()
    await asyncio.to_thread(snapshot.make_single_file, file)
    manifest = Manifest(
        program=__version__,
        engine=db.engine.name,
        taken=taken,
        database_bytes=file.stat().st_size,
        database_sha256=await hash_file(file),
        rows=rows,
        images=images.number,
        image_bytes=images.bytes,
        ended=len(images.ended),
        missing=tuple(images.missing),
        has_secret=has_secret,
    )
    await asyncio.to_thread(write_manifest, folder, manifest)
    await db.write(installation.replace_value, installation.LAST_BACKUP, str(taken))
    return manifest


async def _refuse_small_disk(db: Database, folder: Path) -> None:
    number, image_bytes = await db.read_report(assets.measure_live_assets)
    needed = await asyncio.to_thread(snapshot.measure, db.engine) + image_bytes
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise BackupError(
            f"{folder} has {free / 1e9:.1f} GB free; the database and {number} images need {needed / 1e9:.1f} GB"
        )


async def _copy_secret(settings: Settings, db: Database, copy: Database, folder: Path) -> bool:
    """False where the secret is in the environment, which a backup does not hold."""
    keyring = await open_verified_keyring(db, settings.data_dir)
    if keyring.check_value != await copy.read(installation.find_value, installation.SECRET_CHECK):
        raise BackupError(
            "the secret here is not that of the database: it was rotated a moment ago, or this machine has the former"
            " one. Make the backup where the present one is"
        )
    if ENV_VARIABLE in os.environ:
        return False
    await asyncio.to_thread(write_private_file, folder / SECRET, (settings.data_dir / "secret").read_text("ascii"))
    return True


async def _record_ended(copy: Database, images: CopiedImages) -> None:
    for asset in images.ended:
        if not await copy.write(files.end_in_copy, asset.account_id, asset):
            images.missing.append(asset.key)


@contextlib.asynccontextmanager
async def _inputs_kept(db: Database) -> AsyncIterator[None]:
    """What unfinished tasks of the snapshot were given stays until it is copied, though they end meanwhile."""

    async def keep() -> None:
        while True:
            await asyncio.sleep(_KEEP_AGAIN_S)
            await db.write(installation.keep_inputs, _KEEP_S * US_PER_SECOND)

    await db.write(installation.keep_inputs, _KEEP_S * US_PER_SECOND)
    keeping = asyncio.create_task(keep())
    try:
        yield
    finally:
        # The time runs out by itself: another backup may be under way.
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
