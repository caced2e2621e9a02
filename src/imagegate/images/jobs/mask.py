"""A mask, written anew in a child process.

Nothing is left of what was sent but which pixels to repaint: black and clear there, black and opaque elsewhere. Such a
file is small whatever the sender drew, and means the same to every upstream.
"""

from pathlib import Path

import msgspec
from PIL import Image

from imagegate.images.jobs.decode import ImageSize, open_alpha

JOB = "imagegate.images.jobs.mask:rewrite"
_OPAQUE = 255
_COMPRESSION = 1


class MaskRequest(msgspec.Struct, frozen=True):
    """Write the mask at the path `source` to the path `target`, as PNG.

    `orientation` is that of the reference, where the mask was drawn on the reference as it is stored.
    """

    source: str
    target: str
    orientation: int = 1


def rewrite(request: MaskRequest) -> ImageSize:
    """Upright. Raises what the decoder raises, and ValueError for an image without alpha."""
    alpha = open_alpha(Path(request.source), request.orientation).point(
        lambda value: _OPAQUE if value == _OPAQUE else 0
    )
    plain = Image.new("RGBA", alpha.size)
    plain.putalpha(alpha)
    # every upstream that takes masks takes this form; grey with alpha is rarer and hardly smaller
    plain.save(request.target, "PNG", compress_level=_COMPRESSION)
    return ImageSize(plain.width, plain.height)
