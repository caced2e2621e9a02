"""Whether what an upstream delivered is a picture, and its place in the spool.

Knows: that type and pixels are read from the bytes, never from what was asked or said. Refuses to know: what was
asked, and what becomes of bytes that are none.
"""

from __future__ import annotations

from pathlib import Path

from imagegate.domain.assets import EXTENSION_BY_MEDIA_TYPE
from imagegate.images import InvalidImage, check_structure, inspect
from imagegate.spool import SpooledImage, fsync_and_hash


def adopt_image(draft: Path, index: int) -> SpooledImage:
    """Check a finished file of an attempt's folder, flush it and name it. Raises NotAnImage.

    Blocking: whole files are read. Call it in a thread.
    """
    facts = inspect(draft)
    check_structure(draft, facts.media_type)
    size, digest = fsync_and_hash(draft)
    name = f"{index}.{EXTENSION_BY_MEDIA_TYPE[facts.media_type]}"
    draft.rename(draft.with_name(name))
    return SpooledImage(name, facts.media_type, facts.width, facts.height, size, digest)


__all__ = ["InvalidImage", "adopt_image"]
