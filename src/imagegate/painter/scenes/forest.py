"""Woods in mist: rows of firs, paler with distance, and light between them."""

import numpy as np

from imagegate.painter import accents, terrain
from imagegate.painter.noise import fractal, skyline
from imagegate.painter.palette import mix, shift
from imagegate.painter.scene_context import SceneContext, light_position
from imagegate.painter.scenes.vista import backdrop


def paint(context: SceneContext) -> None:
    canvas, light = context.canvas, context.light
    lamp = light_position(context, 0.42, low=0.10, high=0.26)
    backdrop(context, 0.62, lamp)
    rows = canvas.detail.layers + 1
    for step in range(rows):
        near = (step + 1) / rows
        edge = terrain.ridge(canvas, 0.46 + 0.46 * near**1.25, 0.05, 1.2, smooth=True)
        body = mix(terrain.air(light, 0.86 * (1 - near) ** 1.15), light.sky[-1], 0.14 * (1 - near))
        size = canvas.unit * (0.06 + 0.34 * near**1.7)
        terrain.conifers(canvas, edge, size, size * (0.20 + 0.05 * near), body, sparse=0.1 + 0.22 * near)
        haze = mix(light.haze, light.sky[-1], 0.4)
        paint = terrain.hill_paint(canvas, edge, body, mix(body, haze, 0.55 * (1 - near) + 0.06), light.warm)
        canvas.lay_below(edge, paint, deep=0.34 if near < 1 else 1.0)
        if near < 1:
            _mist(context, float(edge.mean()) / canvas.height, 0.42 * (1 - near) + 0.10)
    if not light.dark:
        _shafts(context, lamp)
    accents.paint_accents(context, 0.55, lamp)


def _mist(context: SceneContext, height: float, strength: float) -> None:
    canvas = context.canvas
    _, down = canvas.grid()
    wisps = fractal(canvas.rng, canvas.soft_width, canvas.soft_height, 3, 4, stretch=3.5)
    band = np.exp(-(((down - np.float32(height + 0.02)) / np.float32(0.07)) ** 2))
    veil = mix(context.light.haze, context.light.sky[-1], 0.5)
    canvas.shade(band * np.clip(0.65 + 0.3 * wisps, 0, 1) * np.float32(strength), veil)


def _shafts(context: SceneContext, lamp: tuple[float, float]) -> None:
    """Rays from the light source, cut by the crowns."""
    canvas = context.canvas
    across, down = canvas.grid()
    angle = np.arctan2(across * canvas.width - lamp[0], down * canvas.height - lamp[1] + canvas.unit * 0.02)
    gaps = skyline(canvas.rng, 720, 26, 3, smooth=True)
    ray = np.clip(gaps[np.clip((angle / np.pi + 1) * 360, 0, 719).astype(np.int32)] - 0.1, 0, 1.5)
    fade = np.exp(-canvas.distance(*lamp) / np.float32(0.55))
    canvas.shine(
        ray * fade * np.clip(np.cos(angle), 0, 1) ** 2 * np.float32(0.5),
        shift(mix(context.light.warm, context.light.lamp, 0.5), 0.02),
    )
