"""Whether database, secret, spool and images can be where the settings say, before anything is made there."""

from __future__ import annotations

from pathlib import Path

from imagegate.blobs import BlobStore, StorageUnavailable, open_blobs
from imagegate.domain.bounds import Problems, show
from imagegate.security.keyring import SecretError, has_variable, open_keyring
from imagegate.settings import Settings, SettingsError
from imagegate.store.database import DatabaseUnusable, check_database_url, is_shared_url


def database_url(settings: Settings) -> str:
    return settings.storage.database or str(settings.data_dir / "imagegate.db")


def check_places(settings: Settings) -> None:
    """SettingsError says which settings name what cannot be such a place. Opens nothing and makes nothing."""
    problems, database = Problems(), settings.storage.database
    try:
        check_database_url(database_url(settings))
    except DatabaseUnusable as error:
        problems.found.append(str(error))
    if database and not is_shared_url(database) and not Path(database).absolute().parent.is_dir():
        problems.found.append(f"database is {show(database)}: its folder is not there; make it, or name another")
    for name, folder in _folders(settings).items():
        existing = next(one for one in (folder, *folder.parents) if one.exists() or one.is_symlink())
        if not existing.is_dir():
            problems.found.append(f"{name} is {str(folder)!r}: must be a folder, and {existing} is none")
    if has_variable():
        try:
            open_keyring(settings.data_dir)
        except SecretError as error:
            problems.found.append(str(error))
        except OSError as error:
            problems.found.append(f"{error.strerror}: {error.filename}")
    if settings.blob_dir is None:
        with problems.collect():
            open_blobs(settings)
    problems.raise_as(SettingsError)


def make_folders(settings: Settings) -> None:
    """The spool's and the images', where they are not in the data folder. SettingsError where one cannot be made."""
    for name, folder in _folders(settings).items():
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(f"{name} is {str(folder)!r}: it cannot be made: {error.strerror}") from error


def _folders(settings: Settings) -> dict[str, Path]:
    folders = {"spool": settings.spool_dir, "storage": settings.blob_dir}
    return {name: folder for name, folder in folders.items() if folder and settings.data_dir not in folder.parents}


async def check_reachable(blobs: BlobStore) -> None:
    """SettingsError where an object store does not answer."""
    try:
        await blobs.read_marker()
    except StorageUnavailable as error:
        raise SettingsError(f"the storage of images does not answer: {error}") from error
