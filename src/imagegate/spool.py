"""The local spool: what an upstream delivered, safe on disk before anything else is done with it.

One directory per attempt: the image files first, then `answer.json` by rename. Its presence proves that the attempt
produced, so a crash after it never leads to a second purchase.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import msgspec

from imagegate.crash_points import crash_point
from imagegate.domain.usage import Usage, UsageSource

_RESPONSE_FILE = "answer.json"


class SpooledImage(msgspec.Struct, frozen=True):
    """One image file of the directory. Sizes in pixels and bytes, `sha256` in hex."""

    name: str
    media_type: str
    width: int
    height: int
    bytes: int
    sha256: str


class SpooledResponse(msgspec.Struct, frozen=True):
    """Everything that settlement needs. `usage` is None where the upstream reported none.

    `request_id` is the upstream's own id of the call, `cost_nanos` what it says the call cost. `partials` counts the
    partial images that were sent on the way: reported usage includes them, a formula does not. `quality` is what the
    upstream says it used, in our words; empty where it says nothing. Field names are stored in `answer.json`.
    """

    images: tuple[SpooledImage, ...]
    usage: Usage | None
    usage_source: UsageSource
    engine: str | None = None
    request_id: str = ""
    cost_nanos: int | None = None
    partials: int = 0
    quality: str = ""


class SpoolDamaged(Exception):
    """What is on disk is not what the upstream delivered."""


class Spool:
    """Directories of attempts below `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(mode=0o700, parents=True, exist_ok=True)

    def create_directory(self, attempt_id: str) -> Path:
        """The attempt's directory; it may hold files of a worker that died during the call."""
        path = self._root / attempt_id
        path.mkdir(mode=0o700, exist_ok=True)
        return path

    def path(self, attempt_id: str, name: str) -> Path:
        return self._root / attempt_id / name

    def write_response(self, attempt_id: str, response: SpooledResponse) -> None:
        """Make the response durable, after its image files: from here on a power cut loses nothing."""
        directory = self._root / attempt_id
        partial = directory / f"{_RESPONSE_FILE}.part"
        with partial.open("wb") as file:
            file.write(msgspec.json.encode(response))
            file.flush()
            # The content before the rename: the final name must never show an empty or torn file.
            os.fsync(file.fileno())
        partial.rename(directory / _RESPONSE_FILE)
        # The rename and the image files are entries of the directory, the directory is an entry of the root.
        fsync_directory(directory)
        fsync_directory(self._root)
        crash_point("spool.fsynced")

    def read_response(self, attempt_id: str) -> SpooledResponse | None:
        """What the attempt produced; None where it did not get that far. SpoolDamaged.

        Every image is read and compared: it would be delivered and charged as it is.
        """
        directory = self._root / attempt_id
        try:
            response = msgspec.json.decode((directory / _RESPONSE_FILE).read_bytes(), type=SpooledResponse)
        except FileNotFoundError:
            return None
        except (msgspec.MsgspecError, OSError) as error:
            raise SpoolDamaged(f"{_RESPONSE_FILE}: {error}") from error
        for image in response.images:
            try:
                size, digest = hash_file(directory / image.name)
            except OSError as error:
                raise SpoolDamaged(f"{image.name}: {error.strerror}") from error
            if (size, digest) != (image.bytes, image.sha256):
                raise SpoolDamaged(f"{image.name}: {size} bytes with SHA-256 {digest}, not what was written")
        return response

    def discard(self, attempt_id: str) -> None:
        shutil.rmtree(self._root / attempt_id, ignore_errors=True)

    def list_attempt_ids(self) -> list[str]:
        return [entry.name for entry in self._root.iterdir() if entry.is_dir()]


def fsync_and_hash(path: Path) -> tuple[int, str]:
    """Flush a finished file to disk; its size in bytes and its SHA-256 in hex."""
    fsync_file(path)
    return hash_file(path)


def hash_file(path: Path) -> tuple[int, str]:
    """Size in bytes and SHA-256 in hex."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), digest


def fsync_file(path: Path) -> None:
    """Flush a finished file to disk where its size and digest are already known."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def fsync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
