"""Flowers: whorls of petals on bent stems before an unfocused garden."""

import math

import numpy as np

from imagegate.painter.drawing import Pen, Point, curve, transform
from imagegate.painter.noise import fractal, smoothstep
from imagegate.painter.palette import COLOUR_WORDS, Colour, along, mix, ramp, rgb, shift
from imagegate.painter.scene_context import SceneContext, pick, uniform

_FREE = ("pink", "orange", "purple", "yellow", "red", "blue")
_LEAF, _LEAF_DARK = rgb("#3f8f6b"), rgb("#1f5a4c")


def paint(context: SceneContext) -> None:
    named = context.reading.colours[0] if context.reading.colours else _FREE[pick(context, len(_FREE))]
    main = COLOUR_WORDS[named]
    _garden(context, main)
    heads = _heads(context)
    for number, head in enumerate(heads):
        _stem(context, head, number)
    for number, (x, y, size) in enumerate(heads):
        hue = main if number % 3 != 1 else shift(main, 0.08, 0.85, -0.3)
        _flower(context, (x, y), size, hue, number)


def _garden(context: SceneContext, main: Colour) -> None:
    """Out of focus: a pale gradient and discs of light."""
    canvas = context.canvas
    if canvas.transparent:
        return canvas.ground(mix(main, _LEAF, 0.5))
    dark = context.light.dark
    canvas.vignette = 0.10
    top = shift(main, 0.28, 0.35, 2.4) if not dark else rgb("#0e1a33")
    low = mix(rgb("#8fcfae"), shift(main, 0.2, 0.6), 0.30) if not dark else rgb("#123b3f")
    across, down = canvas.grid()
    drift = fractal(canvas.rng, canvas.soft_width, canvas.soft_height, 1.6, 2)
    canvas.ground(
        along(
            ramp((mix(top, (1.0, 1.0, 1.0), 0.0 if dark else 0.3), mix(top, low, 0.5), low)),
            np.clip(down + drift * 0.10 + across * 0, 0, 1),
        )
    )
    light = np.zeros((canvas.soft_height, canvas.soft_width), np.float32)
    for _ in range(int(16 * canvas.detail.abundance)):
        x, y = float(canvas.rng.random()) * canvas.width, float(canvas.rng.random()) * canvas.height
        radius = uniform(context, 0.02, 0.085)
        disc = 1 - smoothstep(radius * 0.93, radius * 1.07, canvas.distance(x, y))
        light += disc * np.float32(uniform(context, 0.08, 0.36))
    canvas.shine(np.clip(light, 0, 0.6), mix((1.0, 1.0, 0.92), shift(main, 0.2), 0.3))
    return None


def _heads(context: SceneContext) -> list[tuple[float, float, float]]:
    """One main flower; the others stay below and beside it."""
    canvas, unit = context.canvas, context.canvas.unit
    x, y = canvas.width / 2, canvas.height / 2
    side = 1 if pick(context, 2) else -1
    places = [
        (0.27, -0.02, 0.135),
        (-0.31, 0.05, 0.125),
        (0.10, 0.21, 0.10),
        (-0.14, -0.30, 0.075),
        (0.37, -0.27, 0.065),
        (-0.42, -0.22, 0.06),
    ]
    wide = min(1.5, canvas.width / unit)
    count = 1 + min(len(places), canvas.detail.layers)
    heads = [
        (
            x + side * px * unit * wide + uniform(context, -0.02, 0.02) * unit,
            y + py * unit,
            size * unit * uniform(context, 0.9, 1.1),
        )
        for px, py, size in places[: count - 1]
    ]
    return [*heads[::-1], (x - side * 0.03 * unit, y - 0.07 * unit, 0.215 * unit)]


def _stem(context: SceneContext, head: tuple[float, float, float], number: int) -> None:
    canvas = context.canvas
    x, y, size = head
    foot = (canvas.width / 2 + (x - canvas.width / 2) * 0.45, canvas.height * 1.02)
    bend = (x + (foot[0] - x) * 0.25 + uniform(context, -0.04, 0.04) * canvas.unit, (y + foot[1]) / 2)
    path = curve([(x, y), bend, foot], closed=False, steps=24)
    tone = mix(_LEAF, _LEAF_DARK, 0.35 + 0.1 * (number % 3))
    turns = (-0.7 + uniform(context, -0.2, 0.2), 0.75 + uniform(context, -0.2, 0.2))

    def draw(pen: Pen) -> None:
        pen.line(path, size * 0.055 + canvas.unit * 0.003, tone)
        for at, turn in zip((0.42, 0.62), turns, strict=True):
            px, py = path[int(at * (len(path) - 1))]
            _leaf(pen, px, py, size * 1.05, turn, tone)

    canvas.sketch((0, y, canvas.width, canvas.height), draw, finer=2)


def _leaf(pen: Pen, x: float, y: float, size: float, turn: float, tone: Colour) -> None:
    outline = curve([(0, 0), (0.2, -0.35), (0.16, -0.75), (0, -1.1), (-0.16, -0.7), (-0.18, -0.3)])
    pen.polygon(transform(outline, x, y, size, turn), tone)
    half = curve([(0, 0), (0.2, -0.35), (0.16, -0.75), (0, -1.1)], closed=False)
    pen.polygon(transform(half, x, y, size, turn), shift(tone, 0.06))


_PETALS: dict[str, list[Point]] = {
    "round": [
        (0, 0),
        (0.30, -0.45),
        (0.36, -0.82),
        (0.16, -1.02),
        (0, -0.98),
        (-0.16, -1.02),
        (-0.36, -0.82),
        (-0.30, -0.45),
    ],
    "pointed": [
        (0, 0),
        (0.20, -0.35),
        (0.25, -0.65),
        (0.12, -0.92),
        (0, -1.06),
        (-0.12, -0.92),
        (-0.25, -0.65),
        (-0.20, -0.35),
    ],
    "slim": [
        (0, 0),
        (0.10, -0.4),
        (0.125, -0.8),
        (0.06, -1.0),
        (0, -1.03),
        (-0.06, -1.0),
        (-0.125, -0.8),
        (-0.10, -0.4),
    ],
    "notched": [
        (0, 0),
        (0.28, -0.42),
        (0.38, -0.80),
        (0.20, -1.02),
        (0.03, -0.90),
        (-0.03, -0.90),
        (-0.20, -1.02),
        (-0.38, -0.80),
        (-0.28, -0.42),
    ],
}


def _kind(context: SceneContext) -> tuple[str, int, int]:
    """Petal shape, petals in a whorl, whorls."""
    for name, kind in (
        ("rose", ("round", 6, 6)),
        ("lotus", ("pointed", 9, 4)),
        ("daisy", ("slim", 17, 2)),
        ("sakura", ("notched", 5, 1)),
        ("tulip", ("pointed", 6, 2)),
    ):
        if context.wants(name):
            return kind
    return (("pointed", 11, 4), ("round", 8, 4), ("slim", 18, 2), ("round", 6, 6), ("notched", 5, 2))[pick(context, 5)]


def _flower(context: SceneContext, at: Point, size: float, colour: Colour, number: int) -> None:
    shape, petals, whorls = _kind(context)
    outline = curve(_PETALS[shape], steps=8)
    start = uniform(context, 0, 2 * math.pi)
    wobble = [uniform(context, 0.93, 1.07) for _ in range(petals * whorls)]

    def draw(pen: Pen) -> None:
        for whorl in range(whorls):
            share = whorl / max(1, whorls)
            reach = size * (1 - 0.80 * share)
            tone = shift(colour, 0.07 - 0.16 * share, 1.0 + 0.12 * share, -0.22 * share)
            for petal in range(petals):
                turn = start + 2 * math.pi * (petal + 0.5 * (whorl % 2)) / petals + whorl * 0.19
                length = reach * wobble[whorl * petals + petal]
                _petal(pen, outline, at, length, turn, tone)
        _heart(pen, at, size * (0.17 if whorls < 5 else 0.07), colour, shape)

    reach = size * 1.2
    context.canvas.sketch((at[0] - reach, at[1] - reach, at[0] + reach, at[1] + reach), draw)


def _petal(pen: Pen, outline: list[Point], at: Point, length: float, turn: float, tone: Colour) -> None:
    """Five insets from a dark edge to a light middle approximate a gradient."""
    pen.polygon(
        transform(outline, at[0] + math.sin(turn) * length * -0.012, at[1] + length * 0.012, length * 1.03, turn),
        shift(tone, -0.11, 1.05),
    )
    for step in range(5):
        share = step / 4
        inner = [(px * (1 - 0.42 * share), py * (1 - 0.10 * share) - 0.02 * share) for px, py in outline]
        pen.polygon(
            transform(inner, at[0], at[1], length, turn),
            shift(tone, -0.035 + 0.095 * share, 1.05 - -0.22 * share),
        )
    lines = transform([(0, -0.16), (0, -0.72)], at[0], at[1], length, turn)
    pen.line(lines, length * 0.012, shift(tone, -0.03))


def _heart(pen: Pen, at: Point, radius: float, colour: Colour, shape: str) -> None:
    gold, brown = rgb("#ffcf5c"), mix(rgb("#b5651d"), colour, 0.25)
    pen.circle(at[0], at[1], radius * 1.1, brown)
    pen.circle(at[0], at[1] - radius * 0.06, radius, gold)
    for seed in range(60 if shape == "slim" else 24):
        turn, far = seed * 2.39996, radius * 0.92 * math.sqrt(seed / (60 if shape == "slim" else 24))
        pen.circle(
            at[0] + far * math.cos(turn),
            at[1] + far * math.sin(turn),
            radius * 0.075,
            mix(gold, brown, 0.55 if seed % 2 else 0.15),
        )
