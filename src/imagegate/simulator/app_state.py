"""The desk that every create passes: key, body, faults, purchase, answer, and the line that tells of it.

Knows: the order of these steps, which is the same for all shapes. Refuses to know: the wire of any of them.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec
from aiohttp import ClientError, ClientSession, web

from imagegate.domain.errors import InvalidRequest
from imagegate.domain.images import ImageOrder, ImageRequest
from imagegate.domain.money import Nanos
from imagegate.domain.usage import Usage
from imagegate.simulator.calls import Call, Calls, Reference, line_of
from imagegate.simulator.error_responses import Deny, bad_value, denial
from imagegate.simulator.faults import When, named
from imagegate.simulator.images import Parts, Picture, Studio
from imagegate.simulator.jobs import Tickets
from imagegate.simulator.prices import Pricelist
from imagegate.simulator.responses import Reply, reset, send
from imagegate.simulator.script import Plan, Script, with_prompt

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
BAD_KEY = "bad-key"
NO_KEYS = ("", BAD_KEY)
_TOLD = (
    "x-client-request-id",
    "idempotency-key",
    "x-imagegate-hop",
    "x-stainless-retry-count",
    "x-fal-no-retry",
    "prefer",
    "accept-encoding",
    "content-type",
    "user-agent",
)
_SHOWN = 10_000
PROMPT_KEPT = 2000


class Ask(msgspec.Struct, kw_only=True):
    """A request that was read and makes sense. `seen` are the parts that an idempotency key vouches for."""

    order: ImageOrder
    references: list[Reference] = []
    mask: Reference | None = None
    stream: bool = False
    partials: int = 0
    links: bool = False
    seen: str = ""


class Made(msgspec.Struct, frozen=True):
    """What comes of a request: pictures to paint, what they count as, and what they cost."""

    pictures: list[Picture]
    usage: Usage
    nanos: Nanos


class Shape(Protocol):
    """The wire of one kind of upstream."""

    name: str
    azure: bool
    ends_failed: tuple[str, ...]
    """Denials that this shape tells at the end of a ticket, not at its beginning."""

    def key_of(self, request: web.Request) -> str:
        """The caller's key, or the empty text."""

    async def read(self, desk: Desk, request: web.Request, call: Call) -> Ask: ...

    async def answer(self, desk: Desk, request: web.Request, call: Call, ask: Ask, plan: Plan) -> Reply:
        """Buy and answer. Faults of the wire are applied to the reply afterwards."""

    def denial(self, deny: Deny) -> Reply: ...


class Desk:
    """What all shapes share while the simulator runs."""

    def __init__(self, script: Script, tickets: Tickets, tell: Callable[[str], None]) -> None:
        self.script = script
        self.tickets = tickets
        self.calls = Calls()
        self.prices = Pricelist()
        self.studio = Studio()
        self.outside: ClientSession | None = None
        self.refuse: Callable[[float], Awaitable[None]] = asyncio.sleep
        self.tell = tell
        self._shown: dict[str, tuple[Picture, str]] = {}
        for ticket in tickets:
            if ticket.bought:
                self.calls.add(len(ticket.pictures), ticket.nanos)

    def show(self, name: str, picture: Picture, stamp: str) -> None:
        """Let `GET /files/<name>` answer with this picture."""
        self._shown[name] = (picture, stamp)
        if len(self._shown) > _SHOWN:
            del self._shown[next(iter(self._shown))]

    async def shown(self, name: str) -> tuple[Picture, Parts] | None:
        found = self._shown.get(name) or self._of_ticket(name)
        return (found[0], await self.studio.paint(*found)) if found else None

    def _of_ticket(self, name: str) -> tuple[Picture, str] | None:
        """Results of tickets are found by their names, so that their links outlive a restart."""
        for ticket_id, index, picture in re.findall(r"(.+)_([0-9]+)\.(png|jpeg|webp)", name):
            ticket = self.tickets.by_id(ticket_id)
            if ticket and ticket.state(time.time()) == "completed" and int(index) < len(ticket.pictures):
                return ticket.pictures[int(index)], f"{name} {picture}"
        return None

    def lost_download(self, name: str) -> bool:
        """Whether this download of a ticket's result is one of those that find nothing."""
        ticket = self.tickets.by_id(name.rpartition("_")[0])
        if ticket is None or "result-404" not in ticket.faults:
            return False
        ticket.downloads += 1
        return ticket.downloads <= int(ticket.faults["result-404"] or 1)

    def order(self, request: ImageRequest, model: str) -> ImageOrder:
        """The checked order, by the rules of the model's family."""
        row = self.prices.model(model)
        if row is None:
            raise denial("404-model", Plan(), model, azure=False)
        try:
            return self.prices.order(request, row)
        except InvalidRequest as error:
            raise bad_value(str(error), error.param) from error


def open_call(desk: Desk, shape: str, kind: str, request: web.Request) -> Call:
    headers = {name: request.headers[name] for name in _TOLD if name in request.headers}
    return desk.calls.open(shape, kind, str(request.rel_url), time.time(), headers)


def made(desk: Desk, ask: Ask, plan: Plan) -> Made:
    """The pictures as asked for, or as the plan spoils them, and their true count and price."""
    order = ask.order
    width, height = plan.size or (order.size.width, order.size.height)
    if "wrong-pixels" in plan.faults:
        width, height = max(1, width // 2), max(1, height // 2)
    count = max(1, order.n - 1) if "fewer-images" in plan.faults else order.n
    picture = Picture(
        width,
        height,
        _format(order, plan),
        order.background == "transparent",
        min(order.output_compression, 95),
        plan.bytes,
    )
    usage = desk.prices.usage(order, [(width, height)] * count, ask.references, ask.partials)
    return Made([picture] * count, usage, desk.prices.cost(order, usage))


def _format(order: ImageOrder, plan: Plan) -> str:
    asked = plan.format or order.output_format
    if "wrong-format" not in plan.faults:
        return asked
    return "jpeg" if asked == "png" else "png"


def door(desk: Desk, shape: Shape) -> Handler:
    """The handler of a create."""

    async def handle(request: web.Request) -> web.StreamResponse:
        call = open_call(desk, shape.name, "create", request)
        begun = time.monotonic()
        try:
            return await _attend(desk, shape, request, call)
        except asyncio.CancelledError:
            _gone(call)
            raise
        except (ConnectionError, ClientError):
            _gone(call)
            return web.Response()
        finally:
            call.duration, call.open = time.monotonic() - begun, False
            desk.tell(line_of(call))

    return handle


def _gone(call: Call) -> None:
    """The caller left first, unless it was us who broke the line."""
    call.answered = "gone" if call.answered == "no" else call.answered


async def _attend(desk: Desk, shape: Shape, request: web.Request, call: Call) -> web.StreamResponse:
    plan = desk.script.draw(shape.name)
    if "followed" in request.query:
        plan = Plan(latency=plan.latency, scripted=True)
    call.faults = plan.faults
    if named(plan.faults, When.head):
        return await _at_the_head(desk, plan, request, call)
    try:
        ask = await _read(desk, shape, request, call)
        plan = _planned(plan, ask.order.prompt, call)
        if named(plan.faults, When.head):
            return await _at_the_head(desk, plan, request, call)
        _deny_by_fault(shape, plan, ask, request)
        reply = await shape.answer(desk, request, call, ask, plan)
    except Deny as deny:
        return await send(request, shape.denial(deny), Plan(), call)
    return await send(request, reply, Plan() if spared(plan, call) else plan, call)


def spared(plan: Plan, call: Call) -> bool:
    """A repeat of a submit has the same prompt, and would meet the same fault for ever."""
    return call.replayed and not plan.scripted


async def _at_the_head(desk: Desk, plan: Plan, request: web.Request, call: Call) -> web.StreamResponse:
    if request.transport is not None and call.body == "none":
        request.transport.pause_reading()
    reset(request)
    call.answered = "reset"
    if "refuse" in plan.faults:
        await desk.refuse(float(plan.value("refuse", "1")))
    return web.Response()


async def _read(desk: Desk, shape: Shape, request: web.Request, call: Call) -> Ask:
    """The key first: a body that comes with a bad one is of no interest."""
    if shape.key_of(request) in NO_KEYS:
        raise denial("401", Plan(), "", shape.azure)
    ask = await shape.read(desk, request, call)
    call.prompt, call.model, call.n = ask.order.prompt[:PROMPT_KEPT], ask.order.model, ask.order.n
    call.size, call.quality = f"{ask.order.size.width}x{ask.order.size.height}", ask.order.quality
    call.references, call.mask, call.stream = ask.references, ask.mask, ask.stream
    return ask


def _planned(plan: Plan, prompt: str, call: Call) -> Plan:
    try:
        plan = with_prompt(plan, prompt)
    except ValueError as error:
        raise bad_value(str(error), "prompt") from error
    call.faults = plan.faults
    return plan


def _deny_by_fault(shape: Shape, plan: Plan, ask: Ask, request: web.Request) -> None:
    fault = named(plan.faults, When.denied)
    if fault == "redirect-307":
        raise Deny(307, None, "moved", headers={"Location": f"{request.path}?followed=1"}, verbatim={})
    if fault and fault not in shape.ends_failed:
        raise denial(fault, plan, ask.order.model, shape.azure)
