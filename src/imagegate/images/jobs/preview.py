"""An image as a model can take it, made in a child process: within an edge and a number of bytes."""

from pathlib import Path

import msgspec
from PIL import Image

from imagegate.images.jobs.decode import open_upright
from imagegate.images.jobs.encode import jpeg_options, webp_options

JOB = "imagegate.images.jobs.preview:shrink"
# Tried one after the other until the bytes suffice: quality goes before pixels, in which a model reads text.
_QUALITIES = (85, 60)
_SMALLER = 0.7
_MIN_EDGE_PX = 64


class PreviewRequest(msgspec.Struct, frozen=True):
    """Write the image at `source` to `target`, no edge longer than `edge`, in at most `max_bytes`."""

    source: str
    target: str
    edge: int
    max_bytes: int


class Preview(msgspec.Struct, frozen=True):
    """What was written."""

    media_type: str
    width: int
    height: int


def shrink(request: PreviewRequest) -> Preview:
    """JPEG, or WebP where it is transparent; never enlarged. Raises what the decoder raises."""
    image, target = open_upright(Path(request.source), within=(request.edge, request.edge)), Path(request.target)
    edge = request.edge
    while True:
        image.thumbnail((edge, edge), Image.Resampling.LANCZOS)
        for quality in _QUALITIES:
            media_type = _write(image, target, quality)
            if target.stat().st_size <= request.max_bytes:
                return Preview(media_type, image.width, image.height)
        edge = int(max(image.size) * _SMALLER)
        if edge < _MIN_EDGE_PX:
            raise ValueError(f"no preview of at most {request.max_bytes} bytes")


def _write(image: Image.Image, target: Path, quality: int) -> str:
    if image.mode == "RGB":
        image.save(target, "JPEG", **jpeg_options(quality))
        return "image/jpeg"
    image.save(target, "WEBP", exif=b"", xmp=b"", **webp_options(quality))
    return "image/webp"
