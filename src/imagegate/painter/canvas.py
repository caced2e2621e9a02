"""The canvas of a scene: soft fields at about a megapixel, sharp shapes at full size."""

import math
from collections.abc import Callable
from functools import cached_property

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageFilter

from imagegate.painter.drawing import Pen, Sketch, StencilPen
from imagegate.painter.noise import Generator, fractal
from imagegate.painter.palette import Colour, Floats
from imagegate.painter.request import Detail

_MAX_SOFT_PIXELS = 800_000
_MAX_PATCH_PIXELS = 2_000_000
_LARGE_UNIT = 1500
_MIN_VISIBLE = 1 / 400
Paint = Colour | Floats


class Canvas:
    """An image being painted. Points are in full-size pixels; `unit` is the shorter side in pixels."""

    def __init__(self, width: int, height: int, rng: Generator, detail: Detail, transparent: bool = False) -> None:
        self.width, self.height = width, height
        self.unit = float(min(width, height))
        self.rng, self.detail, self.transparent = rng, detail, transparent
        shrink = min(1.0, math.sqrt(_MAX_SOFT_PIXELS / (width * height)))
        self.soft_width, self.soft_height = max(1, int(width * shrink)), max(1, int(height * shrink))
        self.vignette = 0.22
        self.image = Image.new("RGB", (width, height))
        self.alpha = Image.new("L", (width, height), 0 if transparent else 255)

    @cached_property
    def calm(self) -> Floats:
        """Slow noise that many layers share."""
        return fractal(self.rng, self.soft_width, self.soft_height, 5, 3, stretch=1.6)

    @cached_property
    def rough(self) -> Floats:
        """Slope of a rocky surface: broad spurs, then finer ones; standard deviation about 1."""
        height = fractal(self.rng, self.soft_width, self.soft_height, 5, self.detail.octaves, 0.42)
        slope = np.gradient(height, axis=1)
        return slope / np.float32(float(slope.std()) or 1.0)

    def grid(self) -> tuple[Floats, Floats]:
        """Columns (1 x w) and rows (h x 1) of the soft field, 0..1 over the image."""
        across = (np.arange(self.soft_width, dtype=np.float32)[None, :] + 0.5) / self.soft_width
        down = (np.arange(self.soft_height, dtype=np.float32)[:, None] + 0.5) / self.soft_height
        return across, down

    def distance(self, x: float, y: float) -> Floats:
        """From a point in pixels, in units, over the soft field."""
        across, down = self.grid()
        dx = (across * self.width - x) / np.float32(self.unit)
        dy = (down * self.height - y) / np.float32(self.unit)
        far: Floats = np.sqrt(dx * dx + dy * dy)
        return far

    def ground(self, paint: Paint) -> None:
        """Cover everything. A transparent canvas stays transparent: only the colour beneath later edges is set."""
        self.image.paste(self._painted(paint, (0, 0, self.width, self.height)))

    def lay(self, mask: Image.Image, paint: Paint, top: int = 0) -> None:
        """Put paint through a full-width mask whose first row is `top`."""
        box = (0, top, self.width, top + mask.height)
        self.image.paste(self._painted(paint, box), box, mask)
        if self.transparent:
            self.alpha.paste(255, box, mask)

    def lay_below(self, edge: Floats, paint: Paint, deep: float = 1.0) -> None:
        """Put paint below a line that gives a height (in pixels from the top) for each column.

        `deep` limits how far down, in shares of the height, where a nearer layer will cover the rest anyway.
        """
        top = int(np.clip(math.floor(float(edge.min())) - 1, 0, self.height))
        bottom = min(self.height, math.ceil(float(edge.max()) + deep * self.height))
        if top < bottom:
            self.lay(_below(edge, top, bottom), paint, top)

    def sketch(self, box: tuple[float, float, float, float], draw: Sketch, finer: int = 3) -> None:
        """Run a drawing inside a box, supersampled `finer` times, in patches to bound the memory."""
        finer = self._finer(finer)
        left, top = max(0, math.floor(box[0])), max(0, math.floor(box[1]))
        right, bottom = min(self.width, math.ceil(box[2])), min(self.height, math.ceil(box[3]))
        if right <= left or bottom <= top:
            return
        rows = max(1, _MAX_PATCH_PIXELS // ((right - left) * finer * finer) * 2)
        for start in range(top, bottom, rows):
            self._sketch_patch((left, start, right, min(bottom, start + rows)), draw, finer)

    def _finer(self, wanted: int) -> int:
        # on a large canvas an edge pixel is small already
        return min(wanted, 2) if self.unit > _LARGE_UNIT else wanted

    def _sketch_patch(self, box: tuple[int, int, int, int], draw: Sketch, finer: int) -> None:
        patch = self.image.crop(box)
        large = patch.resize((patch.width * finer, patch.height * finer), Image.Resampling.NEAREST)
        draw(Pen(large, box[0], box[1], finer))
        self.image.paste(large.reduce(finer), box)
        if self.transparent:
            stencil = Image.new("L", large.size, 0)
            draw(StencilPen(stencil, box[0], box[1], finer))
            covered = ImageChops.lighter(self.alpha.crop(box), stencil.reduce(finer))
            self.alpha.paste(covered, box)

    def stencil(self, draw: Sketch, finer: int = 2, top: int = 0) -> Image.Image:
        """A full-width mask, from the row `top` down, of whatever is drawn."""
        finer = self._finer(finer)
        mask = Image.new("L", (self.width, self.height - top), 0)
        rows = max(1, 4 * _MAX_PATCH_PIXELS // (self.width * finer * finer))
        for start in range(top, self.height, rows):
            stop = min(self.height, start + rows)
            large = Image.new("L", (self.width * finer, (stop - start) * finer), 0)
            draw(StencilPen(large, 0, start, finer))
            mask.paste(large.reduce(finer), (0, start - top))
        return mask

    def shine(self, light: Floats, colour: Colour) -> None:
        """Add light (0..1 over the soft field) by screening, so that it never clips."""
        light = np.broadcast_to(light, (self.soft_height, self.soft_width))
        box = self._box_of(light)
        if box is None:
            return
        tint = np.array(colour, np.float32)
        glow = self._enlarged(np.clip(light, 0, 1)[..., None] * tint, box)
        self.image.paste(ImageChops.screen(self.image.crop(box), glow), box)

    def shade(self, dark: Floats, colour: Colour = (0.0, 0.0, 0.0)) -> None:
        """Lay a colour over everything, as much as `dark` (0..1 over the soft field) says."""
        dark = np.broadcast_to(dark, (self.soft_height, self.soft_width))
        box = self._box_of(dark)
        if box is not None:
            self.image.paste(_bytes_of(colour), box, self._enlarged(dark, box))

    def _box_of(self, field: Floats) -> tuple[int, int, int, int] | None:
        """The box, in full-size pixels, outside which a soft field is invisible; None where it is all invisible."""
        rows, columns = (np.flatnonzero(field.max(axis=axis) > _MIN_VISIBLE) for axis in (1, 0))
        if not len(rows):
            return None
        down, across = self.height / self.soft_height, self.width / self.soft_width
        left, right = math.floor((columns[0] - 1) * across), math.ceil((columns[-1] + 2) * across)
        top, bottom = math.floor((rows[0] - 1) * down), math.ceil((rows[-1] + 2) * down)
        return max(0, left), max(0, top), min(self.width, right), min(self.height, bottom)

    def bloom(self, strength: float, threshold: float = 0.62, reach: float = 0.02) -> None:
        """Let bright areas bleed into their surroundings, as a lens does."""
        small = self.image.resize((max(1, self.soft_width // 2), max(1, self.soft_height // 2)), Image.Resampling.BOX)
        levels = [max(0, round((step / 255 - threshold) / (1 - threshold) * 255 * strength)) for step in range(256)]
        bright = small.point(levels * 3).filter(ImageFilter.GaussianBlur(reach * min(small.size)))
        self.image = ImageChops.screen(self.image, bright.resize(self.image.size, Image.Resampling.BILINEAR))

    def soft_copy(self) -> Floats:
        """What has been painted so far, as a soft field."""
        small = self.image.resize((self.soft_width, self.soft_height), Image.Resampling.BOX)
        return np.asarray(small, np.float32) / np.float32(255)

    def _painted(self, paint: Paint, box: tuple[int, int, int, int]) -> Image.Image:
        size = (box[2] - box[0], box[3] - box[1])
        if isinstance(paint, tuple):
            return Image.new("RGB", size, _bytes_of(paint))
        return self._enlarged(paint, box)

    def _enlarged(self, field: Floats, box: tuple[int, int, int, int]) -> Image.Image:
        """The part of a soft field in a box, at full size. One row more on each side is read to interpolate."""
        scale = self.soft_height / self.height
        first = max(0, math.floor(box[1] * scale) - 1)
        last = min(self.soft_height, math.ceil(box[3] * scale) + 1)
        across = self.soft_width / self.width
        lowest = min(box[3] * scale - first, last - first)
        source = (box[0] * across, box[1] * scale - first, min(box[2] * across, self.soft_width), lowest)
        size = (box[2] - box[0], box[3] - box[1])
        return Image.fromarray(self._dithered(field[first:last])).resize(size, Image.Resampling.BILINEAR, box=source)

    def _dithered(self, field: Floats) -> npt.NDArray[np.uint8]:
        # a gradient cut to 256 steps shows bands; half a step of noise hides them
        noise = self.rng.random(field.shape[:2], np.float32)
        if field.ndim == 3:
            noise = noise[..., None]
        return (np.clip(field, 0, 1) * np.float32(254.99) + noise).astype(np.uint8)


def _bytes_of(colour: Colour) -> tuple[int, int, int]:
    red, green, blue = (round(channel * 255) for channel in colour)
    return red, green, blue


def _below(edge: Floats, top: int, bottom: int) -> Image.Image:
    steep = np.sqrt(1 + np.gradient(edge) ** 2) if len(edge) > 1 else np.ones(1)
    mask = np.full((bottom - top, len(edge)), 255, np.uint8)
    last = int(np.clip(math.ceil(float(edge.max())) + 2, top, bottom))
    rows = np.arange(top, last, dtype=np.float32)[:, None] + np.float32(0.5)
    cover = np.clip((rows - edge[None, :]) / steep.astype(np.float32)[None, :] + np.float32(0.5), 0, 1)
    mask[: last - top] = cover * np.float32(255)
    return Image.fromarray(mask)


Draw = Callable[[Canvas], None]
