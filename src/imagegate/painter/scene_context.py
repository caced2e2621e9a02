"""What a scene starts from: the canvas, the words, the light, and a place for the lamp. Decides no shapes."""

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
    """One picture about to be painted."""

    canvas: Canvas
    brief: PromptReading
    light: Light
    light_name: str
    colours: tuple[Colour, ...]
    index: int
    seed: int

    def wants(self, *things: str) -> bool:
        return not self.brief.objects.isdisjoint(things)


def new_scene_context(canvas: Canvas, brief: PromptReading, index: int, base: int) -> SceneContext:
    """Words decide first; where they are silent the index walks through what fits, so that n differ."""
    free = _DEFAULT_LIGHTS.get(brief.scene, ("sunset", "dawn", "dusk"))
    name = brief.light or free[_choice(base, index, len(free))]
    if brief.scene == "desert" and name == "day":
        name = "desert"
    light = LIGHTS[name]
    accents = tuple(COLOUR_WORDS[colour] for colour in brief.colours)
    if accents and brief.scene in {"vista", "sea", "forest", "desert", "city"}:
        light = tinted_light(light, accents[0])
    colours = tinted_set(accents[0]) if accents else SETS[_choice(base, index, len(SETS))]
    if len(accents) > 1:
        colours = (*colours[:4], accents[1], *colours[5:])
    return SceneContext(canvas, brief, light, name, colours, index, base)


def light_position(stage: SceneContext, horizon: float, low: float = 0.12, high: float = 0.34) -> Point:
    """Off the middle, on alternating thirds; a low sun at the edges of the day."""
    canvas = stage.canvas
    side = 1 if pick(stage, 2) else -1
    x = 0.5 + side * (0.14 + 0.12 * canvas.rng.random())
    above = high if stage.light_name in {"day", "night", "winter", "storm", "aurora"} else low
    y = horizon - above * (0.8 + 0.4 * canvas.rng.random())
    return float(x * canvas.width), float(max(0.1, y) * canvas.height)


def uniform(stage: SceneContext, low: float, high: float) -> float:
    return float(stage.canvas.rng.uniform(low, high))


def pick(stage: SceneContext, choices: int) -> int:
    """A choice that starts anywhere and moves on with the index, so that neighbours differ."""
    return _choice(stage.seed, stage.index, choices)


def _choice(base: int, index: int, choices: int) -> int:
    return (int(base // 7**choices) + index) % choices


def sign(value: float) -> float:
    return float(np.sign(value)) or 1.0


WHITE, BLACK = rgb("#ffffff"), rgb("#000000")
