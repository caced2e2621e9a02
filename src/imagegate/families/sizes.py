"""Ratios, tiers and pixels of the GPT image family, in integers only.

Sources: OpenAI's published size limits and the public ratio tables of resellers, which the formula reproduces exactly.
"""

from __future__ import annotations

import functools
import re
from math import isqrt

RATIOS = ("1:1", "1:2", "2:1", "1:3", "3:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9", "9:21")
TIERS = {"1K": 1024 * 1024, "2K": 2048 * 2048, "4K": 3840 * 2160}
EDGE_MULTIPLE = 16
MIN_EDGE, MAX_EDGE = 16, 3840
MIN_AREA, MAX_AREA = 655_360, 8_294_400
MAX_ASPECT = 3
PIXELS_RE = re.compile(r"([1-9][0-9]{1,3})[x×]([1-9][0-9]{1,3})")


@functools.cache  # there are 45
def pixels_for_ratio(ratio: str, tier: str) -> tuple[int, int]:
    """Width and height of a ratio at a tier: each edge to the nearest 16, then scaled down to fit the limits."""
    a, b = (int(part) for part in ratio.split(":"))
    width, height = _nearest_edge(TIERS[tier], a, b), _nearest_edge(TIERS[tier], b, a)
    longer, area = max(width, height), width * height
    if longer <= MAX_EDGE and area <= MAX_AREA:
        return width, height
    if MAX_EDGE**2 * area <= MAX_AREA * longer**2:
        return _scale_to_max_edge(width, longer), _scale_to_max_edge(height, longer)
    return _scale_to_max_area(width, area), _scale_to_max_area(height, area)


def _nearest_edge(target: int, a: int, b: int) -> int:
    """sqrt(target * a / b) to the nearest 16."""
    steps = isqrt(target * a // b) // EDGE_MULTIPLE + 2
    while (EDGE_MULTIPLE * steps - EDGE_MULTIPLE // 2) ** 2 * b > target * a:
        steps -= 1
    return EDGE_MULTIPLE * steps


def _scale_to_max_edge(edge: int, longer: int) -> int:
    return edge * MAX_EDGE // longer // EDGE_MULTIPLE * EDGE_MULTIPLE


def _scale_to_max_area(edge: int, area: int) -> int:
    return isqrt(MAX_AREA * edge * edge // area) // EDGE_MULTIPLE * EDGE_MULTIPLE


@functools.lru_cache(maxsize=1000)
def parse_pixels(text: str) -> tuple[int, int] | None:
    """`WxH` or `W×H` in ASCII digits; None for any other text."""
    match = PIXELS_RE.fullmatch(text)
    return (int(match[1]), int(match[2])) if match else None


def size_error(width: int, height: int) -> str | None:
    """Why these explicit pixels are refused, or None where they are allowed."""
    if width % EDGE_MULTIPLE or height % EDGE_MULTIPLE:
        return f"both edges must be multiples of {EDGE_MULTIPLE}"
    if not MIN_EDGE <= min(width, height) <= max(width, height) <= MAX_EDGE:
        return f"each edge must be {MIN_EDGE} to {MAX_EDGE} pixels"
    if max(width, height) > MAX_ASPECT * min(width, height):
        return f"the longer edge may be at most {MAX_ASPECT} times the shorter"
    if not MIN_AREA <= width * height <= MAX_AREA:
        return f"width times height must be {MIN_AREA:,} to {MAX_AREA:,} pixels"
    return None


def tier_for_area(pixels: int) -> str:
    """The tier that an image of so many pixels counts as."""
    return "1K" if pixels <= 1_700_000 else "2K" if pixels <= 4_400_000 else "4K"


@functools.lru_cache(maxsize=1000)
def output_tokens(width: int, height: int, base: int) -> int:
    """Image output tokens of one image; `base` is the model's tile base for the quality. Rounds half up."""
    shorter, longer = min(width, height), max(width, height)
    short = (2 * base * shorter + longer) // (2 * longer)
    return -(-base * short * (2_000_000 + width * height) // 4_000_000)
