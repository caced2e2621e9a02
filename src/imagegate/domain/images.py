"""The image request as a customer writes it, and as it stands after it has been checked.

Which values a model allows is decided by its family.
"""

from __future__ import annotations

import hashlib
from typing import Annotated

import msgspec

from imagegate.domain.fields import doc, required, schema

SIZE_PATTERN = (
    "^(auto|1:1|1:2|2:1|1:3|3:1|2:3|3:2|3:4|4:3|4:5|5:4|9:16|16:9|21:9|9:21|[1-9][0-9]{1,3}[x×][1-9][0-9]{1,3})$"
)
_Size = Annotated[str, schema(pattern=SIZE_PATTERN)]
_Tier = Annotated[str, schema(pattern="^[124][kK]$")]
_Quality = Annotated[str, schema(examples=["low", "medium", "high", "xhigh", "max", "auto"])]
_ReferenceUrl = Annotated[str, schema(format="uri", pattern="^https?://", maxLength=8192)]
_ReferenceUrls = Annotated[list[_ReferenceUrl], schema(maxItems=16)]
_CallbackUrl = Annotated[str, schema(format="uri", pattern="^https://", maxLength=2048)]


class ImageRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of a create or a quote. Unknown fields are ignored; null means absent."""

    prompt: Annotated[
        Annotated[str, schema(minLength=1, maxLength=32_000)] | None,
        required("What the image shows; 1 to 32,000 Unicode code points, fewer for some models"),
    ] = None
    model: Annotated[str | None, doc("A name of GET /v1/models; gpt-image-2 when absent")] = None
    size: Annotated[
        _Size | None,
        doc(
            "auto (the default), one of 15 ratios, or WxH: multiples of 16, edges up to 3840, 655,360 to 8,294,400"
            " pixels in all, at most 3:1"
        ),
    ] = None
    resolution: Annotated[
        _Tier | None,
        doc("1K (the default), 2K or 4K, any case; used with a ratio only. Ignored by models of one tier"),
    ] = None
    quality: Annotated[
        _Quality | None, doc("low, medium (the default of most models), high, or what else the model names")
    ] = None
    n: Annotated[
        Annotated[int, schema(minimum=1, maximum=10)] | None,
        doc("How many images, 1 when absent; each that is delivered is billed"),
    ] = None
    image_urls: Annotated[
        _ReferenceUrls | None,
        doc("Up to 16 references, order kept: JPEG, PNG or WebP of at most 50 MB each, or links of uploads"),
    ] = None
    mask_url: Annotated[
        _ReferenceUrl | None, doc("A PNG as large as the first reference: alpha below 255 is repainted")
    ] = None
    callback_url: Annotated[
        _CallbackUrl | None, doc("Where the ended task is sent; its query string arrives untouched")
    ] = None
    background: Annotated[
        Annotated[str, schema(enum=["opaque", "transparent"])] | None,
        doc("opaque (the default) or transparent, which jpeg cannot be"),
    ] = None
    output_format: Annotated[
        Annotated[str, schema(enum=["png", "jpeg", "webp"])] | None, doc("png (the default), jpeg or webp")
    ] = None
    output_compression: Annotated[
        Annotated[int, schema(minimum=0, maximum=100)] | None,
        doc("100 when absent; for jpeg and webp, else ignored"),
    ] = None


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

    @property
    def has_mask(self) -> bool:
        return self.mask_url is not None


def request_fingerprint(order: ImageOrder) -> str:
    """SHA-256 of the checked request: what 'the same body' means to an Idempotency-Key."""
    return hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(order, hop=0))).hexdigest()
