"""Draws shapes, given in full-size pixels, on an enlarged patch."""

import math
from collections.abc import Callable, Sequence

from PIL import Image, ImageDraw

from imagegate.painter.palette import Colour

Point = tuple[float, float]


class Pen:
    """Draws shapes of one colour each."""

    def __init__(self, patch: Image.Image, left: float, top: float, finer: int) -> None:
        self._draw = ImageDraw.Draw(patch)
        self._left, self._top, self._finer = left, top, finer

    def _ink(self, colour: Colour) -> tuple[int, int, int] | int:
        red, green, blue = (round(channel * 255) for channel in colour)
        return red, green, blue

    def _at(self, point: Point) -> Point:
        return (point[0] - self._left) * self._finer, (point[1] - self._top) * self._finer

    def polygon(self, points: Sequence[Point], colour: Colour) -> None:
        self._draw.polygon([self._at(point) for point in points], fill=self._ink(colour))

    def ellipse(self, x: float, y: float, across: float, down: float, colour: Colour) -> None:
        """By its centre and its two radii."""
        if across > 0 and down > 0:
            self._draw.ellipse(
                [self._at((x - across, y - down)), self._at((x + across, y + down))], fill=self._ink(colour)
            )

    def circle(self, x: float, y: float, radius: float, colour: Colour) -> None:
        self.ellipse(x, y, radius, radius, colour)

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour, round_by: float = 0) -> None:
        if right <= left or bottom <= top:
            return
        corners = [self._at((left, top)), self._at((right, bottom))]
        self._draw.rounded_rectangle(corners, radius=round_by * self._finer, fill=self._ink(colour))

    def line(self, points: Sequence[Point], width: float, colour: Colour) -> None:
        thickness = max(1, round(width * self._finer))
        self._draw.line([self._at(point) for point in points], fill=self._ink(colour), width=thickness, joint="curve")

    def arc(self, x: float, y: float, radius: float, start: float, stop: float, width: float, colour: Colour) -> None:
        """Part of a ring, angles in radians clockwise from three o'clock, with round ends."""
        turn = [start + (stop - start) * step / 96 for step in range(97)]
        outer = [(x + (radius + width / 2) * math.cos(a), y + (radius + width / 2) * math.sin(a)) for a in turn]
        inner = [(x + (radius - width / 2) * math.cos(a), y + (radius - width / 2) * math.sin(a)) for a in turn]
        self.polygon(outer + inner[::-1], colour)
        if abs(stop - start) < 2 * math.pi - 1e-6:
            for angle in (start, stop):
                self.circle(x + radius * math.cos(angle), y + radius * math.sin(angle), width / 2, colour)


class StencilPen(Pen):
    """Draws the coverage of the same shapes instead of their colour."""

    def _ink(self, colour: Colour) -> tuple[int, int, int] | int:
        return 255


Sketch = Callable[[Pen], None]


def curve(points: Sequence[Point], closed: bool = True, steps: int = 10) -> list[Point]:
    """A smooth line through the points (Catmull-Rom)."""
    count = len(points)
    if count < 3:
        return list(points)
    path: list[Point] = []
    for index in range(count if closed else count - 1):
        around = [_point_at(points, index + offset, closed) for offset in (-1, 0, 1, 2)]
        path.extend(_catmull_rom(around, step / steps) for step in range(steps))
    if not closed:
        path.append(points[-1])
    return path


def _point_at(points: Sequence[Point], index: int, closed: bool) -> Point:
    return points[index % len(points)] if closed else points[min(max(index, 0), len(points) - 1)]


def _catmull_rom(around: Sequence[Point], t: float) -> Point:
    before, start, stop, after = around
    weights = (-t + 2 * t * t - t**3, 2 - 5 * t * t + 3 * t**3, t + 4 * t * t - 3 * t**3, -t * t + t**3)
    x = sum(weight * point[0] for weight, point in zip(weights, (before, start, stop, after), strict=True)) / 2
    y = sum(weight * point[1] for weight, point in zip(weights, (before, start, stop, after), strict=True)) / 2
    return x, y


def mirror(points: Sequence[Point], axis: float) -> list[Point]:
    return [(2 * axis - x, y) for x, y in points]


def transform(points: Sequence[Point], x: float, y: float, size: float, turn: float = 0.0) -> list[Point]:
    """Points of a unit drawing, rotated by `turn` radians, scaled and translated."""
    cosine, sine = math.cos(turn) * size, math.sin(turn) * size
    return [(x + px * cosine - py * sine, y + px * sine + py * cosine) for px, py in points]
