"""Entry point of the painter: one request in, one file out."""

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
from imagegate.painter.palette import Colour, tinted_light
from imagegate.painter.request import PaintRequest, PaintResult, detail_of, seed_of
from imagegate.painter.scene_context import new_scene_context
from imagegate.painter.scenes import SCENES, SUBJECTS
from imagegate.painter.words import read_prompt

METADATA = {"Software": "imagegate embedded engine", "Description": "procedural preview, not a neural model"}
_MAX_EDGE_PIXELS = 3840
_MAX_PIXELS = 8_294_400
_MIN_CANVAS_PIXELS = 16
_FIRST_BLOCK = 32  # of the first pass; half of it with each further one
__all__ = ["METADATA", "PaintRequest", "PaintResult", "paint"]


def paint(request: PaintRequest) -> PaintResult:
    """Paint and write the file; the same request gives the same bytes. Raises ValueError for an impossible one."""
    file_format = _check_request(request)
    digests = [
        hashlib.sha256(Path(path).read_bytes()).digest()
        for path in (*request.references, *filter(None, [request.mask]))
    ]
    rng = np.random.Generator(np.random.PCG64(seed_of(request, digests)))
    choice = int.from_bytes(hashlib.sha256(request.prompt.encode("utf-8", "surrogatepass")).digest()[:16], "big")
    pixels = _paint_edit(request, rng, choice) if request.references else _paint_scene(request, rng, choice)
    for number, path in enumerate(request.passes):
        encode(_coarse(pixels, _FIRST_BLOCK >> number), Path(path), file_format, request.compression, METADATA)
    size = encode(pixels, Path(request.out), file_format, request.compression, METADATA)
    return PaintResult(request.width, request.height, size, MEDIA_TYPES[file_format])


def _coarse(pixels: Pixels, block: int) -> Pixels:
    """The image as it looks with one brushstroke for so many pixels each way."""
    image = Image.fromarray(pixels)
    strokes = image.reduce(block) if min(image.size) > block else image
    return np.asarray(strokes.resize(image.size, Image.Resampling.BILINEAR))


def _check_request(request: PaintRequest) -> Format:
    if not (0 < request.width <= _MAX_EDGE_PIXELS and 0 < request.height <= _MAX_EDGE_PIXELS):
        raise ValueError(f"no such size: {request.width}x{request.height}")
    if request.width * request.height > _MAX_PIXELS:
        raise ValueError(f"too many pixels: {request.width}x{request.height}")
    formats: dict[str, Format] = {"png": "png", "jpeg": "jpeg", "webp": "webp"}
    if request.format not in formats:
        raise ValueError(f"no such format: {request.format!r}")
    if request.transparent and request.format == "jpeg":
        raise ValueError("JPEG has no transparency")
    return formats[request.format]


def _paint_scene(request: PaintRequest, rng: Generator, choice: int) -> Pixels:
    reading = read_prompt(request.prompt, choice)
    cut_out = request.transparent and reading.scene not in SUBJECTS
    canvas = _new_canvas(request.width, request.height, rng, request, request.transparent and not cut_out)
    SCENES[reading.scene](new_scene_context(canvas, reading, request.index, choice))
    if cut_out:
        canvas.transparent, canvas.alpha = True, edit.rounded_card((canvas.width, canvas.height))
    return finish.finish_pixels(canvas)[: request.height, : request.width]


def _new_canvas(width: int, height: int, rng: Generator, request: PaintRequest, transparent: bool = False) -> Canvas:
    """Scenes need a minimum size: a smaller image is cropped from a canvas of that size."""
    size = max(width, _MIN_CANVAS_PIXELS), max(height, _MIN_CANVAS_PIXELS)
    return Canvas(*size, rng, detail_of(request.quality), transparent)


def _paint_edit(request: PaintRequest, rng: Generator, choice: int) -> Pixels:
    reading = read_prompt(request.prompt, choice)

    def paint_patch(width: int, height: int, accent: Colour) -> Image.Image:
        canvas = _new_canvas(width, height, rng, request)
        context = new_scene_context(canvas, reading, request.index, choice)
        leaning = msgspec.structs.replace(context, light=tinted_light(context.light, accent, 0.25))
        SCENES[reading.scene](leaning)
        return canvas.image.crop((0, 0, width, height))

    return edit.edit_image(request, reading, rng, paint_patch)
