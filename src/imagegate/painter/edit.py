"""Edits: the first reference becomes the image, words change its style, a mask limits where."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from imagegate.images.jobs.decode import open_upright
from imagegate.images.jobs.png_encoder import Pixels
from imagegate.painter import finish, watermark
from imagegate.painter.canvas import Canvas
from imagegate.painter.inpaint import MaskArea, inpaint, load_mask_area, merge
from imagegate.painter.noise import Generator
from imagegate.painter.palette import Colour, to_oklab
from imagegate.painter.request import PaintRequest, detail_of
from imagegate.painter.style import apply_styles
from imagegate.painter.words import PromptReading

PaintPatch = Callable[[int, int, Colour], Image.Image]
_REMOVAL_WORDS = ("remove", "erase", "delete", "clean up", "지워", "제거", "없애", "삭제")


def edit_image(request: PaintRequest, reading: PromptReading, rng: Generator, paint_patch: PaintPatch) -> Pixels:
    """The first reference fills the image; `paint_patch` paints what the words name inside a mask."""
    size = (request.width, request.height)
    first = load_covering(Path(request.references[0]), size)
    image, alpha = first.convert("RGB"), first.getchannel("A") if first.mode == "RGBA" else None
    if request.mask:
        area = load_mask_area(Path(request.mask), size)
        return _repaint_masked(request, reading, rng, paint_patch, first, area)
    if alpha is not None and not request.transparent:
        image = _flatten(first)
    result = apply_styles(image, reading.styles, reading.light, rng)
    if len(request.references) > 1:
        result = _add_insets(result, request, accent_colour(image))
    return _finish(result, rounded_card(size) if alpha is None else alpha, request, rng)


def load_covering(path: Path, size: tuple[int, int]) -> Image.Image:
    """The image cropped and scaled to cover the size; unchanged when it has that size already."""
    image = open_upright(path, within=size)
    if image.size == size:
        return image
    return ImageOps.fit(image, size, Image.Resampling.LANCZOS)


def accent_colour(image: Image.Image) -> Colour:
    """The dominant colour: the mean of the pixels, weighted by their chroma."""
    small = np.asarray(image.convert("RGB").resize((32, 32), Image.Resampling.BOX), np.float64).reshape(-1, 3) / 255
    chroma = np.hypot(*to_oklab(small)[:, 1:].T) ** 2 + 1e-4
    red, green, blue = (float(channel) for channel in (small * chroma[:, None]).sum(axis=0) / chroma.sum())
    return red, green, blue


def _flatten(first: Image.Image) -> Image.Image:
    paper = Image.new("RGBA", first.size, (247, 245, 240, 255))
    paper.alpha_composite(first)
    return paper.convert("RGB")


def _finish(image: Image.Image, alpha: Image.Image, request: PaintRequest, rng: Generator) -> Pixels:
    canvas = Canvas(request.width, request.height, rng, detail_of(request.quality), request.transparent)
    canvas.image, canvas.alpha, canvas.vignette = image, alpha, 0.10
    return finish.finish_pixels(canvas)


def rounded_card(size: tuple[int, int]) -> Image.Image:
    """An alpha mask with rounded corners, for an image without transparency of its own."""
    margin, unit = round(min(size) * 0.03), min(size)
    card = Image.new("L", size, 0)
    box = (margin, margin, size[0] - margin - 1, size[1] - margin - 1)
    ImageDraw.Draw(card).rounded_rectangle(box, radius=unit * 0.06, fill=255)
    return card.filter(ImageFilter.GaussianBlur(unit / 1500))


def _add_insets(image: Image.Image, request: PaintRequest, accent: Colour) -> Image.Image:
    """Add the other references as prints along the bottom, all inside the image."""
    others = request.references[1:]
    unit = min(image.size)
    across = min(len(others), max(1, image.width * 5 // unit))
    gap = max(1, round(unit * 0.02))
    side = min(round(unit * 0.26), (image.width - gap * (across + 1)) // across)
    if side < 8:
        return image
    result = image.copy()
    for number, path in enumerate(others):
        row, column = divmod(number, across)
        left, top = (
            gap + column * (side + gap),
            image.height - (row + 1) * (side + gap) - round(unit * 0.05),
        )
        if top >= 0:
            _paste_print(result, load_covering(Path(path), (side, side)), left, top, accent)
    return result


def _paste_print(image: Image.Image, inset: Image.Image, left: int, top: int, accent: Colour) -> None:
    side = inset.width
    border, radius = max(1, side // 28), max(2, side // 14)
    shadow = Image.new("L", (side * 5 // 4, side * 5 // 4), 0)
    ImageDraw.Draw(shadow).rounded_rectangle((side // 8, side // 8, side * 9 // 8, side * 9 // 8), radius, fill=120)
    dark = tuple(round(channel * 50) for channel in accent)
    image.paste(dark, (left - side // 8, top - side // 10), shadow.filter(ImageFilter.GaussianBlur(side / 24)))
    image.paste((255, 253, 248), (left, top), _rounded_mask(side, radius))
    inner = side - 2 * border
    image.paste(
        inset.convert("RGB").resize((inner, inner)), (left + border, top + border), _rounded_mask(inner, radius)
    )


def _rounded_mask(side: int, radius: int) -> Image.Image:
    mask = Image.new("L", (side * 3, side * 3), 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, side * 3 - 1, side * 3 - 1), radius * 3, fill=255)
    return mask.reduce(3)


def _repaint_masked(
    request: PaintRequest,
    reading: PromptReading,
    rng: Generator,
    paint_patch: PaintPatch,
    first: Image.Image,
    area: MaskArea,
) -> Pixels:
    """New content inside the mask; outside it the pixels stay exactly the same."""
    before = np.array(first if first.mode == "RGBA" and request.format != "jpeg" else first.convert("RGB"))
    if request.transparent and before.shape[2] == 3:
        before = np.dstack([before, np.full(before.shape[:2], 255, np.uint8)])
    if area.empty:
        return before
    inside = _masked_content(request, reading, rng, paint_patch, first.convert("RGB"), area)
    corner = area.corner_for(watermark.label_mask(min(inside.size)))
    if corner is not None:
        watermark.stamp(inside, corner)
    return merge(before, inside, area)


def _masked_content(
    request: PaintRequest,
    reading: PromptReading,
    rng: Generator,
    paint_patch: PaintPatch,
    image: Image.Image,
    area: MaskArea,
) -> Image.Image:
    left, top, right, bottom = area.box
    removal = any(word in request.prompt.lower() for word in _REMOVAL_WORDS)
    if reading.scene_named and not removal:
        patch = paint_patch(right - left, bottom - top, accent_colour(image))
        image = image.copy()
        image.paste(patch, (left, top))
        return image
    if removal or not reading.styles:
        image = inpaint(image, area, rng)
    return image if removal else apply_styles(image, reading.styles, reading.light, rng)
