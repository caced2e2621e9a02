"""Replicate's predictions: ratios instead of sizes, and a cancel that is billed all the same."""

from __future__ import annotations

import hashlib
import time
import uuid
from datetime import UTC, datetime
from typing import Any

import msgspec
from aiohttp import web

from imagegate.domain.images import ImageRequest
from imagegate.simulator.app_state import Ask, Desk
from imagegate.simulator.calls import Call
from imagegate.simulator.error_responses import Deny, bad_value
from imagegate.simulator.job_routes import REFUSALS, result_urls, submitted, take
from imagegate.simulator.jobs import Ticket
from imagegate.simulator.request_parsing import read_object, reference_of
from imagegate.simulator.responses import Reply, plain
from imagegate.simulator.script import Plan

_RATIOS = {"1:1": "1024x1024", "3:2": "1536x1024", "2:3": "1024x1536"}
_STATUS = {
    "pending": "starting",
    "processing": "processing",
    "completed": "succeeded",
    "failed": "failed",
    "cancelled": "canceled",
}


class Replicate:
    name = "replicate"
    azure = False
    ends_failed: tuple[str, ...] = REFUSALS

    def key_of(self, request: web.Request) -> str:
        return request.headers.get("Authorization", "").removeprefix("Bearer ").strip()

    async def read(self, desk: Desk, request: web.Request, call: Call) -> Ask:
        content = await read_object(request, call)
        fields = content.get("input")
        if not isinstance(fields, dict):
            raise bad_value("input is required", "input")
        order = desk.order(_wanted(fields), request.match_info["model"])
        references = [await reference_of(url, desk.outside) for url in fields.get("input_images") or []]
        seen = hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()
        return Ask(order=order, references=references, seen=seen)

    async def answer(self, desk: Desk, request: web.Request, call: Call, ask: Ask, plan: Plan) -> Reply:
        ticket = take(desk, self.name, call, ask, plan, uuid.uuid4().hex[:26], keyed=False)
        return submitted(plain(201, msgspec.json.encode(prediction(request, ticket))), plan, call)

    def denial(self, deny: Deny) -> Reply:
        status = 422 if deny.status == 400 else deny.status
        detail = deny.message
        if deny.status == 429 and "Retry-After" in deny.headers:
            detail = f"Request was throttled. Your rate limit resets in ~{deny.headers['Retry-After']}s."
        body = {"title": deny.code, "detail": detail, "status": status} if deny.verbatim is None else deny.verbatim
        reply = plain(status, msgspec.json.encode(body))
        reply.headers = deny.headers
        return reply


def _wanted(fields: dict[str, Any]) -> ImageRequest:
    ratio = str(fields.get("aspect_ratio") or "1:1")
    if ratio not in _RATIOS:
        raise bad_value(f"aspect_ratio must be one of {', '.join(_RATIOS)}", "aspect_ratio")
    quality = fields.get("quality")
    try:
        return msgspec.convert(
            {
                "prompt": fields.get("prompt"),
                "size": _RATIOS[ratio],
                "quality": None if quality == "auto" else quality,
                "n": fields.get("number_of_images"),
                "background": None if fields.get("background") == "auto" else fields.get("background"),
                "output_format": fields.get("output_format") or "webp",
                "output_compression": fields.get("output_compression"),
            },
            ImageRequest,
        )
    except msgspec.ValidationError as error:
        raise bad_value(str(error), None) from error


def prediction(request: web.Request, ticket: Ticket) -> dict[str, Any]:
    state = ticket.state(time.time())
    base = f"{request.url.origin()}/replicate/v1/predictions/{ticket.id}"
    refused = "The input or output was flagged as sensitive. Please try again with different inputs. (E005)"
    failed = refused if ticket.failure == "content_policy_violation" else ticket.message
    return {
        "id": ticket.id,
        "model": f"openai/{ticket.model}",
        "status": _STATUS[state],
        "output": result_urls(request, ticket) if state == "completed" else None,
        "error": failed if state == "failed" else None,
        "created_at": datetime.fromtimestamp(ticket.created, UTC).isoformat(),
        "urls": {"get": base, "cancel": f"{base}/cancel"},
    }


async def poll(request: web.Request, call: Call, ticket: Ticket) -> Reply:
    return plain(200, msgspec.json.encode(prediction(request, ticket)))


async def cancel(desk: Desk, request: web.Request, ticket: Ticket) -> Reply:
    """Ends it at once; what was bought stays bought."""
    now = time.time()
    if ticket.state(now) in ("pending", "processing"):
        desk.tickets.cancel(ticket, now, refunded=False)
    return plain(200, msgspec.json.encode(prediction(request, ticket)))
