"""Mountains, valleys, lakes, snow: ridges behind ridges under a large sky."""

import numpy as np

from imagegate.painter import accents, sky, terrain
from imagegate.painter.drawing import Point
from imagegate.painter.palette import Floats, Light, mix
from imagegate.painter.scene_context import SceneContext, light_position, pick, uniform


def paint(context: SceneContext) -> None:
    canvas, light = context.canvas, context.light
    with_lake = context.wants("lake") or (not context.wants("meadow") and pick(context, 3) == 0)
    horizon = uniform(context, 0.56, 0.62) if with_lake else uniform(context, 0.60, 0.68)
    lamp = light_position(context, horizon, low=0.20, high=0.44)
    backdrop(context, horizon, lamp)
    ranges(context, horizon, lamp)
    if with_lake:
        terrain.water(canvas, light, horizon + 0.085, lamp, calm=0.85, glitter=0.7)
        _shore(context, horizon)
    else:
        foothills(context, horizon)
    accents.paint_accents(context, horizon + 0.10, lamp)


def backdrop(context: SceneContext, horizon: float, lamp: Point) -> None:
    canvas, light = context.canvas, context.light
    field = sky.sky_field(canvas, light, horizon, lamp)
    cover = {"storm": 0.95, "day": 0.5, "winter": 0.45, "night": 0.35, "aurora": 0.15}.get(context.light_name, 0.6)
    canvas.ground(sky.add_clouds(canvas, field, light, horizon, lamp, cover))
    if light.dark:
        sky.stars(canvas, horizon, 1.0)
    if context.light_name == "aurora":
        sky.aurora(canvas, horizon)
    elif context.light_name != "storm":
        size = uniform(context, 0.034, 0.05) if light.dark else uniform(context, 0.04, 0.062)
        sky.lamp_disc(canvas, light, lamp, size * canvas.unit)


def ranges(context: SceneContext, horizon: float, lamp: Point) -> None:
    """Far ranges first; the farthest is highest and palest."""
    canvas, light = context.canvas, context.light
    count = max(2, canvas.detail.layers - 1)
    snowy = context.wants("snow") or context.light_name in {"winter", "aurora"} or pick(context, 2) == 0
    for step in range(count):
        depth = 1 - step / count
        base = horizon - 0.10 + 0.115 * (1 - depth)
        edge = _range_edge(context, base, 0.05 + 0.15 * depth, 2.0 + 1.4 * (1 - depth), depth)
        body = terrain.air(light, 0.30 + 0.48 * depth)
        haze = mix(terrain.air(light, 0.78 + 0.2 * depth), light.sky[-1], 0.35)
        lit = mix(mix(body, light.warm, 0.45), light.lamp, 0.35)
        side = 1.0 if lamp[0] > canvas.width / 2 else -1.0
        snow = (0.17 if context.wants("snow") else 0.10) * depth if snowy else 0.0
        canvas.lay_below(edge, terrain.mountain_paint(canvas, edge, body, haze, lit, side, snow), deep=0.4)


def _range_edge(context: SceneContext, base: float, rise: float, bumps: float, depth: float) -> Floats:
    """A ridge with one summit that leads the eye."""
    canvas = context.canvas
    edge = terrain.ridge(canvas, base, rise, bumps)
    across = np.linspace(0, 1, canvas.width, dtype=np.float32)
    summit = uniform(context, 0.2, 0.8)
    width = uniform(context, 0.16, 0.26) * canvas.unit / canvas.width * 1.6
    lift = rise * canvas.height * np.float32(0.85 * depth) * np.exp(-np.abs(across - summit) / np.float32(width))
    lifted: Floats = edge - lift
    return lifted


def foothills(context: SceneContext, horizon: float) -> None:
    canvas, light = context.canvas, context.light
    count = max(2, canvas.detail.layers - 2)
    snow = context.light_name == "winter" or context.wants("snow")
    for step in range(count):
        near = (step + 1) / count
        edge = terrain.ridge(canvas, horizon + 0.06 + 0.26 * near, 0.045 + 0.02 * near, 1.3, smooth=True)
        body = _hill_colour(light, near, snow)
        canvas.lay_below(
            edge, terrain.hill_paint(canvas, edge, body, mix(body, light.haze, 0.4 * (1 - near)), light.warm)
        )
        tree = mix(light.near, light.haze, 0.55 * (1 - near))
        size = canvas.unit * (0.035 + 0.09 * near**1.6)
        terrain.conifers(canvas, edge, size, size * 0.34, tree, sparse=0.25 + 0.3 * near)


def _hill_colour(light: Light, near: float, snow: bool) -> tuple[float, float, float]:
    if snow:
        return mix(mix((0.90, 0.94, 1.0), light.sky[1], 0.45 if light.dark else 0.15), light.near, 0.25 * near)
    return mix(light.near, light.haze, 0.42 * (1 - near))


def _shore(context: SceneContext, horizon: float) -> None:
    """A dark bank in one corner of the foreground frames the lake."""
    canvas, light = context.canvas, context.light
    across = np.linspace(0, 1, canvas.width, dtype=np.float32)
    left = pick(context, 2) == 0
    fall = across if left else 1 - across
    hump = np.exp(-((fall / np.float32(0.42)) ** 2)) * np.float32(0.15)
    edge = terrain.ridge(canvas, 0.985, 0.012, 2.0, smooth=True) - hump * canvas.height
    size = canvas.unit * 0.16
    terrain.conifers(canvas, edge.astype(np.float32), size, size * 0.30, light.near, sparse=0.45)
    canvas.lay_below(edge.astype(np.float32), mix(light.near, light.warm, 0.06))
