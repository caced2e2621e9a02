"""Small objects that give a landscape its scale: boats, balloons, a cabin, a lighthouse, birds, rain."""

import math

import numpy as np

from imagegate.painter import sky
from imagegate.painter.drawing import Pen, Point, transform
from imagegate.painter.noise import fractal
from imagegate.painter.palette import mix, rgb, shift
from imagegate.painter.scene_context import SceneContext, pick, uniform

_HULL = [(-0.55, -0.02), (0.6, -0.06), (0.42, 0.14), (-0.42, 0.14)]
_MAIN_SAIL = [(0.02, -1.15), (0.06, -0.12), (0.55, -0.12)]
_FORE_SAIL = [(-0.03, -1.02), (-0.05, -0.12), (-0.46, -0.12)]


def paint_accents(context: SceneContext, horizon: float, lamp: Point, default: tuple[str, ...] = ("birds",)) -> None:
    """Paint the objects that the prompt names, or the default ones of the scene."""
    wanted = [thing for thing in ("boat", "lighthouse", "cabin", "balloon", "birds") if context.wants(thing)]
    away = -1.0 if lamp[0] > context.canvas.width / 2 else 1.0
    for thing in wanted or default:
        _PAINTERS[thing](context, horizon, away, lamp)
    if context.wants("rain"):
        rain(context)
    if context.light_name == "winter" or (context.wants("snow") and not context.light.dark):
        snowfall(context)


def _boat(context: SceneContext, horizon: float, away: float, lamp: Point) -> None:
    canvas, light = context.canvas, context.light
    size = canvas.unit * uniform(context, 0.07, 0.11)
    x = lamp[0] - away * canvas.unit * uniform(context, -0.16, 0.02)
    y = canvas.height * (horizon + (1 - horizon) * uniform(context, 0.12, 0.22))
    sail = mix(light.lamp, light.warm, 0.15) if not light.dark else mix(light.lamp, light.sky[-1], 0.4)
    hull = mix(light.near, light.warm, 0.08)

    def draw(pen: Pen) -> None:
        pen.polygon(transform(_HULL, x, y, size), hull)
        pen.polygon(transform(_MAIN_SAIL, x, y, size), sail)
        pen.polygon(transform(_FORE_SAIL, x, y, size), shift(sail, -0.10))
        for step in range(5):
            reach, drop = size * (0.42 - 0.06 * step), size * (0.2 + 0.11 * step)
            pen.ellipse(x + size * 0.03 * (-1) ** step, y + drop, reach, size * 0.022, shift(hull, 0.03 * step))

    canvas.sketch((x - size, y - size * 1.3, x + size, y + size), draw)


def _lighthouse(context: SceneContext, horizon: float, away: float, lamp: Point) -> None:
    canvas, light = context.canvas, context.light
    size = canvas.unit * 0.30
    x = canvas.width * 0.5 + away * canvas.width * 0.30
    y = canvas.height * (horizon + 0.045)
    rock = [(-1.62, 0.46), (-1.42, 0.36), (-1.0, 0.14), (-0.62, 0.10), (-0.3, -0.06), (0.24, -0.05), (0.6, 0.12)]
    rock += [(1.1, 0.2), (1.5, 0.38), (1.66, 0.46), (0.9, 0.53), (0.0, 0.56), (-0.9, 0.53)]
    tower = [(-0.105, 0), (-0.07, -0.72), (0.07, -0.72), (0.105, 0)]
    body, band = mix(light.lamp, light.haze, 0.3), mix(rgb("#d8433b"), light.near, 0.25 + 0.25 * light.dark)

    def draw(pen: Pen) -> None:
        pen.polygon(transform(rock, x, y, size * 0.8), mix(light.near, light.warm, 0.05))
        pen.polygon(transform(tower, x, y, size), body)
        for low, high in ((0.12, 0.26), (0.42, 0.56)):
            stripe = [
                (-_tower_half_width(low), -low),
                (-_tower_half_width(high), -high),
                (_tower_half_width(high), -high),
                (_tower_half_width(low), -low),
            ]
            pen.polygon(transform(stripe, x, y, size), band)
        shade = [(0.03, 0), (0.02, -0.72), (0.07, -0.72), (0.105, 0)]
        pen.polygon(transform(shade, x, y, size), mix(body, light.near, 0.4))
        pen.polygon(transform([(-0.1, -0.72), (-0.1, -0.75), (0.1, -0.75), (0.1, -0.72)], x, y, size), light.near)
        pen.polygon(
            transform([(-0.05, -0.75), (-0.05, -0.86), (0.05, -0.86), (0.05, -0.75)], x, y, size), rgb("#ffe9a8")
        )
        pen.polygon(transform([(-0.08, -0.86), (0, -0.96), (0.08, -0.86)], x, y, size), band)

    canvas.sketch((x - size * 1.4, y - size, x + size * 1.4, y + size * 0.5), draw)
    glow = canvas.distance(x, y - size * 0.8)
    canvas.shine(0.8 / (1 + (glow / 0.02) ** 2) + 0.25 / (1 + (glow / 0.1) ** 2), rgb("#ffd98a"))


def _tower_half_width(height: float) -> float:
    return 0.105 - 0.035 * height / 0.72


def _cabin(context: SceneContext, horizon: float, away: float, lamp: Point) -> None:
    canvas, light = context.canvas, context.light
    size = canvas.unit * 0.11
    x = canvas.width * 0.5 + away * canvas.width * uniform(context, 0.08, 0.2)
    y = canvas.height * min(0.93, horizon + 0.20)
    wall, roof = mix(light.near, rgb("#6b4430"), 0.35), mix(light.near, light.haze, 0.10)
    snow = context.light_name == "winter" or context.wants("snow")

    def draw(pen: Pen) -> None:
        pen.ellipse(x, y + size * 0.02, size * 0.95, size * 0.09, mix(light.near, light.haze, 0.15))
        pen.polygon(transform([(-0.55, 0), (-0.55, -0.42), (0.0, -0.86), (0.55, -0.42), (0.55, 0)], x, y, size), wall)
        pen.polygon(transform([(0.25, -0.6), (0.25, -0.98), (0.4, -0.98), (0.4, -0.48)], x, y, size), roof)
        eaves = [(-0.72, -0.36), (0, -0.98), (0.72, -0.36), (0.62, -0.30), (0, -0.82), (-0.62, -0.30)]
        pen.polygon(transform(eaves, x, y, size), rgb("#eef4fb") if snow else roof)
        for left in (-0.36, 0.12):
            pen.box(x + left * size, y - 0.36 * size, x + (left + 0.24) * size, y - 0.14 * size, rgb("#ffd27a"))
            middle = x + (left + 0.12) * size
            pen.line([(middle, y - 0.36 * size), (middle, y - 0.14 * size)], size * 0.02, wall)

    canvas.sketch((x - size, y - size * 1.1, x + size, y + size * 0.2), draw)
    canvas.shine(0.45 / (1 + (canvas.distance(x, y - size * 0.25) / 0.045) ** 2), rgb("#ffb95e"))


def _balloon(context: SceneContext, horizon: float, away: float, lamp: Point) -> None:
    for step in range(min(4, 1 + context.canvas.detail.layers // 2)):
        size = context.canvas.unit * (0.10 - 0.022 * step) * uniform(context, 0.85, 1.15)
        x = context.canvas.width * 0.5 + away * context.canvas.unit * (0.10 + 0.17 * step) * (-1) ** (step + 1)
        y = context.canvas.height * (0.20 + 0.11 * ((step * 2) % 3)) + size
        _one_balloon(context, x, y, size, step)


def _one_balloon(context: SceneContext, x: float, y: float, size: float, step: int) -> None:
    light = context.light
    pairs = (
        (rgb("#e8574a"), rgb("#ffd9a0")),
        (rgb("#2f7f9e"), rgb("#f4efe0")),
        (rgb("#f2a541"), rgb("#7a3b5e")),
    )
    first, second = (mix(colour, light.haze, 0.12 + 0.1 * step) for colour in pairs[step % 3])

    def draw(pen: Pen) -> None:
        for gore in range(9):
            share = 1 - gore / 4.5
            reach = size * abs(share)
            colour = first if gore % 2 == 0 else second
            if gore < 5:
                pen.polygon(_envelope(x, y, reach, size), shift(colour, -0.05 + 0.05 * share))
        pen.box(
            x - size * 0.13,
            y + size * 1.42,
            x + size * 0.13,
            y + size * 1.62,
            mix(light.near, rgb("#7a4a2a"), 0.5),
        )
        for side in (-1, 1):
            rope = [(x + side * size * 0.2, y + size * 1.05), (x + side * size * 0.11, y + size * 1.44)]
            pen.line(rope, size * 0.02, light.near)

    context.canvas.sketch((x - size * 1.1, y - size * 1.1, x + size * 1.1, y + size * 1.7), draw)


def _envelope(x: float, y: float, reach: float, size: float) -> list[Point]:
    path = []
    for step in range(49):
        turn = math.pi * step / 48
        height = -math.cos(turn)
        girth = math.sin(turn) ** 0.8 if height < 0.2 else math.sin(turn) ** 0.8 * (1 - 0.25 * (height - 0.2))
        path.append((girth, height if height < 0 else height * 1.15))
    right = [(x + px * reach, y + py * size) for px, py in path]
    left = [(x - px * reach, y + py * size) for px, py in path]
    return right + left[::-1]


def _birds(context: SceneContext, horizon: float, away: float, lamp: Point) -> None:
    canvas = context.canvas
    colour = mix(context.light.near, context.light.haze, 0.25)
    x = canvas.width * 0.5 + away * canvas.unit * uniform(context, 0.05, 0.3)
    sky.birds(canvas, colour, x, canvas.height * max(0.16, horizon - 0.28), 4 + pick(context, 5))


def rain(context: SceneContext) -> None:
    canvas = context.canvas
    count = int(500 * canvas.detail.abundance * canvas.width / canvas.unit)
    xs, ys, ls = (canvas.rng.random(count) for _ in range(3))

    def draw(pen: Pen) -> None:
        for x, y, length in zip(xs, ys, ls, strict=True):
            px, py, fall = (
                float(x) * canvas.width * 1.1,
                float(y) * canvas.height,
                canvas.unit * (0.02 + 0.04 * float(length)),
            )
            pen.line([(px, py), (px - fall * 0.22, py + fall)], canvas.unit * 0.0012, (1.0, 1.0, 1.0))

    canvas.lay(
        canvas.stencil(draw).point([level // 3 for level in range(256)]),
        mix(context.light.lamp, context.light.haze, 0.5),
    )


def snowfall(context: SceneContext) -> None:
    canvas = context.canvas
    drift = fractal(canvas.rng, canvas.soft_width, canvas.soft_height, 2, 2)
    canvas.shade(np.clip(drift * 0.05, 0, 0.10), (1.0, 1.0, 1.0))
    count = int(420 * canvas.detail.abundance * canvas.width * canvas.height / canvas.unit**2)
    xs, ys, sizes = canvas.rng.random(count), canvas.rng.random(count), canvas.rng.pareto(2.5, count)

    def draw(pen: Pen) -> None:
        for x, y, size in zip(xs, ys, sizes, strict=True):
            pen.circle(
                float(x) * canvas.width,
                float(y) * canvas.height,
                canvas.unit * min(0.005, 0.0011 + 0.001 * float(size)),
                (1.0,) * 3,
            )

    canvas.lay(canvas.stencil(draw).point([level * 4 // 5 for level in range(256)]), (1.0, 1.0, 1.0))


_PAINTERS = {"boat": _boat, "lighthouse": _lighthouse, "cabin": _cabin, "balloon": _balloon, "birds": _birds}
