"""The small visible label in a corner, drawn from built-in glyphs so that no font file is needed."""

import numpy as np
from PIL import Image

from imagegate.painter.palette import Floats

_TEXT = "imagegate preview"
_GLYPHS = {
    "a": ("     ", "     ", " ### ", "    #", " ####", "#   #", " ####", "     ", "     "),
    "e": ("     ", "     ", " ### ", "#   #", "#####", "#    ", " ### ", "     ", "     "),
    "g": ("     ", "     ", " ####", "#   #", "#   #", " ####", "    #", " ### ", "     "),
    "i": ("#", " ", "#", "#", "#", "#", "#", " ", " "),
    "m": ("     ", "     ", "## # ", "# # #", "# # #", "# # #", "# # #", "     ", "     "),
    "p": ("     ", "     ", "#### ", "#   #", "#   #", "#### ", "#    ", "#    ", "     "),
    "r": ("    ", "    ", "# ##", "##  ", "#   ", "#   ", "#   ", "    ", "    "),
    "t": (" #  ", " #  ", "### ", " #  ", " #  ", " #  ", "  ##", "    ", "    "),
    "v": ("     ", "     ", "#   #", "#   #", "#   #", " # # ", "  #  ", "     ", "     "),
    "w": ("     ", "     ", "#   #", "# # #", "# # #", "# # #", " # # ", "     ", "     "),
    " ": ("   ", "   ", "   ", "   ", "   ", "   ", "   ", "   ", "   "),
}
_OPACITY = 0.5


def label_mask(unit: float) -> Image.Image:
    """The text as a mask, sized for an image whose shorter side is `unit`."""
    rows = ["" for _ in range(9)]
    for letter in _TEXT:
        rows = [row + line + " " for row, line in zip(rows, _GLYPHS[letter], strict=True)]
    dots = np.array([[255 if dot == "#" else 0 for dot in row] for row in rows], np.uint8)
    height = max(9, round(unit * 0.0165))
    width = round(dots.shape[1] * height / 9)
    large = Image.fromarray(dots).resize((width * 3, height * 3), Image.Resampling.BICUBIC)
    return large.resize((width, height), Image.Resampling.BOX)


def stamp(image: Image.Image, corner: tuple[int, int] | None = None, alpha: Image.Image | None = None) -> None:
    """Draw the label, by default at the lower right. An image that is too small stays without."""
    unit = min(image.size)
    mask = label_mask(unit)
    margin = max(4, round(unit * 0.022))
    left, top = corner or (
        image.width - mask.width - margin,
        image.height - mask.height - margin + mask.height // 4,
    )
    if left < margin or top < 0:
        return
    box = (left, top, left + mask.width, top + mask.height)
    under: Floats = np.asarray(image.crop(box).convert("L"), np.float32)
    ink = (255, 255, 255) if float(under.mean()) < 165 else (20, 24, 40)
    faint = mask.point([round(level * _OPACITY) for level in range(256)])
    image.paste(ink, box, faint)
    if alpha is not None:
        alpha.paste(255, box, faint)
