"""Styles and colour grading for photographs, at full size."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageChops, ImageEnhance, ImageFilter, ImageOps

from imagegate.painter.noise import Generator, fractal
from imagegate.painter.palette import LIGHTS, Colour, Floats, Light, ramp

_MAX_WORK_PIXELS = 1_050_000
_MAX_MEDIAN_PIXELS = 260_000
Look = Callable[[Image.Image, Generator], Image.Image]


def apply_styles(image: Image.Image, styles: tuple[str, ...], light_name: str, rng: Generator) -> Image.Image:
    """Apply every style that the words name, in a fixed order; without any, a slight but visible grade."""
    chosen = [style for style in styles if style in _FILTERS]
    for style in chosen:
        image = _FILTERS[style](image, rng)
    if light_name and light_name not in chosen:
        image = grade(image, LIGHTS[light_name])
    return image if chosen or light_name else _default_filter(image, rng)


def grade(image: Image.Image, light: Light) -> Image.Image:
    """Grade the image to another light: its sky colours from above, its dark tone in the shadows."""
    if light.dark:
        image = ImageEnhance.Brightness(ImageEnhance.Color(image).enhance(0.75)).enhance(0.62)
    sky = _column(ramp(light.sky, 256), image.size)
    lit = Image.blend(image, ImageChops.soft_light(image, sky), 0.8)
    return Image.blend(lit, _duotone(lit, light.near, light.lamp), 0.28)


def _column(table: Floats, size: tuple[int, int]) -> Image.Image:
    strip = (table[:, None, :] * 255).astype(np.uint8)
    return Image.fromarray(strip).resize(size, Image.Resampling.BILINEAR)


def _duotone(image: Image.Image, dark: Colour, bright: Colour) -> Image.Image:
    table = ramp((dark, bright), 256)
    curves = [round(float(table[step, channel]) * 255) for channel in range(3) for step in range(256)]
    grey = image.convert("L")
    return Image.merge("RGB", (grey, grey, grey)).point(curves)


def _default_filter(image: Image.Image, rng: Generator) -> Image.Image:
    names = ("golden", "dawn", "dusk", "winter")
    shade = grade(image, LIGHTS[names[int(rng.integers(0, len(names)))]])
    return ImageEnhance.Contrast(Image.blend(image, shade, 0.55)).enhance(1.06)


def _shrink(image: Image.Image, pixels: int = _MAX_WORK_PIXELS) -> Image.Image:
    share = min(1.0, (pixels / (image.width * image.height)) ** 0.5)
    return image.resize((max(1, int(image.width * share)), max(1, int(image.height * share))), Image.Resampling.BOX)


def _sepia(image: Image.Image, rng: Generator) -> Image.Image:
    return Image.blend(_duotone(image, (0.16, 0.09, 0.05), (1.0, 0.94, 0.80)), image, 0.12)


def _mono(image: Image.Image, rng: Generator) -> Image.Image:
    grey = ImageOps.autocontrast(image.convert("L"), cutoff=0.5)
    return Image.merge("RGB", (grey, grey, grey))


def _night(image: Image.Image, rng: Generator) -> Image.Image:
    dark = grade(image, LIGHTS["night"])
    bright = _shrink(image).point([max(0, level - 190) * 3 for level in range(256)] * 3)
    glow = bright.filter(ImageFilter.GaussianBlur(0.015 * min(bright.size))).resize(
        image.size, Image.Resampling.BICUBIC
    )
    return ImageChops.screen(dark, ImageChops.multiply(glow, Image.new("RGB", image.size, (255, 205, 130))))


def _edges(image: Image.Image) -> Image.Image:
    """Bright lines on black, thin at any size."""
    grey = _shrink(image).convert("L").filter(ImageFilter.GaussianBlur(1.2))
    field: Floats = np.asarray(grey, np.float32)
    strength = np.hypot(np.gradient(field, axis=0), np.gradient(field, axis=1)) if min(field.shape) > 1 else field * 0
    lines = np.clip(strength * 16 - 18, 0, 255).astype(np.uint8)
    return Image.fromarray(lines).resize(image.size, Image.Resampling.BICUBIC)


def _neon(image: Image.Image, rng: Generator) -> Image.Image:
    dark = _duotone(ImageEnhance.Brightness(image).enhance(0.5), (0.03, 0.01, 0.10), (0.45, 0.12, 0.62))
    lines = _edges(image)
    colours = _column(ramp(((0.1, 0.95, 1.0), (0.75, 0.35, 1.0), (1.0, 0.25, 0.65)), 256), image.size)
    ink = ImageChops.multiply(colours, Image.merge("RGB", (lines, lines, lines)))
    halo = _shrink(ink).filter(ImageFilter.GaussianBlur(6)).resize(image.size, Image.Resampling.BICUBIC)
    return ImageChops.screen(ImageChops.screen(dark, halo), ImageChops.screen(ink, halo))


def _sketch(image: Image.Image, rng: Generator) -> Image.Image:
    """Pencil: the image divided by its own blur leaves only what changes."""
    grey = _shrink(image).convert("L")
    field = np.asarray(grey, np.float32) + 1
    blurred = np.asarray(grey.filter(ImageFilter.GaussianBlur(0.008 * min(grey.size) + 1)), np.float32) + 1
    hatch = fractal(rng, grey.width, grey.height, 60, 2, stretch=0.3)
    drawn = np.clip(field / blurred, 0, 1) ** 3.2 * 255 - np.clip(95 - field, 0, 95) * np.clip(
        0.55 + hatch * 0.5, 0, 1.3
    )
    lines = Image.fromarray(np.clip(drawn, 0, 255).astype(np.uint8)).resize(image.size, Image.Resampling.BICUBIC)
    return _duotone(Image.merge("RGB", (lines, lines, lines)), (0.16, 0.16, 0.20), (0.985, 0.975, 0.95))


def _posterize(image: Image.Image) -> Image.Image:
    """Areas of one tone with firm borders. The median runs on a small copy, because it is slow."""
    flat = _shrink(image, _MAX_MEDIAN_PIXELS).filter(ImageFilter.MedianFilter(5)).filter(ImageFilter.MedianFilter(5))
    return flat.resize(image.size, Image.Resampling.BICUBIC)


def _watercolor(image: Image.Image, rng: Generator) -> Image.Image:
    """Flat washes with darker rims on rough paper; the rims wander with the paper."""
    small = _shrink(image)
    wash = _posterize(small)
    wandered = _displace(wash, rng, 0.006)
    bright = ImageEnhance.Color(ImageEnhance.Brightness(wandered).enhance(1.12)).enhance(1.25)
    lines = ImageOps.invert(_edges(wandered)).point([160 + level * 95 // 255 for level in range(256)])
    rimmed = ImageChops.multiply(bright, Image.merge("RGB", (lines, lines, lines)))
    bloom = np.clip(fractal(rng, small.width, small.height, 4, 4) * 0.10, -0.2, 0.25)[..., None]
    paper = fractal(rng, small.width, small.height, 160, 2)[..., None] * np.float32(0.022)
    field = np.asarray(rimmed, np.float32) / 255
    washed = np.clip(field * (1 - np.clip(bloom, 0, 1)) + np.clip(bloom, 0, 1) + paper, 0, 1)
    return Image.fromarray((washed * 255).astype(np.uint8)).resize(image.size, Image.Resampling.BICUBIC)


def _displace(small: Image.Image, rng: Generator, reach: float) -> Image.Image:
    field = np.asarray(small)
    rows, columns = np.mgrid[: small.height, : small.width]
    sway = reach * min(small.size)
    down = np.clip(rows + fractal(rng, small.width, small.height, 24, 2) * sway, 0, small.height - 1).astype(np.int32)
    across = np.clip(columns + fractal(rng, small.width, small.height, 24, 2) * sway, 0, small.width - 1).astype(
        np.int32
    )
    return Image.fromarray(field[down, across])


def _oil(image: Image.Image, rng: Generator) -> Image.Image:
    small = (
        _displace(_shrink(image), rng, 0.004).filter(ImageFilter.MedianFilter(5)).filter(ImageFilter.MedianFilter(7))
    )
    rich = ImageEnhance.Contrast(ImageEnhance.Color(small).enhance(1.4)).enhance(1.08)
    strokes = fractal(rng, small.width, small.height, 70, 2, stretch=3.0)
    relief = np.clip(128 + np.gradient(strokes, axis=0) * 34, 0, 255).astype(np.uint8)
    flat = Image.fromarray(relief)
    return ImageChops.overlay(rich, Image.merge("RGB", (flat, flat, flat))).resize(image.size, Image.Resampling.BICUBIC)


def _blur(image: Image.Image, rng: Generator) -> Image.Image:
    small = _shrink(image)
    return small.filter(ImageFilter.GaussianBlur(0.018 * min(small.size))).resize(image.size, Image.Resampling.BICUBIC)


def _pixel(image: Image.Image, rng: Generator) -> Image.Image:
    blocks = max(8, min(image.size) // 12 if min(image.size) < 960 else 80)
    share = blocks / min(image.size)
    tiny = image.resize((max(1, round(image.width * share)), max(1, round(image.height * share))), Image.Resampling.BOX)
    few = ImageEnhance.Color(tiny).enhance(1.3).quantize(28, dither=Image.Dither.NONE).convert("RGB")
    return few.resize(image.size, Image.Resampling.NEAREST)


def _poster(image: Image.Image, rng: Generator) -> Image.Image:
    small = _posterize(_shrink(image))
    flat = ImageEnhance.Color(small).enhance(1.45).quantize(14, dither=Image.Dither.NONE).convert("RGB")
    flat = flat.resize(image.size, Image.Resampling.BICUBIC)
    lines = ImageOps.invert(_edges(image))
    return ImageChops.multiply(flat, Image.merge("RGB", (lines, lines, lines)))


def _warm(image: Image.Image, rng: Generator) -> Image.Image:
    return grade(image, LIGHTS["golden"])


def _cool(image: Image.Image, rng: Generator) -> Image.Image:
    return grade(image, LIGHTS["winter"])


def _dream(image: Image.Image, rng: Generator) -> Image.Image:
    veil = ImageChops.screen(image, _blur(image, rng))
    return Image.blend(image, grade(veil, LIGHTS["pastel"]), 0.7)


def _invert(image: Image.Image, rng: Generator) -> Image.Image:
    return ImageOps.invert(image)


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
