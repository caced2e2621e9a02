"""Skies: light, sun and moon, clouds, stars, aurora."""

import numpy as np
from PIL import Image, ImageChops

from imagegate.painter.canvas import Canvas
from imagegate.painter.drawing import Pen, Point
from imagegate.painter.noise import fractal, skyline, smoothstep, turbulence
from imagegate.painter.palette import Colour, Floats, Light, along, mix, ramp


def sky_field(canvas: Canvas, light: Light, horizon: float, lamp: Point) -> Floats:
    """The gradient down to the horizon (a fraction of the height), warmer around the light source."""
    across, down = canvas.grid()
    height = np.clip(down / np.float32(max(horizon, 0.05)), 0, 1)
    sway = (across - np.float32(lamp[0] / canvas.width)) ** 2 * np.float32(0.10)
    field = along(ramp(light.sky), np.clip(height - sway, 0, 1) ** np.float32(0.92))
    near = canvas.distance(*lamp)
    glow = 0.55 / (1 + (near / 0.16) ** 2) + 0.25 / (1 + (near / 0.55) ** 2)
    if light.dark:
        glow = glow * np.float32(0.55)
    return screen(field, glow, mix(light.warm, light.lamp, 0.35))


def screen(field: Floats, glow: Floats, colour: Colour) -> Floats:
    tint = np.array(colour, np.float32)
    lit: Floats = 1 - (1 - field) * (1 - np.clip(glow, 0, 1)[..., None] * tint)
    return lit


def add_clouds(canvas: Canvas, field: Floats, light: Light, horizon: float, lamp: Point, cover: float) -> Floats:
    """The same sky with lit clouds; `cover` 0..1."""
    wide, high = canvas.soft_width, canvas.soft_height
    density = _cloud_density(canvas, horizon)
    thin = smoothstep(0.9 - 1.6 * cover, 2.4 - 1.3 * cover, density)
    _, down = canvas.grid()
    fade = smoothstep(0.0, 0.12, (np.float32(horizon) - down)) * (0.45 + 0.55 * smoothstep(0.02, 0.35, down))
    offset = max(1, round(0.012 * min(wide, high)))
    toward = _shift(density, offset, offset if lamp[0] > canvas.width / 2 else -offset)
    lit = np.clip(0.5 + (density - toward) * np.float32(0.9), 0, 1)
    near = 1 / (1 + (canvas.distance(*lamp) / 0.5) ** 2)
    body = mix(light.sky[-2], light.near, 0.35 if light.dark else 0.22)
    rim = mix(light.sky[-1], light.lamp, 0.2 if light.dark else 0.55)
    colours = along(ramp((body, mix(body, rim, 0.55), rim)), np.clip(lit * 0.75 + near * 0.35, 0, 1))
    opacity = (thin * fade * np.float32(0.5 if light.dark else 0.82))[..., None]
    mixed: Floats = field * (1 - opacity) + colours * opacity
    return mixed


def _shift(field: Floats, down: int, across: int) -> Floats:
    """The field read `down` rows below and `across` columns to the right, its borders repeated."""
    rows = np.clip(np.arange(field.shape[0]) + down, 0, field.shape[0] - 1)
    columns = np.clip(np.arange(field.shape[1]) + across, 0, field.shape[1] - 1)
    return field[rows[:, None], columns]


def _cloud_density(canvas: Canvas, horizon: float) -> Floats:
    """Clouds in perspective: flatter towards the horizon."""
    wide, high = canvas.soft_width, canvas.soft_height
    base = turbulence(canvas.rng, wide, high, 2.2, canvas.detail.octaves, 0.07, stretch=2.6)
    _, down = canvas.grid()
    depth = np.clip(down / np.float32(horizon + 0.05), 0, 0.96)
    rows = (0.35 * depth + 0.75 * depth**4) * (high - 1)
    folded = np.abs((rows[:, 0] + high - 1) % (2 * (high - 1) or 1) - (high - 1)).astype(np.int32)
    flat: Floats = base[folded]
    streak = fractal(canvas.rng, wide, high, 5.0, 3, stretch=4.0)
    return flat * np.float32(0.85) + streak * np.float32(0.45)


def lamp_disc(canvas: Canvas, light: Light, lamp: Point, radius: float, crescent: bool = False) -> None:
    """The sun, or the moon with its seas."""
    x, y = lamp
    reach = radius * 1.1

    def draw(pen: Pen) -> None:
        pen.circle(x, y, radius, light.lamp)
        if light.dark and not crescent:
            grey = mix(light.lamp, light.sky[-1], 0.22)
            for dx, dy, size in (
                (-0.3, -0.25, 0.24),
                (0.22, -0.38, 0.15),
                (0.3, 0.18, 0.26),
                (-0.15, 0.42, 0.16),
            ):
                pen.circle(x + dx * radius, y + dy * radius, size * radius, grey)
            pen.circle(x + 0.02 * radius, y - 0.02 * radius, 0.12 * radius, mix(light.lamp, grey, 0.5))

    canvas.sketch((x - reach, y - reach, x + reach, y + reach), draw)
    halo = canvas.distance(x, y) * np.float32(canvas.unit / radius)
    canvas.shine(0.42 * np.exp(-((halo - 0.6).clip(0) ** 2) / 0.9) + 0.30 * np.exp(-halo / 2.2), light.warm)


def stars(canvas: Canvas, horizon: float, density: float, colours: tuple[Colour, ...] = ((1.0, 1.0, 1.0),)) -> None:
    """Points at full size: many faint, few bright, some with a cross of light."""
    count = int(900 * density * canvas.detail.abundance * canvas.width * canvas.height / canvas.unit**2)
    layer = Image.new("RGB", canvas.image.size)
    bright = canvas.rng.pareto(2.2, count)
    xs, ys = (
        canvas.rng.random(count) * canvas.width,
        canvas.rng.random(count) ** 1.15 * horizon * canvas.height,
    )
    pixel = canvas.unit / 1024
    tint = canvas.rng.integers(0, len(colours), count)
    for size, x, y, which in zip(bright, xs, ys, tint, strict=True):
        _star(layer, float(x), float(y), float(size), pixel, colours[int(which)])
    canvas.image = ImageChops.screen(canvas.image, layer)


def _star(layer: Image.Image, x: float, y: float, size: float, pixel: float, colour: Colour) -> None:
    radius = pixel * min(0.55 + 0.42 * size, 2.6)
    reach = max(1, int(radius * 3))
    offsets = np.arange(-reach, reach + 1, dtype=np.float32)
    fine = offsets - np.float32(x % 1)
    fall = np.exp(-(fine[None, :] ** 2 + (offsets - np.float32(y % 1))[:, None] ** 2) / (2 * radius * radius * 0.5))
    stamp = (fall * min(1.0, 0.30 + 0.34 * size))[..., None] * np.array(colour, np.float32)
    place = (int(x) - reach, int(y) - reach)
    layer.paste(Image.fromarray((np.clip(stamp, 0, 1) * 255).astype(np.uint8)), place)


def aurora(canvas: Canvas, horizon: float) -> None:
    """Curtains: bright at a wavering lower edge, fading upward in rays."""
    across, down = canvas.grid()
    rng, wide = canvas.rng, canvas.soft_width
    for band, colour in enumerate(((0.25, 1.0, 0.62), (0.20, 0.85, 0.85), (0.62, 0.35, 0.95))):
        foot = horizon * (0.78 - 0.17 * band) + 0.07 * skyline(rng, wide, 2.2, 3, smooth=True)
        rays = 0.6 + 0.25 * skyline(rng, wide, 40, 3, smooth=True) + 0.2 * skyline(rng, wide, 5, 2, smooth=True)
        above = (foot[None, :] - down) / np.float32(0.34)
        curtain = np.where(above > 0, np.exp(-3.2 * above.clip(0)), np.exp(above.clip(-4, 0) * 26))
        canvas.shine(np.clip(curtain * rays.clip(0, 1.4)[None, :] * (0.62 - 0.12 * band) + across * 0, 0, 0.85), colour)


def birds(canvas: Canvas, colour: Colour, x: float, y: float, count: int) -> None:
    """A loose flock of two-stroke wings."""
    spots = [
        (x + canvas.rng.normal() * 0.08 * canvas.unit, y + canvas.rng.normal() * 0.035 * canvas.unit)
        for _ in range(count)
    ]
    sizes = [canvas.unit * (0.007 + 0.008 * canvas.rng.random()) for _ in range(count)]

    def draw(pen: Pen) -> None:
        for (bx, by), size in zip(spots, sizes, strict=True):
            wing = [(bx, by), (bx - size * 0.5, by - size * 0.55), (bx - size * 1.3, by - size * 0.25)]
            pen.polygon([*wing, (bx - size * 0.5, by - size * 0.38), (bx, by + size * 0.2)], colour)
            wing = [(2 * bx - wx, wy) for wx, wy in wing]
            pen.polygon([*wing, (bx + size * 0.5, by - size * 0.38), (bx, by + size * 0.2)], colour)

    reach = 0.4 * canvas.unit
    canvas.sketch((x - reach, y - reach / 2, x + reach, y + reach / 2), draw)
