"""The image request as a customer writes it, and as it stands after it has been checked.

Which values a model allows is decided by its family.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType

import msgspec
from msgspec import UNSET, UnsetType


class ImageRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """A create or a quote as it was sent; None means absent. Nothing but the types has been checked."""

    prompt: str | None = None
    model: str | None = None
    size: str | None = None
    resolution: str | None = None
    quality: str | None = None
    n: int | None = None
    image_urls: list[str] | None = None
    mask_url: str | None = None
    callback_url: str | None = None
    background: str | None = None
    output_format: str | None = None
    output_compression: int | None = None
    metadata: dict[str, str] | None = None


class Size(msgspec.Struct, frozen=True):
    """Pixels of each image. `assumed` when the model may decide (`auto`): then they are what is priced."""

    requested: str
    width: int
    height: int
    assumed: bool
    resolution: str | None = None


class ImageOrder(msgspec.Struct, frozen=True):
    """A checked request with every default filled in: the only form that is priced, stored and executed.

    `row` is the id of the catalog's model, `model` the name that the request used. `hop` counts the gateways that it
    has passed before this one. `partials`: how many unfinished images are requested on the way to each, and billed.
    `trace` is the W3C `traceparent` of the request that created the task, where that is traced.
    """

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
    hop: int = 0
    partials: int = 0
    trace: str | UnsetType = UNSET  # unlike a default it is not stored

    @property
    def has_mask(self) -> bool:
        return self.mask_url is not None


def request_fingerprint(order: ImageOrder, metadata: Mapping[str, str] = MappingProxyType({})) -> str:
    """SHA-256 of the checked request: what 'the same body' means to an Idempotency-Key."""
    body = msgspec.json.encode(msgspec.structs.replace(order, hop=0, trace=UNSET))
    if metadata:  # without any it is what earlier versions stored
        body += msgspec.json.encode(dict(metadata), order="sorted")
    return hashlib.sha256(body).hexdigest()
