"""Small image files for uploads, and large files with an image signature."""

from __future__ import annotations

import base64
import io
import secrets

from PIL import Image


def image_bytes(kind: str = "PNG", size: tuple[int, int] = (64, 48), mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, (200, 30, 40, 0)[: len(mode)]).save(out, kind)
    return out.getvalue()


def large_png(size: int) -> bytes:
    """`size` bytes with a PNG signature; the files API checks no more than that."""
    return b"\x89PNG\r\n\x1a\n" + secrets.token_bytes(size - 8)


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


PNG = image_bytes()
IMAGE_BY_MEDIA_TYPE = {
    "image/png": (PNG, "png"),
    "image/jpeg": (image_bytes("JPEG"), "jpg"),
    "image/webp": (image_bytes("WEBP"), "webp"),
    "image/gif": (image_bytes("GIF"), "gif"),
}
