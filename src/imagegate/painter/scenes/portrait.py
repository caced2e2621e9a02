"""A head in profile, filled with a landscape."""

import numpy as np
from PIL import Image, ImageFilter

from imagegate.painter import sky, terrain
from imagegate.painter.drawing import Pen, curve, mirror, transform
from imagegate.painter.noise import fractal
from imagegate.painter.palette import along, mix, ramp
from imagegate.painter.scene_context import SceneContext, pick, uniform
from imagegate.painter.scenes.vista import backdrop, ranges

# facing right, origin at the ear, one unit = chin to crown
_PROFILE = [
    (-0.04, -0.58),
    (0.16, -0.56),
    (0.31, -0.46),
    (0.375, -0.33),
    (0.385, -0.22),
    (0.375, -0.155),
    (0.40, -0.08),
    (0.455, 0.02),
    (0.468, 0.05),
    (0.45, 0.078),
    (0.405, 0.092),
    (0.402, 0.12),
    (0.418, 0.15),
    (0.41, 0.178),
    (0.388, 0.192),
    (0.408, 0.215),
    (0.402, 0.245),
    (0.376, 0.268),
    (0.378, 0.31),
    (0.385, 0.35),
    (0.35, 0.41),
    (0.27, 0.43),
    (0.16, 0.40),
    (0.09, 0.44),
    (0.07, 0.56),
    (0.12, 0.68),
    (0.34, 0.78),
    (0.62, 0.88),
    (0.78, 1.05),
    (0.86, 1.35),
    (-0.92, 1.35),
    (-0.84, 1.05),
    (-0.66, 0.88),
    (-0.42, 0.78),
    (-0.30, 0.66),
    (-0.27, 0.46),
    (-0.36, 0.22),
    (-0.46, -0.02),
    (-0.46, -0.26),
    (-0.36, -0.45),
    (-0.20, -0.55),
]
_BUN = [(-0.34, -0.46), (-0.52, -0.62), (-0.70, -0.56), (-0.72, -0.36), (-0.60, -0.22), (-0.44, -0.24)]


def paint(context: SceneContext) -> None:
    canvas, light = context.canvas, context.light
    size = canvas.unit * 0.56
    side = 1 if pick(context, 2) else -1
    x, y = canvas.width / 2 - side * size * 0.05, canvas.height * 0.5 + canvas.unit * 0.02
    lamp = (canvas.width / 2 + side * size * 0.05, y - size * 0.12)
    backdrop(context, 0.66, (canvas.width * 0.5 - side * size * 0.10, y + size * 0.05))
    ranges(context, 0.66, lamp)
    _inner_wood(context)
    canvas.shade(np.full((canvas.soft_height, canvas.soft_width), 0.26, np.float32), light.near)
    inside = canvas.image
    canvas.image = Image.new("RGB", inside.size)
    _wall(context, lamp, size)
    figure = _figure_mask(context, x, y, size, side)
    canvas.image.paste(inside, mask=figure)
    if canvas.transparent:
        canvas.alpha.paste(figure)
        return
    _edge_light(context, figure)
    sky.birds(
        canvas,
        mix(light.near, light.haze, 0.3),
        canvas.width / 2 + side * size * 0.75,
        canvas.height * 0.25,
        4,
    )


def _figure_mask(context: SceneContext, x: float, y: float, size: float, side: int) -> Image.Image:
    outlines = [curve(_PROFILE, steps=6)]
    if pick(context, 2):
        outlines.append(curve(_BUN, steps=8))

    def draw(pen: Pen) -> None:
        for outline in outlines:
            points = transform(outline, x, y, size)
            pen.polygon(points if side > 0 else mirror(points, x), (1.0, 1.0, 1.0))

    return context.canvas.stencil(draw, finer=3)


def _inner_wood(context: SceneContext) -> None:
    canvas, light = context.canvas, context.light
    for near in (0.4, 0.7, 1.0):
        edge = terrain.ridge(canvas, 0.66 + 0.24 * near, 0.05, 1.4, smooth=True)
        tone = mix(light.near, light.haze, 0.45 * (1 - near))
        terrain.conifers(canvas, edge, canvas.unit * (0.06 + 0.10 * near), canvas.unit * 0.03, tone, sparse=0.1)
        canvas.lay_below(edge, tone)


def _wall(context: SceneContext, lamp: tuple[float, float], size: float) -> None:
    """A pale paper wall and one large disc behind the head."""
    canvas, light = context.canvas, context.light
    pale = mix(light.sky[-1], (1.0, 0.99, 0.96), 0.72)
    _, down = canvas.grid()
    drift = fractal(canvas.rng, canvas.soft_width, canvas.soft_height, 2, 3) * np.float32(0.06)
    canvas.ground(along(ramp((pale, mix(pale, light.haze, 0.45))), np.clip(down + drift, 0, 1)))
    disc = canvas.stencil(lambda pen: pen.circle(lamp[0], lamp[1], size * 0.80, light.warm))
    far = canvas.distance(lamp[0], lamp[1] + size * 0.8) * (canvas.unit / size)
    canvas.lay(
        disc,
        along(
            ramp((mix(light.warm, light.lamp, 0.5), light.warm, mix(light.warm, light.sky[-2], 0.6))),
            np.clip(far / 1.6, 0, 1),
        ),
    )
    canvas.vignette = uniform(context, 0.08, 0.12)


def _edge_light(context: SceneContext, figure: Image.Image) -> None:
    """A glow along the edge of the figure."""
    canvas = context.canvas
    small = figure.resize((canvas.soft_width // 2 or 1, canvas.soft_height // 2 or 1), Image.Resampling.BOX)
    blurred = small.filter(ImageFilter.GaussianBlur(0.012 * min(small.size)))
    glow = np.asarray(blurred.resize((canvas.soft_width, canvas.soft_height)), np.float32) / 255
    canvas.shade(
        glow * (1 - np.asarray(figure.resize((canvas.soft_width, canvas.soft_height)), np.float32) / 255) * 0.35,
        context.light.near,
    )
