"""Dunes: one clean crest line each, a lit slope and a shadowed one."""

import numpy as np

from imagegate.painter import sky
from imagegate.painter.drawing import Pen, Point, curve, transform
from imagegate.painter.noise import fractal, skyline
from imagegate.painter.palette import Colour, Floats, along, mix, ramp, rgb, shift
from imagegate.painter.scene_context import SceneContext, light_position, pick, uniform

_SAND = rgb("#e9a765")


def paint(context: SceneContext) -> None:
    canvas, light = context.canvas, context.light
    horizon = uniform(context, 0.50, 0.58)
    lamp = light_position(context, horizon, low=0.16, high=0.30)
    field = sky.sky_field(canvas, light, horizon + 0.06, lamp)
    canvas.ground(sky.add_clouds(canvas, field, light, horizon, lamp, 0.22))
    if light.dark:
        sky.stars(canvas, horizon, 1.2)
    sky.lamp_disc(canvas, light, lamp, canvas.unit * uniform(context, 0.06, 0.10))
    if context.wants("pyramid"):
        _pyramids(context, horizon, lamp)
    count = canvas.detail.layers + 1
    for step in range(count):
        near = (step + 1) / count
        _dune(context, horizon, near, lamp)
        if step == count // 2:
            (_cacti if context.wants("cactus") else _caravan)(context, horizon, near)
    sky.birds(
        canvas,
        mix(light.near, light.haze, 0.2),
        canvas.width - lamp[0],
        canvas.height * 0.28,
        3 + pick(context, 4),
    )


def _sand(context: SceneContext, near: float) -> tuple[Colour, Colour]:
    light = context.light
    base = mix(_SAND, light.warm, 0.3) if not light.dark else mix(light.sky[2], _SAND, 0.16)
    lit = mix(shift(base, 0.05 - 0.10 * near), light.haze, 0.55 * (1 - near))
    dark = mix(mix(light.near, base, 0.46 - 0.14 * near), light.haze, 0.5 * (1 - near))
    return lit, dark


def _dune(context: SceneContext, horizon: float, near: float, lamp: Point) -> None:
    canvas = context.canvas
    base = horizon + 0.40 * near**1.3
    line = skyline(canvas.rng, canvas.width, (2.6 - 1.2 * near) * canvas.width / canvas.unit, 2, 0.3, smooth=True)
    edge = ((base - 0.030 * (0.5 + near) * line) * canvas.height).astype(np.float32)
    canvas.lay_below(edge, _dune_paint(context, edge, near, lamp))


def _dune_paint(context: SceneContext, edge: Floats, near: float, lamp: Point) -> Floats:
    """The crest runs down the slope from each top: light on the light source's side of it, shadow on the other."""
    canvas = context.canvas
    wide, high = canvas.soft_width, canvas.soft_height
    across, down = canvas.grid()
    line = (
        np.interp(np.linspace(0, canvas.width - 1, wide), np.arange(canvas.width), edge).astype(np.float32)
        / canvas.height
    )
    under = np.clip(down - line[None, :], 0, 1)
    side = 1.0 if lamp[0] > canvas.width / 2 else -1.0
    bend = skyline(canvas.rng, high, 3, 2, smooth=True)[:, None] * np.float32(0.10)
    shift_by = (under * np.float32(0.8 * side) + bend * np.clip(under * 9, 0, 1)) * np.float32(
        canvas.unit / canvas.width
    )
    source = np.clip((across - shift_by) * wide, 0, wide - 1).astype(np.int32)
    slope = np.take(np.gradient(line) * wide, source) * np.float32(-side * canvas.height / canvas.unit)
    blur = np.float32(0.02) + under * np.float32(0.45)
    face = np.clip(0.5 + slope / (2 * blur), 0, 1)
    face = face * face * (3 - 2 * face) * (0.75 + 0.25 * np.exp(-under / np.float32(0.10)))
    ripples = _wind_ripples(context, under, near)
    lit, dark = _sand(context, near)
    table = ramp((dark, mix(dark, lit, 0.5), lit, mix(lit, context.light.lamp, 0.28)))
    return along(
        table,
        np.clip(face * np.float32(0.82) + ripples * face + np.exp(-under / np.float32(0.006)) * 0.12, 0, 1),
    )


def _wind_ripples(context: SceneContext, under: Floats, near: float) -> Floats:
    canvas = context.canvas
    if near < 0.55:
        return np.zeros_like(under)
    sway = fractal(canvas.rng, canvas.soft_width, canvas.soft_height, 2.5, 3)
    ripples: Floats = (
        np.sin(under * np.float32(230 - 110 * near) + sway * np.float32(3.2))
        * np.float32(0.05)
        * np.clip(under * 9, 0, 1)
    )
    return ripples


def _caravan(context: SceneContext, horizon: float, near: float) -> None:
    """A few riders on the way, dark against the sand."""
    canvas, light = context.canvas, context.light
    size = canvas.unit * 0.035
    start, y = canvas.width * uniform(context, 0.3, 0.5), canvas.height * (horizon + 0.40 * near**1.3 + 0.02)
    camel = curve(
        [
            (-0.9, -0.6),
            (-0.5, -0.75),
            (-0.2, -1.2),
            (0.15, -0.75),
            (0.55, -0.7),
            (0.8, -1.35),
            (1.15, -1.3),
            (0.95, -1.1),
            (0.75, -0.45),
            (-0.75, -0.35),
        ]
    )
    colour = mix(light.near, light.haze, 0.12)

    def draw(pen: Pen) -> None:
        for step in range(4):
            x = start + step * size * 3.1
            pen.polygon(transform(camel, x, y, size), colour)
            for leg in (-0.7, -0.5, 0.4, 0.62):
                pen.line(
                    [(x + leg * size, y - 0.5 * size), (x + (leg + 0.06) * size, y + 0.2 * size)],
                    size * 0.13,
                    colour,
                )

    canvas.sketch((start - size * 2, y - size * 2, start + size * 13, y + size), draw)


def _cacti(context: SceneContext, horizon: float, near: float) -> None:
    canvas, light = context.canvas, context.light
    colour = mix(mix(light.near, rgb("#2f6b4f"), 0.45), light.haze, 0.1)
    for step in range(3):
        size = canvas.unit * (0.16 - 0.04 * step)
        x, y = (
            canvas.width * (0.18 + 0.30 * ((step * 2 + context.index) % 3)),
            canvas.height * (horizon + 0.40 * near**1.3 + 0.05 - 0.02 * step),
        )
        _cactus(context, x, y, size, shift(colour, 0.03 * step))


def _cactus(context: SceneContext, x: float, y: float, size: float, colour: Colour) -> None:
    def draw(pen: Pen) -> None:
        pen.box(x - size * 0.09, y - size, x + size * 0.09, y + size * 0.05, colour, size * 0.09)
        for side, low, high in ((-1, 0.38, 0.78), (1, 0.5, 0.9)):
            pen.box(
                min(x, x + side * size * 0.3),
                y - size * (low + 0.12),
                max(x, x + side * size * 0.3),
                y - size * low,
                colour,
                size * 0.05,
            )
            arm = x + side * size * 0.28
            pen.box(arm - size * 0.06, y - size * high, arm + size * 0.06, y - size * low, colour, size * 0.06)

    context.canvas.sketch((x - size * 0.5, y - size * 1.1, x + size * 0.5, y + size * 0.1), draw)


def _pyramids(context: SceneContext, horizon: float, lamp: Point) -> None:
    canvas = context.canvas
    lit, dark = _sand(context, 0.35)
    side = 1.0 if lamp[0] > canvas.width / 2 else -1.0
    for step, (share, size) in enumerate(((0.0, 0.30), (0.33, 0.22), (-0.28, 0.17))):
        x, y, s = (
            canvas.width / 2 - side * canvas.unit * (0.12 + share),
            canvas.height * (horizon + 0.06),
            canvas.unit * size,
        )
        ridge = (x + side * s * 0.22, y)
        far, near = (x - side * s * 0.95, y), (x + side * s * 0.95, y)

        def draw(
            pen: Pen,
            tip: Point = (x, y - s),
            ridge: Point = ridge,
            far: Point = far,
            near: Point = near,
            fade: float = 0.12 * step,
        ) -> None:
            pen.polygon([tip, far, ridge], mix(dark, context.light.haze, fade))
            pen.polygon([tip, ridge, near], mix(lit, context.light.haze, fade))

        canvas.sketch((x - s, y - s, x + s, y), draw)
