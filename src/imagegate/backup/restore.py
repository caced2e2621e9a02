"""`backup restore` and `copy`: an installation into a place that holds nothing yet, on either engine."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from imagegate.app import connect_database
from imagegate.backup.images import CopiedImages, copy_images, never_ended
from imagegate.backup.manifest import (
    BLOBS,
    DATABASE,
    SECRET,
    BackupError,
    Manifest,
    clear_folder,
    hash_file,
    read_manifest,
)
from imagegate.blobs import BlobStore, LocalBlobStore, StorageUnavailable, open_blobs
from imagegate.disk import fsync
from imagegate.security.keyring import ENV_VARIABLE, Keyring, open_keyring, verify_check_value, write_private_file
from imagegate.settings import Settings
from imagegate.store import installation, snapshot
from imagegate.store.database import Database
from imagegate.store.dialect import Engine
from imagegate.store.sqlite import SqliteEngine, create_private

# Where the database is prepared. Its name is not that of the database: what was cut off serves nothing.
_PREPARED = "restoring.db"
_FILE_SYSTEMS_OWN = {"lost+found"}


async def restore_backup(folder: Path, settings: Settings, *, linked: bool = False) -> Manifest:
    """Make the installation of the settings from the backup. BackupError says why not.

    The database appears last: what was cut off before is no installation. `linked`: the images may be the files of the
    backup themselves, where that is possible.
    """
    manifest = read_manifest(folder)
    engine = await _prepare_place(settings, manifest.database_bytes, 0 if linked else manifest.image_bytes)
    async with _cleared_on_failure(settings):
        keyring = _open_secret(folder if manifest.has_secret else None)
        prepared = _prepared_file(settings, engine)
        create_private(prepared)
        await asyncio.to_thread(shutil.copyfile, folder / DATABASE, prepared)
        if await hash_file(prepared) != manifest.database_sha256:
            raise BackupError(f"{folder / DATABASE} is damaged: its SHA-256 is not that of the manifest")
        await _prepare(prepared, keyring, manifest.taken)
        copied = await _install(prepared, engine, settings, LocalBlobStore(folder / BLOBS), folder, linked=linked)
    missing = sorted(set(copied.missing) - set(manifest.missing))
    if missing:
        raise BackupError(
            f"restored but for {len(missing)} images that are missing or damaged in {folder}, such as {missing[0]}"
        )
    return manifest


async def copy_installation(source: Settings, target: Settings) -> CopiedImages:
    """Copy a whole installation that nobody serves. The source stays as it is, and so do links, keys and sessions."""
    with _nobody_serves(source):
        origin = connect_database(source)
        try:
            if lost := origin.engine.find_lost_commits():
                raise BackupError(f"{lost}: see docs/operations.md")
            size = await asyncio.to_thread(snapshot.measure, origin.engine)
            engine = await _prepare_place(target, size, 0)
            async with _cleared_on_failure(target):
                prepared = _prepared_file(target, engine)
                await asyncio.to_thread(snapshot.write_snapshot, origin.engine, prepared)
                keyring = _open_secret(source.data_dir if (source.data_dir / SECRET).exists() else None)
                await _prepare(prepared, keyring, None)
                copied = await _install(prepared, engine, target, open_blobs(source), source.data_dir)
        finally:
            origin.close()
    if copied.missing:
        raise BackupError(
            f"copied but for {len(copied.missing)} images that are missing or damaged in the source, such as"
            f" {copied.missing[0]}"
        )
    return copied


async def _prepare_place(settings: Settings, database_bytes: int, image_bytes: int) -> Engine:
    """Make the folders. BackupError where something is there, or not enough space."""
    local = [folder for folder in (settings.data_dir, settings.blob_dir) if folder is not None]
    for folder in local:
        if folder.exists() and {path.name for path in folder.iterdir()} - _FILE_SYSTEMS_OWN:
            raise _not_empty(str(folder))
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings.data_dir.chmod(0o700)
    engine = connect_database(settings).engine
    if not await asyncio.to_thread(snapshot.is_empty, engine):
        raise _not_empty("the database")
    store = open_blobs(settings)
    try:
        if await store.read_marker() or [page async for page in store.list_pages() if page]:
            raise _not_empty(store.location)
    except StorageUnavailable as error:
        raise BackupError(f"the storage of images does not answer: {error}") from error
    needed: dict[int, int] = {}
    for folder, size in zip(local, (2 * database_bytes, image_bytes), strict=False):
        device = folder.stat().st_dev
        needed[device] = needed.get(device, 0) + size
        if (free := shutil.disk_usage(folder).free) < needed[device]:
            raise BackupError(f"{folder} has {free / 1e9:.1f} GB free, {needed[device] / 1e9:.1f} GB are needed")
    return engine


def _not_empty(place: str) -> BackupError:
    return BackupError(f"{place} is not empty: name a new place, nothing is ever restored over something")


def _prepared_file(settings: Settings, engine: Engine) -> Path:
    """Beside the database where that is a file, so that it can be renamed."""
    return next((file.with_name(_PREPARED) for file in engine.files()), settings.data_dir / _PREPARED)


def _open_secret(folder: Path | None) -> Keyring:
    """That of the environment, else the file in the folder."""
    if folder is None and ENV_VARIABLE not in os.environ:
        raise BackupError(f"the secret was in the environment and is not in the backup: set {ENV_VARIABLE} to it")
    return open_keyring(folder or Path(), create=False)


async def _prepare(prepared: Path, keyring: Keyring, last_backup: int | None) -> None:
    """Bring the copy of the database to the present schema, and let it forget where it came from."""
    copy = Database(SqliteEngine(prepared, is_copy=True))
    try:
        await asyncio.to_thread(copy.migrate)
        expected = await copy.read(installation.find_value, installation.SECRET_CHECK)
        if expected is not None:
            verify_check_value(keyring, expected)
        await copy.write(installation.forget_places)
        if last_backup is not None:
            await copy.write(installation.replace_value, installation.LAST_BACKUP, str(last_backup))
    finally:
        copy.close()


async def _install(
    prepared: Path,
    engine: Engine,
    settings: Settings,
    images: BlobStore,
    secret_folder: Path,
    *,
    linked: bool = False,
) -> CopiedImages:
    """Images, secret, and the database last."""
    copy = Database(SqliteEngine(prepared, is_copy=True))
    try:
        incoming = settings.data_dir / "incoming"
        copied = await copy_images(copy, images, open_blobs(settings), incoming, never_ended, linked=linked)
    finally:
        copy.close()
    if ENV_VARIABLE not in os.environ:
        text = (secret_folder / SECRET).read_text("ascii")
        await asyncio.to_thread(write_private_file, settings.data_dir / SECRET, text)
    await asyncio.to_thread(snapshot.make_single_file, prepared)
    if engine.shared:
        await asyncio.to_thread(snapshot.load_snapshot, prepared, engine)
        prepared.unlink()
    else:
        prepared.rename(engine.files()[0])
    fsync(prepared.parent)
    return copied


@contextlib.asynccontextmanager
async def _cleared_on_failure(settings: Settings) -> AsyncIterator[None]:
    """Everything was empty: what failed leaves it so, and can be tried again."""
    try:
        yield
    except BaseException:
        if settings.blob_dir is None:
            with contextlib.suppress(StorageUnavailable):
                store = open_blobs(settings)
                async for page in store.list_pages():
                    await store.delete(*(key for key, _ in page))
        else:
            clear_folder(settings.blob_dir, keep=_FILE_SYSTEMS_OWN)
        clear_folder(settings.data_dir, keep=_FILE_SYSTEMS_OWN)
        raise


@contextlib.contextmanager
def _nobody_serves(settings: Settings) -> Iterator[None]:
    """Hold what a serving process holds. With PostgreSQL nothing says who serves: see to that yourself."""
    lock = settings.data_dir / "lock"
    if not lock.exists():
        yield
        return
    handle = os.open(lock, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise BackupError(f"a gateway serves from {settings.data_dir}: stop it first, or use a backup") from None
    finally:
        os.close(handle)
