"""Blobs: stored bytes under generated keys, in a folder or in a bucket."""

from __future__ import annotations

from imagegate.blobs.base import (
    BlobDamaged,
    BlobNotFound,
    BlobStore,
    OpenBlob,
    StorageUnavailable,
)
from imagegate.blobs.local import LocalBlobStore
from imagegate.disk import DiskWriter
from imagegate.settings import Settings, SettingsError

__all__ = ["BlobDamaged", "BlobNotFound", "BlobStore", "LocalBlobStore", "OpenBlob", "StorageUnavailable", "open_blobs"]


def open_blobs(settings: Settings, disk: DiskWriter | None = None) -> BlobStore:
    """The store that the settings name. SettingsError where that cannot be one; nothing is asked of it yet."""
    if settings.blob_dir is not None:
        return LocalBlobStore(settings.blob_dir, disk)
    url = settings.storage.storage
    try:
        from imagegate.blobs.object_store import ObjectBlobStore, describe_error
    except ImportError as error:
        raise SettingsError(f"storage {url} needs the extra s3: pip install 'imagegate[s3]'") from error
    try:
        return ObjectBlobStore(url, settings.data_dir / "incoming")
    except Exception as error:  # the library's own kinds, and what it says of credentials
        raise SettingsError(f"storage {url} cannot be used: {describe_error(error)}") from error
