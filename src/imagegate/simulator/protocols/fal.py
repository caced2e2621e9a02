"""fal's queue: submit, status, response and cancel, each at a URL that the submit returns."""

from __future__ import annotations

import hashlib
import time
import uuid
from typing import Any

import msgspec
from aiohttp import web

from imagegate.domain.images import ImageRequest, Size
from imagegate.simulator.app_state import AppState, ParsedRequest
from imagegate.simulator.calls import Call
from imagegate.simulator.error_responses import Denial, invalid_value
from imagegate.simulator.faults import FaultKind, first_fault
from imagegate.simulator.images import MEDIA_TYPES
from imagegate.simulator.job_routes import MODERATION_FAULTS, result_urls, submit_job, submit_reply
from imagegate.simulator.jobs import Job
from imagegate.simulator.protocols.task_api import refund
from imagegate.simulator.request_parsing import read_object, read_reference
from imagegate.simulator.responses import Reply, fixed_reply
from imagegate.simulator.script import Plan

_SIZE_PRESETS = {
    "square_hd": (1024, 1024),
    "square": (512, 512),
    "portrait_4_3": (768, 1024),
    "portrait_16_9": (576, 1024),
    "landscape_4_3": (1024, 768),
    "landscape_16_9": (1024, 576),
}
_UNBILLED_FAULTS = ("504", "5xx-html")  # fal bills nothing that it answers with 5xx
_STATUS = {"pending": "IN_QUEUE", "processing": "IN_PROGRESS"}


class Fal:
    name = "fal"
    azure = False
    deferred_denials: tuple[str, ...] = MODERATION_FAULTS

    def api_key(self, request: web.Request) -> str:
        return request.headers.get("Authorization", "").removeprefix("Key ").strip()

    async def parse(self, app: AppState, request: web.Request, call: Call) -> ParsedRequest:
        fields = await read_object(request, call)
        order = app.check_order(_image_request(fields), model_of(request.match_info["app"]))
        preset = _SIZE_PRESETS.get(str(fields.get("image_size")))
        if preset:
            order = msgspec.structs.replace(order, size=Size(str(fields["image_size"]), *preset, assumed=False))
        references = [await read_reference(url, app.http_client) for url in fields.get("image_urls") or []]
        mask = await read_reference(fields["mask_url"], app.http_client) if fields.get("mask_url") else None
        seen = hashlib.sha256(msgspec.json.encode(fields, order="sorted")).hexdigest()
        return ParsedRequest(order=order, references=references, mask=mask, fingerprint=seen)

    async def respond(
        self, app: AppState, request: web.Request, call: Call, parsed: ParsedRequest, plan: Plan
    ) -> Reply:
        if first_fault(plan.faults, FaultKind.answer) in _UNBILLED_FAULTS:
            return submit_reply(fixed_reply(200, b""), plan, call)
        job = submit_job(app, self.name, call, parsed, plan, str(uuid.uuid4()), keyed=False)
        content = {"status": "IN_QUEUE", "queue_position": 0, **_job_urls(request, job)}
        return submit_reply(fixed_reply(200, msgspec.json.encode(content)), plan, call)

    def error_reply(self, denial: Denial) -> Reply:
        """The queue reports an error as one sentence, a model as a list of details."""
        kind = denial.code or "internal_server_error"
        detail: Any = denial.message
        if denial.status == 400:
            detail = [{"loc": ["body", denial.param], "msg": denial.message, "type": kind}]
        body = {"detail": detail, "error_type": kind} if denial.verbatim is None else denial.verbatim
        reply = fixed_reply(422 if denial.status == 400 else denial.status, msgspec.json.encode(body))
        reply.headers = {"X-Fal-Error-Type": kind, **denial.headers}
        return reply


def model_of(app: str) -> str:
    """`openai/gpt-image-2.5/flare/text-to-image` is gpt-image-2.5-flare."""
    parts = [part for part in app.split("/") if part not in ("openai", "edit", "text-to-image")]
    return "-".join(parts)


def _image_request(fields: dict[str, Any]) -> ImageRequest:
    size = fields.get("image_size")
    if isinstance(size, dict):
        size = f"{size.get('width')}x{size.get('height')}"
    try:
        return msgspec.convert(
            {
                "prompt": fields.get("prompt"),
                "size": None if size in _SIZE_PRESETS else size,
                "quality": fields.get("quality") or "high",
                "n": fields.get("num_images"),
                "output_format": fields.get("output_format"),
            },
            ImageRequest,
        )
    except msgspec.ValidationError as error:
        raise invalid_value(str(error), None) from error


def _job_urls(request: web.Request, job: Job) -> dict[str, str]:
    base = f"{request.url.origin()}/fal/requests/{job.id}"
    return {
        "request_id": job.id,
        "response_url": base,
        "status_url": f"{base}/status",
        "cancel_url": f"{base}/cancel",
    }


async def status(request: web.Request, call: Call, job: Job) -> Reply:
    state = _STATUS.get(job.state(time.time()), "COMPLETED")
    content: dict[str, Any] = {"status": state, **_job_urls(request, job)}
    if state == "COMPLETED" and job.failure:
        content["error"] = job.message
    return fixed_reply(200 if state == "COMPLETED" else 202, msgspec.json.encode(content))


async def response(request: web.Request, call: Call, job: Job) -> Reply:
    state = job.state(time.time())
    if state in _STATUS:
        raise Denial(404, "request_in_progress", "Request is still in progress.")
    if state != "completed":
        refused = job.failure == "content_policy_violation"
        code = job.failure or "request_cancelled"
        raise Denial(400 if refused else 500, code, job.message or "The request was cancelled.", param="prompt")
    images = [
        {"url": url, "content_type": MEDIA_TYPES[image.format], "width": image.width, "height": image.height}
        for url, image in zip(result_urls(request, job), job.images, strict=False)
    ]
    return fixed_reply(200, msgspec.json.encode({"images": images}))


async def cancel(app: AppState, job: Job) -> Reply:
    now = time.time()
    if job.state(now) not in _STATUS:
        return fixed_reply(400, b'{"status":"ALREADY_COMPLETED"}')
    if job.state(now) == "pending":
        refund(app, job, now)
    return fixed_reply(202, b'{"status":"CANCELLATION_REQUESTED"}')
