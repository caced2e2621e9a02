"""Handles a create request: key, body, faults, purchase, reply, and a line in the log."""

from __future__ import annotations

import asyncio
import time

from aiohttp import ClientError, web

from imagegate.simulator.app_state import (
    MAX_PROMPT_CHARS,
    REJECTED_KEYS,
    AppState,
    Handler,
    ParsedRequest,
    WireProtocol,
    open_call,
)
from imagegate.simulator.calls import Call, format_call
from imagegate.simulator.error_responses import Denial, denial_for, invalid_value
from imagegate.simulator.faults import FaultKind, first_fault
from imagegate.simulator.responses import reset, send
from imagegate.simulator.script import Plan, with_prompt


def create_handler(app: AppState, protocol: WireProtocol) -> Handler:
    """The handler of a create request."""

    async def handle(request: web.Request) -> web.StreamResponse:
        call = open_call(app, protocol.name, "create", request)
        started = time.monotonic()
        try:
            return await _handle_create(app, protocol, request, call)
        except asyncio.CancelledError:
            _mark_disconnected(call)
            raise
        except (ConnectionError, ClientError):
            _mark_disconnected(call)
            return web.Response()
        finally:
            call.duration, call.open = time.monotonic() - started, False
            app.log(format_call(call))

    return handle


def _mark_disconnected(call: Call) -> None:
    """The caller disconnected first, unless the simulator had already ended the connection itself."""
    call.answered = "gone" if call.answered == "no" else call.answered


async def _handle_create(app: AppState, protocol: WireProtocol, request: web.Request, call: Call) -> web.StreamResponse:
    plan = app.script.next_plan(protocol.name)
    if "followed" in request.query:
        plan = Plan(latency=plan.latency, scripted=True)
    call.faults = plan.faults
    if first_fault(plan.faults, FaultKind.before_body):
        return await _reset_early(app, plan, request, call)
    try:
        parsed = await _parse(app, protocol, request, call)
        plan = _plan_with_prompt(plan, parsed.order.prompt, call)
        if first_fault(plan.faults, FaultKind.before_body):
            return await _reset_early(app, plan, request, call)
        _raise_denial(protocol, plan, parsed, request)
        reply = await protocol.respond(app, request, call, parsed, plan)
    except Denial as denial:
        return await send(request, protocol.error_reply(denial), Plan(), call)
    return await send(request, reply, Plan() if skips_faults(plan, call) else plan, call)


def skips_faults(plan: Plan, call: Call) -> bool:
    """A repeated submit has the same prompt: a fault that the prompt names would otherwise never end."""
    return call.replayed and not plan.scripted


async def _reset_early(app: AppState, plan: Plan, request: web.Request, call: Call) -> web.StreamResponse:
    if request.transport is not None and call.body == "none":
        request.transport.pause_reading()
    reset(request)
    call.answered = "reset"
    if "refuse" in plan.faults:
        await app.refuse_connections(float(plan.value("refuse", "1")))
    return web.Response()


async def _parse(app: AppState, protocol: WireProtocol, request: web.Request, call: Call) -> ParsedRequest:
    """Check the key before the body, as upstreams do."""
    if protocol.api_key(request) in REJECTED_KEYS:
        raise denial_for("401", Plan(), "", protocol.azure)
    parsed = await protocol.parse(app, request, call)
    call.prompt, call.model, call.n = parsed.order.prompt[:MAX_PROMPT_CHARS], parsed.order.model, parsed.order.n
    call.size, call.quality = f"{parsed.order.size.width}x{parsed.order.size.height}", parsed.order.quality
    call.references, call.mask, call.stream = parsed.references, parsed.mask, parsed.stream
    return parsed


def _plan_with_prompt(plan: Plan, prompt: str, call: Call) -> Plan:
    try:
        plan = with_prompt(plan, prompt)
    except ValueError as error:
        raise invalid_value(str(error), "prompt") from error
    call.faults = plan.faults
    return plan


def _raise_denial(protocol: WireProtocol, plan: Plan, parsed: ParsedRequest, request: web.Request) -> None:
    fault = first_fault(plan.faults, FaultKind.denied)
    if fault == "redirect-307":
        raise Denial(307, None, "moved", headers={"Location": f"{request.path}?followed=1"}, verbatim={})
    if fault and fault not in protocol.deferred_denials:
        raise denial_for(fault, plan, parsed.order.model, protocol.azure)
