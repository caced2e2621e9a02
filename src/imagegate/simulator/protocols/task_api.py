"""The task API: a create that answers at once, and a task to ask after. Speaks as imagegate and EvoLink do.

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

from imagegate.domain.ids import task_id
from imagegate.domain.images import ImageRequest
from imagegate.domain.money import credits_text, number, usd_text
from imagegate.simulator.app_state import Ask, Desk
from imagegate.simulator.calls import Call
from imagegate.simulator.error_responses import Deny, bad_value
from imagegate.simulator.job_routes import REFUSALS, result_urls, submitted, take
from imagegate.simulator.jobs import Ticket
from imagegate.simulator.request_parsing import read_object, reference_of
from imagegate.simulator.responses import Reply, plain
from imagegate.simulator.script import Plan

CREDITS_PER_USD = 68
_MOST_HOPS = 3
_LONGEST_WAIT_S = 60
_TICK_S = 0.05
_UNFINISHED = ("pending", "processing")


class TaskApi:
    name = "task"
    azure = False
    ends_failed: tuple[str, ...] = REFUSALS

    def key_of(self, request: web.Request) -> str:
        return request.headers.get("Authorization", "").removeprefix("Bearer ").strip()

    async def read(self, desk: Desk, request: web.Request, call: Call) -> Ask:
        hop = call.headers.get("x-imagegate-hop", "0")
        if hop.isdigit() and int(hop) > _MOST_HOPS:
            raise Deny(400, "invalid_request", "This request has passed too many gateways.", param="X-Imagegate-Hop")
        fields = await read_object(request, call)
        try:
            wanted = msgspec.convert(fields, ImageRequest)
        except msgspec.ValidationError as error:
            raise bad_value(str(error), None) from error
        order = desk.order(wanted, wanted.model or "gpt-image-2")
        references = [await reference_of(url, desk.outside) for url in order.image_urls]
        mask = await reference_of(order.mask_url, desk.outside) if order.mask_url else None
        seen = hashlib.sha256(msgspec.json.encode(fields, order="sorted")).hexdigest()
        return Ask(order=order, references=references, mask=mask, seen=seen)

    async def answer(self, desk: Desk, request: web.Request, call: Call, ask: Ask, plan: Plan) -> Reply:
        ticket = take(desk, self.name, call, ask, plan, task_id(int(time.time())))
        reply = plain(200, msgspec.json.encode(task_json(request, ticket)))
        if call.replayed:
            reply.headers = {"Idempotency-Replayed": "true"}
        return submitted(reply, plan, call)

    def denial(self, deny: Deny) -> Reply:
        error = {"message": deny.message, "type": deny.kind, "param": deny.param, "code": deny.code}
        body = {"error": error} if deny.verbatim is None else deny.verbatim
        reply = plain(deny.status, msgspec.json.encode(body))
        reply.headers = {"X-Request-Id": f"req_{secrets.token_hex(12)}", **deny.headers}
        return reply


async def poll(request: web.Request, call: Call, ticket: Ticket) -> Reply:
    """`?wait=n` answers when the task has ended, or after n seconds."""
    wait = request.query.get("wait", "0")
    end = time.time() + min(float(wait) if wait.isdigit() else 0, _LONGEST_WAIT_S)
    while ticket.state(time.time()) in _UNFINISHED and time.time() < end:  # noqa: ASYNC110 -- its state is the clock's
        await asyncio.sleep(max(0.0, min(ticket.ready - time.time(), end - time.time(), _TICK_S)))
    return plain(200, msgspec.json.encode(task_json(request, ticket)))


async def cancel(desk: Desk, request: web.Request, ticket: Ticket) -> Reply:
    """Work that has begun goes on; work that waits ends here, and is not charged."""
    now = time.time()
    state = ticket.state(now)
    if state in ("completed", "failed"):
        raise Deny(409, "task_not_cancellable", "The task has already ended.")
    if state == "pending":
        withdraw(desk, ticket, now)
    return plain(200, msgspec.json.encode(task_json(request, ticket)))


def withdraw(desk: Desk, ticket: Ticket, now: float) -> None:
    """The purchase is taken back."""
    if ticket.bought:
        desk.calls.take_back(len(ticket.pictures), ticket.nanos)
    desk.tickets.cancel(ticket, now, refunded=True)


def task_json(request: web.Request, ticket: Ticket) -> dict[str, Any]:
    """The task as it stands at this moment."""
    now = time.time()
    state = ticket.state(now)
    ended = state in ("completed", "failed", "cancelled")
    task: dict[str, Any] = {
        "created": int(ticket.created),
        "id": ticket.id,
        "model": ticket.model,
        "object": "image.generation.task",
        "progress": ticket.progress(now),
        "status": "failed" if state == "cancelled" else state,
        "task_info": {"can_cancel": state == "pending"},
        "type": "image",
        "usage": _usage(ticket, ended),
    }
    if state == "completed":
        task |= {"results": result_urls(request, ticket), "results_expire_at": int(ticket.ready) + 86_400}
    elif ended:
        task["error"] = _error(ticket, state)
    else:
        task["task_info"]["estimated_time"] = max(1, int(ticket.ready - now))
    return task


def _error(ticket: Ticket, state: str) -> dict[str, str]:
    if state == "cancelled":
        return {"code": "request_cancelled", "message": "The task was cancelled.", "type": "task_error"}
    return {"code": ticket.failure, "message": ticket.message, "type": "task_error"}


def _usage(ticket: Ticket, ended: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"billing_rule": "per_token", "credits_reserved": _credits(ticket.nanos)}
    if not ended:
        return told
    charged = ticket.nanos if ticket.bought else 0
    told |= {
        "credits_used": _credits(charged),
        "cost": {"credits": _credits(charged), "usd": number(usd_text(charged))},
    }
    if ticket.bought and "usage-missing" not in ticket.faults:
        told |= {"tokens": _tokens(ticket), "source": "upstream"}
    return told


def _tokens(ticket: Ticket) -> dict[str, int]:
    """True counts, or as a fault wants them."""
    factor = 0 if "usage-zero" in ticket.faults else -1 if "usage-negative" in ticket.faults else 1
    factor = 1_000_000_000 if "usage-huge" in ticket.faults else factor
    usage, half = ticket.usage, 2 if "usage-cached" in ticket.faults else 0
    return {
        "text_input": factor * usage.text_input,
        "text_cached_input": usage.text_input // half if half else 0,
        "image_input": factor * usage.image_input,
        "image_cached_input": usage.image_input // half if half else 0,
        "image_output": factor * usage.image_output,
    }


def _credits(nanos: int) -> msgspec.Raw:
    return number(credits_text(nanos, CREDITS_PER_USD))
