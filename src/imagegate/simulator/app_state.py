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
from imagegate.simulator.calls import Call, CallLog, Reference, format_call
from imagegate.simulator.error_responses import Denial, denial, invalid_value
from imagegate.simulator.faults import FaultKind, first_fault
from imagegate.simulator.images import FileParts, ImageCache, ImageSpec
from imagegate.simulator.jobs import JobStore
from imagegate.simulator.prices import PriceList
from imagegate.simulator.responses import Reply, reset, send
from imagegate.simulator.script import Plan, Script, with_prompt

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
BAD_KEY = "bad-key"
REJECTED_KEYS = ("", BAD_KEY)
_RECORDED_HEADERS = (
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
_MAX_RESULT_FILES = 10_000
MAX_PROMPT_CHARS = 2000


class ParsedRequest(msgspec.Struct, kw_only=True):
    """A request that was read and makes sense. `fingerprint` are the parts that an idempotency key vouches for."""

    order: ImageOrder
    references: list[Reference] = []
    mask: Reference | None = None
    stream: bool = False
    partial_images: int = 0
    wants_urls: bool = False
    fingerprint: str = ""


class GeneratedImages(msgspec.Struct, frozen=True):
    """What comes of a request: pictures to paint, what they count as, and what they cost."""

    images: list[ImageSpec]
    usage: Usage
    nanos: Nanos


class WireProtocol(Protocol):
    """The wire of one kind of upstream."""

    name: str
    azure: bool
    deferred_denials: tuple[str, ...]
    """Denials that this shape tells at the end of a ticket, not at its beginning."""

    def api_key(self, request: web.Request) -> str:
        """The caller's key, or the empty text."""

    async def parse(self, desk: AppState, request: web.Request, call: Call) -> ParsedRequest: ...

    async def respond(self, desk: AppState, request: web.Request, call: Call, ask: ParsedRequest, plan: Plan) -> Reply:
        """Buy and answer. Faults of the wire are applied to the reply afterwards."""

    def error_reply(self, deny: Denial) -> Reply: ...


class AppState:
    """What all shapes share while the simulator runs."""

    def __init__(self, script: Script, jobs: JobStore, log: Callable[[str], None]) -> None:
        self.script = script
        self.jobs = jobs
        self.calls = CallLog()
        self.prices = PriceList()
        self.image_cache = ImageCache()
        self.http_client: ClientSession | None = None
        self.refuse_connections: Callable[[float], Awaitable[None]] = asyncio.sleep
        self.log = log
        self._result_files: dict[str, tuple[ImageSpec, str]] = {}
        for ticket in jobs:
            if ticket.billed:
                self.calls.add_purchase(len(ticket.images), ticket.nanos)

    def publish(self, name: str, picture: ImageSpec, stamp: str) -> None:
        """Let `GET /files/<name>` answer with this picture."""
        self._result_files[name] = (picture, stamp)
        if len(self._result_files) > _MAX_RESULT_FILES:
            del self._result_files[next(iter(self._result_files))]

    async def result_file(self, name: str) -> tuple[ImageSpec, FileParts] | None:
        found = self._result_files.get(name) or self._job_result(name)
        return (found[0], await self.image_cache.render(*found)) if found else None

    def _job_result(self, name: str) -> tuple[ImageSpec, str] | None:
        """Results of tickets are found by their names, so that their links outlive a restart."""
        for ticket_id, index, picture in re.findall(r"(.+)_([0-9]+)\.(png|jpeg|webp)", name):
            ticket = self.jobs.get(ticket_id)
            if ticket and ticket.state(time.time()) == "completed" and int(index) < len(ticket.images):
                return ticket.images[int(index)], f"{name} {picture}"
        return None

    def take_download_fault(self, name: str) -> bool:
        """Whether this download of a ticket's result is one of those that find nothing."""
        ticket = self.jobs.get(name.rpartition("_")[0])
        if ticket is None or "result-404" not in ticket.faults:
            return False
        ticket.downloads += 1
        return ticket.downloads <= int(ticket.faults["result-404"] or 1)

    def check_order(self, request: ImageRequest, model: str) -> ImageOrder:
        """The checked order, by the rules of the model's family."""
        row = self.prices.model(model)
        if row is None:
            raise denial("404-model", Plan(), model, azure=False)
        try:
            return self.prices.order(request, row)
        except InvalidRequest as error:
            raise invalid_value(str(error), error.param) from error


def open_call(desk: AppState, shape: str, kind: str, request: web.Request) -> Call:
    headers = {name: request.headers[name] for name in _RECORDED_HEADERS if name in request.headers}
    return desk.calls.open(shape, kind, str(request.rel_url), time.time(), headers)


def generate(desk: AppState, ask: ParsedRequest, plan: Plan) -> GeneratedImages:
    """The pictures as asked for, or as the plan spoils them, and their true count and price."""
    order = ask.order
    width, height = plan.size or (order.size.width, order.size.height)
    if "wrong-pixels" in plan.faults:
        width, height = max(1, width // 2), max(1, height // 2)
    count = max(1, order.n - 1) if "fewer-images" in plan.faults else order.n
    picture = ImageSpec(
        width,
        height,
        _format(order, plan),
        order.background == "transparent",
        min(order.output_compression, 95),
        plan.file_bytes,
    )
    usage = desk.prices.usage(order, [(width, height)] * count, ask.references, ask.partial_images)
    return GeneratedImages([picture] * count, usage, desk.prices.cost(order, usage))


def _format(order: ImageOrder, plan: Plan) -> str:
    asked = plan.format or order.output_format
    if "wrong-format" not in plan.faults:
        return asked
    return "jpeg" if asked == "png" else "png"


def create_handler(desk: AppState, shape: WireProtocol) -> Handler:
    """The handler of a create."""

    async def handle(request: web.Request) -> web.StreamResponse:
        call = open_call(desk, shape.name, "create", request)
        begun = time.monotonic()
        try:
            return await _handle_create(desk, shape, request, call)
        except asyncio.CancelledError:
            _mark_disconnected(call)
            raise
        except (ConnectionError, ClientError):
            _mark_disconnected(call)
            return web.Response()
        finally:
            call.duration, call.open = time.monotonic() - begun, False
            desk.log(format_call(call))

    return handle


def _mark_disconnected(call: Call) -> None:
    """The caller left first, unless it was us who broke the line."""
    call.answered = "gone" if call.answered == "no" else call.answered


async def _handle_create(desk: AppState, shape: WireProtocol, request: web.Request, call: Call) -> web.StreamResponse:
    plan = desk.script.next_plan(shape.name)
    if "followed" in request.query:
        plan = Plan(latency=plan.latency, scripted=True)
    call.faults = plan.faults
    if first_fault(plan.faults, FaultKind.before_body):
        return await _reset_early(desk, plan, request, call)
    try:
        ask = await _parse(desk, shape, request, call)
        plan = _plan_with_prompt(plan, ask.order.prompt, call)
        if first_fault(plan.faults, FaultKind.before_body):
            return await _reset_early(desk, plan, request, call)
        _raise_denial(shape, plan, ask, request)
        reply = await shape.respond(desk, request, call, ask, plan)
    except Denial as deny:
        return await send(request, shape.error_reply(deny), Plan(), call)
    return await send(request, reply, Plan() if skips_faults(plan, call) else plan, call)


def skips_faults(plan: Plan, call: Call) -> bool:
    """A repeat of a submit has the same prompt, and would meet the same fault for ever."""
    return call.replayed and not plan.scripted


async def _reset_early(desk: AppState, plan: Plan, request: web.Request, call: Call) -> web.StreamResponse:
    if request.transport is not None and call.body == "none":
        request.transport.pause_reading()
    reset(request)
    call.answered = "reset"
    if "refuse" in plan.faults:
        await desk.refuse_connections(float(plan.value("refuse", "1")))
    return web.Response()


async def _parse(desk: AppState, shape: WireProtocol, request: web.Request, call: Call) -> ParsedRequest:
    """The key first: a body that comes with a bad one is of no interest."""
    if shape.api_key(request) in REJECTED_KEYS:
        raise denial("401", Plan(), "", shape.azure)
    ask = await shape.parse(desk, request, call)
    call.prompt, call.model, call.n = ask.order.prompt[:MAX_PROMPT_CHARS], ask.order.model, ask.order.n
    call.size, call.quality = f"{ask.order.size.width}x{ask.order.size.height}", ask.order.quality
    call.references, call.mask, call.stream = ask.references, ask.mask, ask.stream
    return ask


def _plan_with_prompt(plan: Plan, prompt: str, call: Call) -> Plan:
    try:
        plan = with_prompt(plan, prompt)
    except ValueError as error:
        raise invalid_value(str(error), "prompt") from error
    call.faults = plan.faults
    return plan


def _raise_denial(shape: WireProtocol, plan: Plan, ask: ParsedRequest, request: web.Request) -> None:
    fault = first_fault(plan.faults, FaultKind.denied)
    if fault == "redirect-307":
        raise Denial(307, None, "moved", headers={"Location": f"{request.path}?followed=1"}, verbatim={})
    if fault and fault not in shape.deferred_denials:
        raise denial(fault, plan, ask.order.model, shape.azure)
