"""What a task used, in tokens by category.

Cached tokens are a part of their category, never beside it: `text_cached_input <= text_input`.
"""

from __future__ import annotations

import enum

import msgspec


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of a whole task (all its images together), and how many images arrived."""

    images: int
    text_input: int = 0
    text_cached_input: int = 0
    image_input: int = 0
    image_cached_input: int = 0
    image_output: int = 0
    text_output: int = 0


class UsageSource(enum.StrEnum):
    """Who counted: the upstream, our formula in its place (`estimated`), or the embedded engine (`formula`)."""

    upstream = "upstream"
    estimated = "estimated"
    formula = "formula"
