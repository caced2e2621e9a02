"""Where tickets are given out, asked after and collected, whatever the shape.

Knows: that a key buys once, that failed work is not charged, and which faults strike later. Refuses to know: wires.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from imagegate.simulator.app_state import NO_KEYS, Ask, Desk, Handler, Shape, made, open_call, spared
from imagegate.simulator.calls import Call
from imagegate.simulator.corrupt_images import spoiled
from imagegate.simulator.error_responses import Deny
from imagegate.simulator.faults import When, named
from imagegate.simulator.jobs import Ticket
from imagegate.simulator.responses import Reply, send
from imagegate.simulator.script import Plan

REFUSALS: tuple[str, ...] = ("moderation-refusal", "azure-content-filter")
_REFUSED = "Content policy violation.\nYour request was blocked by safety filters."
Asked = Callable[[web.Request, Call, Ticket], Awaitable[Reply]]


def take(desk: Desk, shape: str, call: Call, ask: Ask, plan: Plan, ticket_id: str, *, keyed: bool = True) -> Ticket:
    """The ticket of this request: bought now, or the one that its key bought before. Nothing is awaited in between."""
    key = call.headers.get("idempotency-key", "") if keyed else ""
    earlier = desk.tickets.of_key(shape, key)
    if earlier is not None:
        if earlier.fingerprint != ask.seen:
            raise Deny(409, "idempotency_conflict", "This Idempotency-Key was used with another body.")
        call.replayed, call.task_id = True, earlier.id
        return earlier
    ticket = _new(desk, shape, ask, plan, ticket_id, key)
    desk.tickets.add(ticket)
    call.task_id = ticket.id
    if ticket.bought:
        desk.calls.buy(call, len(ticket.pictures), ticket.nanos)
    return ticket


def _new(desk: Desk, shape: str, ask: Ask, plan: Plan, ticket_id: str, key: str) -> Ticket:
    work, now = made(desk, ask, plan), time.time()
    failure, message = _failure(plan)
    return Ticket(
        id=ticket_id,
        shape=shape,
        model=ask.order.model,
        created=now,
        ready=now + plan.latency,
        pictures=work.pictures,
        usage=work.usage,
        nanos=work.nanos,
        failure=failure,
        message=message,
        faults=plan.faults,
        key=key,
        fingerprint=ask.seen,
    )


def _failure(plan: Plan) -> tuple[str, str]:
    """Code and message of work that is going to fail, or empty texts."""
    if named(plan.faults, When.denied) in REFUSALS:
        return "content_policy_violation", _REFUSED
    if "task-fails" in plan.faults:
        return plan.value("task-fails", "service_unavailable"), "The work could not be finished."
    return "", ""


def submitted(reply: Reply, plan: Plan, call: Call) -> Reply:
    """What the submit really answers: the ticket exists, whatever arrives of it."""
    fault = "" if spared(plan, call) else named(plan.faults, When.answer)
    return spoiled(fault, Plan(faults=plan.faults)) if fault not in ("", "empty-data", "stream-error") else reply


def result_urls(request: web.Request, ticket: Ticket) -> list[str]:
    pictures = [] if "empty-data" in ticket.faults else ticket.pictures
    names = [f"{ticket.id}_{index}.{picture.format}" for index, picture in enumerate(pictures)]
    return [f"{request.url.origin()}/files/{name}" for name in names]


def window(desk: Desk, shape: Shape, kind: str, answer: Asked) -> Handler:
    """The handler that looks a ticket up by the path's `id`; unknown, lost and unauthorized end here."""

    async def handle(request: web.Request) -> web.StreamResponse:
        call = open_call(desk, shape.name, kind, request)
        try:
            reply = await answer(request, call, _found(desk, shape, request, call))
        except Deny as deny:
            reply = shape.denial(deny)
        finally:
            call.open = False
        return await send(request, reply, Plan(), call)

    return handle


def _found(desk: Desk, shape: Shape, request: web.Request, call: Call) -> Ticket:
    if shape.key_of(request) in NO_KEYS:
        raise Deny(401, "invalid_api_key", "Incorrect API key provided.")
    call.task_id = request.match_info["id"]
    ticket = desk.tickets.find(shape.name, call.task_id)
    if ticket is None or ticket.state(time.time()) == "lost":
        raise Deny(404, "task_not_found", "There is no such task.")
    ticket.polls += 1
    if "poll-503" in ticket.faults and ticket.polls <= int(ticket.faults["poll-503"] or 3):
        raise Deny(503, "server_overloaded", "The server is currently overloaded.", kind="server_error")
    return ticket
