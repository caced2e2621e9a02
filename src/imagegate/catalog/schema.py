"""The catalog's data as it stands in TOML: models, aliases and blocks of prices."""

from __future__ import annotations

from typing import Literal

import msgspec

Billing = Literal["per_token", "per_call"]
Tier = Literal["1K", "2K", "4K"]


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One row. An empty `qualities` means that any value is accepted and has no effect.

    `sizes`: `free` (auto, 15 ratios, WxH) or `table` (the keys of `size_tokens`, their ratios and auto).
    `quality_bases`: the tile base of each quality for the token formula of free sizes.
    """

    id: str
    family: str
    title: str
    created: int
    billing: Billing
    prompt_max: int
    sizes: Literal["free", "table"]
    references: int
    mask: bool
    n: tuple[int, ...]
    qualities: tuple[str, ...] = ()
    quality_default: str = ""
    quality_aliases: dict[str, str] = {}
    quality_bases: dict[str, int] = {}
    size_tokens: dict[str, dict[str, int]] = {}
    auto: str = ""
    shutdown: str = ""


class Alias(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another name for a row, added by the operator. `quality_is_tier`: quality 1K, 2K, 4K means the tier."""

    name: str
    row: str
    quality_is_tier: bool = False


class OpenAIName(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A name that OpenAI's clients send, and the row that serves it there. `by_operator`: at whatever price."""

    name: str
    row: str
    by_operator: bool = False


class TokenRates(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """USD per 1K tokens as exact decimal strings, as price lists print them."""

    image_output: str
    image_input: str
    image_cached_input: str
    text_input: str
    text_cached_input: str
    text_output: str = "0"


class ModelPrice(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What one model costs: either rates per token, or nanos per delivered image by tier (`any` for all)."""

    model: str
    per_1k_tokens: TokenRates | None = None
    per_image_nanos: dict[str, int] | None = None


class PriceBlock(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """All prices from one moment on (Unix seconds). Once used a block is never edited: a new price is a new block.

    `extends` names the earlier block from which the rows come that are not its own; `price` has these rows too, as they
    are after the factor that the file may give.
    """

    version: str
    effective_from: int
    price: tuple[ModelPrice, ...]
    extends: str = ""
