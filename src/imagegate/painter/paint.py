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
from imagegate.painter.order import Order, Painted, detail_of, seed_of
from imagegate.painter.palette import Colour, tinted_light
from imagegate.painter.scene_context import set_stage
from imagegate.painter.scenes import SCENES, SUBJECTS
from imagegate.painter.words import read

METADATA = {"Software": "imagegate embedded engine", "Description": "procedural preview, not a neural model"}
_SIDE_LIMIT = 3840
_PIXEL_LIMIT = 8_294_400
_SMALLEST_SHEET = 16
__all__ = ["METADATA", "Order", "Painted", "paint"]


def paint(order: Order) -> Painted:
    """Paint and write; the same order gives the same bytes."""
    file_format = _checked(order)
    digests = [
        hashlib.sha256(Path(path).read_bytes()).digest() for path in (*order.references, *filter(None, [order.mask]))
    ]
    rng = np.random.Generator(np.random.PCG64(seed_of(order, digests)))
    choice = int.from_bytes(hashlib.sha256(order.prompt.encode("utf-8", "surrogatepass")).digest()[:16], "big")
    pixels = _edited(order, rng, choice) if order.references else _generated(order, rng, choice)
    size = encode(pixels, Path(order.out), file_format, order.compression, METADATA)
    return Painted(order.width, order.height, size, MEDIA_TYPES[file_format])


def _checked(order: Order) -> Format:
    if not (0 < order.width <= _SIDE_LIMIT and 0 < order.height <= _SIDE_LIMIT):
        raise ValueError(f"no such size: {order.width}x{order.height}")
    if order.width * order.height > _PIXEL_LIMIT:
        raise ValueError(f"too many pixels: {order.width}x{order.height}")
    formats: dict[str, Format] = {"png": "png", "jpeg": "jpeg", "webp": "webp"}
    if order.format not in formats:
        raise ValueError(f"no such format: {order.format!r}")
    if order.transparent and order.format == "jpeg":
        raise ValueError("JPEG has no transparency")
    return formats[order.format]


def _generated(order: Order, rng: Generator, choice: int) -> Pixels:
    brief = read(order.prompt, choice)
    cut_out = order.transparent and brief.scene not in SUBJECTS
    canvas = _sheet(order.width, order.height, rng, order, order.transparent and not cut_out)
    SCENES[brief.scene](set_stage(canvas, brief, order.index, choice))
    if cut_out:
        canvas.transparent, canvas.alpha = True, edit.card((canvas.width, canvas.height))
    return finish.finished(canvas)[: order.height, : order.width]


def _sheet(width: int, height: int, rng: Generator, order: Order, transparent: bool = False) -> Canvas:
    """Scenes need room for their slopes: a tiny picture is cut from a small sheet."""
    size = max(width, _SMALLEST_SHEET), max(height, _SMALLEST_SHEET)
    return Canvas(*size, rng, detail_of(order.quality), transparent)


def _edited(order: Order, rng: Generator, choice: int) -> Pixels:
    brief = read(order.prompt, choice)

    def imagine(width: int, height: int, accent: Colour) -> Image.Image:
        canvas = _sheet(width, height, rng, order)
        stage = set_stage(canvas, brief, order.index, choice)
        leaning = msgspec.structs.replace(stage, light=tinted_light(stage.light, accent, 0.25))
        SCENES[brief.scene](leaning)
        return canvas.picture.crop((0, 0, width, height))

    return edit.edited(order, brief, rng, imagine)
