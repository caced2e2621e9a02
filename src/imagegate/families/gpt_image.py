"""The GPT image family: what its models accept, and how many tokens a request will use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from imagegate.catalog.schema import Alias, Model
from imagegate.domain.errors import InvalidRequest
from imagegate.domain.images import ImageOrder, ImageRequest, Size
from imagegate.domain.usage import Usage
from imagegate.families.sizes import (
    EDGE_MULTIPLE,
    MAX_AREA,
    MAX_ASPECT,
    MAX_EDGE,
    MIN_AREA,
    RATIOS,
    TIERS,
    output_tokens,
    parse_pixels,
    pixels_for_ratio,
    size_error,
    tier_for_area,
)

TOKENS_PER_REFERENCE = 1536
TOKENS_PER_PARTIAL_IMAGE = 100
MAX_URL_CHARS = 8192
BACKGROUNDS = ("opaque", "transparent")
OUTPUT_FORMATS = ("png", "jpeg", "webp")
_TABLE_RATIOS = {"1:1": "1024x1024", "2:3": "1024x1536", "3:2": "1536x1024"}


def build_order(request: ImageRequest, model: Model, alias: Alias | None, auto_cap: str) -> ImageOrder:
    request = _apply_quality_tier(request, alias)
    urls = _validate_reference_urls(request.image_urls or [], model)
    output_format = _validate_choice("output_format", request.output_format, OUTPUT_FORMATS, "png")
    return ImageOrder(
        model=alias.name if alias else model.id,
        row=model.id,
        prompt=_validate_prompt(request.prompt, model),
        size=_resolve_size(request, model, auto_cap),
        quality=_resolve_quality(request.quality, model),
        n=_resolve_count(request.n, model),
        image_urls=urls,
        mask_url=_validate_mask_url(request.mask_url, urls, model),
        callback_url=request.callback_url,
        background=_resolve_background(request.background, output_format),
        output_format=output_format,
        output_compression=_resolve_compression(request.output_compression, output_format),
    )


def price_tier(order: ImageOrder) -> str:
    size = order.size
    if size.requested in RATIOS and size.resolution:
        return size.resolution
    return "1K" if size.assumed else tier_for_area(size.width * size.height)


def expected_usage(order: ImageOrder, model: Model) -> Usage:
    return usage_from_pixels(order, model, [(order.size.width, order.size.height)] * order.n)


def usage_from_pixels(order: ImageOrder, model: Model, pixels: list[tuple[int, int]]) -> Usage:
    count = len(pixels)
    return Usage(
        images=count,
        text_input=(6 + len(order.prompt.encode()) // 3) * count,
        image_input=TOKENS_PER_REFERENCE * len(order.image_urls) * count,
        image_output=sum(_image_tokens(order, model, width, height) for width, height in pixels),
    )


def max_usage(order: ImageOrder, model: Model) -> Usage:
    size = order.size
    images = len(order.image_urls) + order.has_mask
    return Usage(
        images=order.n,
        text_input=(128 + len(order.prompt.encode())) * order.n,
        image_input=TOKENS_PER_REFERENCE * images * order.n,
        image_output=_image_tokens(order, model, size.width, size.height) * order.n,
    )


def parameters(model: Model, max_reference_bytes: int) -> dict[str, Any]:
    """Fields that a model ignores are left out."""
    known: dict[str, Any] = {"prompt": {"max_code_points": model.prompt_max}, "size": _size_rules(model)}
    if model.sizes == "free":
        known["resolution"] = {"values": list(TIERS), "default": "1K"}
    if model.qualities:
        known["quality"] = {"values": list(model.qualities), "default": model.quality_default}
    known["n"] = {"max": model.n[-1]} | ({} if len(model.n) == model.n[-1] else {"values": list(model.n)})
    known["image_urls"] = {"max": model.references, "max_bytes": max_reference_bytes}
    return known | {"mask_url": model.mask}


def image_usages(model: Model, auto_cap: str) -> Iterator[tuple[str, Usage]]:
    for tier, width, height in _named_sizes(model, auto_cap):
        for quality in model.qualities or ("",):
            output = _tokens(model, quality, width, height)
            for references in range(model.references + 1):
                yield tier, Usage(images=1, image_input=TOKENS_PER_REFERENCE * references, image_output=output)


def _named_sizes(model: Model, auto_cap: str) -> Iterator[tuple[str, int, int]]:
    """Tier, width and height of every named size of the model."""
    if model.sizes == "free":
        yield "1K", *(parse_pixels(model.auto or auto_cap) or (2048, 2048))
        for tier in TIERS:
            yield from ((tier, *pixels_for_ratio(ratio, tier)) for ratio in RATIOS)
        return
    for name in model.size_tokens:
        yield "1K", *(parse_pixels(name) or (0, 0))


def _size_rules(model: Model) -> dict[str, Any]:
    if model.sizes == "table":
        return {"ratios": list(_TABLE_RATIOS), "values": list(model.size_tokens), "default": "auto"}
    pixels = {
        "multiple": EDGE_MULTIPLE,
        "edge_max": MAX_EDGE,
        "area_min": MIN_AREA,
        "area_max": MAX_AREA,
        "aspect_max": MAX_ASPECT,
    }
    return {"ratios": list(RATIOS), "pixels": pixels, "default": "auto"}


def _image_tokens(order: ImageOrder, model: Model, width: int, height: int) -> int:
    """Of one image, its unfinished ones included."""
    partial_images = order.partials if model.billing == "per_token" else 0
    return _tokens(model, order.quality, width, height) + TOKENS_PER_PARTIAL_IMAGE * partial_images


def _tokens(model: Model, quality: str, width: int, height: int) -> int:
    if model.billing == "per_call":
        return 0
    if model.sizes == "free":
        return output_tokens(width, height, model.quality_bases[quality])
    exact = model.size_tokens.get(f"{width}x{height}")
    rows = [exact] if exact else list(model.size_tokens.values())
    return max(row[quality] for row in rows)


def _apply_quality_tier(request: ImageRequest, alias: Alias | None) -> ImageRequest:
    if alias and alias.quality_is_tier and (request.quality or "").upper() in TIERS:
        return msgspec.structs.replace(request, resolution=request.quality, quality=None)
    return request


def _validate_prompt(prompt: str | None, model: Model) -> str:
    if prompt is None or not prompt.strip():
        raise InvalidRequest("prompt is required and must not be blank", param="prompt")
    if "\0" in prompt:
        raise InvalidRequest("prompt must not contain U+0000", param="prompt")
    if len(prompt) > model.prompt_max:
        message = f"prompt may have at most {model.prompt_max:,} characters (Unicode code points); this one has"
        raise InvalidRequest(f"{message} {len(prompt):,}", param="prompt")
    return prompt


def _validate_choice(field: str, value: str | None, allowed: tuple[str, ...], default: str) -> str:
    if value is None:
        return default
    if value not in allowed:
        raise InvalidRequest(f"{field} must be one of {', '.join(allowed)}", param=field)
    return value


def _resolve_quality(quality: str | None, model: Model) -> str:
    """Models without qualities accept any value and ignore it."""
    if not model.qualities:
        return ""
    resolved = model.quality_aliases.get(quality or "", quality)
    if resolved is not None and resolved not in model.qualities:
        allowed = ", ".join([*model.qualities, *model.quality_aliases])
        raise InvalidRequest(f"quality must be one of {allowed}", param="quality")
    return resolved or model.quality_default


def _resolve_count(n: int | None, model: Model) -> int:
    count = 1 if n is None else n
    if count not in model.n:
        raise InvalidRequest(f"n must be {_describe_counts(model)}", param="n")
    return count


def _describe_counts(model: Model) -> str:
    if model.n == (1,):
        return f"1 for {model.id}"
    if len(model.n) == model.n[-1]:
        return f"a whole number from 1 to {model.n[-1]}"
    return f"one of {', '.join(map(str, model.n))}"


def _resolve_size(request: ImageRequest, model: Model, auto_cap: str) -> Size:
    size = "auto" if request.size is None else request.size
    if model.sizes == "table":
        return _resolve_table_size(size, model)
    tier = _resolve_tier(request.resolution)
    if size == "auto":
        width, height = parse_pixels(model.auto or auto_cap) or (2048, 2048)
        return Size("auto", width, height, assumed=True)
    if size in RATIOS:
        return Size(size, *pixels_for_ratio(size, tier), assumed=False, resolution=tier)
    return _parse_explicit_size(size)


def _resolve_tier(resolution: str | None) -> str:
    tier = ("1K" if resolution is None else resolution).upper()
    if tier not in TIERS:
        raise InvalidRequest(f"resolution must be one of {', '.join(TIERS)}", param="resolution")
    return tier


def _parse_explicit_size(size: str) -> Size:
    pixels = parse_pixels(size)
    if pixels is None:
        known = ", ".join(RATIOS)
        raise InvalidRequest(f"size must be auto, one of the ratios {known}, or WxH in multiples of 16", param="size")
    error = size_error(*pixels)
    if error:
        raise InvalidRequest(f"size {size!r} is not possible: {error}", param="size")
    return Size(f"{pixels[0]}x{pixels[1]}", *pixels, assumed=False)


def _resolve_table_size(size: str, model: Model) -> Size:
    pixels = parse_pixels(size)
    named = f"{pixels[0]}x{pixels[1]}" if pixels else size
    table_key = model.auto if size == "auto" else _TABLE_RATIOS.get(named, named)
    if table_key not in model.size_tokens:
        allowed = ", ".join(["auto", *_TABLE_RATIOS, *model.size_tokens])
        raise InvalidRequest(f"size must be one of {allowed}", param="size")
    width, height = parse_pixels(table_key) or (0, 0)
    return Size(named, width, height, assumed=size == "auto")


def _validate_reference_urls(urls: list[str], model: Model) -> tuple[str, ...]:
    if len(urls) > model.references:
        raise InvalidRequest(f"image_urls may hold at most {model.references} URLs", param="image_urls")
    for position, url in enumerate(urls):
        _check_url_shape(url, f"image_urls[{position}]")
    return tuple(urls)


def _check_url_shape(url: str, field: str) -> None:
    if not url[: len("https://")].lower().startswith(("http://", "https://")):
        hint = "base64 and data: go through POST /api/v1/files/upload/base64, whose file_url can be used here"
        raise InvalidRequest(f"{field} must be an http or https URL; {hint}", param=field)
    if len(url) > MAX_URL_CHARS:
        raise InvalidRequest(f"{field} may have at most {MAX_URL_CHARS:,} characters", param=field)


def _validate_mask_url(mask_url: str | None, urls: tuple[str, ...], model: Model) -> str | None:
    """Without references a mask has nothing to apply to and is ignored."""
    if mask_url is None or not urls:
        return None
    if not model.mask:
        raise InvalidRequest(f"{model.id} does not take mask_url", param="mask_url")
    _check_url_shape(mask_url, "mask_url")
    return mask_url


def _resolve_background(background: str | None, output_format: str) -> str:
    resolved = _validate_choice("background", background, BACKGROUNDS, "opaque")
    if resolved == "transparent" and output_format == "jpeg":
        message = "background transparent needs output_format png or webp; jpeg has no transparency"
        raise InvalidRequest(message, param="background")
    return resolved


def _resolve_compression(value: int | None, output_format: str) -> int:
    """For jpeg and webp; ignored for png, whatever whole number it is."""
    if value is None or output_format == "png":
        return 100
    if not 0 <= value <= 100:
        raise InvalidRequest("output_compression must be a whole number from 0 to 100", param="output_compression")
    return value
