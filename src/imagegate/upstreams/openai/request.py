"""The request of a call in one dialect of the `openai` protocol. What a dialect changes, it changes last and in JSON
and form alike."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import msgspec

from imagegate.catalog.routes import Dialect
from imagegate.domain.assets import EXTENSION_BY_MEDIA_TYPE
from imagegate.domain.images import Size
from imagegate.families.sizes import RATIOS, TIERS, tier_for_area
from imagegate.http.request_body import FilePart, Part, RequestBody, file_part, json_body
from imagegate.upstreams.base import Call
from imagegate.upstreams.request_fields import (
    apply_dialect,
    data_url,
    format_fields,
    nearest_ratio,
    quality_field,
    sniff_media_type,
)

_Form = list[tuple[str, str | FilePart]]


def build_request(call: Call, dialect: Dialect) -> tuple[str, RequestBody]:
    """The operation (`generations` or `edits`) and its body. Reads file sizes; OSError where a file is gone."""
    fields = _fields(call, dialect)
    if not call.references:
        return "generations", json_body(apply_dialect(fields, dialect))
    match dialect.edits:
        case "multipart_image_array" | "multipart_image":
            return "edits", _form_body(call, dialect, fields)
        case "in_generations":
            return "generations", _json_edit(call, dialect, fields)
        case _:
            return "edits", _json_edit(call, dialect, fields)


def unsupported_reason(call: Call, dialect: Dialect) -> str:
    """Why this dialect cannot carry the call, empty if it can. Routes are filtered before; this is the last check."""
    if call.references and dialect.edits == "none":
        return "it takes no references"
    if call.mask and not dialect.mask:
        return "it takes no mask"
    if call.order.background == "transparent" and not dialect.transparent:
        return "it makes no transparent images"
    if len(call.references) > dialect.max_refs:
        return f"it takes {dialect.max_refs} references, not {len(call.references)}"
    if call.order.n > dialect.max_n:
        return f"it makes {dialect.max_n} images at a time, not {call.order.n}"
    if any(path.stat().st_size > dialect.max_ref_bytes for path in call.references):
        return f"a reference is larger than {dialect.max_ref_bytes} bytes"
    return ""


def uses_stream(call: Call, dialect: Dialect) -> bool:
    """Whether the response is asked for as events.

    Only for a single image: how the usage of several is spread over their events is documented nowhere.
    """
    return dialect.stream and call.partial_images > 0 and call.order.n == 1


def _fields(call: Call, dialect: Dialect) -> dict[str, Any]:
    """Everything but the references, under the protocol's own names."""
    order = call.order
    is_stream = uses_stream(call, dialect)
    return {
        "model": call.model or order.row,
        "prompt": order.prompt,
        "n": order.n,
        **_size_fields(order.size, dialect),
        "quality": quality_field(order, dialect),
        "background": order.background,
        **format_fields(order, dialect),
        "response_format": None if dialect.response_format == "never" else dialect.response_format,
        "safety_identifier": call.customer or None,
        "stream": True if is_stream else None,
        "partial_images": min(call.partial_images, 3) if is_stream else None,
    }


def _size_fields(size: Size, dialect: Dialect) -> dict[str, Any]:
    if dialect.size_style == "width_height":
        return {"width": size.width, "height": size.height}
    if dialect.size_style == "ratio":
        tier = size.resolution if size.resolution in TIERS else tier_for_area(size.width * size.height)
        ratio = nearest_ratio(size, [name for name in dialect.sizes if ":" in name] or list(RATIOS))
        return {"aspect_ratio": ratio, "resolution": dialect.tiers.get(tier, tier.lower())}
    if size.assumed and dialect.size_auto:
        return {"size": "auto"}
    return {"size": f"{size.width}x{size.height}"}


def _json_edit(call: Call, dialect: Dialect, fields: dict[str, Any]) -> RequestBody:
    """References and mask as data URLs. A dialect may rename their fields, not drop them."""
    files: dict[str, FilePart] = {}
    image_fields = _image_fields([data_url(path, files) for path in call.references], dialect)
    if call.mask:
        image_fields["mask"] = _mask_field(data_url(call.mask, files), dialect)
    # Last in the text: the placeholders must appear in the order of `files`.
    renamed = {dialect.rename.get(name, name): value for name, value in image_fields.items()}
    return json_body(apply_dialect(fields, dialect) | renamed, files)


def _mask_field(url: str, dialect: Dialect) -> Any:
    if dialect.edits == "in_generations":
        return url
    return {"image_url" if dialect.edits == "json_images" else "url": url}


def _image_fields(urls: list[str], dialect: Dialect) -> dict[str, Any]:
    if dialect.edits == "json_images":
        return {"images": [{"image_url": url} for url in urls]}
    if dialect.edits == "in_generations":
        return {dialect.edits_field: urls}
    if len(urls) == 1:
        return {"image": {"url": urls[0], "type": "image_url"}}
    return {"images": [{"url": url} for url in urls]}


def _form_body(call: Call, dialect: Dialect, fields: dict[str, Any]) -> RequestBody:
    """multipart/form-data: the fields, then the files, each in the given order."""
    form: _Form = [(name, _form_text(value)) for name, value in apply_dialect(fields, dialect).items()]
    is_array = dialect.edits == "multipart_image_array" and len(call.references) > 1
    name = "image[]" if is_array else "image"
    form += [(dialect.rename.get(name, name), file_part(path)) for path in call.references]
    if call.mask:
        form.append((dialect.rename.get("mask", "mask"), file_part(call.mask)))
    boundary = f"imagegate-{secrets.token_hex(16)}"
    return RequestBody(f"multipart/form-data; boundary={boundary}", list(_form_parts(form, boundary)))


def _form_parts(form: _Form, boundary: str) -> Iterator[Part]:
    for number, (name, value) in enumerate(form):
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'
        if isinstance(value, str):
            yield f"{head}\r\n\r\n{value}\r\n".encode()
            continue
        media_type = sniff_media_type(value.path)
        extension = EXTENSION_BY_MEDIA_TYPE.get(media_type, "bin")
        yield f'{head}; filename="{number}.{extension}"\r\nContent-Type: {media_type}\r\n\r\n'.encode()
        yield value
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()


def _form_text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
