"""What a download came to."""

from __future__ import annotations

import msgspec


class Download(msgspec.Struct, frozen=True):
    """The whole body was written, not yet synced to disk. Its type must be read from its bytes, never from headers.

    `sha256` in hex.
    """

    bytes: int
    sha256: str


class DownloadFailed(msgspec.Struct, frozen=True):
    """Nothing usable was written. `detail` is for the operator and names no path or query."""

    detail: str
