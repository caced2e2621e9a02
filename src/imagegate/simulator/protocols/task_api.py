"""The task API that imagegate and EvoLink serve: a create that answers at once, and a task to poll.

`callback_url` is accepted and never called.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from typing import Any

import msgspec
from aiohttp import web

from imagegate.domain.ids import new_task_id
from imagegate.domain.images import ImageRequest
from imagegate.domain.money import format_credits, format_usd, json_number
from imagegate.simulator.app_state import AppState, ParsedRequest
from imagegate.simulator.calls import Call
from imagegate.simulator.error_responses import Denial, invalid_value
from imagegate.simulator.job_routes import MODERATION_FAULTS, result_urls, submit_job, submit_reply
from imagegate.simulator.jobs import Job
from imagegate.simulator.request_parsing import read_object, read_reference
from imagegate.simulator.responses import Reply, fixed_reply
from imagegate.simulator.script import Plan

CREDITS_PER_USD = 68
_MAX_HOPS = 3
_MAX_WAIT_S = 60
_POLL_INTERVAL_S = 0.05
_UNFINISHED = ("pending", "processing")


class TaskApi:
    name = "task"
    azure = False
    deferred_denials: tuple[str, ...] = MODERATION_FAULTS

    def api_key(self, request: web.Request) -> str:
        return request.headers.get("Authorization", "").removeprefix("Bearer ").strip()

    async def parse(self, app: AppState, request: web.Request, call: Call) -> ParsedRequest:
        hop = call.headers.get("x-imagegate-hop", "0")
        if hop.isdigit() and int(hop) > _MAX_HOPS:
            raise Denial(400, "invalid_request", "This request has passed too many gateways.", param="X-Imagegate-Hop")
        fields = await read_object(request, call)
        try:
            wanted = msgspec.convert(fields, ImageRequest)
        except msgspec.ValidationError as error:
            raise invalid_value(str(error), None) from error
        order = app.check_order(wanted, wanted.model or "gpt-image-2")
        references = [await read_reference(url, app.http_client) for url in order.image_urls]
        mask = await read_reference(order.mask_url, app.http_client) if order.mask_url else None
        seen = hashlib.sha256(msgspec.json.encode(fields, order="sorted")).hexdigest()
        return ParsedRequest(order=order, references=references, mask=mask, fingerprint=seen)

    async def respond(
        self, app: AppState, request: web.Request, call: Call, parsed: ParsedRequest, plan: Plan
    ) -> Reply:
        job = submit_job(app, self.name, call, parsed, plan, new_task_id(int(time.time())))
        reply = fixed_reply(200, msgspec.json.encode(task_json(request, job)))
        if call.replayed:
            reply.headers = {"Idempotency-Replayed": "true"}
        return submit_reply(reply, plan, call)

    def error_reply(self, denial: Denial) -> Reply:
        error = {"message": denial.message, "type": denial.kind, "param": denial.param, "code": denial.code}
        body = {"error": error} if denial.verbatim is None else denial.verbatim
        reply = fixed_reply(denial.status, msgspec.json.encode(body))
        reply.headers = {"X-Request-Id": f"req_{secrets.token_hex(12)}", **denial.headers}
        return reply


async def poll(request: web.Request, call: Call, job: Job) -> Reply:
    """`?wait=n` answers once the task has ended, or after n seconds."""
    wait = request.query.get("wait", "0")
    end = time.time() + min(float(wait) if wait.isdigit() else 0, _MAX_WAIT_S)
    while job.state(time.time()) in _UNFINISHED and time.time() < end:  # noqa: ASYNC110 -- the state changes with the clock, no event is set
        await asyncio.sleep(max(0.0, min(job.ready - time.time(), end - time.time(), _POLL_INTERVAL_S)))
    return fixed_reply(200, msgspec.json.encode(task_json(request, job)))


async def cancel(app: AppState, request: web.Request, job: Job) -> Reply:
    """A pending task ends and is not charged; one that is processing continues."""
    now = time.time()
    state = job.state(now)
    if state in ("completed", "failed"):
        raise Denial(409, "task_not_cancellable", "The task has already ended.")
    if state == "pending":
        refund(app, job, now)
    return fixed_reply(200, msgspec.json.encode(task_json(request, job)))


def refund(app: AppState, job: Job, now: float) -> None:
    """Cancel the job and take its purchase out of the totals."""
    if job.billed:
        app.calls.refund(len(job.images), job.nanos)
    app.jobs.cancel(job, now, refunded=True)


def task_json(request: web.Request, job: Job) -> dict[str, Any]:
    """The task object in its present state."""
    now = time.time()
    state = job.state(now)
    ended = state in ("completed", "failed", "cancelled")
    task: dict[str, Any] = {
        "created": int(job.created),
        "id": job.id,
        "model": job.model,
        "object": "image.generation.task",
        "progress": job.progress(now),
        "status": "failed" if state == "cancelled" else state,
        "task_info": {"can_cancel": state == "pending"},
        "type": "image",
        "usage": _usage(job, ended),
    }
    if state == "completed":
        task |= {"results": result_urls(request, job), "results_expire_at": int(job.ready) + 86_400}
    elif ended:
        task["error"] = _error(job, state)
    else:
        task["task_info"]["estimated_time"] = max(1, int(job.ready - now))
    return task


def _error(job: Job, state: str) -> dict[str, str]:
    if state == "cancelled":
        return {"code": "request_cancelled", "message": "The task was cancelled.", "type": "task_error"}
    return {"code": job.failure, "message": job.message, "type": "task_error"}


def _usage(job: Job, ended: bool) -> dict[str, Any]:
    usage: dict[str, Any] = {"billing_rule": "per_token", "credits_reserved": _credits(job.nanos)}
    if not ended:
        return usage
    charged = job.nanos if job.billed else 0
    usage |= {
        "credits_used": _credits(charged),
        "cost": {"credits": _credits(charged), "usd": json_number(format_usd(charged))},
    }
    if job.billed and "usage-missing" not in job.faults:
        usage |= {"tokens": _tokens(job), "source": "upstream"}
    return usage


def _tokens(job: Job) -> dict[str, int]:
    """The true token counts, changed as the job's faults say."""
    factor = 0 if "usage-zero" in job.faults else -1 if "usage-negative" in job.faults else 1
    factor = 1_000_000_000 if "usage-huge" in job.faults else factor
    usage, cached = job.usage, 2 if "usage-cached" in job.faults else 0
    return {
        "text_input": factor * usage.text_input,
        "text_cached_input": usage.text_input // cached if cached else 0,
        "image_input": factor * usage.image_input,
        "image_cached_input": usage.image_input // cached if cached else 0,
        "image_output": factor * usage.image_output,
    }


def _credits(nanos: int) -> msgspec.Raw:
    return json_number(format_credits(nanos, CREDITS_PER_USD))
