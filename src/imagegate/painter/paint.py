"""The painter's door: one order in, one file out. Knows the way through the rooms, paints nothing itself."""

import hashlib
from pathlib import Path

import msgspec
import numpy as np
from PIL import Image

from imagegate.images.jobs.encode import MEDIA_TYPES, Format, encode
from imagegate.images.jobs.png_encoder import Pixels
from imagegate.painter import edit, finish
from imagegate.painter.canvas import Canvas
from imagegate.painter.noise import Generator
from imagegate.painter.order import PaintRequest, PaintResult, detail_of, seed_of
from imagegate.painter.palette import Colour, tinted_light
from imagegate.painter.scene_context import new_scene_context
from imagegate.painter.scenes import SCENES, SUBJECTS
from imagegate.painter.words import read_prompt

METADATA = {"Software": "imagegate embedded engine", "Description": "procedural preview, not a neural model"}
_MAX_EDGE_PIXELS = 3840
_MAX_PIXELS = 8_294_400
_MIN_CANVAS_PIXELS = 16
__all__ = ["METADATA", "PaintRequest", "PaintResult", "paint"]


def paint(order: PaintRequest) -> PaintResult:
    """Paint and write; the same order gives the same bytes."""
    file_format = _check_request(order)
    digests = [
        hashlib.sha256(Path(path).read_bytes()).digest() for path in (*order.references, *filter(None, [order.mask]))
    ]
    rng = np.random.Generator(np.random.PCG64(seed_of(order, digests)))
    choice = int.from_bytes(hashlib.sha256(order.prompt.encode("utf-8", "surrogatepass")).digest()[:16], "big")
    pixels = _paint_edit(order, rng, choice) if order.references else _paint_scene(order, rng, choice)
    size = encode(pixels, Path(order.out), file_format, order.compression, METADATA)
    return PaintResult(order.width, order.height, size, MEDIA_TYPES[file_format])


def _check_request(order: PaintRequest) -> Format:
    if not (0 < order.width <= _MAX_EDGE_PIXELS and 0 < order.height <= _MAX_EDGE_PIXELS):
        raise ValueError(f"no such size: {order.width}x{order.height}")
    if order.width * order.height > _MAX_PIXELS:
        raise ValueError(f"too many pixels: {order.width}x{order.height}")
    formats: dict[str, Format] = {"png": "png", "jpeg": "jpeg", "webp": "webp"}
    if order.format not in formats:
        raise ValueError(f"no such format: {order.format!r}")
    if order.transparent and order.format == "jpeg":
        raise ValueError("JPEG has no transparency")
    return formats[order.format]


def _paint_scene(order: PaintRequest, rng: Generator, choice: int) -> Pixels:
    brief = read_prompt(order.prompt, choice)
    cut_out = order.transparent and brief.scene not in SUBJECTS
    canvas = _new_canvas(order.width, order.height, rng, order, order.transparent and not cut_out)
    SCENES[brief.scene](new_scene_context(canvas, brief, order.index, choice))
    if cut_out:
        canvas.transparent, canvas.alpha = True, edit.rounded_card((canvas.width, canvas.height))
    return finish.finish_pixels(canvas)[: order.height, : order.width]


def _new_canvas(width: int, height: int, rng: Generator, order: PaintRequest, transparent: bool = False) -> Canvas:
    """Scenes need room for their slopes: a tiny picture is cut from a small sheet."""
    size = max(width, _MIN_CANVAS_PIXELS), max(height, _MIN_CANVAS_PIXELS)
    return Canvas(*size, rng, detail_of(order.quality), transparent)


def _paint_edit(order: PaintRequest, rng: Generator, choice: int) -> Pixels:
    brief = read_prompt(order.prompt, choice)

    def paint_patch(width: int, height: int, accent: Colour) -> Image.Image:
        canvas = _new_canvas(width, height, rng, order)
        stage = new_scene_context(canvas, brief, order.index, choice)
        leaning = msgspec.structs.replace(stage, light=tinted_light(stage.light, accent, 0.25))
        SCENES[brief.scene](leaning)
        return canvas.image.crop((0, 0, width, height))

    return edit.edit_image(order, brief, rng, paint_patch)
