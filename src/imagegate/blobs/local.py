"""Blobs as files of a folder: of one machine, or of a file system that several share."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import os
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import BinaryIO

from imagegate.blobs.base import (
    CHUNK_BYTES,
    KEY_PATTERN,
    KEY_ROOT,
    MARKER,
    BlobDamaged,
    BlobNotFound,
    Outage,
    StoredBytes,
    check_key,
)
from imagegate.crash_points import crash_point
from imagegate.disk import DiskWriter, Unflushed
from imagegate.domain.assets import Asset
from imagegate.security.keyring import write_private_file

_PAGE = 1000
_PARTIAL_SUFFIX = ".part"
_MAX_PARTIAL_AGE_S = 24 * 3600  # no copy takes that long


class OpenFile:
    """An open file of `size` bytes."""

    def __init__(self, key: str, file: BinaryIO, size: int) -> None:
        self.size = size
        self._key = key
        self._file = file

    async def read(self, start: int, length: int, chunk_bytes: int = CHUNK_BYTES) -> AsyncIterator[bytes]:
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
        self.location = str(root)
        self._root = root
        self._disk = disk or DiskWriter()
        self._durable_folders: set[Path] = set()
        self._writes = Outage()
        root.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def is_out(self) -> bool:
        return self._writes.is_closed

    async def put(self, source: Path, asset: Asset) -> None:
        await self._put(source, asset.key)
        crash_point("blob.post_publish")

    async def _put(self, source: Path, key: str) -> None:
        target = self._path(key)
        self._writes.begin_call()
        try:
            await self._disk.run(self._publish, source, target)
        except OSError as error:
            raise self._writes.failed(f"{key}: {error.strerror or error}") from error
        self._writes.succeeded()
        self._durable_folders.add(target.parent)

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
        partial = target.with_suffix(f".{secrets.token_hex(4)}{_PARTIAL_SUFFIX}")
        with source.open("rb") as reader, partial.open("wb") as writer:
            shutil.copyfileobj(reader, writer, CHUNK_BYTES)
            writer.flush()
            # Before the rename, so that the key never shows an incomplete file.
            os.fsync(writer.fileno())
        partial.rename(target)

    async def copy(self, source: Asset, target: Asset) -> None:
        (await self.open(source.key, source.bytes)).close()
        await self._put(self._path(source.key), target.key)

    @contextlib.asynccontextmanager
    async def local_copy(self, stored: StoredBytes, *, verified: bool = False) -> AsyncIterator[Path]:
        """The file itself."""
        if verified:
            await self.verify(stored)
        yield self._path(stored.key)

    def key_of(self, path: Path) -> str:
        return str(path.relative_to(self._root))

    async def open(self, key: str, expected_bytes: int | None = None) -> OpenFile:
        path = self._path(key)

        def open_file() -> OpenFile:
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
            return OpenFile(key, file, size)

        return await asyncio.to_thread(open_file)

    async def verify(self, stored: StoredBytes) -> None:
        blob = await self.open(stored.key, stored.bytes)
        digest = hashlib.sha256()
        async for chunk in blob.read(0, stored.bytes):
            digest.update(chunk)
        if digest.hexdigest() != stored.sha256:
            raise BlobDamaged(f"{stored.key}: another SHA-256")

    async def delete(self, *keys: str) -> None:
        paths = [self._path(key) for key in keys]

        def unlink_all() -> None:
            for path in paths:
                path.unlink(missing_ok=True)

        await asyncio.to_thread(unlink_all)

    async def list_pages(self) -> AsyncIterator[list[tuple[str, float]]]:
        files = self._list_files()
        while page := await asyncio.to_thread(lambda: list(itertools.islice(files, _PAGE))):
            yield page

    def _list_files(self) -> Iterator[tuple[str, float]]:
        oldest_partial = time.time() - _MAX_PARTIAL_AGE_S
        for folder, _, names in os.walk(self._root / KEY_ROOT):
            for name in names:
                path = Path(folder, name)
                with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
                    changed = path.stat().st_mtime
                    if KEY_PATTERN.fullmatch(key := self.key_of(path)):
                        yield key, changed
                    elif name.endswith(_PARTIAL_SUFFIX) and changed < oldest_partial:
                        path.unlink()  # of a copy during which the process died

    async def read_marker(self) -> str:
        return await asyncio.to_thread(read_marker_file, self._root / MARKER)

    async def add_marker(self, text: str) -> None:
        await asyncio.to_thread(write_private_file, self._root / MARKER, text)

    async def sign_link(self, key: str, method: str, seconds: int) -> str:
        raise ValueError("a folder has no links of its own")

    async def probe(self, *, links: bool) -> str:
        def write_and_link() -> None:
            file = self._root / f".doctor-{secrets.token_hex(8)}"
            try:
                file.write_bytes(b"")
                os.link(file, linked := file.with_suffix(".link"))
                linked.unlink()
            finally:
                file.unlink(missing_ok=True)

        await asyncio.to_thread(write_and_link)
        return f"{self._root} can be written to"

    def _path(self, key: str) -> Path:
        return self._root / check_key(key)


def read_marker_file(marker: Path) -> str:
    """Empty where there is none. OSError."""
    try:
        return marker.read_text("utf-8", "replace").strip()
    except (FileNotFoundError, NotADirectoryError):
        return ""
