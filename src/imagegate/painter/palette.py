"""Matching colours, mixed in OKLab so that blends stay clean."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Colour = tuple[float, float, float]

_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_FROM_CONES = np.linalg.inv(_TO_CONES)
_FROM_LAB = np.linalg.inv(_TO_LAB)


def rgb(text: str) -> Colour:
    """`#rrggbb` as three numbers 0..1."""
    red, green, blue = (int(text[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue


def to_oklab(colours: npt.ArrayLike) -> npt.NDArray[np.float64]:
    encoded = np.asarray(colours, np.float64)
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    lab: npt.NDArray[np.float64] = np.cbrt(linear @ _TO_CONES.T) @ _TO_LAB.T
    return lab


def from_oklab(lab: npt.ArrayLike) -> npt.NDArray[np.float64]:
    linear = np.clip((np.asarray(lab, np.float64) @ _FROM_LAB.T) ** 3 @ _FROM_CONES.T, 0.0, 1.0)
    encoded = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.clip(encoded, 0.0, 1.0)


def _colour(lab: npt.NDArray[np.float64]) -> Colour:
    red, green, blue = (float(channel) for channel in from_oklab(lab))
    return red, green, blue


def mix(first: Colour, second: Colour, share: float) -> Colour:
    return _colour(to_oklab(first) * (1 - share) + to_oklab(second) * share)


def shift(colour: Colour, light: float = 0.0, chroma: float = 1.0, turn: float = 0.0) -> Colour:
    """Lighter by `light`, `chroma` times as colourful, hue turned by `turn` radians."""
    lightness, a, b = to_oklab(colour)
    radius, angle = np.hypot(a, b) * chroma, np.arctan2(b, a) + turn
    return _colour(np.array([np.clip(lightness + light, 0, 1), radius * np.cos(angle), radius * np.sin(angle)]))


def oklch(lightness: float, chroma: float, hue: float) -> Colour:
    return _colour(np.array([lightness, chroma * np.cos(hue), chroma * np.sin(hue)]))


def hue_of(colour: Colour) -> float:
    _, a, b = to_oklab(colour)
    return float(np.arctan2(b, a))


def ramp(stops: Sequence[Colour], steps: int = 1024) -> Floats:
    """A table of `steps` colours through the stops, evenly spaced."""
    lab = to_oklab(np.array(stops))
    at = np.linspace(0, len(stops) - 1, steps)
    table = np.stack([np.interp(at, np.arange(len(stops)), lab[:, channel]) for channel in range(3)], axis=1)
    return from_oklab(table).astype(np.float32)


def along(table: Floats, position: Floats) -> Floats:
    """The colour at each position 0..1 of a ramp."""
    index = np.clip(position * (len(table) - 1) + 0.5, 0, len(table) - 1).astype(np.int16)
    colours: Floats = np.take(table, index, axis=0)
    return colours


class Light(msgspec.Struct, frozen=True):
    """A time of day: sky from top to horizon, haze, dark foreground, and the sun or moon (`lamp`)."""

    sky: tuple[Colour, ...]
    haze: Colour
    near: Colour
    lamp: Colour
    warm: Colour
    dark: bool = False


def _light(sky: str, haze: str, near: str, lamp: str, warm: str, dark: bool = False) -> Light:
    return Light(tuple(rgb(stop) for stop in sky.split()), rgb(haze), rgb(near), rgb(lamp), rgb(warm), dark)


LIGHTS: dict[str, Light] = {
    "dawn": _light("#33508f #7d88c4 #e0b0c4 #ffdcc0", "#f2c8c0", "#22304f", "#fff3dc", "#ffb596"),
    "day": _light("#2272c9 #59a8e6 #a9d8f3 #e6f5f7", "#c4e2ec", "#16464c", "#fffbe8", "#ffd98a"),
    "golden": _light("#4c6aa6 #9c9fc0 #f0bf94 #ffe3a6", "#f7cd97", "#3a2438", "#fff4cf", "#ffb04a"),
    "sunset": _light("#27215f #6c2f80 #d94f78 #ff8a5c #ffd07e", "#f58e6c", "#1a1236", "#ffefc2", "#ff9e4f"),
    "dusk": _light("#131b47 #343a82 #7a559f #d97f9c #ffc0a0", "#b9789f", "#0d1233", "#ffe6cf", "#ff9d7a"),
    "night": _light("#050a20 #0a1a42 #14366b #2b6092", "#2a5a8c", "#050a1c", "#f6f2dd", "#ffcf73", dark=True),
    "aurora": _light("#040a1f #08203f #0d4257 #1c7268", "#1d6470", "#04101c", "#f0fff4", "#8dffc0", dark=True),
    "storm": _light("#2b3947 #4b6072 #8098a6 #bccbd0", "#a9bbc4", "#17242e", "#f0f4f2", "#e6c27a"),
    "winter": _light("#5f94c9 #98c2e2 #cfe4f0 #fbeee8", "#d5e5f0", "#24456b", "#fffaf0", "#ffc9a8"),
    "pastel": _light("#9fb2f2 #c9b8f2 #f4c3dc #ffe6cd", "#efcade", "#5b4a8a", "#fffaf0", "#ffb8a0"),
    "desert": _light("#2a6fa6 #74b3c6 #eed9ac #ffcf9c", "#f2c294", "#6e2a22", "#fff3d6", "#f08a4b"),
    "neon": _light("#0d0628 #2a0c5c #7a1a9a #f0388f #ffa24d", "#8a2a9c", "#0a0522", "#ffe27a", "#25e0ff", dark=True),
}

COLOUR_WORDS: dict[str, Colour] = {
    "red": rgb("#e0403a"),
    "orange": rgb("#f5853b"),
    "yellow": rgb("#f7c938"),
    "green": rgb("#3fa66a"),
    "teal": rgb("#1fa3a3"),
    "blue": rgb("#3474e0"),
    "navy": rgb("#1d2f6b"),
    "purple": rgb("#8450d6"),
    "pink": rgb("#f27aa8"),
    "brown": rgb("#8f5b3a"),
    "gold": rgb("#d9a63a"),
    "white": rgb("#f2f0ea"),
    "black": rgb("#1c1c22"),
    "grey": rgb("#8b8f98"),
}

# colour sets for images without a sky: background, then colours from dark to bright
SETS: tuple[tuple[Colour, ...], ...] = tuple(
    tuple(rgb(stop) for stop in line.split())
    for line in (
        "#f6efe4 #1d3557 #2a7f9e #6cc0b5 #f4b860 #e4572e",
        "#f8f1ff #2c1660 #7a3fd1 #d76d77 #ffaf7b #ffe3c2",
        "#f4f0ff #2b2d6e #5a5bd6 #a06cf0 #f08fc0 #ffd1b8",
        "#eef7f2 #0b3d3b #17807a #4fc3a1 #b8e986 #f9f871",
        "#fff4ec #5b1a3a #b83b5e #f08a5d #f9c784 #fcefb4",
        "#eefaff #0b2f5c #1274b8 #2ec4d6 #9af0d8 #fff0b8",
        "#faf5ef #3c2a4d #7d4f8c #d1779f #f2a7a0 #ffd9b0",
    )
)


def tinted_set(accent: Colour) -> tuple[Colour, ...]:
    """A colour set around one named colour: a dark tone, the colour, its neighbours and its complement."""
    hue = hue_of(accent)
    chroma = float(np.hypot(*to_oklab(accent)[1:]))
    strength = min(chroma, 0.17)
    return (
        oklch(0.965, strength * 0.12, hue),
        oklch(0.30, strength * 0.6, hue - 0.25),
        oklch(0.50, strength * 0.9, hue - 0.12),
        accent,
        oklch(0.80, strength * 0.7, hue + 0.35),
        oklch(0.90, strength * 0.5, hue + 0.7),
    )


def tinted_light(light: Light, accent: Colour, share: float = 0.45) -> Light:
    """The same light with its hues shifted towards the accent; lightness stays."""

    def lean(colour: Colour) -> Colour:
        lightness, a, b = to_oklab(colour)
        _, accent_a, accent_b = to_oklab(accent)
        lab = np.array([lightness, a * (1 - share) + accent_a * share, b * (1 - share) + accent_b * share])
        return _colour(lab)

    return Light(
        tuple(lean(stop) for stop in light.sky),
        lean(light.haze),
        lean(light.near),
        light.lamp,
        light.warm,
        light.dark,
    )
