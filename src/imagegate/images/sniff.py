"""The format that the first bytes of a file announce."""

from __future__ import annotations

from typing import Final

from imagegate.images.facts import MediaType

SNIFF_BYTES: Final = 16


def sniff(first_bytes: bytes) -> MediaType | None:
    """The media type of a file that begins with these bytes (16 are enough), or None."""
    if first_bytes.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if first_bytes.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if first_bytes.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    # RIFF alone is not enough: sound and video come in it too.
    if first_bytes[:4] == b"RIFF" and first_bytes[8:12] == b"WEBP" and first_bytes[12:15] == b"VP8":
        return "image/webp"
    return None
