"""Product images: a turned body of glass or glaze on a plinth, in studio light."""

import math

import numpy as np

from imagegate.painter.drawing import Pen, Point, curve
from imagegate.painter.noise import fractal
from imagegate.painter.palette import Colour, Floats, along, mix, ramp, rgb, shift
from imagegate.painter.scene_context import SceneContext, pick, uniform

# (height from the foot, half width), one unit = height of the body
_FORMS: dict[str, list[Point]] = {
    "bottle": [
        (0, 0.27),
        (0.02, 0.30),
        (0.10, 0.31),
        (0.58, 0.31),
        (0.66, 0.29),
        (0.71, 0.20),
        (0.735, 0.11),
        (0.78, 0.10),
        (0.785, 0.135),
        (1.0, 0.135),
    ],
    "cup": [(0, 0.20), (0.02, 0.23), (0.10, 0.29), (0.30, 0.345), (0.62, 0.37), (0.64, 0.375)],
    "vase": [
        (0, 0.16),
        (0.02, 0.18),
        (0.16, 0.28),
        (0.36, 0.36),
        (0.55, 0.31),
        (0.72, 0.16),
        (0.84, 0.11),
        (0.94, 0.13),
        (1.0, 0.19),
    ],
    "urn": [
        (0, 0.13),
        (0.03, 0.15),
        (0.22, 0.31),
        (0.44, 0.38),
        (0.66, 0.34),
        (0.80, 0.20),
        (0.86, 0.15),
        (0.92, 0.155),
        (0.95, 0.18),
    ],
}


def paint(context: SceneContext) -> None:
    canvas = context.canvas
    canvas.vignette = 0.10
    form = (
        "cup"
        if context.wants("cup")
        else "bottle"
        if context.wants("bottle")
        else ("vase", "urn", "bottle")[pick(context, 3)]
    )
    pale, _, main, second, bright, spice = context.colours
    colour = context.colours[3] if context.reading.colours else (main, second, spice)[pick(context, 3)]
    height = canvas.unit * (0.46 if form != "cup" else 0.50)
    x, foot = canvas.width / 2, canvas.height / 2 + canvas.unit * 0.25
    if canvas.transparent:
        canvas.ground(shift(colour, -0.05))
        foot = canvas.height / 2 + height * (0.48 if form != "cup" else 0.34)
    else:
        _studio(context, x, foot, mix(pale, bright, 0.35), spice)
    if form == "cup":
        _handle(context, x, foot, height, colour)
    _turned(context, _FORMS[form], x, foot, height, colour)
    if form == "cup":
        _coffee(context, x, foot, height, colour)
    elif form == "bottle":
        _cap(context, x, foot, height, mix(rgb("#d9b26a"), bright, 0.2))
    if not canvas.transparent and form in {"vase", "urn"}:
        _twigs(context, x, foot - height, bright, spice)


def _studio(context: SceneContext, x: float, foot: float, wall: Colour, spice: Colour) -> None:
    """A wall with an arch, a floor, a plinth, one soft shadow."""
    canvas = context.canvas
    _, down = canvas.grid()
    drift = fractal(canvas.rng, canvas.soft_width, canvas.soft_height, 1.5, 2) * np.float32(0.04)
    canvas.ground(along(ramp((shift(wall, 0.02), wall, shift(wall, -0.06))), np.clip(down + drift, 0, 1)))
    arch, reach = mix(wall, spice, 0.42), canvas.unit * 0.30
    top = foot - canvas.unit * 0.40

    def draw(pen: Pen) -> None:
        pen.circle(x + canvas.unit * 0.05, top, reach, arch)
        pen.box(
            x + canvas.unit * 0.05 - reach,
            top,
            x + canvas.unit * 0.05 + reach,
            foot + canvas.unit * 0.06,
            arch,
        )

    across, _ = canvas.grid()
    slant = np.clip((down * canvas.height - top + reach) / np.float32(canvas.unit) + (across - 0.5) * 0.3, 0, 1)
    canvas.lay(canvas.stencil(draw), along(ramp((shift(arch, 0.05), arch, shift(arch, -0.07))), slant))
    floor = np.full(canvas.width, foot + canvas.unit * 0.055, np.float32)
    canvas.lay_below(
        floor,
        along(
            ramp((shift(wall, -0.09), shift(wall, 0.0), shift(wall, 0.03))),
            np.clip((down - 0.5) * 2.2, 0, 1) + across * 0,
        ),
    )
    _plinth(context, x, foot, mix(wall, (1.0, 1.0, 1.0), 0.35))


def _plinth(context: SceneContext, x: float, foot: float, tone: Colour) -> None:
    canvas = context.canvas
    wide, deep, tall = canvas.unit * 0.36, canvas.unit * 0.055, canvas.unit * 0.13
    across, down = canvas.grid()
    flat = np.hypot(
        (across * canvas.width - x - wide * 0.25) / np.float32(wide * 1.3),
        (down * canvas.height - foot - tall) / np.float32(deep * 1.9),
    )
    canvas.shade(np.clip(1.15 - flat, 0, 1) ** 1.5 * 0.42, shift(tone, -0.45))

    def body(pen: Pen) -> None:
        pen.box(x - wide, foot, x + wide, foot + tall, tone)
        pen.ellipse(x, foot + tall, wide, deep, tone)

    sides = canvas.stencil(body)
    turn = np.clip((across * canvas.width - x + wide) / np.float32(2 * wide), 0, 1)
    canvas.lay(
        sides,
        along(
            ramp((shift(tone, -0.05), shift(tone, 0.01), shift(tone, -0.07), shift(tone, -0.17))),
            turn + down * 0,
        ),
    )
    lid = canvas.stencil(lambda pen: pen.ellipse(x, foot, wide, deep, tone))
    canvas.lay(lid, along(ramp((shift(tone, 0.04), shift(tone, -0.02))), turn + down * 0))
    contact = np.hypot(
        (across * canvas.width - x - wide * 0.14) / np.float32(wide * 0.72),
        (down * canvas.height - foot) / np.float32(deep * 0.62),
    )
    mask = np.clip(1.1 - contact, 0, 1) ** 1.3 * np.float32(0.5)
    canvas.shade(mask, shift(tone, -0.5))


def _profile(form: list[Point], steps: int = 14) -> tuple[Floats, Floats]:
    path = curve([(half, height) for height, half in form], closed=False, steps=steps)
    heights = np.maximum.accumulate(np.array([point[1] for point in path], np.float32))
    return heights, np.array([point[0] for point in path], np.float32)


def _turned(context: SceneContext, form: list[Point], x: float, foot: float, height: float, colour: Colour) -> None:
    """Shading by the angle around the axis: dark edge, broad light, a window's reflection."""
    canvas = context.canvas
    heights, halves = _profile(form)
    base = canvas.unit * 0.030

    def draw(pen: Pen) -> None:
        right = [
            (x + float(half) * height, foot - float(up) * height) for up, half in zip(heights, halves, strict=True)
        ]
        pen.polygon(right + [(2 * x - px, py) for px, py in right[::-1]], colour)
        pen.ellipse(x, foot, float(halves[0]) * height, base * float(halves[0]) / 0.3, colour)

    canvas.lay(canvas.stencil(draw, finer=3), _glaze(context, heights, halves, x, foot, height, colour))


def _glaze(
    context: SceneContext, heights: Floats, halves: Floats, x: float, foot: float, height: float, colour: Colour
) -> Floats:
    canvas = context.canvas
    across, down = canvas.grid()
    up = (foot - down * canvas.height) / np.float32(height)
    half = np.interp(up[:, 0], heights, halves).astype(np.float32)[:, None] * np.float32(height)
    turn = np.clip((across * canvas.width - x) / np.maximum(half, 1), -1, 1)
    facing = np.clip(0.62 - 0.55 * (turn + 0.30) ** 2 - 0.22 * turn, 0, 1)
    tone = along(
        ramp((shift(colour, -0.30, 0.9), shift(colour, -0.13), colour, shift(colour, 0.10, 0.92))),
        np.clip(facing * 1.5 + up * 0.08, 0, 1),
    )
    window = np.exp(-(((turn + 0.52) / 0.085) ** 4)) * np.clip((up - 0.06) * 12, 0, 1) * 0.42
    bounce = np.exp(-(((turn - 0.86) / 0.07) ** 2)) * 0.22
    lit: Floats = np.clip(tone + (window + bounce)[..., None] * (1 - tone), 0, 1)
    return lit


def _handle(context: SceneContext, x: float, foot: float, height: float, colour: Colour) -> None:
    side = 1 if pick(context, 2) else -1
    cx, cy = x + side * height * 0.36, foot - height * 0.34

    def draw(pen: Pen) -> None:
        pen.arc(cx, cy, height * 0.155, 0, 2 * math.pi, height * 0.068, shift(colour, -0.10))
        pen.arc(cx, cy - height * 0.006, height * 0.163, 0, 2 * math.pi, height * 0.022, shift(colour, 0.03))

    reach = height * 0.25
    context.canvas.sketch((cx - reach, cy - reach, cx + reach, cy + reach), draw)


def _coffee(context: SceneContext, x: float, foot: float, height: float, colour: Colour) -> None:
    top, half = foot - 0.64 * height, 0.375 * height
    coffee = rgb("#6b4028")

    def draw(pen: Pen) -> None:
        pen.ellipse(x, top, half, half * 0.20, shift(colour, 0.09, 0.9))
        pen.ellipse(x, top + half * 0.012, half * 0.93, half * 0.165, shift(colour, -0.16))
        pen.ellipse(x, top + half * 0.045, half * 0.88, half * 0.135, coffee)
        leaf = curve([(-0.30, 0.05), (0, -0.03), (0.30, 0.05), (0, 0.13)])
        pen.polygon([(x + px * half, top + py * half) for px, py in leaf], rgb("#ecd3b0"))
        pen.line([(x - half * 0.24, top + half * 0.05), (x + half * 0.24, top + half * 0.05)], half * 0.012, coffee)

    context.canvas.sketch((x - half, top - half * 0.3, x + half, top + half * 0.3), draw)
    if not context.canvas.transparent:
        _steam(context, x, top, half)


def _steam(context: SceneContext, x: float, top: float, half: float) -> None:
    canvas = context.canvas
    across, down = canvas.grid()
    rise = (top - down * canvas.height) / np.float32(half)
    light = np.zeros((canvas.soft_height, canvas.soft_width), np.float32)
    for step in range(3):
        sway = np.sin(rise * 2.6 + step * 2.1) * 0.13 * np.clip(rise, 0, 2) + (step - 1) * 0.30
        far = ((across * canvas.width - x) / np.float32(half) - sway) / (0.055 + 0.07 * np.clip(rise, 0, 3))
        light += np.exp(-(far**2)) * np.clip(rise * 2, 0, 1) * np.clip(1 - rise / 2.0, 0, 1) ** 1.5
    canvas.shine(np.clip(light * 0.34, 0, 1), (1.0, 1.0, 1.0))


def _cap(context: SceneContext, x: float, foot: float, height: float, metal: Colour) -> None:
    canvas = context.canvas
    low, high, half = foot - 0.785 * height, foot - 1.0 * height, 0.137 * height
    mask = canvas.stencil(lambda pen: pen.box(x - half, high, x + half, low, metal, half * 0.12), finer=3)
    across, down = canvas.grid()
    turn = np.clip((across * canvas.width - x + half) / np.float32(2 * half), 0, 1)
    canvas.lay(
        mask,
        along(
            ramp(
                (
                    shift(metal, -0.22),
                    shift(metal, 0.12),
                    metal,
                    shift(metal, -0.16),
                    shift(metal, 0.05),
                    shift(metal, -0.2),
                )
            ),
            turn + down * 0,
        ),
    )
    plate = (x - half * 1.25, foot - 0.42 * height, x + half * 1.25, foot - 0.24 * height)

    def draw(pen: Pen) -> None:
        pen.box(*plate, (0.985, 0.975, 0.95), half * 0.05)
        pen.line(
            [(x - half * 0.7, plate[1] + half * 0.55), (x + half * 0.7, plate[1] + half * 0.55)],
            half * 0.05,
            shift(metal, -0.3),
        )
        pen.line(
            [(x - half * 0.4, plate[1] + half * 0.85), (x + half * 0.4, plate[1] + half * 0.85)],
            half * 0.03,
            shift(metal, -0.2),
        )

    canvas.sketch(plate, draw)


def _twigs(context: SceneContext, x: float, mouth: float, bright: Colour, spice: Colour) -> None:
    canvas = context.canvas
    branches = []
    for step in range(5):
        lean = (step - 2) * 0.16 + uniform(context, -0.05, 0.05)
        tall = canvas.unit * uniform(context, 0.16, 0.25)
        tip = (x + lean * tall * 2.2, mouth - tall * math.cos(lean))
        branches.append(
            curve(
                [(x, mouth + canvas.unit * 0.02), (x + lean * tall * 0.7, mouth - tall * 0.55), tip],
                closed=False,
            )
        )

    def draw(pen: Pen) -> None:
        for number, branch in enumerate(branches):
            pen.line(branch, canvas.unit * 0.0035, mix(spice, (0.25, 0.18, 0.12), 0.7))
            for along_at in range(3, len(branch), 2):
                px, py = branch[along_at]
                for side in (-1, 1):
                    pen.ellipse(
                        px + side * canvas.unit * 0.011,
                        py,
                        canvas.unit * 0.011,
                        canvas.unit * 0.0075,
                        mix(spice, bright, 0.25 * (number % 3)),
                    )

    reach = canvas.unit * 0.3
    canvas.sketch((x - reach, mouth - reach, x + reach, mouth + canvas.unit * 0.012), draw)
