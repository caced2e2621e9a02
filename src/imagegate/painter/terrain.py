"""Ridges, dunes, trees and water."""

import math
from functools import partial

import numpy as np

from imagegate.painter.canvas import Canvas
from imagegate.painter.drawing import Pen, Point
from imagegate.painter.noise import fractal, skyline, smoothstep
from imagegate.painter.palette import Colour, Floats, Light, along, mix, ramp, shift


def air(light: Light, depth: float) -> Colour:
    """The colour of land at a depth: 0 near and dark, 1 lost in the haze."""
    return mix(light.near, light.haze, depth)


def ridge(canvas: Canvas, base: float, rise: float, bumps: float, smooth: bool = False) -> Floats:
    """A line across the image, heights in pixels from the top; `base` and `rise` as fractions of the height."""
    octaves = canvas.detail.octaves + 1 if not smooth else 3
    line = skyline(
        canvas.rng,
        canvas.width,
        bumps * canvas.width / canvas.unit,
        octaves,
        0.48 if not smooth else 0.35,
        smooth,
    )
    return ((base - rise * 0.5 * line) * canvas.height).astype(np.float32)


def mountain_paint(
    canvas: Canvas, edge: Floats, body: Colour, haze: Colour, lit: Colour, side: float, snow: float
) -> Floats:
    """Faces lit from one side, below the ridge line, fading into haze at the foot."""
    line = _softened(canvas, edge)
    _, down = canvas.grid()
    under = np.clip(down - line[None, :], 0, 1)
    face = _faces(canvas, line, under, side)
    shadow = shift(body, -0.045, 1.1)
    table = ramp((shadow, body, mix(body, lit, 0.55)))
    field = along(table, face)
    if snow > 0:
        field = _snowed(canvas, field, line, under, face, snow, lit, body)
    reach = max(0.06, float(1 - line.min()) * 0.5)
    mist = np.clip(under / np.float32(reach), 0, 1) ** np.float32(1.2) * np.float32(0.85)
    sunk: Floats = field * (1 - mist[..., None]) + np.array(haze, np.float32) * mist[..., None]
    return sunk


def _softened(canvas: Canvas, edge: Floats) -> Floats:
    at = np.linspace(0, len(edge) - 1, canvas.soft_width)
    line: Floats = (np.interp(at, np.arange(len(edge)), edge) / canvas.height).astype(np.float32)
    return line


def _faces(canvas: Canvas, line: Floats, under: Floats, side: float) -> Floats:
    """0 in shadow, 1 lit. Spurs run down and outward from the peaks of the ridge."""
    wide, high = canvas.soft_width, canvas.soft_height
    columns = np.arange(wide, dtype=np.float32)[None, :]
    aspect = high / wide
    lean = _flipped(canvas, canvas.calm) * np.float32(0.035) + under * np.float32(0.42 * side * aspect)
    source = np.clip(columns - lean * wide, 0, wide - 1).astype(np.int32)
    slope = np.gradient(_blurred(line, max(1, wide // 110))) * wide / high * -side
    facing = np.take(slope.astype(np.float32), source)
    texture = _flipped(canvas, canvas.rough)
    return smoothstep(-0.75, 0.95, facing * np.float32(0.85) + texture * np.float32(0.42 * -side))


def _flipped(canvas: Canvas, field: Floats) -> Floats:
    """The same noise mirrored: cheaper than new noise, and without a seam."""
    turns = int(canvas.rng.integers(0, 4))
    return field[:: -1 if turns & 1 else 1, :: -1 if turns & 2 else 1]


def _blurred(line: Floats, reach: int) -> Floats:
    kernel = np.ones(2 * reach + 1, np.float32) / np.float32(2 * reach + 1)
    padded = np.pad(line, reach, mode="edge")
    return np.convolve(padded, kernel, mode="valid").astype(np.float32)


def _snowed(
    canvas: Canvas,
    field: Floats,
    line: Floats,
    under: Floats,
    face: Floats,
    snow: float,
    lit: Colour,
    body: Colour,
) -> Floats:
    ragged = _flipped(canvas, canvas.rough) * np.float32(0.03)
    peak = float(line.min())
    height = (line[None, :] + under - np.float32(peak)) + ragged
    cover = 1 - smoothstep(snow * 0.75, snow, height)
    white = ramp((mix(body, (0.80, 0.87, 0.98), 0.5), (0.93, 0.95, 1.0), mix(lit, (1.0, 1.0, 1.0), 0.6)))
    share = (cover * np.float32(0.92))[..., None]
    mixed: Floats = field * (1 - share) + along(white, face) * share
    return mixed


def hill_paint(canvas: Canvas, edge: Floats, body: Colour, haze: Colour, rim: Colour) -> Floats:
    """A soft hill: a touch of light along its back, haze at its foot, a little unevenness."""
    line = _softened(canvas, edge)
    _, down = canvas.grid()
    under = np.clip(down - line[None, :], 0, 1)
    grain = _flipped(canvas, canvas.calm)
    back = np.exp(-under / np.float32(0.02)) * np.float32(0.35) + np.exp(-under / np.float32(0.12)) * np.float32(0.2)
    mist = np.clip(under / np.float32(0.32), 0, 1) * np.float32(0.7)
    field = along(ramp((body, mix(body, rim, 0.8))), np.clip(back + grain * np.float32(0.05), 0, 1))
    sunk: Floats = field * (1 - mist[..., None]) + np.array(haze, np.float32) * mist[..., None]
    return sunk


def conifers(canvas: Canvas, edge: Floats, height: float, spacing: float, colour: Colour, sparse: float = 0.0) -> None:
    """A row of firs standing on a line; `height` and `spacing` in pixels."""
    rng = canvas.rng
    trees: list[list[Point]] = []
    x = -spacing * rng.random()
    while x < canvas.width + spacing:
        if rng.random() >= sparse:
            ground = float(edge[int(np.clip(x, 0, canvas.width - 1))])
            trees.append(_conifer(canvas, x, ground + height * 0.06, height * (0.55 + 0.6 * rng.random())))
        x += spacing * (0.45 + 1.1 * rng.random())
    if not trees:
        return
    top = min(min(y for _, y in tree) for tree in trees)

    def draw(pen: Pen) -> None:
        for tree in trees:
            pen.polygon(tree, colour)

    canvas.sketch((0, top, canvas.width, float(edge.max()) + height * 0.1), draw, finer=2)


def _conifer(canvas: Canvas, x: float, ground: float, height: float) -> list[Point]:
    """One jagged outline: branches droop, grow longer downward, and never match left to right."""
    rng = canvas.rng
    tiers = 5 + 2 * canvas.detail.layers
    half = height * (0.15 + 0.07 * rng.random())
    left: list[Point] = []
    right: list[Point] = []
    for tier in range(1, tiers + 1):
        share = tier / tiers
        y = ground - height * (1 - share * 0.94)
        for side, path in ((-1, left), (1, right)):
            reach = half * share**0.85 * (0.75 + 0.45 * rng.random())
            path.append((x + side * reach, y + height * 0.018 * rng.random()))
            path.append((x + side * reach * 0.42, y - height * 0.008))
    trunk = [(x + half * 0.1, ground), (x - half * 0.1, ground)]
    return [(x, ground - height), *right, *trunk, *left[::-1]]


def water(canvas: Canvas, light: Light, horizon: float, lamp: Point, calm: float = 0.5, glitter: float = 1.0) -> None:
    """A surface below the horizon that mirrors what is above it; `calm` 1 is a mirror, 0 open sea."""
    top = round(horizon * canvas.height)
    edge = np.full(canvas.width, top, np.float32)
    canvas.lay_below(edge, _reflection(canvas, light, horizon, calm))
    _ripples(canvas, light, horizon, calm)
    if glitter > 0:
        _glitter_path(canvas, light, horizon, lamp, glitter)


def _depth(canvas: Canvas, horizon: float) -> Floats:
    """0 at the horizon, 1 at the viewer's feet."""
    _, down = canvas.grid()
    depth: Floats = np.clip((down - np.float32(horizon)) / np.float32(max(1e-3, 1 - horizon)), 0, 1)
    return depth


def waves(canvas: Canvas, horizon: float, bumps: float, octaves: int) -> Floats:
    """Noise lying on the water: fine and flat far away, broad near."""
    wide, high = canvas.soft_width, canvas.soft_height
    base = fractal(canvas.rng, wide, high, bumps, octaves, 0.6, stretch=5.0)
    depth = _depth(canvas, horizon)[:, 0]
    far = 1 / (depth + 0.09)
    rows = (far / far.max() * (high - 1)).astype(np.int32)
    columns = np.arange(wide, dtype=np.float32)[None, :]
    spread = (0.25 + 0.75 * (1 - depth))[:, None]
    source = np.clip((columns - wide / 2) * spread + wide / 2, 0, wide - 1).astype(np.int32)
    lying: Floats = base[rows[:, None], source]
    return lying


def _reflection(canvas: Canvas, light: Light, horizon: float, calm: float) -> Floats:
    above = canvas.soft_copy()
    wide, high = canvas.soft_width, canvas.soft_height
    depth = _depth(canvas, horizon)
    swell = waves(canvas, horizon, 9, canvas.detail.octaves)
    line = horizon * high
    mirror = line - (np.arange(high, dtype=np.float32)[:, None] - line) * np.float32(0.55 + 0.45 * calm) * np.float32(
        min(1.0, horizon / max(1e-3, 1 - horizon))
    )
    rows = mirror + swell * depth * np.float32(high * 0.05 * (1.25 - calm)) - 1
    columns = np.arange(wide, dtype=np.float32)[None, :] + swell * np.float32(wide * 0.008 * (1.2 - calm))
    top = max(0, int(line) - 1)
    field = above[np.clip(rows, 0, top).astype(np.int32), np.clip(columns, 0, wide - 1).astype(np.int32)]
    deep = np.array(mix(light.near, light.sky[1], 0.45), np.float32)
    share = (np.float32(0.16) + depth ** np.float32(0.8) * np.float32(0.42 - 0.18 * calm))[..., None]
    tone = (swell * depth * np.float32(0.045))[..., None]
    mixed: Floats = np.clip(field * (1 - share) + deep * share + tone, 0, 1)
    return mixed


def _ripples(canvas: Canvas, light: Light, horizon: float, calm: float) -> None:
    """Crisp short strokes at full size, larger toward the viewer."""
    rng, count = canvas.rng, int(420 * canvas.detail.abundance * (1.3 - calm) * canvas.width / canvas.unit)
    bright, dark = mix(light.sky[-1], light.lamp, 0.3), mix(light.near, light.sky[0], 0.5)
    strokes: list[tuple[float, float, float, float, bool]] = []
    for _ in range(count):
        depth = rng.random() ** 1.6
        y = (horizon + (1 - horizon) * depth) * canvas.height
        length = canvas.unit * (0.008 + 0.07 * depth) * (0.4 + rng.random())
        strokes.append(
            (
                rng.random() * canvas.width,
                y,
                length,
                canvas.unit * (0.0006 + 0.0022 * depth),
                rng.random() < 0.5,
            )
        )
    top = int(horizon * canvas.height)
    for is_bright, colour, share in ((True, bright, 0.28), (False, dark, 0.22)):
        mask = canvas.stencil(partial(_strokes, strokes=strokes, bright=is_bright), top=top)
        canvas.lay(mask.point([round(level * share) for level in range(256)]), colour, top)


def _strokes(pen: Pen, strokes: list[tuple[float, float, float, float, bool]], bright: bool) -> None:
    for x, y, length, thick, is_bright in strokes:
        if is_bright == bright:
            pen.polygon([(x - length, y), (x, y - thick), (x + length, y), (x, y + thick)], (1.0, 1.0, 1.0))


def _glitter_path(canvas: Canvas, light: Light, horizon: float, lamp: Point, strength: float) -> None:
    """The glitter under the light source: sparks where the swell faces it."""
    across, _ = canvas.grid()
    depth = _depth(canvas, horizon)
    swell = waves(canvas, horizon, 16, canvas.detail.octaves + 1)
    away = np.abs(across - np.float32(lamp[0] / canvas.width)) * np.float32(canvas.width / canvas.unit)
    spread = 0.045 + 0.16 * depth
    road = np.exp(-((away / spread) ** 2))
    under = np.where(depth > 0, 1.0, 0.0).astype(np.float32)
    sparks = smoothstep(0.25, 1.5, swell + road * 0.9 - 0.15) * road
    canvas.shine(
        (sparks * (0.95 - 0.62 * depth) + road * 0.16 * (1 - depth)) * under * np.float32(strength),
        mix(light.warm, light.lamp, 0.6),
    )


def grass(canvas: Canvas, edge: Floats, height: float, colours: tuple[Colour, ...], count: int) -> None:
    """Blades on a line, leaning with one wind."""
    rng = canvas.rng
    wind = rng.normal() * 0.25
    blades: list[tuple[list[Point], Colour]] = []
    for _ in range(count):
        x = rng.random() * canvas.width
        ground = float(edge[int(min(x, canvas.width - 1))]) + height * 0.2
        tall, lean = height * (0.4 + 0.8 * rng.random()), wind + rng.normal() * 0.3
        half = height * 0.03
        tip = (x + lean * tall, ground - tall * math.cos(min(1.2, abs(lean))))
        middle = (x + lean * tall * 0.3, ground - tall * 0.6)
        blade = [
            (x - half, ground),
            (middle[0] - half * 0.6, middle[1]),
            tip,
            (middle[0] + half * 0.6, middle[1]),
            (x + half, ground),
        ]
        blades.append((blade, colours[int(rng.integers(0, len(colours)))]))

    def draw(pen: Pen) -> None:
        for blade, colour in blades:
            pen.polygon(blade, colour)

    canvas.sketch((0, float(edge.min()) - height * 1.3, canvas.width, float(edge.max()) + height), draw, finer=2)
