"""What a backup holds. The manifest is written last, so that a folder with one is whole."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
from collections.abc import Collection
from pathlib import Path

import msgspec

from imagegate.disk import fsync

FORMAT = 1
MANIFEST, DATABASE, BLOBS, SECRET = "manifest.json", "imagegate.db", "blobs", "secret"


class BackupError(Exception):
    """A backup that cannot be made, is damaged, or has no place to go to; the text says why and what to do."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """`taken` is the moment of the snapshot, UTC microseconds; `rows` counts those of each table.

    `ended`: images of the snapshot that had expired or been deleted when they were to be copied. `missing`: keys of
    those that should have been there; the installation itself is damaged then.
    """

    format: int = FORMAT
    program: str
    engine: str
    taken: int
    database_bytes: int
    database_sha256: str
    rows: dict[str, int]
    images: int
    image_bytes: int
    ended: int
    missing: tuple[str, ...] = ()
    has_secret: bool


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Flushed under another name first, and after all that it speaks of."""
    fsync(folder)
    partial = folder / f"{MANIFEST}.part"
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    partial.rename(folder / MANIFEST)
    fsync(folder)
    fsync(folder.parent)


def read_manifest(folder: Path) -> Manifest:
    """BackupError where the folder is no backup, or one of a newer program."""
    try:
        text = (folder / MANIFEST).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise BackupError(
            f"{folder} is no backup: it has no {MANIFEST}, which is written last; was it cut off?"
        ) from None
    try:
        if (found := msgspec.json.decode(text, type=_Format).format) != FORMAT:
            raise BackupError(f"{folder} is a backup of format {found}, this program reads {FORMAT}: upgrade it")
        return msgspec.json.decode(text, type=Manifest)
    except msgspec.DecodeError as error:
        raise BackupError(f"{folder / MANIFEST} is damaged: {error}") from error


class _Format(msgspec.Struct):
    format: int


def clear_folder(folder: Path, keep: Collection[str] = ()) -> None:
    """Remove what is in it."""
    for path in folder.iterdir() if folder.exists() else ():
        if path.name not in keep:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


async def hash_file(path: Path) -> str:
    def read() -> str:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    return await asyncio.to_thread(read)
