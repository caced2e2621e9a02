"""What a client may say of the images that it wants, as JSON or as the texts of a form."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from imagegate.api.body import decode_json
from imagegate.domain import images
from imagegate.domain.errors import InvalidRequest
from imagegate.flows.openai_models import DALL_E

MAX_PARTIAL_IMAGES: Final = 3
_RESPONSE_FORMATS: Final = ("b64_json", "url")
_BOOLEANS: Final = {"true": True, "false": False, "1": True, "0": False}
_QUALITIES: Final[Mapping[str, str | None]] = {"auto": None, "standard": "medium", "hd": "high"}
# Of the vendor's retired models; no living one makes images as small.
_DALL_E_SIZES: Final = {"256x256": "1024x1024", "512x512": "1024x1024"}
_INTEGERS: Final = ("n", "output_compression", "partial_images")
# Published, and nothing that we could do: ignoring them would sell another image than was asked for.
_REFUSED: Final = ("svg", "complexity", "frame_count", "frame_duration_ms", "markup")


class Parameters(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a request; null means absent, unknown fields are ignored. Nothing but the types has been checked.

    `style`, `moderation` and `input_fidelity` are accepted without effect.
    """

    prompt: str | None = None
    model: str | None = None
    n: int | None = None
    size: str | None = None
    resolution: str | None = None
    quality: str | None = None
    background: str | None = None
    output_format: str | None = None
    output_compression: int | None = None
    response_format: str | None = None
    stream: bool | None = None
    partial_images: int | None = None
    user: str | None = None
    safety_identifier: str | None = None
    style: str | None = None
    moderation: str | None = None
    input_fidelity: str | None = None
    svg: Any = None
    complexity: Any = None
    frame_count: Any = None
    frame_duration_ms: Any = None
    markup: Any = None


FIELDS: Final = frozenset(Parameters.__struct_fields__)


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A checked request: the images, and the form of the answer. `partials` is 0 without a stream."""

    request: images.ImageRequest
    stream: bool
    partials: int
    as_url: bool
    user: str
    safety_identifier: str

    @property
    def effective_identifier(self) -> str:
        return self.safety_identifier or self.user

    def fingerprint(self, order: images.ImageOrder, mode: str) -> str:
        """What 'the same body' means on this surface: the order, and what changes the answer alone."""
        parts = (
            images.request_fingerprint(order),
            self.stream,
            self.as_url,
            self.user,
            self.safety_identifier,
            mode,
        )
        return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


def parse_form(texts: Mapping[str, str]) -> Parameters:
    """Of a form: an empty text is absent, and numbers and booleans are read from it."""
    values: dict[str, Any] = {}
    for name, text in texts.items():
        if text.strip():
            values[name.partition("[")[0]] = _typed(name, text)
    return decode_json(msgspec.json.encode(values), Parameters)


def _typed(name: str, text: str) -> Any:
    if name == "stream":
        value = _BOOLEANS.get(text.strip().lower())
        if value is None:
            raise InvalidRequest("stream must be true or false", param=name)
        return value
    if name in _INTEGERS:
        try:
            return int(text) if len(text) < 20 else text
        except ValueError:
            return text  # refused as a text where a number belongs
    return text


def check(parameters: Parameters, image_urls: list[str], mask_url: str | None) -> Wanted:
    """InvalidRequest names what cannot be honoured."""
    for name in _REFUSED:
        if getattr(parameters, name) is not None:
            raise InvalidRequest(f"{name} is not supported here", param=name)
    response_format = parameters.response_format
    if response_format not in (None, *_RESPONSE_FORMATS):
        raise InvalidRequest(f"response_format must be one of {', '.join(_RESPONSE_FORMATS)}", param="response_format")
    partials = parameters.partial_images or 0
    if not 0 <= partials <= MAX_PARTIAL_IMAGES:
        raise InvalidRequest(
            f"partial_images must be a whole number from 0 to {MAX_PARTIAL_IMAGES}", param="partial_images"
        )
    is_dall_e = parameters.model in DALL_E
    stream = bool(parameters.stream)
    return Wanted(
        request=_image_request(parameters, image_urls, mask_url, is_dall_e=is_dall_e),
        stream=stream,
        partials=partials if stream else 0,
        as_url=response_format == "url" or (response_format is None and is_dall_e),
        user=parameters.user or "",
        safety_identifier=parameters.safety_identifier or "",
    )


def _image_request(
    parameters: Parameters, image_urls: list[str], mask_url: str | None, *, is_dall_e: bool
) -> images.ImageRequest:
    quality, size = parameters.quality, parameters.size
    return images.ImageRequest(
        prompt=parameters.prompt,
        model=parameters.model,
        size=_DALL_E_SIZES.get(size, size) if is_dall_e and size else size,
        resolution=parameters.resolution,
        quality=_QUALITIES.get(quality, quality) if quality else None,
        n=parameters.n,
        image_urls=image_urls,
        mask_url=mask_url,
        background=None if parameters.background == "auto" else parameters.background,
        output_format=parameters.output_format,
        output_compression=parameters.output_compression,
    )
