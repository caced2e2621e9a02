"""From a call to the request that one dialect of the `openai` protocol understands.

Knows: the names and places of parameters, and the forms in which references travel. Refuses to know: what the server
answers, and who pays. Everything that a dialect changes, it changes last and in both forms alike.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from math import log
from pathlib import Path
from typing import Any, Final

import msgspec

from imagegate.catalog.routes import Dialect
from imagegate.domain.assets import EXTENSION_BY_MEDIA_TYPE
from imagegate.domain.images import ImageOrder, Size
from imagegate.families.sizes import RATIOS, TIERS
from imagegate.http.request_body import FilePart, Part, RequestBody, file_part
from imagegate.images.sniff import SNIFF_BYTES, sniff
from imagegate.upstreams.base import Call

# Up to here a picture counts as the tier below; the same borders price it.
_MAX_TIER_PIXELS: Final = {"1K": 1_700_000, "2K": 4_400_000}
_TIER_NAMES: Final = {"1K": "1k", "2K": "2k", "4K": "4k"}
_Form = list[tuple[str, str | FilePart]]


def build_request(call: Call, dialect: Dialect) -> tuple[str, RequestBody]:
    """Which of the two operations is called (`generations` or `edits`) and its body. OSError where a file is gone."""
    fields = _fields(call, dialect)
    if not call.references:
        return "generations", json_body(_in_dialect(fields, dialect), {})
    match dialect.edits:
        case "multipart_image_array" | "multipart_image":
            return "edits", _form_body(call, dialect, fields)
        case "in_generations":
            return "generations", _json_edit(call, dialect, fields)
        case _:
            return "edits", _json_edit(call, dialect, fields)


def unsupported_reason(call: Call, dialect: Dialect) -> str:
    """Why this dialect cannot carry the call, or nothing. Routes are filtered before; this is the last look."""
    if call.references and dialect.edits == "none":
        return "it takes no references"
    if call.mask and not dialect.mask:
        return "it takes no mask"
    if call.order.background == "transparent" and not dialect.transparent:
        return "it makes no transparent pictures"
    if len(call.references) > dialect.max_refs:
        return f"it takes {dialect.max_refs} references, not {len(call.references)}"
    if call.order.n > dialect.max_n:
        return f"it makes {dialect.max_n} pictures at a time, not {call.order.n}"
    if any(path.stat().st_size > dialect.max_ref_bytes for path in call.references):
        return f"a reference is larger than {dialect.max_ref_bytes} bytes"
    return ""


def uses_stream(call: Call, dialect: Dialect) -> bool:
    """Whether the answer is asked for as events.

    Only for a single picture: how the usage of several is spread over their events is documented nowhere.
    """
    return dialect.stream and call.partial_images > 0 and call.order.n == 1


def _fields(call: Call, dialect: Dialect) -> dict[str, Any]:
    """Everything but pictures, in the protocol's own words."""
    order = call.order
    fields: dict[str, Any] = {"model": call.model or order.row, "prompt": order.prompt, "n": order.n}
    fields |= _size_fields(order.size, dialect)
    if order.quality:
        fields["quality"] = dialect.qualities.get(order.quality, order.quality)
    fields["background"] = order.background
    fields |= _format_fields(order, dialect)
    if dialect.response_format != "never":
        fields["response_format"] = dialect.response_format
    if call.customer:
        fields["safety_identifier"] = call.customer
    if uses_stream(call, dialect):
        fields |= {"stream": True, "partial_images": min(call.partial_images, 3)}
    return fields


def _in_dialect(fields: dict[str, Any], dialect: Dialect) -> dict[str, Any]:
    kept = {name: value for name, value in fields.items() if name not in dialect.drop}
    return {dialect.rename.get(name, name): value for name, value in kept.items()} | dialect.add


def _size_fields(size: Size, dialect: Dialect) -> dict[str, Any]:
    if dialect.size_style == "width_height":
        return {"width": size.width, "height": size.height}
    if dialect.size_style == "ratio":
        tier = _tier(size)
        return {"aspect_ratio": _ratio(size, dialect), "resolution": dialect.tiers.get(tier, _TIER_NAMES[tier])}
    if size.assumed and dialect.size_auto:
        return {"size": "auto"}
    return {"size": f"{size.width}x{size.height}"}


def _ratio(size: Size, dialect: Dialect) -> str:
    """The ratio that was asked for, else the one nearest to the pixels."""
    known = [name for name in dialect.sizes if ":" in name] or list(RATIOS)
    if size.requested in known:
        return size.requested
    wanted = log(size.width / size.height)
    return min(known, key=lambda name: abs(wanted - _log_ratio(name)))


def _log_ratio(name: str) -> float:
    width, height = name.split(":")
    return log(int(width) / int(height))


def _tier(size: Size) -> str:
    if size.resolution in TIERS:
        return size.resolution
    area = size.width * size.height
    return next((tier for tier, most in _MAX_TIER_PIXELS.items() if area <= most), "4K")


def _format_fields(order: ImageOrder, dialect: Dialect) -> dict[str, Any]:
    """A format that the server cannot make is asked for as PNG, which loses nothing on the way to it."""
    if order.output_format not in dialect.output_formats:
        return {"output_format": "png"}
    if order.output_format == "png":
        return {"output_format": "png"}
    return {"output_format": order.output_format, "output_compression": order.output_compression}


def json_body(fields: dict[str, Any], files: dict[str, FilePart]) -> RequestBody:
    """JSON in which some texts end with a mark that stands for a file's base64."""
    rest = msgspec.json.encode(fields)
    parts: list[Part] = []
    for mark, file in files.items():
        before, _, rest = rest.partition(mark.encode())
        parts += [before, file]
    return RequestBody("application/json", [*parts, rest])


def _json_edit(call: Call, dialect: Dialect, fields: dict[str, Any]) -> RequestBody:
    """References and mask as data URLs. A dialect may rename their fields, not drop them."""
    files: dict[str, FilePart] = {}
    image_fields = _image_fields([_data_url(path, files) for path in call.references], dialect)
    if call.mask:
        image_fields["mask"] = _mask_field(_data_url(call.mask, files), dialect)
    # Last in the text and in the order of their marks.
    rest = _in_dialect(fields, dialect)
    return json_body(rest | {dialect.rename.get(name, name): value for name, value in image_fields.items()}, files)


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


def _data_url(path: Path, files: dict[str, FilePart]) -> str:
    """Nobody can guess the mark, so no prompt can hold one."""
    mark = f"@{secrets.token_hex(16)}@"
    files[mark] = file_part(path, as_base64=True)
    return f"data:{_media_type(path)};base64,{mark}"


def _form_body(call: Call, dialect: Dialect, fields: dict[str, Any]) -> RequestBody:
    """multipart/form-data: the fields, then the files, each in the order that was given."""
    form: _Form = [(name, _form_text(value)) for name, value in _in_dialect(fields, dialect).items()]
    array = dialect.edits == "multipart_image_array" and len(call.references) > 1
    name = "image[]" if array else "image"
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
        media_type = _media_type(value.path)
        ending = EXTENSION_BY_MEDIA_TYPE.get(media_type, "bin")
        yield f'{head}; filename="{number}.{ending}"\r\nContent-Type: {media_type}\r\n\r\n'.encode()
        yield value
        yield b"\r\n"
    yield f"--{boundary}--\r\n".encode()


def _form_text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _media_type(path: Path) -> str:
    with path.open("rb") as file:
        return sniff(file.read(SNIFF_BYTES)) or "application/octet-stream"
