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
from imagegate.simulator.app_state import AppState, ParsedRequest
from imagegate.simulator.calls import Call
from imagegate.simulator.error_responses import Denial, invalid_value
from imagegate.simulator.job_routes import MODERATION_FAULTS, result_urls, submit_job, submit_reply
from imagegate.simulator.jobs import Job
from imagegate.simulator.request_parsing import read_object, read_reference
from imagegate.simulator.responses import Reply, fixed_reply
from imagegate.simulator.script import Plan

_SIZE_BY_RATIO = {"1:1": "1024x1024", "3:2": "1536x1024", "2:3": "1024x1536"}
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
    deferred_denials: tuple[str, ...] = MODERATION_FAULTS

    def api_key(self, request: web.Request) -> str:
        return request.headers.get("Authorization", "").removeprefix("Bearer ").strip()

    async def parse(self, desk: AppState, request: web.Request, call: Call) -> ParsedRequest:
        content = await read_object(request, call)
        fields = content.get("input")
        if not isinstance(fields, dict):
            raise invalid_value("input is required", "input")
        order = desk.check_order(_image_request(fields), request.match_info["model"])
        references = [await read_reference(url, desk.http_client) for url in fields.get("input_images") or []]
        seen = hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()
        return ParsedRequest(order=order, references=references, fingerprint=seen)

    async def respond(self, desk: AppState, request: web.Request, call: Call, ask: ParsedRequest, plan: Plan) -> Reply:
        ticket = submit_job(desk, self.name, call, ask, plan, uuid.uuid4().hex[:26], keyed=False)
        return submit_reply(fixed_reply(201, msgspec.json.encode(prediction(request, ticket))), plan, call)

    def error_reply(self, deny: Denial) -> Reply:
        status = 422 if deny.status == 400 else deny.status
        detail = deny.message
        if deny.status == 429 and "Retry-After" in deny.headers:
            detail = f"Request was throttled. Your rate limit resets in ~{deny.headers['Retry-After']}s."
        body = {"title": deny.code, "detail": detail, "status": status} if deny.verbatim is None else deny.verbatim
        reply = fixed_reply(status, msgspec.json.encode(body))
        reply.headers = deny.headers
        return reply


def _image_request(fields: dict[str, Any]) -> ImageRequest:
    ratio = str(fields.get("aspect_ratio") or "1:1")
    if ratio not in _SIZE_BY_RATIO:
        raise invalid_value(f"aspect_ratio must be one of {', '.join(_SIZE_BY_RATIO)}", "aspect_ratio")
    quality = fields.get("quality")
    try:
        return msgspec.convert(
            {
                "prompt": fields.get("prompt"),
                "size": _SIZE_BY_RATIO[ratio],
                "quality": None if quality == "auto" else quality,
                "n": fields.get("number_of_images"),
                "background": None if fields.get("background") == "auto" else fields.get("background"),
                "output_format": fields.get("output_format") or "webp",
                "output_compression": fields.get("output_compression"),
            },
            ImageRequest,
        )
    except msgspec.ValidationError as error:
        raise invalid_value(str(error), None) from error


def prediction(request: web.Request, ticket: Job) -> dict[str, Any]:
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


async def poll(request: web.Request, call: Call, ticket: Job) -> Reply:
    return fixed_reply(200, msgspec.json.encode(prediction(request, ticket)))


async def cancel(desk: AppState, request: web.Request, ticket: Job) -> Reply:
    """Ends it at once; what was bought stays bought."""
    now = time.time()
    if ticket.state(now) in ("pending", "processing"):
        desk.jobs.cancel(ticket, now, refunded=False)
    return fixed_reply(200, msgspec.json.encode(prediction(request, ticket)))
