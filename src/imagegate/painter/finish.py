"""Final pass at full size: vignette, grain and label."""

import numpy as np
import numpy.typing as npt
from PIL import Image

from imagegate.painter import watermark
from imagegate.painter.canvas import Canvas

Pixels = npt.NDArray[np.uint8]
_BAND_ROWS = 128
_GRAIN_SEED = 7


def finish_pixels(canvas: Canvas) -> Pixels:
    """The finished pixels, RGB or RGBA."""
    if not canvas.transparent and canvas.vignette > 0:
        across, down = canvas.grid()
        edge = np.clip(((across - 0.5) ** 2 + (down - 0.5) ** 2) * 2 - 0.12, 0, 1)
        canvas.shade(edge * np.float32(canvas.vignette), (0.02, 0.02, 0.06))
    rgb = np.array(canvas.image)
    _grain(rgb, canvas)
    image = Image.fromarray(rgb)
    watermark.stamp(image, alpha=canvas.alpha if canvas.transparent else None)
    if not canvas.transparent:
        return np.asarray(image)
    return np.dstack([np.asarray(image), np.asarray(canvas.alpha)])


def _grain(rgb: Pixels, canvas: Canvas) -> None:
    """Film grain: the same in the three channels, so that it never turns into coloured noise."""
    brighter, darker = _grain_tables(canvas.detail.grain)
    for top in range(0, rgb.shape[0], _BAND_ROWS):
        band = rgb[top : top + _BAND_ROWS].reshape(-1)
        dice = np.repeat(canvas.rng.integers(0, 256, band.size // 3, np.uint8), 3)
        up, down = brighter[dice], darker[dice]
        # saturating sums in eight bits: several times faster than clipping wider numbers
        np.minimum(band, 255 - up, out=band)
        band += up
        np.maximum(band, down, out=band)
        band -= down


def _grain_tables(strength: float) -> tuple[Pixels, Pixels]:
    """What each of 256 equally likely values adds or subtracts: a normal distribution in whole steps."""
    throws = np.random.Generator(np.random.PCG64(_GRAIN_SEED)).standard_normal(256) * strength
    steps = np.rint(throws)
    return np.clip(steps, 0, 99).astype(np.uint8), np.clip(-steps, 0, 99).astype(np.uint8)
