"""A picture in another file type, made in the child process from file to file. Knows encoders, not who asked.

The picture is turned upright, so that nothing of its EXIF is needed or kept; its colour profile goes with it.
"""

from pathlib import Path

import msgspec
import numpy as np
from PIL import Image

from imagegate.images.jobs.decode import open_upright
from imagegate.images.jobs.encode import jpeg_options, webp_options
from imagegate.images.jobs.png_encoder import write_png

JOB = "imagegate.images.jobs.transcode:transcode"
_PAPER = (255, 255, 255)
_RGB_PROFILE = b"RGB "


class TranscodeOrder(msgspec.Struct, frozen=True):
    """Write `source` (PNG, JPEG, WebP) to `target` as `media_type`; `compression` 0 to 100, of no meaning for PNG."""

    source: str
    target: str
    media_type: str
    compression: int = 100


class Transcoded(msgspec.Struct, frozen=True):
    """The size of what was written, in pixels."""

    width: int
    height: int


def transcode(order: TranscodeOrder) -> Transcoded:
    """ValueError for another media type or compression; else raises what decoder and encoder raise."""
    if not 0 <= order.compression <= 100:
        raise ValueError(f"compression is 0..100, not {order.compression}")
    picture = open_upright(Path(order.source))
    profile = _profile(picture)
    match order.media_type:
        case "image/png":
            with Path(order.target).open("wb") as file:
                write_png(file, np.asarray(picture), profile=profile)
        case "image/jpeg":
            _opaque(picture).save(order.target, "JPEG", icc_profile=profile, **jpeg_options(order.compression))
        case "image/webp":
            picture.save(
                order.target, "WEBP", icc_profile=profile, exif=b"", xmp=b"", **webp_options(order.compression)
            )
        case _:
            raise ValueError(f"{order.media_type} is not written here")
    return Transcoded(picture.width, picture.height)


def _profile(picture: Image.Image) -> bytes:
    """A profile of the mode that the picture now has; one for ink or grey would be a lie."""
    profile = picture.info.get("icc_profile") or b""
    return profile if profile[16:20] == _RGB_PROFILE else b""


def _opaque(picture: Image.Image) -> Image.Image:
    """On white: JPEG has no transparency."""
    if picture.mode == "RGB":
        return picture
    paper = Image.new("RGB", picture.size, _PAPER)
    paper.paste(picture, mask=picture.getchannel("A"))
    return paper
