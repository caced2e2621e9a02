"""Logos and icons: a few exact shapes and much empty space."""

import math

import numpy as np
from PIL import Image, ImageChops

from imagegate.painter.drawing import Pen, transform
from imagegate.painter.palette import Colour, mix, shift
from imagegate.painter.scene_context import SceneContext, pick


def paint(context: SceneContext) -> None:
    canvas = context.canvas
    pale, deep = context.colours[0], context.colours[1]
    inverse = context.light_name in {"night", "neon"} or "black" in context.reading.colours or pick(context, 4) == 3
    ground, ink = (deep, pale) if inverse else (pale, deep)
    canvas.ground(ground)
    canvas.vignette = 0.06
    x, y, size = canvas.width / 2, canvas.height / 2, canvas.unit * 0.27
    if not canvas.transparent:
        far = canvas.distance(x, y)
        canvas.shine(
            np.exp(-((far / 0.55) ** 2)) * np.float32(0.10 if inverse else 0.25),
            mix(ground, (1.0, 1.0, 1.0), 0.6),
        )
    mark = (_rings, _petals, _peaks, _hexagon, _tide, _orbit)[pick(context, 6)]
    before, box = canvas.image.copy(), (x - size * 1.2, y - size * 1.2, x + size * 1.2, y + size * 1.2)
    canvas.sketch(box, lambda pen: mark(pen, x, y, size, context, ground, ink))
    if mark in (_peaks, _tide):
        _trim(context, before, x, y, size)


def _rings(pen: Pen, x: float, y: float, size: float, context: SceneContext, ground: Colour, ink: Colour) -> None:
    """Open rings, each turned a little further."""
    for step, colour in enumerate((ink, context.colours[2], context.colours[3], context.colours[5])):
        radius = size * (0.95 - 0.22 * step)
        start = -math.pi / 2 + step * 0.9
        pen.arc(x, y, radius, start, start + 1.55 * math.pi, size * 0.115, colour)
    pen.circle(x, y, size * 0.10, ink)


def _petals(pen: Pen, x: float, y: float, size: float, context: SceneContext, ground: Colour, ink: Colour) -> None:
    """Six leaves that overlap; the overlaps are drawn as their own colour."""
    tones = context.colours[2:6]
    for step in range(6):
        turn = step * math.pi / 3
        lens = [
            (0.36 * math.sin(math.pi * t / 30) * side, -t / 30)
            for side, span in ((1, range(31)), (-1, range(30, -1, -1)))
            for t in span
        ]
        pen.polygon(transform(lens, x, y, size, turn), tones[step % len(tones)])
        half = [(0.36 * math.sin(math.pi * t / 30), -t / 30) for t in range(31)]
        pen.polygon(transform(half, x, y, size, turn), shift(tones[step % len(tones)], -0.07))
    pen.circle(x, y, size * 0.13, ground)


def _peaks(pen: Pen, x: float, y: float, size: float, context: SceneContext, ground: Colour, ink: Colour) -> None:
    """Two peaks and a sun inside a disc."""
    pen.circle(x, y, size, context.colours[4])
    pen.circle(x + size * 0.28, y - size * 0.32, size * 0.21, context.colours[5])
    left = [(-1.2, 0.75), (-0.3, -0.35), (0.55, 0.75)]
    right = [(-0.35, 0.75), (0.42, -0.02), (1.3, 0.75)]
    pen.polygon(transform(right, x, y, size), context.colours[2])
    pen.polygon(transform(left, x, y, size), ink)
    pen.polygon(
        transform(
            [(-0.3, -0.35), (-0.55, -0.05), (-0.36, 0.05), (-0.24, -0.04), (-0.1, 0.08), (-0.06, -0.04)],
            x,
            y,
            size,
        ),
        mix(context.colours[0], (1.0, 1.0, 1.0), 0.5),
    )
    for step in range(3):
        pen.box(
            x - size * 1.2,
            y + size * (0.42 + 0.16 * step),
            x + size * 1.2,
            y + size * (0.47 + 0.16 * step),
            ground,
        )


def _trim(context: SceneContext, before: Image.Image, x: float, y: float, size: float) -> None:
    """Keep only what lies inside the disc."""
    canvas = context.canvas
    disc = canvas.stencil(lambda pen: pen.circle(x, y, size, (1.0, 1.0, 1.0)))
    canvas.image = Image.composite(canvas.image, before, disc)
    canvas.alpha = ImageChops.darker(canvas.alpha, disc) if canvas.transparent else canvas.alpha


def _hexagon(pen: Pen, x: float, y: float, size: float, context: SceneContext, ground: Colour, ink: Colour) -> None:
    """A cube of three tones with a core cut out."""
    corner = [(math.sin(step * math.pi / 3), -math.cos(step * math.pi / 3)) for step in range(6)]
    for step, colour in zip((0, 2, 4), (context.colours[3], context.colours[2], ink), strict=True):
        face = [(0.0, 0.0), corner[step], corner[step + 1], corner[(step + 2) % 6]]
        pen.polygon(transform(face, x, y, size), colour)
        inner = [(px * 0.46, py * 0.46) for px, py in face]
        pen.polygon(transform(inner, x, y, size), mix(colour, context.colours[5], 0.72))


def _tide(pen: Pen, x: float, y: float, size: float, context: SceneContext, ground: Colour, ink: Colour) -> None:
    """Waves rising in a disc."""
    pen.circle(x, y, size, context.colours[4])
    for step, colour in enumerate((context.colours[3], context.colours[2], ink)):
        level = -0.22 + 0.36 * step
        wave = [(-1.3 + 2.6 * t / 60, level + 0.13 * math.sin(t / 60 * 2.6 * math.pi + step * 1.9)) for t in range(61)]
        pen.polygon(transform([*wave, (1.3, 1.3), (-1.3, 1.3)], x, y, size), colour)


def _orbit(pen: Pen, x: float, y: float, size: float, context: SceneContext, ground: Colour, ink: Colour) -> None:
    """Two discs that share a lens, and a satellite."""
    shift_by, radius = size * 0.36, size * 0.62
    pen.circle(x - shift_by, y, radius, context.colours[2])
    pen.circle(x + shift_by, y, radius, context.colours[5])
    half = math.acos(shift_by / radius)
    right = [(x - shift_by + radius * math.cos(a), y + radius * math.sin(a)) for a in np.linspace(-half, half, 40)]
    left = [(2 * x - px, py) for px, py in right][::-1]
    pen.polygon([*right, *left], ink)
    pen.circle(x + size * 0.92, y - size * 0.66, size * 0.09, context.colours[3])
