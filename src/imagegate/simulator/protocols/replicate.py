"""Replicate's predictions: ratios instead of sizes, and a cancelled prediction is billed."""

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

    async def parse(self, app: AppState, request: web.Request, call: Call) -> ParsedRequest:
        content = await read_object(request, call)
        fields = content.get("input")
        if not isinstance(fields, dict):
            raise invalid_value("input is required", "input")
        order = app.check_order(_image_request(fields), request.match_info["model"])
        references = [await read_reference(url, app.http_client) for url in fields.get("input_images") or []]
        seen = hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()
        return ParsedRequest(order=order, references=references, fingerprint=seen)

    async def respond(
        self, app: AppState, request: web.Request, call: Call, parsed: ParsedRequest, plan: Plan
    ) -> Reply:
        job = submit_job(app, self.name, call, parsed, plan, uuid.uuid4().hex[:26], keyed=False)
        return submit_reply(fixed_reply(201, msgspec.json.encode(prediction(request, job))), plan, call)

    def error_reply(self, denial: Denial) -> Reply:
        status = 422 if denial.status == 400 else denial.status
        detail = denial.message
        if denial.status == 429 and "Retry-After" in denial.headers:
            detail = f"Request was throttled. Your rate limit resets in ~{denial.headers['Retry-After']}s."
        body = (
            {"title": denial.code, "detail": detail, "status": status} if denial.verbatim is None else denial.verbatim
        )
        reply = fixed_reply(status, msgspec.json.encode(body))
        reply.headers = denial.headers
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


def prediction(request: web.Request, job: Job) -> dict[str, Any]:
    state = job.state(time.time())
    base = f"{request.url.origin()}/replicate/v1/predictions/{job.id}"
    refused = "The input or output was flagged as sensitive. Please try again with different inputs. (E005)"
    failed = refused if job.failure == "content_policy_violation" else job.message
    return {
        "id": job.id,
        "model": f"openai/{job.model}",
        "status": _STATUS[state],
        "output": result_urls(request, job) if state == "completed" else None,
        "error": failed if state == "failed" else None,
        "created_at": datetime.fromtimestamp(job.created, UTC).isoformat(),
        "urls": {"get": base, "cancel": f"{base}/cancel"},
    }


async def poll(request: web.Request, call: Call, job: Job) -> Reply:
    return fixed_reply(200, msgspec.json.encode(prediction(request, job)))


async def cancel(app: AppState, request: web.Request, job: Job) -> Reply:
    """Ends the job at once; the purchase stays billed."""
    now = time.time()
    if job.state(now) in ("pending", "processing"):
        app.jobs.cancel(job, now, refunded=False)
    return fixed_reply(200, msgspec.json.encode(prediction(request, job)))
