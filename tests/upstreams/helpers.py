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

from imagegate.catalog.routes import Dialect, UpstreamRow, dialect_of
from imagegate.domain.images import ImageOrder, Size
from imagegate.domain.usage import Usage
from imagegate.spool import Spool
from imagegate.upstreams.base import Answer, Call, Ties, Upstream
from imagegate.upstreams.downloads import Fetch, Link, NotSaved, Patience, Saved
from imagegate.upstreams.polling import Pace

QUICK = Pace(look_s=0.02, first_s=0.02, most_s=0.05, patience=Patience(0.02, 0.05, 0.4))
SECRET = "sk-theirs"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def png(width: int = 64, height: int = 64) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), (20, 120, 200)).save(out, "PNG")
    return out.getvalue()


def order(**changes: Any) -> ImageOrder:
    given: dict[str, Any] = {
        "model": "gpt-image-2",
        "row": "gpt-image-2",
        "prompt": "a lighthouse",
        "size": Size("1:1", 1024, 1024, False, "1K"),
        "quality": "medium",
        "n": 1,
    }
    return ImageOrder(**{**given, **changes})


def call(ref: str = "", **changes: Any) -> Call:
    given: dict[str, Any] = {"attempt_id": "att_1", "order": order(), "expected": Usage(images=1), "ref": ref}
    return Call(**{"model": "gpt-image-2", **given, **changes})


@asynccontextmanager
async def served(*routes: web.RouteDef) -> AsyncIterator[str]:
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


def hang_up(request: web.Request) -> web.Response:
    """No answer: the connection is gone."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def link(path: Path) -> str:
    return f"https://ours.example/{path.name}?exp=1&sig=x"


async def plain_fetch(url: str, target: Path, max_bytes: int) -> Saved | NotSaved:
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            body = await response.read()
            if response.status != 200 or len(body) > max_bytes:
                return NotSaved(f"status {response.status}")
    except aiohttp.ClientError as error:
        return NotSaved(type(error).__name__)
    target.write_bytes(body)
    return Saved(len(body))


@dataclass
class Knife:
    """Counts the moments of a run, and cuts the running call off at one of them."""

    at: int = 0
    seen: int = 0
    running: asyncio.Task[Answer] | None = None

    async def moment(self) -> None:
        self.seen += 1
        if self.seen == self.at and self.running is not None:
            self.running.cancel()
            await asyncio.sleep(0.02)

    @property
    def cut(self) -> bool:
        return 0 < self.at <= self.seen


@dataclass
class Desk:
    """The caller's side of one attempt: what it was told to remember outlives a cut."""

    kind: Callable[..., Upstream]
    protocol: str
    base: str
    spool: Spool
    knife: Knife = field(default_factory=Knife)
    row: dict[str, Any] = field(default_factory=dict)
    fetch: Fetch = plain_fetch
    link: Link = link
    pace: Pace = QUICK
    remembered: list[str] = field(default_factory=list)
    progress: list[int] = field(default_factory=list)
    unwanted: bool = False

    def upstream(self) -> Upstream:
        row = UpstreamRow(**{"name": "there", "protocol": self.protocol, "base_url": self.base, **self.row})
        dialect: Dialect = dialect_of(row)
        return self.kind(row, dialect, self.spool, self.fetch, self.link, SECRET, pace=self.pace)

    async def produce(self, wanted: Call) -> Answer:
        """One process that carries the attempt out."""
        upstream = self.upstream()
        try:
            return await upstream.produce(wanted, self.ties())
        finally:
            await upstream.close()

    async def produce_with_cut(self, wanted: Call) -> Answer | None:
        """The answer, or None where it was cut off."""
        self.knife.running = asyncio.create_task(self.produce(wanted))
        try:
            return await self.knife.running
        except asyncio.CancelledError:
            return None

    def ties(self) -> Ties:
        return Ties(progress=self._progress, remember=self._remember, unwanted=lambda: self.unwanted)

    async def _progress(self, percent: int) -> None:
        self.progress.append(percent)

    async def _remember(self, ref: str) -> None:
        await self.knife.moment()
        self.remembered.append(ref)
        await self.knife.moment()
