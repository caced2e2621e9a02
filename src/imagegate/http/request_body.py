"""A request body of text and files, of known length; files are read only while they are sent."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from imagegate.crash_points import crash_point

# A multiple of three: base64 of the chunks is base64 of the whole.
_CHUNK_BYTES: Final = 3 * 64 * 1024


class FilePart(msgspec.Struct, frozen=True):
    """A whole file, as it is or in base64; `bytes` is its size when the body was made."""

    path: Path
    bytes: int
    base64: bool = False

    @property
    def length(self) -> int:
        return 4 * -(-self.bytes // 3) if self.base64 else self.bytes


Part = bytes | FilePart


class RequestBody:
    """A body that is sent once.

    `is_sent` is set just before the last chunk is handed over: until then the whole request cannot have arrived.
    `read_error` is what reading a file raised: then we broke the connection ourselves.
    """

    def __init__(self, media_type: str, parts: Sequence[Part]) -> None:
        self.media_type = media_type
        self.parts = tuple(parts)
        self.length = sum(len(part) if isinstance(part, bytes) else part.length for part in parts)
        self.is_sent = False
        self.read_error: OSError | None = None

    def headers(self) -> dict[str, str]:
        return {"Content-Type": self.media_type, "Content-Length": str(self.length)}

    async def chunks(self) -> AsyncIterator[bytes]:
        left = self.length
        for part in self.parts:
            async for chunk in self._part_chunks(part):
                left -= len(chunk)
                self.is_sent = left <= 0
                yield chunk
        crash_point("upstream.after_send")

    async def _part_chunks(self, part: Part) -> AsyncIterator[bytes]:
        if isinstance(part, bytes):
            for start in range(0, len(part), _CHUNK_BYTES):
                yield part[start : start + _CHUNK_BYTES]
            return
        try:
            for start in range(0, part.bytes, _CHUNK_BYTES):
                chunk = await asyncio.to_thread(_read_chunk, part.path, start, min(_CHUNK_BYTES, part.bytes - start))
                yield base64.b64encode(chunk) if part.base64 else chunk
        except OSError as error:
            self.read_error = error
            raise


def _read_chunk(path: Path, start: int, count: int) -> bytes:
    """Opened for each chunk: a request that is abandoned in the middle leaves no file open."""
    with path.open("rb", buffering=0) as file:
        file.seek(start)
        chunk = file.read(count)
    if len(chunk) < count:
        raise OSError(f"{path} became shorter while it was sent")
    return chunk


def file_part(path: Path, *, as_base64: bool = False) -> FilePart:
    """OSError where the file is gone."""
    return FilePart(path, path.stat().st_size, as_base64)


def json_body(fields: Mapping[str, Any], files: Mapping[str, FilePart] | None = None) -> RequestBody:
    """`fields` as JSON. `files`: texts inside `fields` that the file's content replaces, in the order of appearance."""
    rest = msgspec.json.encode(fields)
    parts: list[Part] = []
    for placeholder, file in (files or {}).items():
        before, found, after = rest.partition(placeholder.encode())
        if found:  # a dialect may have dropped the field
            parts += [before, file]
            rest = after
    return RequestBody("application/json", [*parts, rest])
