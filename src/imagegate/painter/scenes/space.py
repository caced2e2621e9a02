"""Space: a nebula, stars, a planet with its ring, or a spiral galaxy."""

import math

import numpy as np
from PIL import Image

from imagegate.painter import sky
from imagegate.painter.drawing import Point
from imagegate.painter.noise import fractal, smoothstep, turbulence
from imagegate.painter.palette import Floats, along, hue_of, mix, oklch, ramp, rgb, shift
from imagegate.painter.scene_context import SceneContext, pick, uniform

_STAR_COLOURS = (rgb("#ffffff"), rgb("#cfe0ff"), rgb("#ffe6c4"), rgb("#ffffff"))
# pairs of hues that stay rich when they meet: blue and rose, violet and amber, teal and violet ...
_HUES = ((4.3, 0.2), (5.1, 0.9), (3.6, 5.3), (5.7, 4.2), (4.5, 5.9))


def paint(context: SceneContext) -> None:
    canvas = context.canvas
    hue, other = _HUES[pick(context, len(_HUES))]
    if context.reading.colours:
        hue = hue_of(context.colours[3])
        other = hue + 0.9
    if canvas.transparent:
        canvas.ground(oklch(0.3, 0.08, hue))
        return _planet(context, (canvas.width / 2, canvas.height / 2), canvas.unit * 0.27, hue, ringed=True)
    spiral = context.wants("galaxy") and not context.wants("planet")
    _nebula(context, hue, other, 0.45 if spiral else 1.0)
    sky.stars(canvas, 1.0, 1.5, _STAR_COLOURS)
    if spiral:
        return _spiral(context, hue)
    side = 1 if pick(context, 2) else -1
    centre = (
        canvas.width * (0.5 + side * uniform(context, 0.10, 0.2)),
        canvas.height * uniform(context, 0.46, 0.58),
    )
    _planet(
        context,
        centre,
        canvas.unit * uniform(context, 0.20, 0.27),
        other,
        ringed=context.wants("planet") or pick(context, 2) == 0,
    )
    moon = (
        canvas.width * (0.5 - side * uniform(context, 0.22, 0.32)),
        canvas.height * uniform(context, 0.2, 0.34),
    )
    return _planet(context, moon, canvas.unit * uniform(context, 0.035, 0.06), hue, ringed=False)


def _nebula(context: SceneContext, hue: float, other: float, strength: float) -> None:
    canvas = context.canvas
    wide, high = canvas.soft_width, canvas.soft_height
    cloud = turbulence(canvas.rng, wide, high, 2.4, canvas.detail.octaves, 0.08)
    lanes = turbulence(canvas.rng, wide, high, 3.4, canvas.detail.octaves, 0.07)
    tint = fractal(canvas.rng, wide, high, 1.4, 2)
    across, down = canvas.grid()
    tilt = uniform(context, -0.7, 0.7)
    band = np.exp(-(((down - 0.5) - (across - 0.5) * np.float32(tilt)) ** 2) / np.float32(0.09))
    depth = cloud * 0.8 + band * 1.5 - 0.5 - np.clip(lanes, 0, 2) * 0.75
    density = smoothstep(-0.6, 3.3, depth) * np.float32(strength)
    cold, warm = _gas(hue), _gas(other)
    share = smoothstep(-1.2, 1.2, tint)[..., None]
    canvas.ground(along(cold, density) * (1 - share) + along(warm, density) * share)


def _gas(hue: float) -> Floats:
    steps = (
        (0.15, 0.05, -0.25),
        (0.30, 0.12, -0.12),
        (0.50, 0.16, 0.0),
        (0.70, 0.13, 0.15),
        (0.88, 0.06, 0.3),
    )
    return ramp((rgb("#04050d"), *(oklch(lightness, chroma, hue + turn) for lightness, chroma, turn in steps)))


def _planet(context: SceneContext, centre: Point, radius: float, hue: float, ringed: bool) -> None:
    """A lit sphere in bands, with an atmosphere, and a ring that passes behind and in front."""
    canvas = context.canvas
    x, y = centre
    tilt = uniform(context, -0.5, -0.25)
    if ringed:
        _ring(context, centre, radius, tilt, hue, front=False)
    disc = canvas.stencil(lambda pen: pen.circle(x, y, radius, (1.0, 1.0, 1.0)))
    canvas.lay(disc, _sphere(context, centre, radius, tilt, hue))
    if not canvas.transparent:
        away = np.clip(canvas.distance(x, y) * np.float32(canvas.unit / radius) - 1, 0, None)
        across, down = canvas.grid()
        lit = np.clip(0.5 - ((across * canvas.width - x) + (down * canvas.height - y)) / np.float32(2.4 * radius), 0, 1)
        canvas.shine(np.exp(-away * 14) * 0.5 * lit + np.exp(-away * 3.5) * 0.14 * lit, oklch(0.82, 0.11, hue + 0.3))
    if ringed:
        _ring(context, centre, radius, tilt, hue, front=True)


def _sphere(context: SceneContext, centre: Point, radius: float, tilt: float, hue: float) -> Floats:
    canvas = context.canvas
    across, down = canvas.grid()
    dx = (across * canvas.width - centre[0]) / np.float32(radius)
    dy = (down * canvas.height - centre[1]) / np.float32(radius)
    dz = np.sqrt(np.clip(1 - dx * dx - dy * dy, 0, 1))
    light = np.clip(-0.62 * dx - 0.55 * dy + 0.56 * dz, 0, 1)
    latitude = dy * np.float32(math.cos(tilt)) - dx * np.float32(math.sin(tilt))
    swirl = fractal(canvas.rng, canvas.soft_width, canvas.soft_height, 7, 4, stretch=2.0) * np.float32(0.035)
    bands = (
        np.sin((latitude + swirl) * np.float32(11)) * 0.30 + np.sin((latitude + swirl * 2) * np.float32(27) + 1) * 0.16
    )
    colours = ramp(
        (
            oklch(0.46, 0.12, hue - 0.3),
            oklch(0.66, 0.12, hue),
            oklch(0.80, 0.09, hue + 0.5),
            oklch(0.92, 0.05, hue + 0.7),
        )
    )
    surface = along(colours, np.clip(0.45 + bands, 0, 1))
    rim = np.clip(1 - dz, 0, 1) ** 3 * light * 0.6
    shaded = surface * (light**0.8 * 0.98 + 0.02)[..., None] + rim[..., None] * np.array(
        oklch(0.85, 0.1, hue + 0.3), np.float32
    )
    night: Floats = np.clip(shaded + np.array(oklch(0.10, 0.04, hue), np.float32) * 0.5, 0, 1)
    return night


def _ring(context: SceneContext, centre: Point, radius: float, tilt: float, hue: float, front: bool) -> None:
    canvas = context.canvas
    across, down = canvas.grid()
    dx, dy = across * canvas.width - centre[0], down * canvas.height - centre[1]
    cosine, sine = math.cos(tilt), math.sin(tilt)
    along_axis = (dx * cosine + dy * sine) / np.float32(radius)
    over_axis = (dy * cosine - dx * sine) / np.float32(radius * 0.27)
    far = np.sqrt(along_axis**2 + over_axis**2)
    grooves = 0.72 + 0.28 * np.sin(far * 42) * np.sin(far * 17 + 1) + 0.0 * along_axis
    body = (
        smoothstep(1.32, 1.36, far)
        * (1 - smoothstep(2.18, 2.24, far))
        * (1 - 0.85 * np.exp(-(((far - 1.86) / 0.03) ** 2)))
    )
    side = (over_axis > 0) if front else (over_axis <= 0)
    shadow = 1 - 0.75 * np.exp(-(((along_axis - 0.55) / 0.5) ** 2)) * (over_axis < 0)
    cover = np.clip(body * grooves * side, 0, 1) * np.float32(0.85)
    paint = along(
        ramp((oklch(0.55, 0.05, hue + 0.6), oklch(0.92, 0.05, hue + 0.8))), np.clip(grooves * shadow, 0, 1)
    ) * shadow[..., None].astype(np.float32)
    mask = Image.fromarray((cover * 255).astype(np.uint8)).resize(canvas.image.size, Image.Resampling.BICUBIC)
    canvas.lay(mask, paint.astype(np.float32))


def _spiral(context: SceneContext, hue: float) -> None:
    """Two arms wound logarithmically, dust between them, a warm core."""
    canvas = context.canvas
    across, down = canvas.grid()
    tilt, squash = uniform(context, -0.6, 0.6), uniform(context, 0.42, 0.6)
    dx = (across - 0.5) * np.float32(canvas.width / canvas.unit)
    dy = (down - 0.5) * np.float32(canvas.height / canvas.unit)
    u = dx * np.float32(math.cos(tilt)) + dy * np.float32(math.sin(tilt))
    v = (dy * np.float32(math.cos(tilt)) - dx * np.float32(math.sin(tilt))) / np.float32(squash)
    far = np.sqrt(u * u + v * v) + np.float32(1e-4)
    rough = turbulence(canvas.rng, canvas.soft_width, canvas.soft_height, 6, canvas.detail.octaves, 0.05)
    phase = 2 * np.arctan2(v, u) - 6.5 * np.log(far + 0.05) + rough * np.float32(0.5)
    arms = (0.5 + 0.5 * np.cos(phase)) ** 2
    envelope = np.exp(-((far / 0.46) ** 2)) + 0.5 * np.exp(-((far / 0.22) ** 2))
    dust = np.clip(0.9 + 0.5 * rough, 0.1, 2)
    canvas.shine(np.clip(arms * envelope * dust * 0.9, 0, 1), oklch(0.74, 0.12, hue))
    canvas.shine(np.clip(arms**3 * envelope * np.clip(rough - 0.4, 0, 2) * 0.9, 0, 1), oklch(0.78, 0.13, hue + 1.5))
    canvas.shine(
        0.95 * np.exp(-((far / 0.06) ** 2)) + 0.5 * np.exp(-far / np.float32(0.13)),
        shift(mix(rgb("#ffe9c4"), oklch(0.9, 0.05, hue), 0.3), 0),
    )
    sky.stars(canvas, 1.0, 1.2, _STAR_COLOURS)
