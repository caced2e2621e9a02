"""Blobs: stored bytes under generated keys.

Knows: how a file becomes a durable blob, is read in pieces and is deleted; here on the local disk. Refuses to know:
whose bytes they are and when they expire (that is the asset row).
"""

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
    """Blobs as files below one folder, each published by a link that appears only when its bytes are on disk."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def put(self, source: Path, key: str) -> None:
        """Publish the file `source` (already flushed). A blob that is there already stays as it is."""
        await asyncio.to_thread(self._publish, source, self._path(key))

    def _publish(self, source: Path, target: Path) -> None:
        crash_point("blob.mid_write")
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        crash_point("blob.pre_publish")
        try:
            os.link(source, target)
        except FileExistsError:
            return
        except FileNotFoundError:
            raise BlobNotFound(str(source)) from None
        except OSError:
            self._copy(source, target)
        target.chmod(0o600)
        for folder in target.parents:
            fsync_directory(folder)
            if folder == self._root:
                break
        crash_point("blob.post_publish")

    def _copy(self, source: Path, target: Path) -> None:
        """For a spool on another file system."""
        partial = target.with_suffix(f".{secrets.token_hex(4)}.part")
        with source.open("rb") as reader, partial.open("wb") as writer:
            shutil.copyfileobj(reader, writer, _CHUNK_BYTES)
            writer.flush()
            os.fsync(writer.fileno())
        partial.rename(target)

    async def local_path(self, key: str) -> Path:
        """The blob as a file that may be read but not changed."""
        return self._path(key)

    def key_of(self, path: Path) -> str:
        """The key of a file that `local_path` gave."""
        return str(path.relative_to(self._root))

    async def size(self, key: str) -> int:
        try:
            return (await asyncio.to_thread(self._path(key).stat)).st_size
        except FileNotFoundError:
            raise BlobNotFound(key) from None

    async def read(self, key: str, start: int, length: int) -> AsyncIterator[bytes]:
        """`length` bytes from `start`, in pieces."""
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
        """Gone afterwards, whether or not it was there."""
        await asyncio.to_thread(self._path(key).unlink, missing_ok=True)

    async def list_all(self) -> list[tuple[str, float]]:
        """The key of every blob, with the Unix time of its last change."""
        return await asyncio.to_thread(self._list_all)

    def _list_all(self) -> list[tuple[str, float]]:
        files = (path for path in self._root.rglob("*") if path.is_file())
        return [(str(path.relative_to(self._root)), path.stat().st_mtime) for path in files]

    def _path(self, key: str) -> Path:
        if not KEY_PATTERN.fullmatch(key):
            raise ValueError(f"not a blob key: {key!r}")
        return self._root / key
