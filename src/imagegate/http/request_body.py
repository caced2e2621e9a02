"""A request body made of text and of files that are read only while they are sent.

Knows: its exact length beforehand, and the moment at which its last piece leaves. Refuses to know what is in it.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from imagegate.crash_points import crash_point

# A multiple of three: base64 of the pieces is base64 of the whole.
_CHUNK_BYTES: Final = 3 * 64 * 1024


class FilePart(msgspec.Struct, frozen=True):
    """A whole file; `bytes` is its size when the body was made."""

    path: Path
    bytes: int
    base64: bool = False

    @property
    def length(self) -> int:
        return 4 * -(-self.bytes // 3) if self.base64 else self.bytes


Part = bytes | FilePart


class RequestBody:
    """Sent once. `is_sent` is set just before the last piece is handed over: until then no whole request has left.

    `read_error` is what reading a file raised: then the connection broke by our own doing.
    """

    def __init__(self, media_type: str, parts: Sequence[Part]) -> None:
        self.media_type = media_type
        self.parts = tuple(parts)
        self.length = sum(len(part) if isinstance(part, bytes) else part.length for part in parts)
        self.is_sent = False
        self.read_error: OSError | None = None

    async def chunks(self) -> AsyncIterator[bytes]:
        left = self.length
        for part in self.parts:
            async for piece in self._part_chunks(part):
                left -= len(piece)
                self.is_sent = left <= 0
                yield piece
        crash_point("upstream.after_send")

    async def _part_chunks(self, part: Part) -> AsyncIterator[bytes]:
        if isinstance(part, bytes):
            yield part
            return
        try:
            for at in range(0, part.bytes, _CHUNK_BYTES):
                piece = await asyncio.to_thread(_read_chunk, part.path, at, min(_CHUNK_BYTES, part.bytes - at))
                yield base64.b64encode(piece) if part.base64 else piece
        except OSError as error:
            self.read_error = error
            raise


def _read_chunk(path: Path, at: int, count: int) -> bytes:
    """Opened for each piece: a sender that is given up in the middle leaves nothing open."""
    with path.open("rb", buffering=0) as file:
        file.seek(at)
        piece = file.read(count)
    if len(piece) < count:
        raise OSError(f"{path} became shorter while it was sent")
    return piece


def file_part(path: Path, *, as_base64: bool = False) -> FilePart:
    return FilePart(path, path.stat().st_size, as_base64)
