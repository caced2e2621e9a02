"""What a store of blobs does, whether it is a folder or a bucket. Owner and expiry of a blob are in its asset's row."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from imagegate.domain.assets import Asset

KEY_ROOT = "t"  # of every key; the installation's own files may stand beside it
KEY_PATTERN = re.compile(KEY_ROOT + r"/[a-z0-9_]{1,64}/[0-9]{4}/[0-9]{2}/[0-9]{2}/[a-z0-9_-]{1,80}\.(png|jpg|webp|gif)")
MARKER = "folder-id"  # says which store this is, see `flows/folder_check.py`
CHUNK_BYTES = 256 * 1024
_MIN_PAUSE_S, _MAX_PAUSE_S = 0.1, 5.0


class StoredBytes(Protocol):
    """What was stored under which key: an asset, or a part of its row."""

    @property
    def key(self) -> str: ...
    @property
    def bytes(self) -> int: ...
    @property
    def sha256(self) -> str: ...


class BlobNotFound(Exception):
    """No bytes are stored under this key."""


class BlobDamaged(Exception):
    """The bytes under this key are not those that were stored."""


class StorageUnavailable(Exception):
    """The store does not answer or refuses everything now: nothing is known of the blob, and later it may work.

    `outage.wait()` waits for that. `was_tried`: this call was made and failed; else it was not made, because others
    have just failed.
    """

    def __init__(self, message: str, outage: Outage, *, was_tried: bool = True) -> None:
        super().__init__(message)
        self.outage = outage
        self.was_tried = was_tried


class Outage:
    """Whether a store answers, as one process sees it: after two failures in a row one call in a while is a trial.

    All others fail at once: a store that is a black hole would keep each of them for 10 s.
    """

    def __init__(self) -> None:
        self._failures = 0
        self._trials = 0
        self._next_trial = 0.0
        self._reason = ""
        self._over = asyncio.Event()
        self._line = asyncio.Lock()

    @property
    def is_on(self) -> bool:
        return self._failures >= 2

    @property
    def is_closed(self) -> bool:
        """Whether a call made now would fail at once."""
        return self.is_on and time.monotonic() < self._next_trial

    def begin_call(self) -> None:
        """StorageUnavailable where the store is out and it is not the moment of a trial."""
        if self.is_closed:
            raise StorageUnavailable(self._reason, self, was_tried=False)
        if self.is_on:
            self._trials += 1
            self._next_trial = time.monotonic() + min(_MIN_PAUSE_S * 2**self._trials, _MAX_PAUSE_S)

    def succeeded(self) -> None:
        self._failures = self._trials = 0
        self._over.set()

    def failed(self, reason: str) -> StorageUnavailable:
        """The error to raise."""
        self._failures += 1
        self._reason = reason
        self._over.clear()
        if self._failures == 2:
            self._next_trial = time.monotonic() + _MIN_PAUSE_S
        return StorageUnavailable(reason, self)

    async def wait(self) -> None:
        """Until a call has succeeded, or a trial may be made."""
        # One at a time waits for the moment of the next trial; all others for their turn or the end.
        async with self._line:
            if self.is_on:
                pause = max(self._next_trial - time.monotonic(), 0)
                try:
                    async with asyncio.timeout(pause):
                        await self._over.wait()
                except TimeoutError:
                    pass


class OpenBlob(Protocol):
    """A blob opened for reading, of `size` bytes. Close it, or read it to the end."""

    size: int

    def read(self, start: int, length: int, chunk_bytes: int = CHUNK_BYTES) -> AsyncIterator[bytes]:
        """`length` bytes from `start`, in chunks of `chunk_bytes` but for the last.

        BlobDamaged where it is shorter by now or cannot be read; StorageUnavailable.
        """

    def close(self) -> None: ...


class BlobStore(Protocol):
    """Every method may raise StorageUnavailable."""

    location: str
    """What an operator calls it: a folder or a URL."""

    @property
    def is_out(self) -> bool:
        """Whether it takes no blobs at the moment, as far as this process knows. False at the moment of a trial."""

    async def put(self, source: Path, asset: Asset) -> None:
        """Publish the file `source`, which is already on disk, under the asset's key: it is durable afterwards.

        A blob of this key is from a repeat of the same step. BlobNotFound where `source` is missing.
        """

    async def copy(self, source: Asset, target: Asset) -> None:
        """The same bytes under another key. BlobNotFound, or BlobDamaged where the source has another size."""

    def local_copy(self, stored: StoredBytes, *, verified: bool = False) -> AbstractAsyncContextManager[Path]:
        """The blob as a file that may be read but not changed, until the context ends.

        BlobNotFound, BlobDamaged. `verified`: it was compared whole, by its SHA-256.
        """

    def key_of(self, path: Path) -> str:
        """The key of a file that `local_copy` gave."""

    async def open(self, key: str, expected_bytes: int | None = None) -> OpenBlob:
        """The blob, open, so that whoever announces its length knows that the bytes are there.

        BlobNotFound where it is missing, BlobDamaged where it has another size or cannot be opened.
        """

    async def verify(self, stored: StoredBytes) -> None:
        """Read it all. BlobNotFound, or BlobDamaged where it is not what was stored."""

    async def delete(self, *keys: str) -> None:
        """No error where one does not exist."""

    def list_pages(self) -> AsyncIterator[list[tuple[str, float]]]:
        """The key of every blob, with the Unix time of its last change in seconds, in pages."""

    async def read_marker(self) -> str:
        """The text of the marker; empty where there is none."""

    async def add_marker(self, text: str) -> None:
        """Where there is none: of two processes that add one, both read the same afterwards."""

    async def sign_link(self, key: str, method: str, seconds: int) -> str:
        """A URL of the store itself, which needs no key and ends after so many seconds. ValueError without such."""

    async def probe(self, *, links: bool) -> str:
        """Try what the program relies on, and say in words what was found. An exception says what is missing.

        `links`: also that links of its own end.
        """


def check_key(key: str) -> str:
    """Before a key becomes a path: some servers take `t/../x` as it is."""
    if not KEY_PATTERN.fullmatch(key):
        raise ValueError(f"not a blob key: {key!r}")
    return key
