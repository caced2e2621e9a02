"""The OpenAI Images API and Azure's two addresses of it: JSON and forms in, base64 and events out.

Refuses to know: tickets. Every call here is answered in one breath or not at all.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from typing import Any

import msgspec
from aiohttp import web

from imagegate.domain.images import ImageOrder, ImageRequest
from imagegate.simulator import usage_body
from imagegate.simulator.app_state import Ask, Desk, Made, made
from imagegate.simulator.calls import Call, Reference
from imagegate.simulator.corrupt_images import spoiled
from imagegate.simulator.error_responses import Deny, bad_value
from imagegate.simulator.faults import When, named
from imagegate.simulator.images import Parts, base64_length, base64_pieces
from imagegate.simulator.request_parsing import read_form, read_object, reference_of
from imagegate.simulator.responses import Piece, Reply, plain
from imagegate.simulator.script import Plan

_BROKEN = b"%%%%"
_MASK_MOST = 4 << 20


class OpenAI:
    """`azure`: PNG and JPEG only, `api-key` too, model is the deployment. `dated`: the deployment is in the path."""

    ends_failed: tuple[str, ...] = ()

    def __init__(self, *, azure: bool = False, dated: bool = False) -> None:
        self.name = "azure-dated" if dated else "azure" if azure else "openai"
        self.azure = azure
        self._dated = dated

    def key_of(self, request: web.Request) -> str:
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        return (request.headers.get("api-key", "") or bearer) if self.azure else bearer

    async def read(self, desk: Desk, request: web.Request, call: Call) -> Ask:
        edits = request.path.endswith("/edits")
        if edits and request.content_type == "multipart/form-data":
            fields, references, mask = await _form(request, call)
        else:
            fields = await read_object(request, call)
            references, mask = await _json_images(fields) if edits else ([], None)
        if edits and not references:
            raise bad_value("Missing required parameter: 'image'.", "image")
        if edits and self.azure and request.content_type != "multipart/form-data":
            raise Deny(415, "unsupported_media_type", "Edits take multipart/form-data.")
        order = desk.order(self._wanted(fields, len(references)), self._model(desk, request, fields))
        stream = fields.get("stream") in (True, "true")
        partials = _whole(fields, "partial_images", 0, 3) if stream else 0
        return Ask(
            order=order,
            references=references,
            mask=mask,
            stream=stream,
            partials=partials,
            links=fields.get("response_format") == "url",
        )

    def _model(self, desk: Desk, request: web.Request, fields: dict[str, Any]) -> str:
        """A deployment may have any name: one that is no model is taken for gpt-image-2."""
        if self._dated and "model" in fields:
            raise bad_value(f"The model '{fields['model']}' does not exist.", "model")
        name = request.match_info["deployment"] if self._dated else str(fields.get("model") or "gpt-image-2")
        return "gpt-image-2" if self.azure and desk.prices.model(name) is None else name

    def _wanted(self, fields: dict[str, Any], references: int) -> ImageRequest:
        file_format = fields.get("output_format") or "png"
        if self.azure and file_format not in ("png", "jpeg"):
            raise bad_value(f"Invalid value: '{file_format}'. Supported values are: 'png' and 'jpeg'.", "output_format")
        quality = fields.get("quality")
        background = fields.get("background")
        return ImageRequest(
            prompt=_text(fields, "prompt"),
            size=_pixels(fields),
            quality=("high" if self.azure else "medium") if quality in (None, "auto") else str(quality),
            n=_whole(fields, "n", 1, 10),
            image_urls=["https://reference"] * references,
            background=None if background in (None, "auto") else str(background),
            output_format=str(file_format),
            output_compression=_whole(fields, "output_compression", 100, 100),
        )

    async def answer(self, desk: Desk, request: web.Request, call: Call, ask: Ask, plan: Plan) -> Reply:
        work = made(desk, ask, plan)
        desk.calls.buy(call, len(work.pictures), work.nanos)
        headers = {"x-request-id": f"req_{uuid.uuid4().hex}", "openai-processing-ms": str(int(plan.latency * 1000))}
        fault = named(plan.faults, When.answer)
        if fault and fault not in ("stream-error", "empty-data"):
            reply = spoiled(fault, plan)
        else:
            reply = await _images(desk, request, call, ask, plan, work)
        reply.headers = {**reply.headers, **headers}
        return reply

    def denial(self, deny: Deny) -> Reply:
        """The OpenAI error object, unless the denial brings its own body."""
        error = {"message": deny.message, "type": deny.kind, "param": deny.param, "code": deny.code}
        body = {"error": error} if deny.verbatim is None else deny.verbatim
        headers = {"x-request-id": f"req_{uuid.uuid4().hex}", **deny.headers}
        reply = plain(deny.status, msgspec.json.encode(body))
        reply.headers = headers
        return reply


async def _images(desk: Desk, request: web.Request, call: Call, ask: Ask, plan: Plan, work: Made) -> Reply:
    files = [
        await desk.studio.paint(picture, f"{call.id}/{index} {uuid.uuid4().hex}")
        for index, picture in enumerate(work.pictures)
    ]
    if ask.stream:
        family = "image_edit" if request.path.endswith("/edits") else "image_generation"
        return Reply(content_type="text/event-stream", pieces=_events(family, ask, plan, work, files))
    if ask.links or "url-result" in plan.faults:
        return _links(desk, request, call, ask, plan, work)
    items = [] if "empty-data" in plan.faults else files
    return _in_base64(_about(ask.order, work), items, usage_body.usage_json(work.usage, plan), plan)


def _about(order: ImageOrder, work: Made) -> dict[str, Any]:
    picture = work.pictures[0]
    return {
        "background": order.background,
        "output_format": picture.format,
        "quality": order.quality,
        "size": f"{picture.width}x{picture.height}",
    }


def _in_base64(about: dict[str, Any], files: list[Parts], usage: dict[str, Any] | None, plan: Plan) -> Reply:
    """The envelope around the payloads, which are encoded while they are sent."""
    head = msgspec.json.encode({"created": int(time.time()), **about})[:-1] + b',"data":['
    tail = b"]" + (b',"usage":' + msgspec.json.encode(usage) if usage is not None else b"") + b"}"
    broken = _BROKEN if "bad-base64" in plan.faults else b""
    around = len(b'{"b64_json":""}') * len(files) + max(0, len(files) - 1)
    length = len(head) + len(tail) + around + sum(base64_length(parts) + len(broken) for parts in files)
    return Reply(pieces=_payloads(head, files, broken, tail), length=length, pause=plan.latency)


def _payloads(head: bytes, files: list[Parts], broken: bytes, tail: bytes) -> Iterator[Piece]:
    yield head
    for index, parts in enumerate(files):
        yield b'{"b64_json":"' if index == 0 else b',{"b64_json":"'
        yield from _one_payload(parts, broken)
        yield b'"}'
    yield tail


def _one_payload(parts: Parts, broken: bytes) -> Iterator[bytes]:
    """`broken` goes into the middle of the first piece, where a decoder already trusts what it reads."""
    for position, piece in enumerate(base64_pieces(parts)):
        middle = len(piece) // 2
        yield piece if position or not broken else piece[:middle] + broken + piece[middle:]


def _links(desk: Desk, request: web.Request, call: Call, ask: Ask, plan: Plan, work: Made) -> Reply:
    urls = []
    for index, picture in enumerate(work.pictures):
        name = f"{call.id}-{uuid.uuid4().hex}-{index}.{picture.format}"
        desk.show(name, picture, name)
        urls.append({"url": f"{request.url.origin()}/files/{name}"})
    content = {"created": int(time.time()), **_about(ask.order, work), "data": urls}
    usage = usage_body.usage_json(work.usage, plan)
    reply = plain(200, msgspec.json.encode(content | ({"usage": usage} if usage is not None else {})))
    reply.pause = plan.latency
    return reply


def _events(family: str, ask: Ask, plan: Plan, work: Made, files: list[Parts]) -> Iterator[Piece]:
    """Partials spread over the latency, then one completed event for each image; the usage is in the last."""
    about = {"created_at": int(time.time()), **_about(ask.order, work)}
    wait = plan.latency / (ask.partials + 1)
    for index in range(ask.partials):
        yield wait
        yield from _event(f"{family}.partial_image", about | {"partial_image_index": index}, files[0], b"")
    yield wait
    if "stream-error" in plan.faults:
        error = {"type": "server_error", "code": "server_error", "message": "The stream failed.", "param": None}
        yield b"event: error\ndata: " + msgspec.json.encode({"type": "error", "error": error}) + b"\n\n"
        return
    broken = _BROKEN if "bad-base64" in plan.faults else b""
    usage = usage_body.usage_json(work.usage, plan, stream=True)
    for position, parts in enumerate([] if "empty-data" in plan.faults else files):
        last = position == len(files) - 1
        with_usage = {"usage": usage} if last and usage is not None else {}
        yield from _event(f"{family}.completed", about | with_usage, parts, broken)


def _event(kind: str, about: dict[str, Any], parts: Parts, broken: bytes) -> Iterator[bytes]:
    yield f'event: {kind}\ndata: {{"type":"{kind}","b64_json":"'.encode()
    yield from _one_payload(parts, broken)
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
            raise bad_value("Invalid mask image: it must have the size of the first image.", "mask")
        if mask.bytes >= _MASK_MOST:
            raise bad_value("Invalid mask image: it must be below 4 MB.", "mask")


async def _json_images(fields: dict[str, Any]) -> tuple[list[Reference], Reference | None]:
    """Addresses that lead elsewhere are not fetched here; the gateway never sends any."""
    images = fields.get("images") or []
    mask = fields.get("mask")
    try:
        references = [await reference_of(image["image_url"], None) for image in images]
        return references, await reference_of(mask["image_url"], None) if mask else None
    except (KeyError, TypeError) as error:
        raise bad_value("Expected objects with 'image_url'.", "images") from error


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise Deny(400, "missing_required_parameter", f"Missing required parameter: '{name}'.", param=name)
    return value


def _pixels(fields: dict[str, Any]) -> str | None:
    """OpenAI knows no ratios."""
    size = fields.get("size")
    if size in (None, "auto"):
        return None
    if not isinstance(size, str) or "x" not in size:
        raise bad_value(f"Invalid size '{size}'. Supported values are 'auto' and WxH.", "size")
    return size


def _whole(fields: dict[str, Any], name: str, default: int, most: int) -> int:
    """A whole number; forms carry it as text."""
    value = fields.get(name)
    if value is None:
        return default
    text = str(value)
    if isinstance(value, bool) or not text.isascii() or not text.isdigit() or int(text) > most:
        raise bad_value(f"Invalid value for '{name}': expected a whole number up to {most}.", name)
    return int(text)
