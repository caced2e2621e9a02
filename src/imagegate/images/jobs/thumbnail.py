"""A small WebP of an image, made in a child process."""

from pathlib import Path

import msgspec
from PIL import Image

from imagegate.images.jobs.decode import ImageSize, open_upright

JOB = "imagegate.images.jobs.thumbnail:draw"
MEDIA_TYPE = "image/webp"
MAX_EDGE_PX = 512
_QUALITY = 80
# the fastest of the encoder's seven searches: the others take up to ten times as long to save a tenth of the bytes
_METHOD = 0


class ThumbnailRequest(msgspec.Struct, frozen=True):
    """Scale the image at the path `source` into the path `target`, no edge longer than `edge` pixels."""

    source: str
    target: str
    edge: int = MAX_EDGE_PX


def draw(request: ThumbnailRequest) -> ImageSize:
    """Upright, of the same shape, never enlarged. Raises what the decoder raises."""
    image = open_upright(Path(request.source), within=(request.edge, request.edge))
    # What is left is less than a half, since whole factors are averaged on opening: there a longer filter, which takes
    # twice as long, shows no difference.
    image.thumbnail((request.edge, request.edge), Image.Resampling.HAMMING)
    image.save(request.target, "WEBP", quality=_QUALITY, method=_METHOD, exif=b"", xmp=b"")
    return ImageSize(image.width, image.height)
