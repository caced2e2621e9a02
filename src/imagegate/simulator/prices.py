"""What an upstream counts and charges for a request: token formulas, patches of references, list prices."""

from __future__ import annotations

import time
import tomllib
from fractions import Fraction
from importlib import resources
from math import ceil, isqrt

import msgspec

from imagegate.catalog.catalog import Catalog
from imagegate.catalog.load import load_catalog
from imagegate.catalog.routes import CostPerMillion
from imagegate.catalog.schema import Model
from imagegate.domain.images import ImageOrder, ImageRequest
from imagegate.domain.money import Nanos, parse_usd
from imagegate.domain.prices import Price, TokenPrice
from imagegate.domain.time import US_PER_SECOND
from imagegate.domain.usage import Usage
from imagegate.families import FAMILIES
from imagegate.pricing import compute_charge
from imagegate.simulator.calls import Reference

AUTO_SIZE = "1024x1024"
TOKENS_PER_PARTIAL_IMAGE = 100
_PATCH_PIXELS, _MAX_PATCHES, _MIN_EDGE_PIXELS = 32, 1536, 1024


class PriceList:
    """Models and their prices at the upstream."""

    def __init__(self) -> None:
        self.catalog: Catalog = load_catalog()
        text = (resources.files("imagegate.simulator") / "data" / "list_prices.toml").read_text("utf-8")
        self.costs = msgspec.convert(tomllib.loads(text), dict[str, CostPerMillion])

    def model(self, name: str) -> Model | None:
        found = self.catalog.find(name)
        return found[0] if found else None

    def order(self, request: ImageRequest, model: Model) -> ImageOrder:
        """The validated order. Raises InvalidRequest with the name of the field."""
        return FAMILIES[model.family].build_order(request, model, None, AUTO_SIZE)

    def usage(
        self, order: ImageOrder, pixels: list[tuple[int, int]], references: list[Reference], partials: int = 0
    ) -> Usage:
        """Usage by the formula for images of these sizes (`pixels`); references count by their own size."""
        model = self.catalog.models[order.row]
        counted = FAMILIES[model.family].usage_from_pixels(order, model, pixels)
        if model.billing == "per_call":
            return counted
        images = sum(map(reference_tokens, references)) * len(pixels)
        output = counted.image_output + TOKENS_PER_PARTIAL_IMAGE * partials
        return msgspec.structs.replace(counted, image_input=images, image_output=output)

    def cost(self, order: ImageOrder, usage: Usage) -> Nanos:
        return compute_charge(usage, self._price(order)).total

    def _price(self, order: ImageOrder) -> Price:
        if order.row in self.costs:
            return _token_price(self.costs[order.row])
        block = self.catalog.price_block_at(int(time.time() * US_PER_SECOND))
        tier = FAMILIES[self.catalog.models[order.row].family].price_tier(order)
        price = self.catalog.price(block.version, order.row, tier)
        assert price is not None, f"the catalog has no price of {order.row}"
        return price


def _token_price(cost: CostPerMillion) -> TokenPrice:
    return TokenPrice(**{name: parse_usd(getattr(cost, name) or "0") for name in cost.__struct_fields__})


def reference_tokens(reference: Reference) -> int:
    """Input tokens of one reference: patches of 32 pixels, at most 1536. An unknown size counts as 1024x1024."""
    width, height = _scaled_size(reference.width or _MIN_EDGE_PIXELS, reference.height or _MIN_EDGE_PIXELS)
    patches = ceil(width / _PATCH_PIXELS) * ceil(height / _PATCH_PIXELS)
    if patches <= _MAX_PATCHES:
        return patches
    return _patches_within_limit(width, height)


def _scaled_size(width: int, height: int) -> tuple[Fraction, Fraction]:
    """Small images are scaled up, at most twofold; longer ones than 3:1 count as 3:1."""
    w, h = Fraction(width), Fraction(height)
    if max(w, h) < _MIN_EDGE_PIXELS:
        factor = min(Fraction(2), _MIN_EDGE_PIXELS / max(w, h))
        w, h = w * factor, h * factor
    return (w, h) if max(w, h) <= 3 * min(w, h) else ((w, w / 3) if w > h else (h / 3, h))


def _patches_within_limit(width: Fraction, height: Fraction) -> int:
    """Scaled down to the limit, then to whole patches along the edge that loses more."""
    ratio = _square_root(Fraction(_PATCH_PIXELS * _PATCH_PIXELS * _MAX_PATCHES) / (width * height))
    across, down = width * ratio / _PATCH_PIXELS, height * ratio / _PATCH_PIXELS
    fit = min(Fraction(int(across)) / across, Fraction(int(down)) / down)
    return min(_MAX_PATCHES, ceil(round(across * fit, 9)) * ceil(round(down * fit, 9)))


def _square_root(value: Fraction) -> Fraction:
    """The square root to 18 digits."""
    scale = 10**18
    return Fraction(isqrt(value.numerator * scale * scale // value.denominator), scale)
