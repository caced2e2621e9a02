"""Cities: towers in layers of haze, lit windows, and their reflection in the water."""

import numpy as np

from imagegate.painter import accents, terrain
from imagegate.painter.drawing import Pen
from imagegate.painter.palette import Colour, mix, rgb, shift
from imagegate.painter.scene_context import SceneContext, light_position, pick, uniform
from imagegate.painter.scenes.vista import backdrop

Tower = tuple[float, float, float, int]
_WINDOWS = (rgb("#ffd98a"), rgb("#ffc26b"), rgb("#fff0c9"), rgb("#ffe3a3"))
_NEON_WINDOWS = (rgb("#25e0ff"), rgb("#ff4fa3"), rgb("#ffe27a"), rgb("#b98cff"))


def paint(context: SceneContext) -> None:
    canvas, light = context.canvas, context.light
    with_water = pick(context, 3) != 0
    horizon = uniform(context, 0.66, 0.72) if with_water else 1.0
    lamp = light_position(context, horizon, low=0.26, high=0.50)
    backdrop(context, horizon, lamp)
    rows = max(2, canvas.detail.layers - 1)
    for step in range(rows):
        near = (step + 1) / rows
        _row(context, horizon, near)
        if near < 1:
            _street_glow(context, horizon, near)
    if with_water:
        terrain.water(canvas, light, horizon, lamp, calm=0.7, glitter=0.55)
    if light.dark or context.light_name in {"dusk", "sunset"}:
        canvas.bloom(0.55, 0.55)
    accents.paint_accents(context, 0.5, lamp)


def _row(context: SceneContext, horizon: float, near: float) -> None:
    canvas, light = context.canvas, context.light
    towers = _towers(context, horizon, near)
    body = mix(terrain.air(light, 0.80 * (1 - near) ** 0.9 + 0.02), light.sky[-1], 0.22 * (1 - near))
    ground = horizon * canvas.height
    windows = [_windows(context, tower, ground, near) for tower in towers]

    def draw(pen: Pen) -> None:
        for tower, lit in zip(towers, windows, strict=True):
            _draw_tower(pen, tower, ground, body, light.warm, near)
            for left, top, right, bottom, colour in lit:
                pen.box(left, top, right, bottom, colour)

    top = min(tower[2] for tower in towers) - canvas.unit * 0.1
    canvas.sketch((0, top, canvas.width, ground), draw, finer=2)


def _towers(context: SceneContext, horizon: float, near: float) -> list[Tower]:
    """(left, width, top, kind), tallest around one centre, to shape the skyline."""
    canvas, rng = context.canvas, context.canvas.rng
    centre, towers = uniform(context, 0.32, 0.68), []
    x = -0.02 * canvas.unit
    tall = (0.30 + 0.10 * near) if horizon < 0.9 else (0.62 - 0.28 * near)
    while x < canvas.width:
        width = canvas.unit * (0.028 + 0.022 * near) * (0.7 + 1.3 * rng.random())
        away = abs((x + width / 2) / canvas.width - centre) * min(1.6, canvas.width / canvas.unit)
        height = tall * (0.28 + 0.72 * np.exp(-((away / 0.34) ** 2))) * (0.35 + 0.75 * rng.random())
        if near == 1:
            height *= 0.62
        towers.append((float(x), float(width), float((horizon - height) * canvas.height), int(rng.integers(0, 6))))
        x += width * (0.92 + 0.25 * rng.random())
    return towers


def _draw_tower(pen: Pen, tower: Tower, ground: float, body: Colour, warm: Colour, near: float) -> None:
    left, width, top, kind = tower
    right, middle = left + width, left + width / 2
    face, side = body, mix(body, warm, 0.10 + 0.06 * (1 - near))
    pen.box(left, top, right, ground, face)
    pen.box(left, top, left + width * 0.14, ground, side)
    if kind == 0:
        pen.polygon([(left, top), (middle, top - width * 0.8), (right, top)], face)
        pen.line([(middle, top - width * 0.7), (middle, top - width * 1.7)], width * 0.05, face)
    elif kind == 1:
        for share, rise in ((0.72, 0.35), (0.44, 0.65), (0.16, 1.25)):
            pen.box(middle - width * share / 2, top - width * rise, middle + width * share / 2, top, face)
    elif kind == 2:
        pen.polygon([(left, top), (left, top - width * 0.55), (right, top)], face)
    elif kind == 3:
        pen.line([(middle + width * 0.2, top), (middle + width * 0.2, top - width * 0.7)], width * 0.06, face)


def _windows(
    context: SceneContext, tower: Tower, ground: float, near: float
) -> list[tuple[float, float, float, float, Colour]]:
    canvas, rng = context.canvas, context.canvas.rng
    left, width, top, _ = tower
    evening = context.light.dark or context.light_name in {"dusk", "sunset"}
    share = (0.42 if evening else 0.12) * (0.35 + 0.65 * near) * min(1.0, 0.5 + 0.5 * canvas.detail.abundance)
    pitch = canvas.unit * (0.0070 + 0.0035 * near)
    columns, rows = int(width * 0.82 / pitch), int((ground - top - pitch) / (pitch * 1.35))
    if columns < 1 or rows < 1:
        return []
    on = rng.random((rows, columns)) < share * (0.3 + 1.4 * rng.random((rows, 1)))
    palette = _NEON_WINDOWS if context.light_name == "neon" else _WINDOWS
    tones = [mix(colour, terrain.air(context.light, 0.7), 0.55 * (1 - near)) for colour in palette]
    start, tint = left + (width - columns * pitch) / 2, rng.integers(0, len(tones), (rows, columns))
    return [
        _window(start + column * pitch, top + pitch * (0.8 + 1.35 * row), pitch, tones[int(tint[row, column])])
        for row, column in zip(*np.nonzero(on), strict=True)
    ]


def _window(x: float, y: float, pitch: float, colour: Colour) -> tuple[float, float, float, float, Colour]:
    return float(x + pitch * 0.2), float(y), float(x + pitch * 0.78), float(y + pitch * 0.72), colour


def _street_glow(context: SceneContext, horizon: float, near: float) -> None:
    """Haze between the rows, warm where streets are lit."""
    canvas, light = context.canvas, context.light
    _, down = canvas.grid()
    band = np.exp(-np.clip(np.float32(horizon) - down, 0, 1) / np.float32(0.10))
    glow = mix(light.haze, light.warm, 0.35 if light.dark else 0.1)
    canvas.shade(band * np.float32(0.40 * (1 - near) + 0.12) * (down <= horizon + 0.02), shift(glow, 0.0, 1.05))
