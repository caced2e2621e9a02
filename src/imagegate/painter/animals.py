"""Sitting four-legged animals, seen from the front: one skeleton with many coats."""

import math

import msgspec

from imagegate.painter.drawing import Pen, Point, curve, mirror, transform
from imagegate.painter.palette import Colour, mix, rgb, shift


class Coat(msgspec.Struct, frozen=True):
    """The colours and features of one kind of animal."""

    fur: str
    belly: str
    ears: str
    tail: str
    extra: str = ""
    nose: str = "#2a1f24"
    eye: str = "#231a1e"


COATS: dict[str, Coat] = {
    "fox": Coat("#e8702a", "#fff3e4", "pointed", "brush", "mask"),
    "cat": Coat("#6f7690", "#eef0f6", "pointed", "curl", "whiskers", "#e58b8b", "#f2c53d"),
    "dog": Coat("#c98a4b", "#fbeeda", "floppy", "short", "muzzle"),
    "wolf": Coat("#6d7a8c", "#eef2f5", "pointed", "brush", "mask", eye="#f0b93a"),
    "bear": Coat("#8a5a3a", "#d9ae82", "round", "", "muzzle"),
    "panda": Coat("#f7f5f0", "#f7f5f0", "round", "", "panda"),
    "koala": Coat("#9aa5b1", "#eef1f4", "round", "", "koala"),
    "rabbit": Coat("#e9dfd3", "#ffffff", "long", "short", "whiskers", "#e58b9b"),
    "tiger": Coat("#f08a2c", "#fff6e8", "round", "curl", "stripes", "#e58b8b", "#3a7d5a"),
    "lion": Coat("#e3a94a", "#fbe8c0", "round", "curl", "mane"),
}


def both(pen: Pen, points: list[Point], x: float, colour: Colour, other: Colour) -> None:
    """The same shape in one colour on the left and mirrored in another on the right."""
    pen.polygon(points, colour)
    pen.polygon(mirror(points, x), other)


def quadruped(pen: Pen, coat: Coat, x: float, y: float, size: float) -> None:
    fur, belly = rgb(coat.fur), rgb(coat.belly)
    dark = shift(fur, -0.09)
    _tail(pen, coat, x, y, size)
    body = [(0.0, -1.35), (0.30, -1.22), (0.46, -0.85), (0.60, -0.40), (0.56, -0.06), (0.30, 0.0), (0.0, 0.0)]
    half = transform([*curve(body, closed=False), (0, 0)], x, y, size)
    limbs = rgb("#26262c") if coat.extra == "panda" else dark
    both(pen, half, x, dark, fur)
    chest = transform(
        curve(
            [
                (0, -1.2),
                (0.24, -1.0),
                (0.28, -0.6),
                (0.14, -0.28),
                (0, -0.2),
                (-0.14, -0.28),
                (-0.28, -0.6),
                (-0.24, -1.0),
            ]
        ),
        x,
        y,
        size,
    )
    pen.polygon(chest, belly)
    for side in (-1, 1):
        leg = limbs if side > 0 else shift(limbs, 0.03)
        pen.box(
            x + side * size * 0.135 - size * 0.125,
            y - size * 0.62,
            x + side * size * 0.135 + size * 0.125,
            y + size * 0.02,
            leg,
            size * 0.11,
        )
        pen.ellipse(
            x + side * size * 0.155,
            y - size * 0.03,
            size * 0.16,
            size * 0.075,
            belly if coat.extra == "mask" else shift(leg, 0.05),
        )
    _head(pen, coat, x, y - size * 1.62, size * 0.62)


def _tail(pen: Pen, coat: Coat, x: float, y: float, size: float) -> None:
    fur, belly = rgb(coat.fur), rgb(coat.belly)
    if coat.tail == "brush":
        brush = curve(
            [
                (0.35, -0.08),
                (0.80, 0.0),
                (1.16, -0.30),
                (1.22, -0.75),
                (1.00, -1.15),
                (0.86, -0.80),
                (0.70, -0.45),
                (0.42, -0.34),
            ]
        )
        pen.polygon(transform(brush, x, y, size), shift(fur, -0.04))
        tip = curve(
            [
                (1.00, -1.15),
                (1.14, -1.02),
                (1.222, -0.72),
                (1.06, -0.78),
                (0.96, -0.68),
                (0.855, -0.80),
                (0.92, -1.0),
            ]
        )
        pen.polygon(transform(tip, x, y, size), belly)
    elif coat.tail == "curl":
        path = curve([(0.45, -0.12), (0.82, -0.05), (1.0, -0.32), (0.86, -0.62), (0.98, -0.86)], closed=False)
        pen.line(transform(path, x, y, size), size * 0.15, shift(fur, -0.05))
        pen.circle(x + size * 0.98, y - size * 0.86, size * 0.075, shift(fur, -0.12))
    elif coat.tail == "short":
        pen.circle(x + size * 0.60, y - size * 0.18, size * 0.16, shift(belly, -0.03))


def _ears(pen: Pen, coat: Coat, x: float, y: float, size: float) -> None:
    fur, inner = rgb(coat.fur), mix(rgb(coat.fur), rgb("#f3b7a8"), 0.6)
    if coat.extra == "panda":
        fur, inner = rgb("#26262c"), rgb("#3a3a42")
    dark = shift(fur, -0.09)
    if coat.ears == "pointed":
        both(pen, transform([(0.22, -0.72), (0.98, -0.42), (0.92, -1.42)], x, y, size), x, fur, dark)
        both(
            pen,
            transform([(0.42, -0.72), (0.86, -0.55), (0.84, -1.18)], x, y, size),
            x,
            inner,
            shift(inner, -0.06),
        )
    elif coat.ears == "floppy":
        flap = transform(
            curve([(0.55, -0.80), (0.98, -0.72), (1.22, -0.20), (1.12, 0.34), (0.86, 0.22), (0.72, -0.25)]),
            x,
            y,
            size,
        )
        both(pen, flap, x, shift(fur, -0.12), shift(fur, -0.17))
    elif coat.ears == "long":
        both(
            pen,
            transform(curve([(0.16, -0.7), (0.20, -1.5), (0.44, -1.95), (0.62, -1.5), (0.58, -0.7)]), x, y, size),
            x,
            fur,
            dark,
        )
        both(
            pen,
            transform(curve([(0.28, -0.8), (0.31, -1.45), (0.43, -1.74), (0.52, -1.4), (0.48, -0.8)]), x, y, size),
            x,
            inner,
            shift(inner, -0.05),
        )
    else:
        reach = 0.44 if coat.extra == "koala" else 0.32
        for side, tone in ((-1, dark), (1, fur)):
            pen.circle(x + side * size * 0.74, y - size * 0.66, size * reach, tone)
            pen.circle(x + side * size * 0.74, y - size * 0.63, size * reach * 0.58, inner)


def _head(pen: Pen, coat: Coat, x: float, y: float, size: float) -> None:
    fur, belly = rgb(coat.fur), rgb(coat.belly)
    dark = shift(fur, -0.06)
    if coat.extra == "mane":
        for step in range(18):
            turn = step * math.pi / 9
            pen.circle(
                x + size * 0.98 * math.cos(turn),
                y + size * 0.94 * math.sin(turn),
                size * 0.40,
                rgb("#a8632a") if step % 2 else rgb("#8f4f22"),
            )
    _ears(pen, coat, x, y, size)
    sharp = coat.ears == "pointed"
    cheek = 1.06 if sharp else 1.0
    outline = [(0, -0.92), (0.55, -0.84), (0.94, -0.42), (cheek, 0.10), (0.72, 0.60), (0.30, 0.88), (0, 0.96)]
    both(pen, transform(curve(outline, closed=False), x, y, size), x, fur, dark)
    _face(pen, coat, x, y, size, belly)


def _face(pen: Pen, coat: Coat, x: float, y: float, size: float, belly: Colour) -> None:
    if coat.extra in {"mask", "whiskers", "stripes"}:
        mask = transform(
            curve(
                [(0, 0.02), (0.30, 0.10), (0.80, 0.02), (0.92, 0.20), (0.66, 0.58), (0.28, 0.82), (0, 0.90)],
                closed=False,
            ),
            x,
            y,
            size,
        )
        if coat.extra == "mask":
            both(pen, mask, x, belly, shift(belly, -0.03))
        else:
            pen.ellipse(x, y + size * 0.48, size * 0.46, size * 0.32, belly)
    elif coat.extra in {"muzzle", "mane", "panda"}:
        pen.ellipse(
            x,
            y + size * 0.44,
            size * 0.44,
            size * 0.34,
            belly if coat.extra != "panda" else shift(belly, -0.03),
        )
    if coat.extra == "panda":
        for side in (-1, 1):
            patch = curve([(0.18, -0.28), (0.52, -0.30), (0.66, 0.06), (0.42, 0.24), (0.20, 0.06)])
            pen.polygon(transform([(px * side, py) for px, py in patch], x, y, size), rgb("#26262c"))
    if coat.extra == "stripes":
        _stripes(pen, x, y, size)
    _eyes(pen, coat, x, y, size)
    _nose(pen, coat, x, y, size)


def _eyes(pen: Pen, coat: Coat, x: float, y: float, size: float) -> None:
    for side in (-1, 1):
        ex, ey = x + side * size * 0.40, y - size * 0.04
        if coat.eye != "#231a1e":
            pen.ellipse(ex, ey, size * 0.155, size * 0.16, rgb(coat.eye))
        pen.ellipse(ex, ey, size * 0.105, size * 0.145, rgb("#231a1e"))
        pen.circle(ex + size * 0.035, ey - size * 0.055, size * 0.036, (1.0, 1.0, 1.0))


def _nose(pen: Pen, coat: Coat, x: float, y: float, size: float) -> None:
    tone = rgb(coat.nose)
    if coat.extra == "koala":
        return pen.ellipse(x, y + size * 0.24, size * 0.19, size * 0.30, rgb("#3a3d47"))
    nose = curve([(-0.15, 0.26), (0, 0.23), (0.15, 0.26), (0.07, 0.38), (0, 0.42), (-0.07, 0.38)])
    pen.polygon(transform(nose, x, y, size), tone)
    ink = mix(tone, rgb("#3a2a2a"), 0.6)
    pen.line(transform([(0, 0.40), (0, 0.52)], x, y, size), size * 0.026, ink)
    smile = curve([(-0.20, 0.54), (-0.10, 0.61), (0, 0.52), (0.10, 0.61), (0.20, 0.54)], closed=False)
    pen.line(transform(smile, x, y, size), size * 0.026, ink)
    if coat.extra == "whiskers":
        for side in (-1, 1):
            for lift in (-0.06, 0.05, 0.16):
                pen.line(
                    transform([(side * 0.36, 0.44 + lift * 0.5), (side * 1.06, 0.36 + lift)], x, y, size),
                    size * 0.014,
                    (1.0, 1.0, 1.0),
                )
    return None


def _stripes(pen: Pen, x: float, y: float, size: float) -> None:
    ink = rgb("#3b2416")
    for shape in (
        [(-0.08, -0.90), (0.08, -0.90), (0, -0.45)],
        [(0.22, -0.86), (0.38, -0.82), (0.20, -0.50)],
        [(0.98, -0.22), (1.0, -0.06), (0.66, -0.10)],
        [(1.0, 0.08), (0.96, 0.24), (0.66, 0.14)],
    ):
        both(pen, transform(shape, x, y, size), x, ink, ink)
