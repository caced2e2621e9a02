"""State that all protocols of the simulator share, and the types that pass between them."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec
from aiohttp import ClientSession, web

from imagegate.domain.errors import InvalidRequest
from imagegate.domain.images import ImageOrder, ImageRequest
from imagegate.domain.money import Nanos
from imagegate.domain.usage import Usage
from imagegate.simulator.calls import Call, CallLog, Reference
from imagegate.simulator.error_responses import Denial, denial_for, invalid_value
from imagegate.simulator.images import FileParts, ImageCache, ImageSpec
from imagegate.simulator.jobs import JobStore
from imagegate.simulator.prices import PriceList
from imagegate.simulator.responses import Reply
from imagegate.simulator.script import Plan, Script

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
    """A valid request. `fingerprint` is the hash that a repeat under the same idempotency key must match."""

    order: ImageOrder
    references: list[Reference] = []
    mask: Reference | None = None
    stream: bool = False
    partial_images: int = 0
    wants_urls: bool = False
    fingerprint: str = ""


class GeneratedImages(msgspec.Struct, frozen=True):
    """The images that answer a request, their usage and their price."""

    images: list[ImageSpec]
    usage: Usage
    nanos: Nanos


class WireProtocol(Protocol):
    """The wire protocol of one kind of upstream."""

    name: str
    azure: bool
    deferred_denials: tuple[str, ...]
    """Denials that this protocol reports when a job ends instead of when it is submitted."""

    def api_key(self, request: web.Request) -> str:
        """The caller's API key; empty where the request has none."""

    async def parse(self, app: AppState, request: web.Request, call: Call) -> ParsedRequest: ...

    async def respond(
        self, app: AppState, request: web.Request, call: Call, parsed: ParsedRequest, plan: Plan
    ) -> Reply:
        """Record the purchase and build the reply. Transport faults are applied to the reply afterwards."""

    def error_reply(self, denial: Denial) -> Reply: ...


class AppState:
    """State that all protocols share while the simulator runs."""

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
        for job in jobs:
            if job.billed:
                self.calls.add_purchase(len(job.images), job.nanos)

    def publish(self, name: str, image: ImageSpec, stamp: str) -> None:
        """Serve this image at `GET /files/<name>`. The oldest files are dropped beyond the limit."""
        self._result_files[name] = (image, stamp)
        if len(self._result_files) > _MAX_RESULT_FILES:
            del self._result_files[next(iter(self._result_files))]

    async def result_file(self, name: str) -> tuple[ImageSpec, FileParts] | None:
        found = self._result_files.get(name) or self._job_result(name)
        return (found[0], await self.image_cache.render(*found)) if found else None

    def _job_result(self, name: str) -> tuple[ImageSpec, str] | None:
        """A job's results are derived from the file name, so that their URLs survive a restart."""
        for job_id, index, image in re.findall(r"(.+)_([0-9]+)\.(png|jpeg|webp)", name):
            job = self.jobs.get(job_id)
            if job and job.state(time.time()) == "completed" and int(index) < len(job.images):
                return job.images[int(index)], f"{name} {image}"
        return None

    def take_download_fault(self, name: str) -> bool:
        """Count a download of a job's result; True while the fault `result-404` still applies to it."""
        job = self.jobs.get(name.rpartition("_")[0])
        if job is None or "result-404" not in job.faults:
            return False
        job.downloads += 1
        return job.downloads <= int(job.faults["result-404"] or 1)

    def check_order(self, request: ImageRequest, model: str) -> ImageOrder:
        """Validate the request by the rules of the model's family. Raises Denial."""
        row = self.prices.model(model)
        if row is None:
            raise denial_for("404-model", Plan(), model, azure=False)
        try:
            return self.prices.order(request, row)
        except InvalidRequest as error:
            raise invalid_value(str(error), error.param) from error


def open_call(app: AppState, protocol: str, kind: str, request: web.Request) -> Call:
    headers = {name: request.headers[name] for name in _RECORDED_HEADERS if name in request.headers}
    return app.calls.open(protocol, kind, str(request.rel_url), time.time(), headers)


def generate(app: AppState, parsed: ParsedRequest, plan: Plan) -> GeneratedImages:
    """The requested images, changed as the plan says, with their true usage and price."""
    order = parsed.order
    width, height = plan.size or (order.size.width, order.size.height)
    if "wrong-pixels" in plan.faults:
        width, height = max(1, width // 2), max(1, height // 2)
    count = max(1, order.n - 1) if "fewer-images" in plan.faults else order.n
    image = ImageSpec(
        width,
        height,
        _format(order, plan),
        order.background == "transparent",
        min(order.output_compression, 95),
        plan.file_bytes,
    )
    usage = app.prices.usage(order, [(width, height)] * count, parsed.references, parsed.partial_images)
    return GeneratedImages([image] * count, usage, app.prices.cost(order, usage))


def _format(order: ImageOrder, plan: Plan) -> str:
    asked = plan.format or order.output_format
    if "wrong-format" not in plan.faults:
        return asked
    return "jpeg" if asked == "png" else "png"
