"""Ratios, tiers and pixels of the GPT image family, in integers only.

Knows: how a ratio and a tier become pixels, and which explicit pixels are legal. Sources: OpenAI's published size
limits and the public ratio tables of resellers, reproduced exactly by the formula.
"""

from __future__ import annotations

import re
from math import isqrt

RATIOS = (
    "1:1",
    "1:2",
    "2:1",
    "1:3",
    "3:1",
    "2:3",
    "3:2",
    "3:4",
    "4:3",
    "4:5",
    "5:4",
    "9:16",
    "16:9",
    "21:9",
    "9:21",
)
TIERS = {"1K": 1024 * 1024, "2K": 2048 * 2048, "4K": 3840 * 2160}
STEP = 16
EDGE_MIN, EDGE_MAX = 16, 3840
AREA_MIN, AREA_MAX = 655_360, 8_294_400
ASPECT_MAX = 3
PIXELS = re.compile(r"([1-9][0-9]{1,3})[x×]([1-9][0-9]{1,3})")


def ratio_pixels(ratio: str, tier: str) -> tuple[int, int]:
    """Width and height of a ratio at a tier: each edge to the nearest 16, then scaled down to fit the limits."""
    a, b = (int(part) for part in ratio.split(":"))
    width, height = _edge(TIERS[tier], a, b), _edge(TIERS[tier], b, a)
    longer, area = max(width, height), width * height
    if longer <= EDGE_MAX and area <= AREA_MAX:
        return width, height
    if EDGE_MAX**2 * area <= AREA_MAX * longer**2:
        return _by_edge(width, longer), _by_edge(height, longer)
    return _by_area(width, area), _by_area(height, area)


def _edge(target: int, a: int, b: int) -> int:
    """sqrt(target * a / b) to the nearest 16."""
    steps = isqrt(target * a // b) // STEP + 2
    while (STEP * steps - STEP // 2) ** 2 * b > target * a:
        steps -= 1
    return STEP * steps


def _by_edge(edge: int, longer: int) -> int:
    return edge * EDGE_MAX // longer // STEP * STEP


def _by_area(edge: int, area: int) -> int:
    return isqrt(AREA_MAX * edge * edge // area) // STEP * STEP


def parse_pixels(text: str) -> tuple[int, int] | None:
    """`WxH` or `W×H` in ASCII digits, or None where the text is no such thing."""
    match = PIXELS.fullmatch(text)
    return (int(match[1]), int(match[2])) if match else None


def pixels_fault(width: int, height: int) -> str | None:
    """Why these explicit pixels are refused, or None where they are legal."""
    if width % STEP or height % STEP:
        return f"both edges must be multiples of {STEP}"
    if not EDGE_MIN <= min(width, height) <= max(width, height) <= EDGE_MAX:
        return f"each edge must be {EDGE_MIN} to {EDGE_MAX} pixels"
    if max(width, height) > ASPECT_MAX * min(width, height):
        return f"the longer edge may be at most {ASPECT_MAX} times the shorter"
    if not AREA_MIN <= width * height <= AREA_MAX:
        return f"width times height must be {AREA_MIN:,} to {AREA_MAX:,} pixels"
    return None


def output_tokens(width: int, height: int, base: int) -> int:
    """Image output tokens of one image; `base` is the row's tile base for the quality. Rounds half up."""
    shorter, longer = min(width, height), max(width, height)
    short = (2 * base * shorter + longer) // (2 * longer)
    return -(-base * short * (2_000_000 + width * height) // 4_000_000)
