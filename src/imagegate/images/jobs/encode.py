"""One array in, one file out, in the three formats that clients may ask for.

The file is not synced to disk: whoever promises durability does that.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from PIL import Image

if TYPE_CHECKING:
    from imagegate.images.jobs.png_encoder import Pixels

Format = Literal["png", "jpeg", "webp"]
MEDIA_TYPES: dict[Format, str] = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}

# Above 95 a JPEG or WebP grows by half without a visible difference.
_MAX_QUALITY = 95
_MIN_FULL_CHROMA_QUALITY = 85
_SOFTWARE, _DESCRIPTION, _ARTIST, _COPYRIGHT = 0x0131, 0x010E, 0x013B, 0x8298
EXIF_TAGS = {"Software": _SOFTWARE, "Description": _DESCRIPTION, "Author": _ARTIST, "Copyright": _COPYRIGHT}


def encode(
    pixels: Pixels, path: Path, file_format: Format, compression: int = 100, metadata: Mapping[str, str] | None = None
) -> int:
    """Write `path`; returns its size in bytes. `compression` is the encoder's quality, ignored for PNG.

    Metadata becomes iTXt in a PNG and EXIF elsewhere, so EXIF formats take the names of `EXIF_TAGS` only.
    """
    if not 0 <= compression <= 100:
        raise ValueError(f"compression is 0..100, not {compression}")
    if file_format == "png":
        from imagegate.images.jobs.png_encoder import write_png  # see `transcode`

        with path.open("wb") as file:
            return write_png(file, pixels, metadata)
    exif = _exif(metadata or {})
    if file_format == "webp":
        Image.fromarray(pixels).save(path, "WEBP", exif=exif, **webp_options(compression))
    elif pixels.shape[2] == 4:
        raise ValueError("JPEG has no transparency")
    else:
        Image.fromarray(pixels).save(path, "JPEG", exif=exif, **jpeg_options(compression))
    return path.stat().st_size


def jpeg_options(compression: int) -> dict[str, Any]:
    """What Pillow calls a compression of 0 to 100."""
    quality = min(compression, _MAX_QUALITY)
    return {"quality": quality, "subsampling": "4:4:4" if quality >= _MIN_FULL_CHROMA_QUALITY else "4:2:0"}


def webp_options(compression: int) -> dict[str, Any]:
    return {"quality": min(compression, _MAX_QUALITY), "method": 0}


def _exif(metadata: Mapping[str, str]) -> Image.Exif:
    exif = Image.Exif()
    for name, text in metadata.items():
        if name not in EXIF_TAGS:
            raise ValueError(f"EXIF has no place for {name!r}")
        exif[EXIF_TAGS[name]] = text
    return exif
