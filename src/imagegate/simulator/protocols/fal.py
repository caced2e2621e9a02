"""fal's queue: submit, status, response, cancel, each at an address that only the submit tells."""

from __future__ import annotations

import hashlib
import time
import uuid
from typing import Any

import msgspec
from aiohttp import web

from imagegate.domain.images import ImageRequest, Size
from imagegate.simulator.app_state import Ask, Desk
from imagegate.simulator.calls import Call
from imagegate.simulator.error_responses import Deny, bad_value
from imagegate.simulator.faults import When, named
from imagegate.simulator.images import MEDIA_TYPES
from imagegate.simulator.job_routes import REFUSALS, result_urls, submitted, take
from imagegate.simulator.jobs import Ticket
from imagegate.simulator.protocols.task_api import withdraw
from imagegate.simulator.request_parsing import read_object, reference_of
from imagegate.simulator.responses import Reply, plain
from imagegate.simulator.script import Plan

_PRESETS = {
    "square_hd": (1024, 1024),
    "square": (512, 512),
    "portrait_4_3": (768, 1024),
    "portrait_16_9": (576, 1024),
    "landscape_4_3": (1024, 768),
    "landscape_16_9": (1024, 576),
}
_NEVER_BILLED = ("504", "5xx-html")  # fal's own promise for every 5xx
_STATUS = {"pending": "IN_QUEUE", "processing": "IN_PROGRESS"}


class Fal:
    name = "fal"
    azure = False
    ends_failed: tuple[str, ...] = REFUSALS

    def key_of(self, request: web.Request) -> str:
        return request.headers.get("Authorization", "").removeprefix("Key ").strip()

    async def read(self, desk: Desk, request: web.Request, call: Call) -> Ask:
        fields = await read_object(request, call)
        order = desk.order(_wanted(fields), model_of(request.match_info["app"]))
        preset = _PRESETS.get(str(fields.get("image_size")))
        if preset:
            order = msgspec.structs.replace(order, size=Size(str(fields["image_size"]), *preset, assumed=False))
        references = [await reference_of(url, desk.outside) for url in fields.get("image_urls") or []]
        mask = await reference_of(fields["mask_url"], desk.outside) if fields.get("mask_url") else None
        seen = hashlib.sha256(msgspec.json.encode(fields, order="sorted")).hexdigest()
        return Ask(order=order, references=references, mask=mask, seen=seen)

    async def answer(self, desk: Desk, request: web.Request, call: Call, ask: Ask, plan: Plan) -> Reply:
        if named(plan.faults, When.answer) in _NEVER_BILLED:
            return submitted(plain(200, b""), plan, call)
        ticket = take(desk, self.name, call, ask, plan, str(uuid.uuid4()), keyed=False)
        content = {"status": "IN_QUEUE", "queue_position": 0, **_addresses(request, ticket)}
        return submitted(plain(200, msgspec.json.encode(content)), plan, call)

    def denial(self, deny: Deny) -> Reply:
        """Infrastructure speaks in one sentence, models in a list."""
        kind = deny.code or "internal_server_error"
        detail: Any = deny.message
        if deny.status == 400:
            detail = [{"loc": ["body", deny.param], "msg": deny.message, "type": kind}]
        body = {"detail": detail, "error_type": kind} if deny.verbatim is None else deny.verbatim
        reply = plain(422 if deny.status == 400 else deny.status, msgspec.json.encode(body))
        reply.headers = {"X-Fal-Error-Type": kind, **deny.headers}
        return reply


def model_of(app: str) -> str:
    """`openai/gpt-image-2.5/flare/text-to-image` is gpt-image-2.5-flare."""
    parts = [part for part in app.split("/") if part not in ("openai", "edit", "text-to-image")]
    return "-".join(parts)


def _wanted(fields: dict[str, Any]) -> ImageRequest:
    size = fields.get("image_size")
    if isinstance(size, dict):
        size = f"{size.get('width')}x{size.get('height')}"
    try:
        return msgspec.convert(
            {
                "prompt": fields.get("prompt"),
                "size": None if size in _PRESETS else size,
                "quality": fields.get("quality") or "high",
                "n": fields.get("num_images"),
                "output_format": fields.get("output_format"),
            },
            ImageRequest,
        )
    except msgspec.ValidationError as error:
        raise bad_value(str(error), None) from error


def _addresses(request: web.Request, ticket: Ticket) -> dict[str, str]:
    base = f"{request.url.origin()}/fal/requests/{ticket.id}"
    return {
        "request_id": ticket.id,
        "response_url": base,
        "status_url": f"{base}/status",
        "cancel_url": f"{base}/cancel",
    }


async def status(request: web.Request, call: Call, ticket: Ticket) -> Reply:
    state = _STATUS.get(ticket.state(time.time()), "COMPLETED")
    content: dict[str, Any] = {"status": state, **_addresses(request, ticket)}
    if state == "COMPLETED" and ticket.failure:
        content["error"] = ticket.message
    return plain(200 if state == "COMPLETED" else 202, msgspec.json.encode(content))


async def response(request: web.Request, call: Call, ticket: Ticket) -> Reply:
    state = ticket.state(time.time())
    if state in _STATUS:
        raise Deny(404, "request_in_progress", "Request is still in progress.")
    if state != "completed":
        refused = ticket.failure == "content_policy_violation"
        code = ticket.failure or "request_cancelled"
        raise Deny(400 if refused else 500, code, ticket.message or "The request was cancelled.", param="prompt")
    images = [
        {"url": url, "content_type": MEDIA_TYPES[picture.format], "width": picture.width, "height": picture.height}
        for url, picture in zip(result_urls(request, ticket), ticket.pictures, strict=False)
    ]
    return plain(200, msgspec.json.encode({"images": images}))


async def cancel(desk: Desk, ticket: Ticket) -> Reply:
    now = time.time()
    if ticket.state(now) not in _STATUS:
        return plain(400, b'{"status":"ALREADY_COMPLETED"}')
    if ticket.state(now) == "pending":
        withdraw(desk, ticket, now)
    return plain(202, b'{"status":"CANCELLATION_REQUESTED"}')
