"""The last touch at full size: vignette, grain, label. Knows the whole picture, nothing in it."""

import numpy as np
import numpy.typing as npt
from PIL import Image

from imagegate.painter import mark
from imagegate.painter.canvas import Canvas

Pixels = npt.NDArray[np.uint8]
_BAND_ROWS = 128


def finished(canvas: Canvas) -> Pixels:
    """The picture as bytes, RGB or RGBA."""
    if not canvas.transparent and canvas.vignette > 0:
        across, down = canvas.grid()
        edge = np.clip(((across - 0.5) ** 2 + (down - 0.5) ** 2) * 2 - 0.12, 0, 1)
        canvas.shade(edge * np.float32(canvas.vignette), (0.02, 0.02, 0.06))
    rgb = np.array(canvas.picture)
    _grain(rgb, canvas)
    picture = Image.fromarray(rgb)
    mark.stamp(picture, alpha=canvas.alpha if canvas.transparent else None)
    if not canvas.transparent:
        return np.asarray(picture)
    return np.dstack([np.asarray(picture), np.asarray(canvas.alpha)])


def _grain(rgb: Pixels, canvas: Canvas) -> None:
    """Film grain: the same in the three channels, so that it never turns into coloured noise."""
    strength = np.float32(canvas.detail.grain)
    for top in range(0, rgb.shape[0], _BAND_ROWS):
        band = rgb[top : top + _BAND_ROWS]
        noise = canvas.rng.standard_normal(band.shape[:2], np.float32) * strength
        steps = np.rint(noise).astype(np.int16)[..., None]
        band[:] = np.clip(band + steps, 0, 255)
