"""Where tickets are given out, asked after and collected, whatever the shape.

Knows: that a key buys once, that failed work is not charged, and which faults strike later. Refuses to know: wires.
"""

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
    skips_faults,
)
from imagegate.simulator.calls import Call
from imagegate.simulator.corrupt_images import corrupt_reply
from imagegate.simulator.error_responses import Denial
from imagegate.simulator.faults import FaultKind, first_fault
from imagegate.simulator.jobs import Job
from imagegate.simulator.responses import Reply, send
from imagegate.simulator.script import Plan

MODERATION_FAULTS: tuple[str, ...] = ("moderation-refusal", "azure-content-filter")
_REFUSAL_MESSAGE = "Content policy violation.\nYour request was blocked by safety filters."
JobAction = Callable[[web.Request, Call, Job], Awaitable[Reply]]


def submit_job(
    desk: AppState, shape: str, call: Call, ask: ParsedRequest, plan: Plan, ticket_id: str, *, keyed: bool = True
) -> Job:
    """The ticket of this request: bought now, or the one that its key bought before. Nothing is awaited in between."""
    key = call.headers.get("idempotency-key", "") if keyed else ""
    earlier = desk.jobs.find_by_key(shape, key)
    if earlier is not None:
        if earlier.fingerprint != ask.fingerprint:
            raise Denial(409, "idempotency_conflict", "This Idempotency-Key was used with another body.")
        call.replayed, call.task_id = True, earlier.id
        return earlier
    ticket = _new_job(desk, shape, ask, plan, ticket_id, key)
    desk.jobs.add(ticket)
    call.task_id = ticket.id
    if ticket.billed:
        desk.calls.record_purchase(call, len(ticket.images), ticket.nanos)
    return ticket


def _new_job(desk: AppState, shape: str, ask: ParsedRequest, plan: Plan, ticket_id: str, key: str) -> Job:
    work, now = generate(desk, ask, plan), time.time()
    failure, message = _failure(plan)
    return Job(
        id=ticket_id,
        shape=shape,
        model=ask.order.model,
        created=now,
        ready=now + plan.latency,
        images=work.images,
        usage=work.usage,
        nanos=work.nanos,
        failure=failure,
        message=message,
        faults=plan.faults,
        key=key,
        fingerprint=ask.fingerprint,
    )


def _failure(plan: Plan) -> tuple[str, str]:
    """Code and message of work that is going to fail, or empty texts."""
    if first_fault(plan.faults, FaultKind.denied) in MODERATION_FAULTS:
        return "content_policy_violation", _REFUSAL_MESSAGE
    if "task-fails" in plan.faults:
        return plan.value("task-fails", "service_unavailable"), "The work could not be finished."
    return "", ""


def submit_reply(reply: Reply, plan: Plan, call: Call) -> Reply:
    """What the submit really answers: the ticket exists, whatever arrives of it."""
    fault = "" if skips_faults(plan, call) else first_fault(plan.faults, FaultKind.answer)
    return corrupt_reply(fault, Plan(faults=plan.faults)) if fault not in ("", "empty-data", "stream-error") else reply


def result_urls(request: web.Request, ticket: Job) -> list[str]:
    pictures = [] if "empty-data" in ticket.faults else ticket.images
    names = [f"{ticket.id}_{index}.{picture.format}" for index, picture in enumerate(pictures)]
    return [f"{request.url.origin()}/files/{name}" for name in names]


def job_handler(desk: AppState, shape: WireProtocol, kind: str, answer: JobAction) -> Handler:
    """The handler that looks a ticket up by the path's `id`; unknown, lost and unauthorized end here."""

    async def handle(request: web.Request) -> web.StreamResponse:
        call = open_call(desk, shape.name, kind, request)
        try:
            reply = await answer(request, call, _find_job(desk, shape, request, call))
        except Denial as deny:
            reply = shape.error_reply(deny)
        finally:
            call.open = False
        return await send(request, reply, Plan(), call)

    return handle


def _find_job(desk: AppState, shape: WireProtocol, request: web.Request, call: Call) -> Job:
    if shape.api_key(request) in REJECTED_KEYS:
        raise Denial(401, "invalid_api_key", "Incorrect API key provided.")
    call.task_id = request.match_info["id"]
    ticket = desk.jobs.find(shape.name, call.task_id)
    if ticket is None or ticket.state(time.time()) == "lost":
        raise Denial(404, "task_not_found", "There is no such task.")
    ticket.polls += 1
    if "poll-503" in ticket.faults and ticket.polls <= int(ticket.faults["poll-503"] or 3):
        raise Denial(503, "server_overloaded", "The server is currently overloaded.", kind="server_error")
    return ticket
