"""Animals and a robot, sitting and facing the viewer: flat shapes with a lit and a shaded side."""

import math

import msgspec

from imagegate.painter import accents, sky, terrain
from imagegate.painter.animals import COATS, Coat, both, quadruped
from imagegate.painter.drawing import Pen, curve, transform
from imagegate.painter.palette import COLOUR_WORDS, Colour, mix, rgb, shift
from imagegate.painter.scene_context import SceneContext, pick, uniform

_FREE = ("fox", "cat", "owl", "bear", "rabbit", "robot")


def paint(context: SceneContext) -> None:
    canvas = context.canvas
    name = context.reading.creature or _FREE[pick(context, len(_FREE))]
    tall = 2.9 if name in {"rabbit", "robot", "owl"} else 2.6
    size = canvas.unit * (0.72 if not canvas.transparent else 0.90) / tall
    x = canvas.width * 0.5 + (
        0 if canvas.transparent or canvas.width < canvas.height * 1.2 else uniform(context, -0.06, 0.06) * canvas.width
    )
    y = canvas.height * 0.5 + size * tall * 0.5 - canvas.unit * (0.0 if not canvas.transparent else 0.01)
    ground = y - size * 0.10
    if canvas.transparent:
        canvas.ground(rgb(COATS[name].fur) if name in COATS else rgb("#7f95ad"))
    else:
        _place_behind(context, x, ground, size)
    box = (x - size * 1.35, y - size * 3.0, x + size * 1.35, y + size * 0.2)
    canvas.sketch(box, lambda pen: _figure(pen, name, x, y, size, context))
    if not canvas.transparent:
        _place_before(context, y, size)


def _figure(pen: Pen, name: str, x: float, y: float, size: float, context: SceneContext) -> None:
    if name == "robot":
        return _robot(pen, x, y, size, context)
    if name == "owl":
        return _owl(pen, x, y, size, context)
    if name == "penguin":
        return _penguin(pen, x, y, size)
    return quadruped(pen, _coloured(COATS[name], context), x, y, size)


def _coloured(coat: Coat, context: SceneContext) -> Coat:
    if not context.reading.colours or context.reading.colours[0] in {"white", "black"}:
        if "black" in context.reading.colours:
            return msgspec.structs.replace(coat, fur="#35363f", belly="#5a5c68")
        return msgspec.structs.replace(coat, fur="#f1eee8") if "white" in context.reading.colours else coat
    red, green, blue = (round(channel * 255) for channel in COLOUR_WORDS[context.reading.colours[0]])
    named = f"#{red:02x}{green:02x}{blue:02x}"
    return (
        coat
        if context.reading.creature == "fox" and context.reading.colours[0] == "red"
        else msgspec.structs.replace(coat, fur=named)
    )


def _place_behind(context: SceneContext, x: float, ground: float, size: float) -> None:
    """A large disc behind the head, hills behind the body."""
    canvas, light = context.canvas, context.light
    lamp = (x, ground - size * 1.55)
    horizon = ground / canvas.height
    field = sky.sky_field(canvas, light, horizon, lamp)
    canvas.ground(sky.add_clouds(canvas, field, light, horizon, lamp, 0.45))
    if light.dark:
        sky.stars(canvas, horizon, 0.9)
    halo, radius = mix(light.sky[-1], light.lamp, 0.85 if light.dark else 0.55), size * 1.28
    disc = canvas.stencil(lambda pen: pen.circle(lamp[0], lamp[1], radius, halo))
    canvas.lay(disc.point([round(level * 0.85) for level in range(256)]), halo)
    far = canvas.distance(*lamp) * (canvas.unit / radius)
    canvas.shine(0.35 / (1 + (far / 1.1) ** 4), light.warm)
    snow = context.light_name == "winter" or context.wants("snow")
    for step in range(canvas.detail.layers - 1):
        near = (step + 1) / canvas.detail.layers
        edge = terrain.ridge(canvas, horizon - 0.16 * (1 - near), 0.05, 1.3, smooth=True)
        body = _hill(context, near, snow)
        height = size * (0.22 + 0.22 * near)
        terrain.conifers(canvas, edge, height, height * 0.4, mix(body, light.near, 0.45), sparse=0.35)
        canvas.lay_below(edge, terrain.hill_paint(canvas, edge, body, mix(body, light.haze, 0.4), light.warm))


def _hill(context: SceneContext, near: float, snow: bool) -> Colour:
    light = context.light
    if snow:
        return mix(mix((0.93, 0.96, 1.0), light.sky[1], 0.4 * (1 - near) + 0.1), light.haze, 0.3 * (1 - near))
    return mix(mix(light.near, rgb("#4c8a5f"), 0.0 if light.dark else 0.30), light.haze, 0.72 * (1 - near))


def _place_before(context: SceneContext, y: float, size: float) -> None:
    canvas, light = context.canvas, context.light
    snow = context.light_name == "winter" or context.wants("snow")
    base = (y - size * 0.02) / canvas.height
    edge = terrain.ridge(canvas, base, 0.012, 1.0, smooth=True)
    body = (
        mix((0.96, 0.98, 1.0), light.sky[1], 0.30 if light.dark else 0.08)
        if snow
        else mix(light.near, rgb("#2f6b4a"), 0.0 if light.dark else 0.25)
    )
    canvas.lay_below(edge, terrain.hill_paint(canvas, edge, body, mix(body, light.near, 0.18), light.warm))
    if snow:
        return accents.snowfall(context)
    tones = (body, shift(body, 0.05), mix(body, light.warm, 0.18))
    return terrain.grass(
        canvas, edge, size * 0.16, tones, int(300 * canvas.detail.abundance * canvas.width / canvas.unit)
    )


def _owl(pen: Pen, x: float, y: float, size: float, context: SceneContext) -> None:
    fur = COLOUR_WORDS[context.reading.colours[0]] if context.reading.colours else rgb("#8a5f45")
    dark, pale = shift(fur, -0.09), rgb("#f7e6cc")
    body = curve([(0, -2.25), (0.52, -2.2), (0.86, -1.7), (0.84, -0.8), (0.56, -0.12), (0, 0.02)], closed=False)
    both(pen, transform(body, x, y, size), x, fur, shift(fur, -0.035))
    both(pen, transform([(0.30, -2.15), (0.86, -1.80), (0.82, -2.62)], x, y, size), x, fur, dark)
    pen.polygon(
        transform(
            curve([(0, -1.35), (0.44, -1.05), (0.42, -0.4), (0, -0.04), (-0.42, -0.4), (-0.44, -1.05)]),
            x,
            y,
            size,
        ),
        pale,
    )
    for row in range(4):
        for column in range(-2 + row % 2, 3 - row % 2):
            px, py = x + column * size * 0.17 + (row % 2) * size * 0.0, y - size * (1.02 - 0.2 * row)
            pen.polygon(transform([(-0.07, 0), (0.07, 0), (0, 0.10)], px, py, size), mix(fur, pale, 0.35))
    wing = curve([(0.66, -1.45), (0.98, -1.0), (0.92, -0.35), (0.62, -0.10), (0.52, -0.7)])
    both(pen, transform(wing, x, y, size), x, dark, shift(dark, -0.03))
    for side in (-1, 1):
        ex, ey = x + side * size * 0.34, y - size * 1.66
        pen.circle(ex, ey, size * 0.36, pale)
        pen.circle(ex, ey, size * 0.23, rgb("#f2b632"))
        pen.circle(ex, ey, size * 0.15, rgb("#231a1e"))
        pen.circle(ex + size * 0.05, ey - size * 0.06, size * 0.048, (1.0, 1.0, 1.0))
        for toe in (-0.1, 0, 0.1):
            pen.ellipse(x + side * size * 0.26 + toe * size, y, size * 0.055, size * 0.09, rgb("#e8963a"))
    pen.polygon(transform([(-0.10, -1.56), (0.10, -1.56), (0, -1.30)], x, y, size), rgb("#e8963a"))


def _penguin(pen: Pen, x: float, y: float, size: float) -> None:
    ink, pale, warm = rgb("#27324a"), rgb("#fbfaf5"), rgb("#f5a03c")
    for side in (-1, 1):
        pen.ellipse(x + side * size * 0.28, y, size * 0.24, size * 0.09, warm)
    body = curve([(0, -2.3), (0.46, -2.18), (0.66, -1.6), (0.78, -0.8), (0.60, -0.15), (0, 0.0)], closed=False)
    both(pen, transform(body, x, y, size), x, ink, shift(ink, -0.04))
    flipper = curve([(0.60, -1.50), (0.98, -0.95), (1.02, -0.55), (0.78, -0.75), (0.62, -1.05)])
    both(pen, transform(flipper, x, y, size), x, shift(ink, 0.03), shift(ink, -0.07))
    pen.polygon(
        transform(
            curve(
                [
                    (0, -1.62),
                    (0.30, -1.92),
                    (0.46, -1.62),
                    (0.46, -1.2),
                    (0.54, -0.6),
                    (0.36, -0.15),
                    (0, -0.06),
                    (-0.36, -0.15),
                    (-0.54, -0.6),
                    (-0.46, -1.2),
                    (-0.46, -1.62),
                    (-0.30, -1.92),
                ]
            ),
            x,
            y,
            size,
        ),
        pale,
    )
    for side in (-1, 1):
        pen.circle(x + side * size * 0.22, y - size * 1.68, size * 0.085, rgb("#1c2233"))
        pen.circle(x + side * size * 0.22 + size * 0.03, y - size * 1.71, size * 0.028, (1.0, 1.0, 1.0))
        pen.ellipse(x + side * size * 0.34, y - size * 1.48, size * 0.09, size * 0.055, rgb("#f7c0b4"))
    pen.polygon(transform(curve([(-0.14, -1.54), (0, -1.60), (0.14, -1.54), (0, -1.36)]), x, y, size), warm)
    scarf = rgb("#d9483f")
    pen.box(x - size * 0.52, y - size * 1.33, x + size * 0.52, y - size * 1.15, scarf, size * 0.09)
    pen.polygon(transform([(0.18, -1.2), (0.42, -1.2), (0.40, -0.68), (0.22, -0.72)], x, y, size), shift(scarf, -0.05))


def _robot(pen: Pen, x: float, y: float, size: float, context: SceneContext) -> None:
    shell = COLOUR_WORDS[context.reading.colours[0]] if context.reading.colours else rgb("#e9eef2")
    trim, screen, glow = mix(shell, rgb("#3f6f9a"), 0.65), rgb("#14233b"), rgb("#55f0e0")
    dark = shift(shell, -0.10)
    s = size
    for side in (-1, 1):
        pen.box(
            x + side * s * 0.24 - s * 0.13,
            y - s * 0.42,
            x + side * s * 0.24 + s * 0.13,
            y - s * 0.02,
            trim,
            s * 0.08,
        )
        pen.box(
            x + side * s * 0.26 - s * 0.21,
            y - s * 0.12,
            x + side * s * 0.26 + s * 0.21,
            y + s * 0.03,
            dark,
            s * 0.07,
        )
        arm = curve([(side * 0.58, -1.02), (side * 0.86, -0.86), (side * 0.88, -0.46)], closed=False)
        pen.line(transform(arm, x, y, s), s * 0.17, trim)
        pen.circle(x + side * s * 0.88, y - s * 0.42, s * 0.14, dark)
    pen.box(x - s * 0.60, y - s * 1.22, x + s * 0.60, y - s * 0.30, shell, s * 0.22)
    pen.box(x, y - s * 1.22, x + s * 0.60, y - s * 0.30, dark, s * 0.22)
    pen.box(x - s * 0.2, y - s * 1.22, x + s * 0.3, y - s * 0.30, mix(shell, dark, 0.5))
    pen.box(x - s * 0.34, y - s * 1.02, x + s * 0.34, y - s * 0.55, trim, s * 0.10)
    heart = curve([(0, -0.62), (-0.16, -0.79), (-0.10, -0.92), (0, -0.85), (0.10, -0.92), (0.16, -0.79)])
    pen.polygon(transform(heart, x, y, s), rgb("#ff7a70"))
    pen.box(x - s * 0.16, y - s * 1.38, x + s * 0.16, y - s * 1.16, trim)
    pen.line([(x, y - s * 2.28), (x, y - s * 2.52)], s * 0.05, trim)
    pen.circle(x, y - s * 2.56, s * 0.09, rgb("#ffb13d"))
    for side in (-1, 1):
        pen.box(
            x + side * s * 0.80 - s * 0.10,
            y - s * 2.0,
            x + side * s * 0.80 + s * 0.10,
            y - s * 1.62,
            trim,
            s * 0.08,
        )
    pen.box(x - s * 0.78, y - s * 2.30, x + s * 0.78, y - s * 1.32, shell, s * 0.32)
    pen.box(x - s * 0.62, y - s * 2.14, x + s * 0.62, y - s * 1.50, screen, s * 0.22)
    for side in (-1, 1):
        pen.ellipse(x + side * s * 0.27, y - s * 1.87, s * 0.12, s * 0.14, glow)
        pen.circle(x + side * s * 0.27 + s * 0.04, y - s * 1.92, s * 0.04, (1.0, 1.0, 1.0))
    pen.arc(x, y - s * 1.74, s * 0.13, 0.35, math.pi - 0.35, s * 0.04, glow)
