"""An image in another file format, from file to file in a child process.

The image is turned upright, so that nothing of its EXIF is needed or kept; its colour profile goes with it.
"""

from pathlib import Path

import msgspec
from PIL import Image

from imagegate.images.jobs.decode import ImageSize, open_upright
from imagegate.images.jobs.encode import jpeg_options, webp_options

JOB = "imagegate.images.jobs.transcode:transcode"
_WHITE = (255, 255, 255)
_RGB_PROFILE = b"RGB "


class TranscodeRequest(msgspec.Struct, frozen=True):
    """Write `source` (PNG, JPEG, WebP) to `target` as `media_type`; `compression` from 0 to 100, ignored for PNG."""

    source: str
    target: str
    media_type: str
    compression: int = 100


def transcode(request: TranscodeRequest) -> ImageSize:
    """ValueError for another media type or compression; else raises what decoder and encoder raise."""
    if not 0 <= request.compression <= 100:
        raise ValueError(f"compression is 0..100, not {request.compression}")
    image = open_upright(Path(request.source))
    profile = _profile(image)
    match request.media_type:
        case "image/png":
            # Only in the process that draws: the gateway imports this module for its names, and numpy takes 20 MB.
            import numpy as np

            from imagegate.images.jobs.png_encoder import write_png

            with Path(request.target).open("wb") as file:
                write_png(file, np.asarray(image), profile=profile)
        case "image/jpeg":
            _flatten_on_white(image).save(
                request.target, "JPEG", icc_profile=profile, **jpeg_options(request.compression)
            )
        case "image/webp":
            image.save(
                request.target, "WEBP", icc_profile=profile, exif=b"", xmp=b"", **webp_options(request.compression)
            )
        case _:
            raise ValueError(f"{request.media_type} is not written here")
    return ImageSize(image.width, image.height)


def _profile(image: Image.Image) -> bytes:
    """A profile of the mode that the image has now; one for CMYK or grey would be wrong."""
    profile = image.info.get("icc_profile") or b""
    return profile if profile[16:20] == _RGB_PROFILE else b""


def _flatten_on_white(image: Image.Image) -> Image.Image:
    """On white: JPEG has no transparency."""
    if image.mode == "RGB":
        return image
    paper = Image.new("RGB", image.size, _WHITE)
    paper.paste(image, mask=image.getchannel("A"))
    return paper
