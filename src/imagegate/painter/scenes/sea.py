"""Open water: glitter, clouds, distant headlands, a sail."""

import numpy as np

from imagegate.painter import accents, terrain
from imagegate.painter.drawing import Point
from imagegate.painter.palette import mix
from imagegate.painter.scene_context import SceneContext, light_position, pick, uniform
from imagegate.painter.scenes.vista import backdrop


def paint(context: SceneContext) -> None:
    horizon = uniform(context, 0.52, 0.60)
    lamp = light_position(context, horizon, low=0.10, high=0.36)
    backdrop(context, horizon, lamp)
    _headlands(context, horizon, lamp)
    terrain.water(context.canvas, context.light, horizon, lamp, calm=uniform(context, 0.3, 0.6), glitter=1.0)
    accents.paint_accents(context, horizon, lamp, default=("boat", "birds") if pick(context, 2) else ("birds",))


def _headlands(context: SceneContext, horizon: float, lamp: Point) -> None:
    """Far capes on the side away from the light source leave its glitter free."""
    canvas, light = context.canvas, context.light
    across = np.linspace(0, 1, canvas.width, dtype=np.float32)
    from_side = 1 - across if lamp[0] < canvas.width / 2 else across
    for step in range(max(1, canvas.detail.layers - 2)):
        reach = uniform(context, 0.30, 0.5) * (1 - 0.22 * step)
        line = terrain.ridge(canvas, 0, 0.022, 3.0)
        rise = np.clip(1 - from_side / np.float32(reach), 0, 1) ** 0.8 * np.float32(0.075 + 0.012 * step)
        edge = horizon * canvas.height - rise * canvas.height + line * np.clip(rise * 14, 0, 1) + 2 * (rise <= 0)
        colour = mix(terrain.air(light, 0.62 - 0.2 * step), light.sky[-1], 0.18)
        canvas.lay_below(edge.astype(np.float32), colour)
