"""What the tests of upstreams with ids share: a real server on loopback, orders, and a knife that cuts a call off."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from PIL import Image

from imagegate.catalog.routes import Dialect, UpstreamConfig, resolve_dialect
from imagegate.domain.images import ImageOrder, Size
from imagegate.domain.usage import Usage
from imagegate.spool import Spool
from imagegate.upstreams.base import Call, CallHooks, CallOutcome, Upstream
from imagegate.upstreams.downloads import Download, DownloadFailed, Fetch, Link, RetrySchedule
from imagegate.upstreams.polling import PollSchedule

FAST_SCHEDULE = PollSchedule(
    poll_interval_s=0.02, min_backoff_s=0.02, max_backoff_s=0.05, download_retry=RetrySchedule(0.02, 0.05, 0.4)
)
SECRET = "sk-theirs"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def png(width: int = 64, height: int = 64) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), (20, 120, 200)).save(out, "PNG")
    return out.getvalue()


def make_order(**changes: Any) -> ImageOrder:
    given: dict[str, Any] = {
        "model": "gpt-image-2",
        "row": "gpt-image-2",
        "prompt": "a lighthouse",
        "size": Size("1:1", 1024, 1024, False, "1K"),
        "quality": "medium",
        "n": 1,
    }
    return ImageOrder(**{**given, **changes})


def make_call(ref: str = "", **changes: Any) -> Call:
    given: dict[str, Any] = {"attempt_id": "att_1", "order": make_order(), "expected": Usage(images=1), "ref": ref}
    return Call(**{"model": "gpt-image-2", **given, **changes})


@asynccontextmanager
async def serve_routes(*routes: web.RouteDef) -> AsyncIterator[str]:
    """The base URL of a server with these routes."""
    app = web.Application(client_max_size=64 * 2**20)
    app.add_routes(routes)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def abort_connection(request: web.Request) -> web.Response:
    """No answer: the connection is gone."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def fake_link(path: Path) -> str:
    return f"https://ours.example/{path.name}?exp=1&sig=x"


async def plain_fetch(url: str, target: Path, max_bytes: int) -> Download | DownloadFailed:
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            body = await response.read()
            if response.status != 200 or len(body) > max_bytes:
                return DownloadFailed(f"status {response.status}")
    except aiohttp.ClientError as error:
        return DownloadFailed(type(error).__name__)
    target.write_bytes(body)
    return Download(len(body))


@dataclass
class CancelPoint:
    """Counts the moments of a run, and cuts the running call off at one of them."""

    cancel_at: int = 0
    count: int = 0
    running: asyncio.Task[CallOutcome] | None = None

    async def hit(self) -> None:
        self.count += 1
        if self.count == self.cancel_at and self.running is not None:
            self.running.cancel()
            await asyncio.sleep(0.02)

    @property
    def reached(self) -> bool:
        return 0 < self.cancel_at <= self.count


@dataclass
class AttemptRunner:
    """The caller's side of one attempt: what it was told to remember outlives a cut."""

    kind: Callable[..., Upstream]
    protocol: str
    base: str
    spool: Spool
    cancel_point: CancelPoint = field(default_factory=CancelPoint)
    config: dict[str, Any] = field(default_factory=dict)
    fetch: Fetch = plain_fetch
    link: Link = fake_link
    schedule: PollSchedule = FAST_SCHEDULE
    saved_refs: list[str] = field(default_factory=list)
    progress: list[int] = field(default_factory=list)
    cancel_requested: bool = False

    def upstream(self) -> Upstream:
        row = UpstreamConfig(**{"name": "there", "protocol": self.protocol, "base_url": self.base, **self.config})
        dialect: Dialect = resolve_dialect(row)
        return self.kind(row, dialect, self.spool, self.fetch, self.link, SECRET, pace=self.schedule)

    async def produce(self, wanted: Call) -> CallOutcome:
        """One process that carries the attempt out."""
        upstream = self.upstream()
        try:
            return await upstream.produce(wanted, self.hooks())
        finally:
            await upstream.close()

    async def produce_until_cancelled(self, wanted: Call) -> CallOutcome | None:
        """The answer, or None where it was cut off."""
        self.cancel_point.running = asyncio.create_task(self.produce(wanted))
        try:
            return await self.cancel_point.running
        except asyncio.CancelledError:
            return None

    def hooks(self) -> CallHooks:
        return CallHooks(
            on_progress=self._progress, save_ref=self._remember, cancel_requested=lambda: self.cancel_requested
        )

    async def _progress(self, percent: int) -> None:
        self.progress.append(percent)

    async def _remember(self, ref: str) -> None:
        await self.cancel_point.hit()
        self.saved_refs.append(ref)
        await self.cancel_point.hit()
