"""Real image files at little cost: rendered once per specification, cached, and made unique by a comment."""

from __future__ import annotations

import asyncio
import base64
import io
import struct
import zlib
from collections.abc import Iterator

import msgspec
import numpy as np
from PIL import Image

from imagegate.images.jobs.png_encoder import Pixels, write_png

FileParts = list[bytes | memoryview]
MEDIA_TYPES = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
_MAX_CACHE_BYTES = 256 << 20
_BASE64_CHUNK_BYTES = 3 << 16
_PNG_HEADER_BYTES = 33
_PNG_END_BYTES = 12
_JPEG_HEADER_BYTES = 20
_TILE_PIXELS = 64


class ImageSpec(msgspec.Struct, frozen=True, rename={"file_bytes": "bytes"}):
    """An image to render. With `file_bytes`, noise fills it to about that size (a PNG exactly); 0 is small."""

    width: int
    height: int
    format: str
    transparent: bool = False
    quality: int = 90
    file_bytes: int = 0


class ImageCache:
    """Renders each specification once, in a thread, and keeps the files up to a total size."""

    def __init__(self) -> None:
        self._files: dict[ImageSpec, asyncio.Task[bytes]] = {}

    async def render(self, image: ImageSpec, stamp: str) -> FileParts:
        """The file in parts; `stamp` makes each PNG and JPEG unique."""
        if image not in self._files:
            self._evict()
            self._files[image] = asyncio.create_task(asyncio.to_thread(render_image, image))
        return with_comment(await asyncio.shield(self._files[image]), image.format, stamp)

    def _evict(self) -> None:
        done = [task.result() for task in self._files.values() if task.done()]
        if sum(map(len, done)) > _MAX_CACHE_BYTES:
            self._files = {image: task for image, task in self._files.items() if not task.done()}


def render_image(image: ImageSpec) -> bytes:
    """The file for a specification; the same specification gives the same bytes."""
    pixels = _gradient(image.width, image.height, 4 if image.transparent and image.format != "jpeg" else 3)
    if image.file_bytes:
        _add_noise(pixels, image.file_bytes, 2 if image.format == "jpeg" else 3)
    file = io.BytesIO()
    if image.format == "png":
        write_png(file, pixels)
        return _pad_png(file.getvalue(), image.file_bytes)
    if image.format == "jpeg":
        Image.fromarray(pixels).save(file, "JPEG", quality=image.quality, subsampling="4:4:4")
    else:
        Image.fromarray(pixels).save(file, "WEBP", quality=image.quality, method=0, lossless=bool(image.file_bytes))
    return file.getvalue()


def _gradient(width: int, height: int, channels: int) -> Pixels:
    """A horizontal gradient over coarse tiles of noise."""
    tiles = np.random.default_rng(width * 10_000 + height).integers(
        0, 48, (-(-height // _TILE_PIXELS), -(-width // _TILE_PIXELS), channels), np.uint8
    )
    grain = tiles.repeat(_TILE_PIXELS, axis=0).repeat(_TILE_PIXELS, axis=1)[:height, :width]
    slope = np.linspace(0, 200, width, dtype=np.uint8)[None, :, None]
    pixels: Pixels = np.ascontiguousarray(grain + slope)
    if channels == 4:
        pixels[: height // 4, :, 3] = 0
        pixels[height // 4 :, :, 3] = 255
    return pixels


def _add_noise(pixels: Pixels, size: int, bytes_per_pixel: int) -> None:
    """Fill as many rows with noise, from the top, as compress to about `size` bytes."""
    rows = min(pixels.shape[0], size // (pixels.shape[1] * bytes_per_pixel))
    noise = np.random.default_rng(size).integers(0, 256, (rows, pixels.shape[1], 3), np.uint8)
    pixels[:rows, :, :3] = noise


def _pad_png(png: bytes, size: int) -> bytes:
    """Pad to exactly `size` bytes with a private chunk of noise. A file that is larger already stays as it is."""
    missing = size - len(png) - 12
    if missing < 0:
        return png
    noise = np.random.default_rng(missing).bytes(missing)
    return png[:-_PNG_END_BYTES] + _chunk(b"noIs", noise) + png[-_PNG_END_BYTES:]


def with_comment(file: bytes, file_format: str, stamp: str) -> FileParts:
    """The file with a comment inserted, in parts so that a large file is not copied. WebP is returned unchanged."""
    view = memoryview(file)
    if file_format == "png":
        return [view[:_PNG_HEADER_BYTES], _chunk(b"tEXt", b"Comment\0" + stamp.encode()), view[_PNG_HEADER_BYTES:]]
    if file_format == "jpeg":
        text = stamp.encode()
        comment = b"\xff\xfe" + struct.pack(">H", len(text) + 2) + text
        return [view[:_JPEG_HEADER_BYTES], comment, view[_JPEG_HEADER_BYTES:]]
    return [view]


def _chunk(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(payload, zlib.crc32(kind)))


def base64_chunks(parts: FileParts) -> Iterator[bytes]:
    """The base64 of all parts as one text, in chunks of a quarter of a megabyte."""
    carry = b""
    for part in parts:
        for start in range(0, len(part), _BASE64_CHUNK_BYTES):
            data = carry + part[start : start + _BASE64_CHUNK_BYTES]
            whole = len(data) // 3 * 3
            yield base64.b64encode(data[:whole])
            carry = data[whole:]
    if carry:
        yield base64.b64encode(carry)


def base64_length(parts: FileParts) -> int:
    return 4 * -(-sum(map(len, parts)) // 3)
