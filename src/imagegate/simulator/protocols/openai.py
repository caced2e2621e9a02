"""The OpenAI Images API and its two Azure variants: JSON and multipart requests, base64 and event-stream responses."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from typing import Any

import msgspec
from aiohttp import web

from imagegate.domain.images import ImageOrder, ImageRequest
from imagegate.simulator import usage_body
from imagegate.simulator.app_state import AppState, GeneratedImages, ParsedRequest, generate
from imagegate.simulator.calls import Call, Reference
from imagegate.simulator.corrupt_images import corrupt_reply
from imagegate.simulator.error_responses import Denial, invalid_value
from imagegate.simulator.faults import FaultKind, first_fault
from imagegate.simulator.images import FileParts, base64_chunks, base64_length
from imagegate.simulator.request_parsing import read_form, read_object, read_reference
from imagegate.simulator.responses import BodyPart, Reply, fixed_reply
from imagegate.simulator.script import Plan

_INVALID_BASE64 = b"%%%%"
_MAX_MASK_BYTES = 4 << 20


class OpenAI:
    """`azure`: PNG and JPEG only, `api-key` header, deployment as model. `dated`: the deployment is in the path."""

    deferred_denials: tuple[str, ...] = ()

    def __init__(self, *, azure: bool = False, dated: bool = False) -> None:
        self.name = "azure-dated" if dated else "azure" if azure else "openai"
        self.azure = azure
        self._dated = dated

    def api_key(self, request: web.Request) -> str:
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        return (request.headers.get("api-key", "") or bearer) if self.azure else bearer

    async def parse(self, app: AppState, request: web.Request, call: Call) -> ParsedRequest:
        edits = request.path.endswith("/edits")
        if edits and request.content_type == "multipart/form-data":
            fields, references, mask = await _form(request, call)
        else:
            fields = await read_object(request, call)
            references, mask = await _json_images(fields) if edits else ([], None)
        if edits and not references:
            raise invalid_value("Missing required parameter: 'image'.", "image")
        if edits and self.azure and request.content_type != "multipart/form-data":
            raise Denial(415, "unsupported_media_type", "Edits take multipart/form-data.")
        order = app.check_order(self._image_request(fields, len(references)), self._model(app, request, fields))
        stream = fields.get("stream") in (True, "true")
        partials = _whole_number(fields, "partial_images", 0, 3) if stream else 0
        return ParsedRequest(
            order=order,
            references=references,
            mask=mask,
            stream=stream,
            partial_images=partials,
            wants_urls=fields.get("response_format") == "url",
        )

    def _model(self, app: AppState, request: web.Request, fields: dict[str, Any]) -> str:
        """A deployment may have any name; one that is no model name counts as gpt-image-2."""
        if self._dated and "model" in fields:
            raise invalid_value(f"The model '{fields['model']}' does not exist.", "model")
        name = request.match_info["deployment"] if self._dated else str(fields.get("model") or "gpt-image-2")
        return "gpt-image-2" if self.azure and app.prices.model(name) is None else name

    def _image_request(self, fields: dict[str, Any], references: int) -> ImageRequest:
        file_format = fields.get("output_format") or "png"
        if self.azure and file_format not in ("png", "jpeg"):
            raise invalid_value(
                f"Invalid value: '{file_format}'. Supported values are: 'png' and 'jpeg'.", "output_format"
            )
        quality = fields.get("quality")
        background = fields.get("background")
        return ImageRequest(
            prompt=_text(fields, "prompt"),
            size=_explicit_size(fields),
            quality=("high" if self.azure else "medium") if quality in (None, "auto") else str(quality),
            n=_whole_number(fields, "n", 1, 10),
            image_urls=["https://reference"] * references,
            background=None if background in (None, "auto") else str(background),
            output_format=str(file_format),
            output_compression=_whole_number(fields, "output_compression", 100, 100),
        )

    async def respond(
        self, app: AppState, request: web.Request, call: Call, parsed: ParsedRequest, plan: Plan
    ) -> Reply:
        work = generate(app, parsed, plan)
        app.calls.record_purchase(call, len(work.images), work.nanos)
        headers = {"x-request-id": f"req_{uuid.uuid4().hex}", "openai-processing-ms": str(int(plan.latency * 1000))}
        fault = first_fault(plan.faults, FaultKind.answer)
        if fault and fault not in ("stream-error", "empty-data"):
            reply = corrupt_reply(fault, plan)
        else:
            reply = await _image_reply(app, request, call, parsed, plan, work)
        reply.headers = {**reply.headers, **headers}
        return reply

    def error_reply(self, denial: Denial) -> Reply:
        """The OpenAI error object, unless the denial has its own body."""
        error = {"message": denial.message, "type": denial.kind, "param": denial.param, "code": denial.code}
        body = {"error": error} if denial.verbatim is None else denial.verbatim
        headers = {"x-request-id": f"req_{uuid.uuid4().hex}", **denial.headers}
        reply = fixed_reply(denial.status, msgspec.json.encode(body))
        reply.headers = headers
        return reply


async def _image_reply(
    app: AppState, request: web.Request, call: Call, parsed: ParsedRequest, plan: Plan, work: GeneratedImages
) -> Reply:
    files = [
        await app.image_cache.render(image, f"{call.id}/{index} {uuid.uuid4().hex}")
        for index, image in enumerate(work.images)
    ]
    if parsed.stream:
        family = "image_edit" if request.path.endswith("/edits") else "image_generation"
        return Reply(content_type="text/event-stream", body=_events(family, parsed, plan, work, files))
    if parsed.wants_urls or "url-result" in plan.faults:
        return _url_reply(app, request, call, parsed, plan, work)
    items = [] if "empty-data" in plan.faults else files
    return _base64_reply(_image_fields(parsed.order, work), items, usage_body.usage_json(work.usage, plan), plan)


def _image_fields(order: ImageOrder, work: GeneratedImages) -> dict[str, Any]:
    image = work.images[0]
    return {
        "background": order.background,
        "output_format": image.format,
        "quality": order.quality,
        "size": f"{image.width}x{image.height}",
    }


def _base64_reply(about: dict[str, Any], files: list[FileParts], usage: dict[str, Any] | None, plan: Plan) -> Reply:
    """The JSON around the images, which are encoded while they are sent."""
    head = msgspec.json.encode({"created": int(time.time()), **about})[:-1] + b',"data":['
    tail = b"]" + (b',"usage":' + msgspec.json.encode(usage) if usage is not None else b"") + b"}"
    broken = _INVALID_BASE64 if "bad-base64" in plan.faults else b""
    around = len(b'{"b64_json":""}') * len(files) + max(0, len(files) - 1)
    length = len(head) + len(tail) + around + sum(base64_length(parts) + len(broken) for parts in files)
    return Reply(body=_base64_body(head, files, broken, tail), length=length, delay_s=plan.latency)


def _base64_body(head: bytes, files: list[FileParts], broken: bytes, tail: bytes) -> Iterator[BodyPart]:
    yield head
    for index, parts in enumerate(files):
        yield b'{"b64_json":"' if index == 0 else b',{"b64_json":"'
        yield from _base64_image(parts, broken)
        yield b'"}'
    yield tail


def _base64_image(parts: FileParts, broken: bytes) -> Iterator[bytes]:
    """`broken` goes into the middle of the first chunk, past the point where a decoder checks the start."""
    for position, piece in enumerate(base64_chunks(parts)):
        middle = len(piece) // 2
        yield piece if position or not broken else piece[:middle] + broken + piece[middle:]


def _url_reply(
    app: AppState, request: web.Request, call: Call, parsed: ParsedRequest, plan: Plan, work: GeneratedImages
) -> Reply:
    urls = []
    for index, image in enumerate(work.images):
        name = f"{call.id}-{uuid.uuid4().hex}-{index}.{image.format}"
        app.publish(name, image, name)
        urls.append({"url": f"{request.url.origin()}/files/{name}"})
    content = {"created": int(time.time()), **_image_fields(parsed.order, work), "data": urls}
    usage = usage_body.usage_json(work.usage, plan)
    reply = fixed_reply(200, msgspec.json.encode(content | ({"usage": usage} if usage is not None else {})))
    reply.delay_s = plan.latency
    return reply


def _events(
    family: str, parsed: ParsedRequest, plan: Plan, work: GeneratedImages, files: list[FileParts]
) -> Iterator[BodyPart]:
    """Partial images spread over the latency, then one completed event per image; the last carries the usage."""
    about = {"created_at": int(time.time()), **_image_fields(parsed.order, work)}
    wait = plan.latency / (parsed.partial_images + 1)
    for index in range(parsed.partial_images):
        yield wait
        yield from _event(f"{family}.partial_image", about | {"partial_image_index": index}, files[0], b"")
    yield wait
    if "stream-error" in plan.faults:
        error = {"type": "server_error", "code": "server_error", "message": "The stream failed.", "param": None}
        yield b"event: error\ndata: " + msgspec.json.encode({"type": "error", "error": error}) + b"\n\n"
        return
    broken = _INVALID_BASE64 if "bad-base64" in plan.faults else b""
    usage = usage_body.usage_json(work.usage, plan, stream=True)
    for position, parts in enumerate([] if "empty-data" in plan.faults else files):
        last = position == len(files) - 1
        with_usage = {"usage": usage} if last and usage is not None else {}
        yield from _event(f"{family}.completed", about | with_usage, parts, broken)


def _event(kind: str, about: dict[str, Any], parts: FileParts, broken: bytes) -> Iterator[bytes]:
    yield f'event: {kind}\ndata: {{"type":"{kind}","b64_json":"'.encode()
    yield from _base64_image(parts, broken)
    yield b'",' + msgspec.json.encode(about)[1:] + b"\n\n"


async def _form(request: web.Request, call: Call) -> tuple[dict[str, Any], list[Reference], Reference | None]:
    form = await read_form(request, call)
    masks = [reference for name, reference in form.files if name == "mask"]
    references = [reference for name, reference in form.files if name in ("image", "image[]")]
    _check_mask(references, masks)
    return dict(form.fields), references, masks[0] if masks else None


def _check_mask(references: list[Reference], masks: list[Reference]) -> None:
    for mask in masks:
        first = references[0] if references else mask
        if (mask.width, mask.height) != (first.width, first.height):
            raise invalid_value("Invalid mask image: it must have the size of the first image.", "mask")
        if mask.bytes >= _MAX_MASK_BYTES:
            raise invalid_value("Invalid mask image: it must be below 4 MB.", "mask")


async def _json_images(fields: dict[str, Any]) -> tuple[list[Reference], Reference | None]:
    """Only data URLs are read; other URLs are not fetched, and the gateway never sends any here."""
    images = fields.get("images") or []
    mask = fields.get("mask")
    try:
        references = [await read_reference(image["image_url"], None) for image in images]
        return references, await read_reference(mask["image_url"], None) if mask else None
    except (KeyError, TypeError) as error:
        raise invalid_value("Expected objects with 'image_url'.", "images") from error


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise Denial(400, "missing_required_parameter", f"Missing required parameter: '{name}'.", param=name)
    return value


def _explicit_size(fields: dict[str, Any]) -> str | None:
    """OpenAI accepts no ratios."""
    size = fields.get("size")
    if size in (None, "auto"):
        return None
    if not isinstance(size, str) or "x" not in size:
        raise invalid_value(f"Invalid size '{size}'. Supported values are 'auto' and WxH.", "size")
    return size


def _whole_number(fields: dict[str, Any], name: str, default: int, maximum: int) -> int:
    """A whole number of 0 to `maximum`; multipart forms carry it as text."""
    value = fields.get(name)
    if value is None:
        return default
    text = str(value)
    if isinstance(value, bool) or not text.isascii() or not text.isdigit() or int(text) > maximum:
        raise invalid_value(f"Invalid value for '{name}': expected a whole number up to {maximum}.", name)
    return int(text)
