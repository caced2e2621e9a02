"""Structured noise: clouds, ridges, flows."""

import numpy as np
from PIL import Image

from imagegate.painter.palette import Floats

Generator = np.random.Generator


def smoothstep(low: float, high: float, value: Floats) -> Floats:
    share = np.clip((value - low) / (high - low), 0.0, 1.0)
    smooth: Floats = share * share * (3.0 - 2.0 * share)
    return smooth


def resize(field: Floats, width: int, height: int) -> Floats:
    if field.shape == (height, width):
        return field
    enlarged = Image.fromarray(field).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(enlarged, np.float32)


def _soft_grid(rng: Generator, columns: int, rows: int) -> Floats:
    # smoothing before enlarging makes the bumps round: bare bicubic noise shows its grid
    grid = rng.standard_normal((rows + 4, columns + 4), np.float32)
    for _ in range(2):
        grid = (grid[:-2] + 2 * grid[1:-1] + grid[2:]) * np.float32(0.25)
        grid = (grid[:, :-2] + 2 * grid[:, 1:-1] + grid[:, 2:]) * np.float32(0.25)
    deviation = float(grid.std()) or 1.0
    return grid / np.float32(deviation)


def fractal(
    rng: Generator,
    width: int,
    height: int,
    bumps: float,
    octaves: int,
    gain: float = 0.5,
    stretch: float = 1.0,
) -> Floats:
    """Noise with mean 0 and standard deviation about 1; `bumps` fit in the shorter side, `stretch` widens them."""
    total = np.zeros((height, width), np.float32)
    unit, weight, power = min(width, height) / bumps, 1.0, 0.0
    for _ in range(octaves):
        node = max(1.0, unit / 2)
        columns, rows = int(width / node / stretch) + 2, int(height / node) + 2
        total += np.float32(weight) * resize(
            _soft_grid(rng, min(columns, width + 2), min(rows, height + 2)), width, height
        )
        power += weight * weight
        unit, weight = unit / 2, weight * gain
        if unit < 2:
            break
    return total / np.float32(power**0.5)


def warp(field: Floats, across: Floats, down: Floats, reach: float) -> Floats:
    """Displace a field by two others; `reach` is a fraction of the shorter side. Mirrored at the borders."""
    height, width = field.shape
    pixels = reach * min(width, height)
    columns = np.arange(width, dtype=np.float32)[None, :] + across * np.float32(pixels)
    rows = np.arange(height, dtype=np.float32)[:, None] + down * np.float32(pixels)
    return field[_mirror(rows, height), _mirror(columns, width)]


def _mirror(position: Floats, length: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int32]]:
    last = max(1, length - 1)
    folded = np.abs((position + last) % (2 * last) - last)
    return np.minimum(folded, length - 1).astype(np.int32)


def turbulence(
    rng: Generator,
    width: int,
    height: int,
    bumps: float,
    octaves: int,
    reach: float = 0.18,
    stretch: float = 1.0,
) -> Floats:
    """Fractal noise displaced by slower noise: marble, nebula, weather."""
    field = fractal(rng, width, height, bumps, octaves, stretch=stretch)
    across = _smooth_noise(rng, width, height, bumps * 0.7)
    down = _smooth_noise(rng, width, height, bumps * 0.7)
    return resize(warp(field, across, down, reach), width, height)


def _smooth_noise(rng: Generator, width: int, height: int, bumps: float) -> Floats:
    # slow noise loses nothing at a quarter of the size
    small = fractal(rng, max(2, width // 4), max(2, height // 4), max(1.0, bumps), 2)
    return resize(small, width, height)


def skyline(
    rng: Generator, columns: int, bumps: float, octaves: int, gain: float = 0.5, smooth: bool = False
) -> Floats:
    """A line with mean 0 and standard deviation about 1, straight or smooth between its nodes."""
    at = np.linspace(0, 1, columns)
    total, weight, power, nodes = np.zeros(columns), 1.0, 0.0, bumps
    for _ in range(octaves):
        count = int(nodes) + 3
        heights = rng.standard_normal(count)
        start = rng.random()
        place = start + at * nodes
        if smooth:
            place = _ease(place)
        total += weight * np.interp(place, np.arange(count), heights)
        power += weight * weight
        nodes, weight = nodes * 2.1, weight * gain
        if nodes * 2 > columns:
            break
    line: Floats = (total / power**0.5).astype(np.float32)
    return line


def _ease(
    place: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    whole = np.floor(place)
    part = place - whole
    eased: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = whole + part * part * (3 - 2 * part)
    return eased
