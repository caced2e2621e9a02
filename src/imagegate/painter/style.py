"""What words do to a photograph: looks and gradings. Knows pictures at full size, nothing of where they came from."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageChops, ImageEnhance, ImageFilter, ImageOps

from imagegate.painter.noise import Generator, fractal
from imagegate.painter.palette import LIGHTS, Colour, Floats, Light, ramp

_MAX_WORK_PIXELS = 1_050_000
_MAX_MEDIAN_PIXELS = 260_000
Look = Callable[[Image.Image, Generator], Image.Image]


def apply_styles(picture: Image.Image, styles: tuple[str, ...], light_name: str, rng: Generator) -> Image.Image:
    """Every look that the words name, in one order; without any, a gentle grade that still shows."""
    chosen = [style for style in styles if style in _FILTERS]
    for style in chosen:
        picture = _FILTERS[style](picture, rng)
    if light_name and light_name not in chosen:
        picture = grade(picture, LIGHTS[light_name])
    return picture if chosen or light_name else _default_filter(picture, rng)


def grade(picture: Image.Image, light: Light) -> Image.Image:
    """Under another hour's light: its sky falls from above, its dark fills the shadows."""
    if light.dark:
        picture = ImageEnhance.Brightness(ImageEnhance.Color(picture).enhance(0.75)).enhance(0.62)
    sky = _column(ramp(light.sky, 256), picture.size)
    lit = Image.blend(picture, ImageChops.soft_light(picture, sky), 0.8)
    return Image.blend(lit, _duotone(lit, light.near, light.lamp), 0.28)


def _column(table: Floats, size: tuple[int, int]) -> Image.Image:
    strip = (table[:, None, :] * 255).astype(np.uint8)
    return Image.fromarray(strip).resize(size, Image.Resampling.BILINEAR)


def _duotone(picture: Image.Image, dark: Colour, bright: Colour) -> Image.Image:
    table = ramp((dark, bright), 256)
    curves = [round(float(table[step, channel]) * 255) for channel in range(3) for step in range(256)]
    grey = picture.convert("L")
    return Image.merge("RGB", (grey, grey, grey)).point(curves)


def _default_filter(picture: Image.Image, rng: Generator) -> Image.Image:
    names = ("golden", "dawn", "dusk", "winter")
    shade = grade(picture, LIGHTS[names[int(rng.integers(0, len(names)))]])
    return ImageEnhance.Contrast(Image.blend(picture, shade, 0.55)).enhance(1.06)


def _shrink(picture: Image.Image, pixels: int = _MAX_WORK_PIXELS) -> Image.Image:
    share = min(1.0, (pixels / (picture.width * picture.height)) ** 0.5)
    return picture.resize(
        (max(1, int(picture.width * share)), max(1, int(picture.height * share))), Image.Resampling.BOX
    )


def _sepia(picture: Image.Image, rng: Generator) -> Image.Image:
    return Image.blend(_duotone(picture, (0.16, 0.09, 0.05), (1.0, 0.94, 0.80)), picture, 0.12)


def _mono(picture: Image.Image, rng: Generator) -> Image.Image:
    grey = ImageOps.autocontrast(picture.convert("L"), cutoff=0.5)
    return Image.merge("RGB", (grey, grey, grey))


def _night(picture: Image.Image, rng: Generator) -> Image.Image:
    dark = grade(picture, LIGHTS["night"])
    bright = _shrink(picture).point([max(0, level - 190) * 3 for level in range(256)] * 3)
    glow = bright.filter(ImageFilter.GaussianBlur(0.015 * min(bright.size))).resize(
        picture.size, Image.Resampling.BICUBIC
    )
    return ImageChops.screen(dark, ImageChops.multiply(glow, Image.new("RGB", picture.size, (255, 205, 130))))


def _edges(picture: Image.Image) -> Image.Image:
    """Bright lines on black, thin at any size."""
    grey = _shrink(picture).convert("L").filter(ImageFilter.GaussianBlur(1.2))
    field: Floats = np.asarray(grey, np.float32)
    strength = np.hypot(np.gradient(field, axis=0), np.gradient(field, axis=1)) if min(field.shape) > 1 else field * 0
    lines = np.clip(strength * 16 - 18, 0, 255).astype(np.uint8)
    return Image.fromarray(lines).resize(picture.size, Image.Resampling.BICUBIC)


def _neon(picture: Image.Image, rng: Generator) -> Image.Image:
    dark = _duotone(ImageEnhance.Brightness(picture).enhance(0.5), (0.03, 0.01, 0.10), (0.45, 0.12, 0.62))
    lines = _edges(picture)
    colours = _column(ramp(((0.1, 0.95, 1.0), (0.75, 0.35, 1.0), (1.0, 0.25, 0.65)), 256), picture.size)
    ink = ImageChops.multiply(colours, Image.merge("RGB", (lines, lines, lines)))
    halo = _shrink(ink).filter(ImageFilter.GaussianBlur(6)).resize(picture.size, Image.Resampling.BICUBIC)
    return ImageChops.screen(ImageChops.screen(dark, halo), ImageChops.screen(ink, halo))


def _sketch(picture: Image.Image, rng: Generator) -> Image.Image:
    """Pencil: the picture divided by its own blur leaves only what changes."""
    grey = _shrink(picture).convert("L")
    field = np.asarray(grey, np.float32) + 1
    blurred = np.asarray(grey.filter(ImageFilter.GaussianBlur(0.008 * min(grey.size) + 1)), np.float32) + 1
    hatch = fractal(rng, grey.width, grey.height, 60, 2, stretch=0.3)
    drawn = np.clip(field / blurred, 0, 1) ** 3.2 * 255 - np.clip(95 - field, 0, 95) * np.clip(
        0.55 + hatch * 0.5, 0, 1.3
    )
    lines = Image.fromarray(np.clip(drawn, 0, 255).astype(np.uint8)).resize(picture.size, Image.Resampling.BICUBIC)
    return _duotone(Image.merge("RGB", (lines, lines, lines)), (0.16, 0.16, 0.20), (0.985, 0.975, 0.95))


def _posterize(picture: Image.Image) -> Image.Image:
    """Areas of one tone with firm borders; a median is slow, so it sees a small copy."""
    flat = _shrink(picture, _MAX_MEDIAN_PIXELS).filter(ImageFilter.MedianFilter(5)).filter(ImageFilter.MedianFilter(5))
    return flat.resize(picture.size, Image.Resampling.BICUBIC)


def _watercolor(picture: Image.Image, rng: Generator) -> Image.Image:
    """Flat washes with darker rims on rough paper; the rims wander with the paper."""
    small = _shrink(picture)
    wash = _posterize(small)
    wandered = _displace(wash, rng, 0.006)
    bright = ImageEnhance.Color(ImageEnhance.Brightness(wandered).enhance(1.12)).enhance(1.25)
    lines = ImageOps.invert(_edges(wandered)).point([160 + level * 95 // 255 for level in range(256)])
    rimmed = ImageChops.multiply(bright, Image.merge("RGB", (lines, lines, lines)))
    bloom = np.clip(fractal(rng, small.width, small.height, 4, 4) * 0.10, -0.2, 0.25)[..., None]
    paper = fractal(rng, small.width, small.height, 160, 2)[..., None] * np.float32(0.022)
    field = np.asarray(rimmed, np.float32) / 255
    washed = np.clip(field * (1 - np.clip(bloom, 0, 1)) + np.clip(bloom, 0, 1) + paper, 0, 1)
    return Image.fromarray((washed * 255).astype(np.uint8)).resize(picture.size, Image.Resampling.BICUBIC)


def _displace(small: Image.Image, rng: Generator, reach: float) -> Image.Image:
    field = np.asarray(small)
    rows, columns = np.mgrid[: small.height, : small.width]
    sway = reach * min(small.size)
    down = np.clip(rows + fractal(rng, small.width, small.height, 24, 2) * sway, 0, small.height - 1).astype(np.int32)
    across = np.clip(columns + fractal(rng, small.width, small.height, 24, 2) * sway, 0, small.width - 1).astype(
        np.int32
    )
    return Image.fromarray(field[down, across])


def _oil(picture: Image.Image, rng: Generator) -> Image.Image:
    small = (
        _displace(_shrink(picture), rng, 0.004).filter(ImageFilter.MedianFilter(5)).filter(ImageFilter.MedianFilter(7))
    )
    rich = ImageEnhance.Contrast(ImageEnhance.Color(small).enhance(1.4)).enhance(1.08)
    strokes = fractal(rng, small.width, small.height, 70, 2, stretch=3.0)
    relief = np.clip(128 + np.gradient(strokes, axis=0) * 34, 0, 255).astype(np.uint8)
    flat = Image.fromarray(relief)
    return ImageChops.overlay(rich, Image.merge("RGB", (flat, flat, flat))).resize(
        picture.size, Image.Resampling.BICUBIC
    )


def _blur(picture: Image.Image, rng: Generator) -> Image.Image:
    small = _shrink(picture)
    return small.filter(ImageFilter.GaussianBlur(0.018 * min(small.size))).resize(
        picture.size, Image.Resampling.BICUBIC
    )


def _pixel(picture: Image.Image, rng: Generator) -> Image.Image:
    blocks = max(8, min(picture.size) // 12 if min(picture.size) < 960 else 80)
    share = blocks / min(picture.size)
    tiny = picture.resize(
        (max(1, round(picture.width * share)), max(1, round(picture.height * share))), Image.Resampling.BOX
    )
    few = ImageEnhance.Color(tiny).enhance(1.3).quantize(28, dither=Image.Dither.NONE).convert("RGB")
    return few.resize(picture.size, Image.Resampling.NEAREST)


def _poster(picture: Image.Image, rng: Generator) -> Image.Image:
    small = _posterize(_shrink(picture))
    flat = ImageEnhance.Color(small).enhance(1.45).quantize(14, dither=Image.Dither.NONE).convert("RGB")
    flat = flat.resize(picture.size, Image.Resampling.BICUBIC)
    lines = ImageOps.invert(_edges(picture))
    return ImageChops.multiply(flat, Image.merge("RGB", (lines, lines, lines)))


def _warm(picture: Image.Image, rng: Generator) -> Image.Image:
    return grade(picture, LIGHTS["golden"])


def _cool(picture: Image.Image, rng: Generator) -> Image.Image:
    return grade(picture, LIGHTS["winter"])


def _dream(picture: Image.Image, rng: Generator) -> Image.Image:
    veil = ImageChops.screen(picture, _blur(picture, rng))
    return Image.blend(picture, grade(veil, LIGHTS["pastel"]), 0.7)


def _invert(picture: Image.Image, rng: Generator) -> Image.Image:
    return ImageOps.invert(picture)


_FILTERS: dict[str, Look] = {
    "watercolor": _watercolor,
    "oil": _oil,
    "poster": _poster,
    "sketch": _sketch,
    "pixel": _pixel,
    "blur": _blur,
    "neon": _neon,
    "night": _night,
    "warm": _warm,
    "cool": _cool,
    "dream": _dream,
    "sepia": _sepia,
    "mono": _mono,
    "invert": _invert,
}
