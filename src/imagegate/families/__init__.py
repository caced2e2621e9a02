"""What each model family accepts, and how many tokens it will use.

A family is one file with the functions of `Family`; `FAMILIES` names it for the catalog.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from imagegate.catalog.schema import Alias, Model
from imagegate.domain.images import ImageOrder, ImageRequest
from imagegate.domain.usage import Usage
from imagegate.families import gpt_image


class Family(Protocol):
    def build_order(self, request: ImageRequest, model: Model, alias: Alias | None, auto_cap: str) -> ImageOrder:
        """The order with every default filled in. InvalidRequest names the field and its allowed values."""

    def price_tier(self, order: ImageOrder) -> str:
        """The tier that a per-image price is looked up by."""

    def expected_usage(self, order: ImageOrder, model: Model) -> Usage:
        """What the order will probably use: the quote's expected price."""

    def max_usage(self, order: ImageOrder, model: Model) -> Usage:
        """A bound that no honest upstream exceeds: what is held."""

    def usage_from_pixels(self, order: ImageOrder, model: Model, pixels: list[tuple[int, int]]) -> Usage:
        """The usage formula on the pixels of the delivered images, for upstreams that report none."""

    def parameters(self, model: Model, max_reference_bytes: int) -> dict[str, Any]:
        """What a request to this model may contain, for programs that build forms."""

    def image_usages(self, model: Model, auto_cap: str) -> Iterator[tuple[str, Usage]]:
        """Tier and usage, without the prompt, of every combination for one image: its prices span the price range."""


FAMILIES: dict[str, Family] = {"gpt_image": gpt_image}
