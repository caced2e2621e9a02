"""Submitting, polling and cancelling jobs, common to all protocols with a queue."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from imagegate.simulator.app_state import (
    REJECTED_KEYS,
    AppState,
    Handler,
    ParsedRequest,
    WireProtocol,
    generate,
    open_call,
)
from imagegate.simulator.calls import Call
from imagegate.simulator.corrupt_images import corrupt_reply
from imagegate.simulator.create import skips_faults
from imagegate.simulator.error_responses import Denial
from imagegate.simulator.faults import FaultKind, first_fault
from imagegate.simulator.jobs import Job
from imagegate.simulator.responses import Reply, send
from imagegate.simulator.script import Plan

MODERATION_FAULTS: tuple[str, ...] = ("moderation-refusal", "azure-content-filter")
_REFUSAL_MESSAGE = "Content policy violation.\nYour request was blocked by safety filters."
JobAction = Callable[[web.Request, Call, Job], Awaitable[Reply]]


def submit_job(
    app: AppState, protocol: str, call: Call, parsed: ParsedRequest, plan: Plan, job_id: str, *, keyed: bool = True
) -> Job:
    """The job of this request: a new purchase, or the one that its idempotency key made before.

    Nothing is awaited between the lookup and the insert: two repeats at once must not both buy.
    """
    key = call.headers.get("idempotency-key", "") if keyed else ""
    earlier = app.jobs.find_by_key(protocol, key)
    if earlier is not None:
        if earlier.fingerprint != parsed.fingerprint:
            raise Denial(409, "idempotency_conflict", "This Idempotency-Key was used with another body.")
        call.replayed, call.task_id = True, earlier.id
        return earlier
    job = _new_job(app, protocol, parsed, plan, job_id, key)
    app.jobs.add(job)
    call.task_id = job.id
    if job.billed:
        app.calls.record_purchase(call, len(job.images), job.nanos)
    return job


def _new_job(app: AppState, protocol: str, parsed: ParsedRequest, plan: Plan, job_id: str, key: str) -> Job:
    work, now = generate(app, parsed, plan), time.time()
    failure, message = _failure(plan)
    return Job(
        id=job_id,
        protocol=protocol,
        model=parsed.order.model,
        created=now,
        ready=now + plan.latency,
        images=work.images,
        usage=work.usage,
        nanos=work.nanos,
        failure=failure,
        message=message,
        faults=plan.faults,
        key=key,
        fingerprint=parsed.fingerprint,
    )


def _failure(plan: Plan) -> tuple[str, str]:
    """Code and message of a job that will fail; empty strings for one that will not."""
    if first_fault(plan.faults, FaultKind.denied) in MODERATION_FAULTS:
        return "content_policy_violation", _REFUSAL_MESSAGE
    if "task-fails" in plan.faults:
        return plan.value("task-fails", "service_unavailable"), "The work could not be finished."
    return "", ""


def submit_reply(reply: Reply, plan: Plan, call: Call) -> Reply:
    """The reply to a submit, replaced where the plan has a fault for it. The job exists either way."""
    fault = "" if skips_faults(plan, call) else first_fault(plan.faults, FaultKind.answer)
    return corrupt_reply(fault, Plan(faults=plan.faults)) if fault not in ("", "empty-data", "stream-error") else reply


def result_urls(request: web.Request, job: Job) -> list[str]:
    images = [] if "empty-data" in job.faults else job.images
    names = [f"{job.id}_{index}.{image.format}" for index, image in enumerate(images)]
    return [f"{request.url.origin()}/files/{name}" for name in names]


def job_handler(app: AppState, protocol: WireProtocol, kind: str, answer: JobAction) -> Handler:
    """A handler that finds the job by the path's `id` and refuses unknown, lost and unauthorized ones."""

    async def handle(request: web.Request) -> web.StreamResponse:
        call = open_call(app, protocol.name, kind, request)
        try:
            reply = await answer(request, call, _find_job(app, protocol, request, call))
        except Denial as denial:
            reply = protocol.error_reply(denial)
        finally:
            call.open = False
        return await send(request, reply, Plan(), call)

    return handle


def _find_job(app: AppState, protocol: WireProtocol, request: web.Request, call: Call) -> Job:
    if protocol.api_key(request) in REJECTED_KEYS:
        raise Denial(401, "invalid_api_key", "Incorrect API key provided.")
    call.task_id = request.match_info["id"]
    job = app.jobs.find(protocol.name, call.task_id)
    if job is None or job.state(time.time()) == "lost":
        raise Denial(404, "task_not_found", "There is no such task.")
    job.polls += 1
    if "poll-503" in job.faults and job.polls <= int(job.faults["poll-503"] or 3):
        raise Denial(503, "server_overloaded", "The server is currently overloaded.", kind="server_error")
    return job
