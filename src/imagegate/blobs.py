"""Blobs: stored bytes under generated keys, here on the local disk. Owner and expiry are in the asset's row."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from imagegate.crash_points import crash_point
from imagegate.spool import fsync_directory

KEY_PATTERN = re.compile(r"t/[a-z0-9_]{1,64}/[0-9]{4}/[0-9]{2}/[0-9]{2}/[a-z0-9_-]{1,80}\.(png|jpg|webp|gif)")
_CHUNK_BYTES = 256 * 1024


class BlobNotFound(Exception):
    """No bytes are stored under this key."""


class LocalBlobStore:
    """Blobs as files below `root`. A file appears under its key only when all its bytes are on disk."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def put(self, source: Path, key: str) -> None:
        """Publish the file `source`, which is already synced. An existing blob of this key stays as it is.

        BlobNotFound where `source` is missing.
        """
        await asyncio.to_thread(self._publish, source, self._path(key))

    def _publish(self, source: Path, target: Path) -> None:
        crash_point("blob.mid_write")
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        crash_point("blob.pre_publish")
        try:
            # A hard link: no copy, and it fails where a repeat has published the same key before.
            os.link(source, target)
        except FileExistsError:
            return
        except FileNotFoundError:
            raise BlobNotFound(str(source)) from None
        except OSError:
            self._copy(source, target)
        target.chmod(0o600)
        # Every parent: a directory that was created just now is an entry of its own parent.
        for folder in target.parents:
            fsync_directory(folder)
            if folder == self._root:
                break
        crash_point("blob.post_publish")

    def _copy(self, source: Path, target: Path) -> None:
        """Where the spool is on another file system, which hard links cannot cross."""
        partial = target.with_suffix(f".{secrets.token_hex(4)}.part")
        with source.open("rb") as reader, partial.open("wb") as writer:
            shutil.copyfileobj(reader, writer, _CHUNK_BYTES)
            writer.flush()
            # Before the rename, so that the key never shows an incomplete file.
            os.fsync(writer.fileno())
        partial.rename(target)

    async def local_path(self, key: str) -> Path:
        """The blob as a file that may be read but not changed."""
        return self._path(key)

    def key_of(self, path: Path) -> str:
        """The key of a file that `local_path` returned."""
        return str(path.relative_to(self._root))

    async def size(self, key: str) -> int:
        try:
            return (await asyncio.to_thread(self._path(key).stat)).st_size
        except FileNotFoundError:
            raise BlobNotFound(key) from None

    async def read(self, key: str, start: int, length: int) -> AsyncIterator[bytes]:
        """`length` bytes from `start`, in chunks. BlobNotFound."""
        try:
            file = await asyncio.to_thread(self._path(key).open, "rb")
        except FileNotFoundError:
            raise BlobNotFound(key) from None
        with file:
            file.seek(start)
            while length > 0 and (chunk := await asyncio.to_thread(file.read, min(_CHUNK_BYTES, length))):
                length -= len(chunk)
                yield chunk

    async def delete(self, key: str) -> None:
        """No error where it does not exist."""
        await asyncio.to_thread(self._path(key).unlink, missing_ok=True)

    async def list_all(self) -> list[tuple[str, float]]:
        """The key of every blob, with the Unix time of its last change in seconds."""

        def list_files() -> list[tuple[str, float]]:
            files = (path for path in self._root.rglob("*") if path.is_file())
            return [(self.key_of(path), path.stat().st_mtime) for path in files]

        return await asyncio.to_thread(list_files)

    def _path(self, key: str) -> Path:
        if not KEY_PATTERN.fullmatch(key):
            raise ValueError(f"not a blob key: {key!r}")
        return self._root / key
