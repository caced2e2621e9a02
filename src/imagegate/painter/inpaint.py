"""Masks: the area to repaint, blending inside it, and filling it where something is removed."""

from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from imagegate.images.jobs.decode import open_upright
from imagegate.images.jobs.png_encoder import Pixels
from imagegate.painter.noise import Generator
from imagegate.painter.palette import Floats

_BAND_ROWS = 256


class MaskArea(msgspec.Struct, frozen=True):
    """The pixels that may change."""

    inside: npt.NDArray[np.bool_]
    box: tuple[int, int, int, int]

    @property
    def empty(self) -> bool:
        return self.box[2] <= self.box[0]

    def corner_for(self, label: Image.Image) -> tuple[int, int] | None:
        """The lowest, rightmost position at which the label lies wholly inside the area, or None."""
        left, top, right, bottom = self.box
        pad = max(2, label.height // 2)
        for up in range(4):
            for back in range(8):
                x = right - label.width - pad - back * (right - left) // 10
                y = bottom - label.height - pad - up * (bottom - top) // 8
                spot = self.inside[max(0, y - pad) : y + label.height + pad, max(0, x - pad) : x + label.width + pad]
                if x >= left + pad and y >= top + pad and spot.all():
                    return x, y
        return None


def load_mask_area(path: Path, size: tuple[int, int]) -> MaskArea:
    """Alpha below 255 means repaint; a mask without alpha repaints nothing."""
    mask = open_upright(path, within=size)
    if mask.mode != "RGBA":
        return _mask_area(np.zeros((size[1], size[0]), np.bool_))
    alpha = mask.getchannel("A")
    if alpha.size != size:
        alpha = _fit_alpha(alpha, size)
    return _mask_area(np.asarray(alpha) < 255)


def _fit_alpha(alpha: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Crop the mask as the reference is cropped; nearest neighbour, because a pixel is either kept or not."""
    scale = max(size[0] / alpha.width, size[1] / alpha.height)
    wide, high = size[0] / scale, size[1] / scale
    left, top = (alpha.width - wide) / 2, (alpha.height - high) / 2
    return alpha.resize(size, Image.Resampling.NEAREST, box=(left, top, left + wide, top + high))


def _mask_area(inside: npt.NDArray[np.bool_]) -> MaskArea:
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if not len(rows):
        return MaskArea(inside, (0, 0, 0, 0))
    return MaskArea(inside, (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1))


def merge(before: Pixels, inside: Image.Image, area: MaskArea) -> Pixels:
    """Fade new pixels in from the edge of the area inward; pixels outside are copied."""
    weight = _feather(area)
    after, result = np.asarray(inside), before.copy()
    for top in range(area.box[1], area.box[3], _BAND_ROWS):
        rows = slice(top, min(area.box[3], top + _BAND_ROWS))
        chosen = area.inside[rows]
        share = weight[rows][chosen].astype(np.float32)[:, None] / 255
        old, new = before[rows][..., :3][chosen], after[rows][chosen]
        result[rows][..., :3][chosen] = np.rint(old * (1 - share) + new * share).astype(np.uint8)
        if result.shape[2] == 4:
            result[rows][..., 3][chosen] = 255
    return result


def _feather(area: MaskArea) -> Pixels:
    """255 deep inside, about a third at the edge: a feather that never leaves the area."""
    left, top, right, bottom = area.box
    reach = max(1.0, 0.035 * min(right - left, bottom - top))
    flags = Image.fromarray(area.inside.astype(np.uint8) * 255)
    share = max(1, round(reach / 6))
    small = flags.reduce(share) if share > 1 else flags
    soft = small.filter(ImageFilter.GaussianBlur(reach / share))
    blurred = np.asarray(soft.resize(flags.size, Image.Resampling.BICUBIC), np.int16)
    return np.clip((blurred - 128) * 4 // 2 + 90, 60, 255).astype(np.uint8)


def inpaint(image: Image.Image, area: MaskArea, rng: Generator) -> Image.Image:
    """Fill the area from its surroundings with means of known pixels, coarser farther inside."""
    share = max(1, round((image.width * image.height / 700_000) ** 0.5))
    small = np.asarray(image.reduce(share) if share > 1 else image, np.float32)
    holes = (
        np.asarray(
            Image.fromarray(area.inside.astype(np.uint8) * 255).resize(
                (small.shape[1], small.shape[0]), Image.Resampling.BOX
            )
        )
        > 0
    )
    known = (~holes).astype(np.float32)
    guess = _diffuse(small * known[..., None], known)
    grainy = guess + rng.standard_normal(guess.shape[:2], np.float32)[..., None] * np.float32(2.5)
    smooth = Image.fromarray(np.clip(grainy, 0, 255).astype(np.uint8)).resize(image.size, Image.Resampling.BICUBIC)
    return Image.composite(smooth, image, Image.fromarray(area.inside.astype(np.uint8) * 255))


def _diffuse(colour: Floats, weight: Floats) -> Floats:
    """Push-pull: halve until everything is known, then fill the unknown from the coarser level."""
    high, wide = weight.shape
    here = colour / np.maximum(weight, 1e-6)[..., None]
    if min(high, wide) <= 2:
        mean = colour.sum(axis=(0, 1)) / max(float(weight.sum()), 1e-6)
        return np.where(weight[..., None] > 0, here, mean).astype(np.float32)
    even = ((0, high % 2), (0, wide % 2))
    padded, weights = np.pad(colour, (*even, (0, 0))), np.pad(weight, even)
    halves = padded[::2, ::2] + padded[1::2, ::2] + padded[::2, 1::2] + padded[1::2, 1::2]
    sums = weights[::2, ::2] + weights[1::2, ::2] + weights[::2, 1::2] + weights[1::2, 1::2]
    full = np.minimum(sums, 1)
    coarse = _diffuse(halves / np.maximum(sums, 1e-6)[..., None] * full[..., None], full)
    layers = [Image.fromarray(np.ascontiguousarray(coarse[..., channel])) for channel in range(3)]
    grown = np.dstack([np.asarray(layer.resize((wide, high), Image.Resampling.BILINEAR)) for layer in layers])
    share = np.clip(weight, 0, 1)[..., None]
    return (here * share + grown * (1 - share)).astype(np.float32)
