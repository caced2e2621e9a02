"""The image request as a customer writes it, and as it stands after it has been checked.

Knows: the fields, their JSON types and which of them are asked for. Refuses to know: which values a model allows
(that is its family) and what they cost.
"""

from __future__ import annotations

import hashlib
from typing import Annotated

import msgspec


def _said(about: str, **schema: int) -> msgspec.Meta:
    """For the API's document alone: what is allowed is checked by the family, which names it in its own words."""
    return msgspec.Meta(description=about, extra_json_schema=schema or None)


class ImageRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of a create or a quote. Unknown fields are ignored; `None` means absent."""

    prompt: Annotated[str | None, _said("The picture in words; 1 to 32,000 Unicode code points", minLength=1)] = None
    model: Annotated[str | None, _said("A name of GET /v1/models; gpt-image-2 when absent")] = None
    size: Annotated[str | None, _said("auto, a ratio such as 16:9, or WxH in multiples of 16")] = None
    resolution: Annotated[str | None, _said("1K, 2K or 4K, any case; used with a ratio")] = None
    quality: Annotated[str | None, _said("low, medium, high and more, by model")] = None
    n: Annotated[int | None, _said("How many images; each is billed", minimum=1, maximum=10)] = None
    image_urls: Annotated[list[str] | None, _said("Up to 16 references, order kept", maxItems=16)] = None
    mask_url: Annotated[str | None, _said("A PNG with alpha; alpha below 255 is repainted")] = None
    callback_url: Annotated[str | None, _said("Where the finished task is sent; https only", maxLength=2048)] = None
    background: Annotated[str | None, _said("opaque or transparent")] = None
    output_format: Annotated[str | None, _said("png, jpeg or webp")] = None
    output_compression: Annotated[int | None, _said("0 to 100, for jpeg and webp")] = None


class Size(msgspec.Struct, frozen=True):
    """Pixels of each image. `assumed` when the model may decide (`auto`): then they are what is priced."""

    requested: str
    width: int
    height: int
    assumed: bool
    resolution: str | None = None


class ImageOrder(msgspec.Struct, frozen=True):
    """A checked request with every default filled in: the only form that is priced, stored and carried out."""

    model: str
    row: str
    prompt: str
    size: Size
    quality: str
    n: int
    image_urls: tuple[str, ...] = ()
    mask_url: str | None = None
    callback_url: str | None = None
    background: str = "opaque"
    output_format: str = "png"
    output_compression: int = 100

    @property
    def has_mask(self) -> bool:
        return self.mask_url is not None


def fingerprint(order: ImageOrder) -> str:
    """SHA-256 of the checked request: what 'the same body' means to an Idempotency-Key."""
    return hashlib.sha256(msgspec.json.encode(order)).hexdigest()
