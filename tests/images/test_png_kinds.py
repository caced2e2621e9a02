"""Every kind of PNG is drawn as what it means, is a mask by its alpha, and is described by its header."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from imagegate.images import inspect
from imagegate.images.jobs import mask, thumbnail, transcode
from imagegate.images.jobs.decode import open_alpha, open_upright
from tests.images.png_kinds import KINDS, SIZE, Kind, make


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_every_kind_is_drawn_as_what_it_means(kind: Kind, tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    data, pixels = make(kind)
    path.write_bytes(data)
    has_alpha = kind.has_clear_value or kind.colour in (4, 6)
    facts = inspect(path)
    assert (facts.width, facts.height, facts.has_alpha) == (*SIZE, has_alpha)
    drawn = np.asarray(open_upright(path).convert("RGBA")).astype(int)
    assert np.array_equal(drawn, np.asarray(pixels))
    for media_type in ("image/png", "image/webp", "image/jpeg"):
        transcode.transcode(transcode.TranscodeRequest(str(path), str(tmp_path / "other"), media_type))
    thumbnail.draw(thumbnail.ThumbnailRequest(str(path), str(tmp_path / "thumbnail"), 64))
    if not has_alpha:
        with pytest.raises(ValueError, match="no alpha"):
            open_alpha(path)
        return
    alpha = np.asarray(pixels)[:, :, 3]
    assert np.array_equal(np.asarray(open_alpha(path)), alpha)
    mask.rewrite(mask.MaskRequest(str(path), str(tmp_path / "mask.png")))
    rewritten = np.asarray(open_alpha(tmp_path / "mask.png"))
    assert np.array_equal(rewritten == 255, alpha == 255)
