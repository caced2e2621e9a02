"""Abstract images: folded silk, liquid marble, glass discs on a gradient."""

import math

import numpy as np

from imagegate.painter.canvas import Canvas
from imagegate.painter.noise import fractal, resize, skyline, smoothstep, turbulence
from imagegate.painter.palette import Colour, Floats, along, mix, ramp, shift
from imagegate.painter.scene_context import SceneContext, pick, uniform


def paint(context: SceneContext) -> None:
    kind = pick(context, 3)
    if context.wants("marble"):
        kind = 1
    (_silk, _marble, _glass)[kind](context)


def _gradient(canvas: Canvas, first: Colour, second: Colour, third: Colour, angle: float) -> Floats:
    across, down = canvas.grid()
    slant = (across - 0.5) * np.float32(math.cos(angle)) + (down - 0.5) * np.float32(math.sin(angle))
    bend = fractal(canvas.rng, canvas.soft_width, canvas.soft_height, 1.0, 1) * np.float32(0.10)
    return along(ramp((first, second, third)), np.clip(slant + 0.5 + bend, 0, 1))


def _silk(context: SceneContext) -> None:
    """Overlapping sheets, each with a bright fold at its edge and a soft shadow."""
    canvas = context.canvas
    pale, deep, main, second, bright, spice = context.colours
    flow = ramp((mix(pale, second, 0.45), second, main, mix(main, deep, 0.55), deep))
    warm = ramp((bright, mix(bright, spice, 0.5), spice))
    special = 1 + pick(context, 3)
    canvas.ground(
        _gradient(
            canvas,
            mix(pale, bright, 0.15),
            mix(pale, bright, 0.4),
            mix(pale, second, 0.4),
            uniform(context, 0.6, 1.4),
        )
    )
    sheets = canvas.detail.layers + 4
    edges = _edges(context, sheets)
    for step, edge in enumerate(edges):
        share = (step + 0.6) / sheets
        tones, at_share = (warm, 0.5) if step == special else (flow, share)
        first, after = (_tone(tones, at_share + offset) for offset in (-0.12, 0.2))
        fold = mix(_tone(tones, at_share - 0.3), pale, 0.35)
        sheet = _sheet(canvas, edge, first, after, fold)
        last = step == sheets - 1
        canvas.lay_below(edge, sheet if last else _shadowed(canvas, sheet, edges[step + 1], deep), 1.0 if last else 0.3)


def _edges(context: SceneContext, sheets: int) -> list[Floats]:
    """Lines one below the other, each with its own waves."""
    canvas = context.canvas
    slope = uniform(context, 0.25, 0.55) * (1 if pick(context, 2) else -1)
    at = np.linspace(-0.5, 0.5, canvas.width, dtype=np.float32)
    sway = skyline(canvas.rng, canvas.width, 1.5, 2, smooth=True)
    edges = []
    for step in range(sheets):
        own = skyline(canvas.rng, canvas.width, 1.2, 2, smooth=True)
        lift = 0.02 + 0.96 * (step + 0.6) / sheets + at * slope + sway * 0.075 * math.cos(step * 0.5) + own * 0.045
        edges.append((lift * canvas.height).astype(np.float32))
    return edges


def _tone(flow: Floats, at: float) -> Colour:
    red, green, blue = (float(channel) for channel in flow[int(np.clip(at, 0, 1) * (len(flow) - 1))])
    return red, green, blue


def _soft_line(canvas: Canvas, edge: Floats) -> Floats:
    line: Floats = np.interp(np.linspace(0, canvas.width - 1, canvas.soft_width), np.arange(canvas.width), edge).astype(
        np.float32
    )
    return line / np.float32(canvas.height)


def _shadowed(canvas: Canvas, sheet: Floats, following: Floats, deep: Colour) -> Floats:
    """The sheet with the shadow of the next one."""
    _, down = canvas.grid()
    above = np.clip(_soft_line(canvas, following)[None, :] - down, 0, 1)
    share = (np.exp(-above / np.float32(0.04)) * np.float32(0.34))[..., None]
    shadowed: Floats = sheet * (1 - share) + np.array(mix(deep, (0.0, 0.0, 0.0), 0.3), np.float32) * share
    return shadowed


def _sheet(canvas: Canvas, edge: Floats, first: Colour, after: Colour, fold: Colour) -> Floats:
    across, down = canvas.grid()
    under = np.clip(down - _soft_line(canvas, edge)[None, :], 0, 1)
    drift = fractal(canvas.rng, max(2, canvas.soft_width // 4), max(2, canvas.soft_height // 4), 1.2, 2)
    wave = _quartered(canvas, drift)
    field = along(
        ramp((first, mix(first, after, 0.5), after)), np.clip(across * 0.75 + under * 1.1 + wave * 0.14, 0, 1)
    )
    glow = (np.exp(-under / np.float32(0.006)) * 0.55 + np.exp(-under / np.float32(0.06)) * 0.30)[..., None]
    lit: Floats = field * (1 - glow) + np.array(fold, np.float32) * glow
    return lit


def _quartered(canvas: Canvas, small: Floats) -> Floats:
    return resize(small, canvas.soft_width, canvas.soft_height)


def _marble(context: SceneContext) -> None:
    """Noise displaced twice by noise, coloured along its contours, with thin bright veins."""
    canvas = context.canvas
    wide, high = canvas.soft_width, canvas.soft_height
    pale, deep, main, second, bright, spice = context.colours
    flow = turbulence(canvas.rng, wide, high, 1.1, 2, 0.22)
    fine = turbulence(canvas.rng, wide, high, 2.2, min(3, canvas.detail.octaves), 0.14)
    level = flow + fine * np.float32(0.30)
    field = along(
        ramp((deep, main, second, spice, bright, pale, second, main, deep)), np.clip(0.5 + level * 0.22, 0, 1)
    )
    rise = np.gradient(level, axis=1) - np.gradient(level, axis=0)
    relief = np.clip(rise * np.float32(min(wide, high) / 26), -1, 1)
    field = np.clip(field * (1 + relief[..., None] * np.float32(0.20)), 0, 1)
    canvas.ground(field)
    lines = np.abs(np.sin(level * np.float32(6)))
    steep = np.hypot(np.gradient(level, axis=1), np.gradient(level, axis=0)) * np.float32(6)
    vein = np.exp(-((lines / (steep * 1.4 + 0.004)) ** 2))
    canvas.shine(vein * smoothstep(0.0, 1.6, flow) * 0.5, mix(bright, pale, 0.5))


def _glass(context: SceneContext) -> None:
    """Translucent discs and arcs over a quiet gradient."""
    canvas = context.canvas
    pale, deep, main, second, bright, spice = context.colours
    canvas.ground(
        _gradient(
            canvas,
            mix(pale, bright, 0.2),
            mix(pale, bright, 0.45),
            mix(pale, spice, 0.30),
            uniform(context, 0.2, 1.4),
        )
    )
    spots = (
        (0.36, 0.42, 0.30, main),
        (0.62, 0.58, 0.26, second),
        (0.56, 0.28, 0.15, spice),
        (0.30, 0.72, 0.13, bright),
        (0.76, 0.36, 0.09, deep),
        (0.20, 0.24, 0.06, second),
        (0.82, 0.76, 0.07, main),
    )
    flip, turn = pick(context, 2) == 1, uniform(context, -0.08, 0.08)
    for x, y, size, colour in spots[: 2 + canvas.detail.layers]:
        at = ((1 - x if flip else x) + turn) * canvas.width, (y - turn) * canvas.height
        _disc(context, at, size * canvas.unit * uniform(context, 0.9, 1.1), colour, pale)


def _disc(context: SceneContext, at: tuple[float, float], radius: float, colour: Colour, pale: Colour) -> None:
    canvas = context.canvas
    far = canvas.distance(at[0] + radius * 0.12, at[1] + radius * 0.22) * np.float32(canvas.unit / radius)
    canvas.shade(np.exp(-np.clip(far - 0.82, 0, 9) / 0.16) * np.float32(0.20), shift(colour, -0.25))
    mask = canvas.stencil(lambda pen: pen.circle(at[0], at[1], radius, pale)).point(
        [round(level * 0.86) for level in range(256)]
    )
    across, down = canvas.grid()
    slant = ((across * canvas.width - at[0]) + (down * canvas.height - at[1])) / np.float32(2.6 * radius) + np.float32(
        0.5
    )
    inner = along(ramp((mix(colour, pale, 0.55), colour, shift(colour, -0.07, 1.05))), np.clip(slant, 0, 1))
    rim = smoothstep(0.90, 1.0, canvas.distance(*at) * np.float32(canvas.unit / radius)) * np.clip(0.8 - slant, 0, 1)
    canvas.lay(mask, np.clip(inner + rim[..., None] * np.float32(0.35), 0, 1))
