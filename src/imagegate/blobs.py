"""Blobs: stored bytes under generated keys, here on the local disk. Owner and expiry are in the asset's row."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from imagegate.crash_points import crash_point
from imagegate.disk import DiskWriter, Unflushed

KEY_ROOT = "t"  # of every key; the installation's own files may stand beside it
KEY_PATTERN = re.compile(KEY_ROOT + r"/[a-z0-9_]{1,64}/[0-9]{4}/[0-9]{2}/[0-9]{2}/[a-z0-9_-]{1,80}\.(png|jpg|webp|gif)")
_CHUNK_BYTES = 256 * 1024


class BlobNotFound(Exception):
    """No bytes are stored under this key."""


class BlobDamaged(Exception):
    """The bytes under this key are not those that were stored."""


class OpenBlob:
    """A blob opened for reading, of `size` bytes. Close it, or read it to the end."""

    def __init__(self, key: str, file: BinaryIO, size: int) -> None:
        self.size = size
        self._key = key
        self._file = file

    async def read(self, start: int, length: int, chunk_bytes: int = _CHUNK_BYTES) -> AsyncIterator[bytes]:
        """`length` bytes from `start`, in chunks of `chunk_bytes` but for the last.

        BlobDamaged where the file is shorter by now or cannot be read.
        """
        with self._file:
            self._file.seek(start)
            while length > 0:
                try:
                    chunk = await asyncio.to_thread(self._file.read, min(chunk_bytes, length))
                except OSError as error:
                    raise BlobDamaged(f"{self._key}: {error}") from error
                if not chunk:
                    raise BlobDamaged(f"{self._key}: {length} bytes are missing")
                length -= len(chunk)
                yield chunk

    def close(self) -> None:
        self._file.close()


class LocalBlobStore:
    """Blobs as files below `root`. A file appears under its key only when all its bytes are on disk."""

    def __init__(self, root: Path, disk: DiskWriter | None = None) -> None:
        self._root = root
        self._disk = disk or DiskWriter()
        self._durable_folders: set[Path] = set()
        root.mkdir(mode=0o700, parents=True, exist_ok=True)

    async def put(self, source: Path, key: str) -> None:
        """Publish the file `source`, which is already on disk. A blob of this key is from a repeat of the same step.

        BlobNotFound where `source` is missing.
        """
        target = self._path(key)
        await self._disk.run(self._publish, source, target)
        self._durable_folders.add(target.parent)
        crash_point("blob.post_publish")

    def _publish(self, unflushed: Unflushed, source: Path, target: Path) -> None:
        crash_point("blob.mid_write")
        if not target.parent.is_dir():
            self._durable_folders.clear()
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        crash_point("blob.pre_publish")
        try:
            # A hard link: no copy, and it fails where a repeat has published the same key before.
            os.link(source, target)
        except FileExistsError:
            # Published before, and still the same file; a copy may have been damaged since.
            if not source.samefile(target):
                self._copy(source, target)
        except FileNotFoundError:
            raise BlobNotFound(str(source)) from None
        except OSError:
            self._copy(source, target)
        target.chmod(0o600)
        for folder in target.parents:
            unflushed.add_folder(folder)
            # A folder that was created just now is an entry of its own parent.
            if folder == self._root or folder in self._durable_folders:
                break

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

    async def open(self, key: str, expected_bytes: int | None = None) -> OpenBlob:
        """The blob, open, so that whoever announces its length knows that the bytes are there.

        BlobNotFound where it is missing, BlobDamaged where it has another size or cannot be opened.
        """
        path = self._path(key)

        def open_file() -> OpenBlob:
            try:
                file = path.open("rb")
            except FileNotFoundError:
                raise BlobNotFound(key) from None
            except OSError as error:
                raise BlobDamaged(f"{key}: {error.strerror}") from error
            size = os.fstat(file.fileno()).st_size
            if expected_bytes is not None and size != expected_bytes:
                file.close()
                raise BlobDamaged(f"{key}: {size} bytes instead of {expected_bytes}")
            return OpenBlob(key, file, size)

        return await asyncio.to_thread(open_file)

    async def verify(self, key: str, expected_bytes: int, expected_sha256: str) -> None:
        """Read it all. BlobNotFound, or BlobDamaged where it is not what was stored."""
        blob = await self.open(key, expected_bytes)
        digest = hashlib.sha256()
        async for chunk in blob.read(0, expected_bytes):
            digest.update(chunk)
        if digest.hexdigest() != expected_sha256:
            raise BlobDamaged(f"{key}: another SHA-256")

    async def delete(self, key: str) -> None:
        """No error where it does not exist."""
        await asyncio.to_thread(self._path(key).unlink, missing_ok=True)

    async def list_all(self) -> list[tuple[str, float]]:
        """The key of every blob, with the Unix time of its last change in seconds."""

        def list_files() -> list[tuple[str, float]]:
            files = (path for path in (self._root / KEY_ROOT).rglob("*") if path.is_file())
            return [(self.key_of(path), path.stat().st_mtime) for path in files]

        return await asyncio.to_thread(list_files)

    def _path(self, key: str) -> Path:
        if not KEY_PATTERN.fullmatch(key):
            raise ValueError(f"not a blob key: {key!r}")
        return self._root / key
