"""What a scene starts from: the canvas, the prompt, the light, and the position of the light source."""

import msgspec
import numpy as np

from imagegate.painter.canvas import Canvas
from imagegate.painter.drawing import Point
from imagegate.painter.palette import COLOUR_WORDS, LIGHTS, SETS, Colour, Light, rgb, tinted_light, tinted_set
from imagegate.painter.words import PromptReading

_DEFAULT_LIGHTS = {
    "vista": ("dawn", "sunset", "golden", "day", "dusk"),
    "sea": ("sunset", "day", "golden", "dusk"),
    "forest": ("dawn", "golden", "dusk", "day"),
    "desert": ("desert", "sunset", "golden"),
    "city": ("dusk", "sunset", "night", "neon"),
    "creature": ("golden", "dawn", "pastel", "day", "sunset"),
    "portrait": ("sunset", "dawn", "golden", "dusk"),
}


class SceneContext(msgspec.Struct, frozen=True):
    """The inputs of a scene. `index` tells the images of one request apart; `seed` comes from the prompt."""

    canvas: Canvas
    reading: PromptReading
    light: Light
    light_name: str
    colours: tuple[Colour, ...]
    index: int
    seed: int

    def wants(self, *things: str) -> bool:
        return not self.reading.objects.isdisjoint(things)


def new_scene_context(canvas: Canvas, reading: PromptReading, index: int, base: int) -> SceneContext:
    """The prompt decides first; otherwise the index walks through fitting choices, so that n images differ."""
    free = _DEFAULT_LIGHTS.get(reading.scene, ("sunset", "dawn", "dusk"))
    name = reading.light or free[_choice(base, index, len(free))]
    if reading.scene == "desert" and name == "day":
        name = "desert"
    light = LIGHTS[name]
    accents = tuple(COLOUR_WORDS[colour] for colour in reading.colours)
    if accents and reading.scene in {"vista", "sea", "forest", "desert", "city"}:
        light = tinted_light(light, accents[0])
    colours = tinted_set(accents[0]) if accents else SETS[_choice(base, index, len(SETS))]
    if len(accents) > 1:
        colours = (*colours[:4], accents[1], *colours[5:])
    return SceneContext(canvas, reading, light, name, colours, index, base)


def light_position(context: SceneContext, horizon: float, low: float = 0.12, high: float = 0.34) -> Point:
    """Off centre, on alternating thirds; low at dawn and dusk."""
    canvas = context.canvas
    side = 1 if pick(context, 2) else -1
    x = 0.5 + side * (0.14 + 0.12 * canvas.rng.random())
    above = high if context.light_name in {"day", "night", "winter", "storm", "aurora"} else low
    y = horizon - above * (0.8 + 0.4 * canvas.rng.random())
    return float(x * canvas.width), float(max(0.1, y) * canvas.height)


def uniform(context: SceneContext, low: float, high: float) -> float:
    return float(context.canvas.rng.uniform(low, high))


def pick(context: SceneContext, choices: int) -> int:
    """A choice that depends on the prompt and advances with the index, so that neighbouring images differ."""
    return _choice(context.seed, context.index, choices)


def _choice(base: int, index: int, choices: int) -> int:
    return (int(base // 7**choices) + index) % choices


def sign(value: float) -> float:
    return float(np.sign(value)) or 1.0


WHITE, BLACK = rgb("#ffffff"), rgb("#000000")
