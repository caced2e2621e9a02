"""Whether the file that an upstream delivered is whole, without decoding it.

Checked are every chunk of a PNG up to IEND, the markers of a JPEG up to EOI and the length of a WebP. The limits of
`inspect` do not apply: they are for what users send.
"""

from __future__ import annotations

import os
from pathlib import Path

from imagegate.images.facts import InvalidImage, MediaType
from imagegate.images.inspect import read_media_type, read_structure


def check_structure(path: Path, media_type: MediaType) -> None:
    """Raise InvalidImage unless the file is of this type and complete."""
    with path.open("rb") as source:
        found = read_media_type(source)
        if found != media_type:
            raise InvalidImage("mislabelled", f"{found} instead of {media_type}")
        read_structure(source, os.fstat(source.fileno()).st_size, media_type, checksums=True)
