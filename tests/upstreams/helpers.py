"""What the tests of upstreams share: servers on loopback, orders and calls, upstreams built as the registry does."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import itertools
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from imagegate.catalog.routes import Dialect, UpstreamConfig, resolve_dialect
from imagegate.domain.images import ImageOrder, Size
from imagegate.domain.tasks import FailureKind
from imagegate.domain.usage import Usage
from imagegate.http.client import Download, DownloadFailed
from imagegate.spool import Spool
from imagegate.upstreams.base import (
    Call,
    CallHooks,
    Fetch,
    MakeLink,
    Outcome,
    PollSchedule,
    Produced,
    RetrySchedule,
    UpstreamDeps,
)
from imagegate.upstreams.registry import ConnectedUpstream, build_upstream
from tests.images.corpus import encoded_image

SECRET = "sk-secret-of-the-operator"
ATTEMPT = "att_0123456789"
FAST_SCHEDULE = PollSchedule(poll_interval_s=0.02, min_backoff_s=0.02, max_backoff_s=0.05)
FAST_RETRY = RetrySchedule(0.02, 0.05, 0.4)
ConnectionHandler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serve_connections(serve: ConnectionHandler) -> AsyncIterator[tuple[int, list[int]]]:
    """A server that does what `serve` does with a connection, its port, and a list with an entry per connection."""
    running: set[asyncio.Task[Any]] = set()
    connections: list[int] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        connections.append(1)
        try:
            await serve(reader, writer)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            with suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], connections
    finally:
        server.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await server.wait_closed()


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
    """No response: the connection is closed."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def make_order(**fields: Any) -> ImageOrder:
    defaults: dict[str, Any] = {
        "model": "gpt-image-2",
        "row": "gpt-image-2",
        "prompt": "a logo",
        "size": Size("1:1", 1024, 1024, False, "1K"),
        "quality": "medium",
        "n": 1,
    }
    return ImageOrder(**{**defaults, **fields})


def make_call(**fields: Any) -> Call:
    """A call; fields that a call does not have are the order's."""
    own = {name: fields.pop(name) for name in Call.__struct_fields__ if name in fields}
    order = own.pop("order", None) or make_order(**fields)
    expected = Usage(images=order.n, text_input=8, image_output=1756 * order.n)
    defaults = {"attempt_id": ATTEMPT, "expected": expected, "model": "gpt-image-2", "customer": "c-77"}
    return Call(**{**defaults, "order": order, **own})


def make_config(port: int, **fields: Any) -> UpstreamConfig:
    defaults = {"name": "there", "protocol": "openai", "base_url": f"http://127.0.0.1:{port}/v1", "timeout_s": 20.0}
    return UpstreamConfig(**{**defaults, "api_key_env": "KEY", **fields})


def make_upstream(
    directory: Path,
    config: UpstreamConfig,
    fetch: Fetch | None = None,
    dialect: Dialect | None = None,
    api_key: str = SECRET,
    **deps: Any,
) -> ConnectedUpstream:
    """The upstream as the registry builds it, with a spool below `directory` and short waits."""
    fetch = fetch or fake_fetch
    defaults = {"link": fake_link, "poll_schedule": FAST_SCHEDULE, "download_retry": FAST_RETRY}
    spool = deps.pop("spool", None) or Spool(directory / "spool")
    all_deps = UpstreamDeps(**{**defaults, **deps}, spool=spool, fetch=lambda _: fetch, env={"KEY": api_key})
    return build_upstream(config, dialect or resolve_dialect(config), all_deps)


async def run_call(upstream: ConnectedUpstream, call: Call, hooks: CallHooks | None = None) -> Outcome:
    try:
        return await upstream.produce(call, hooks or CallHooks())
    finally:
        await upstream.close()


def saved(path: Path, content: bytes) -> Download:
    path.write_bytes(content)
    return Download(len(content), hashlib.sha256(content).hexdigest())


async def fake_fetch(url: str, target: Path, max_bytes: int) -> Download | DownloadFailed:
    if "nowhere" in url:
        return DownloadFailed("unreachable")
    return saved(target, encoded_image("PNG")[:max_bytes])


async def plain_fetch(url: str, target: Path, max_bytes: int) -> Download | DownloadFailed:
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as response:
            body = await response.read()
            if response.status != 200 or len(body) > max_bytes:
                return DownloadFailed(f"status {response.status}")
    except aiohttp.ClientError as error:
        return DownloadFailed(type(error).__name__)
    return saved(target, body)


def fake_link(path: Path) -> str:
    return f"https://ours.example/{path.name}?exp=1&sig=x"


def cut(whole: bytes, places: Iterable[int]) -> list[bytes]:
    """The bytes in pieces, cut at these places."""
    edges = sorted({place % (len(whole) + 1) for place in places} | {0, len(whole)})
    return [whole[start:end] for start, end in itertools.pairwise(edges)]


def png(width: int = 64, height: int = 64) -> bytes:
    return encoded_image("PNG", "RGB", (width, height))


def base64_image(kind: str = "PNG", mode: str = "RGB") -> str:
    return base64.b64encode(encoded_image(kind, mode)).decode()


def one_image_body(**more: Any) -> bytes:
    return msgspec.json.encode({"created": 1, "data": [{"b64_json": base64_image()}], **more})


@dataclass
class CancelPoint:
    """Counts the steps of a run, and cancels the running call at one of them."""

    cancel_at: int = 0
    count: int = 0
    running: asyncio.Task[Outcome] | None = None

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
    """The caller's side of one attempt: the references that it saved outlive a cancelled call."""

    protocol: str
    base: str
    spool: Spool
    cancel_point: CancelPoint = field(default_factory=CancelPoint)
    config: dict[str, Any] = field(default_factory=dict)
    fetch: Fetch = plain_fetch
    link: MakeLink = fake_link
    schedule: PollSchedule = FAST_SCHEDULE
    api_key: str = SECRET
    saved_refs: list[str] = field(default_factory=list)
    progress: list[int] = field(default_factory=list)
    cancel_requested: bool = False

    def upstream(self) -> ConnectedUpstream:
        config = make_config(0, **{"protocol": self.protocol, "base_url": self.base, "timeout_s": 600.0, **self.config})
        return make_upstream(
            Path(),
            config,
            self.fetch,
            api_key=self.api_key,
            spool=self.spool,
            link=self.link,
            poll_schedule=self.schedule,
        )

    async def produce(self, call: Call) -> Outcome:
        """What one process makes of the attempt."""
        return await run_call(self.upstream(), call, self.hooks())

    async def produce_until_cancelled(self, call: Call) -> Outcome | None:
        """The outcome, or None where the call was cancelled."""
        self.cancel_point.running = asyncio.create_task(self.produce(call))
        try:
            return await self.cancel_point.running
        except asyncio.CancelledError:
            return None

    def hooks(self) -> CallHooks:
        return CallHooks(
            on_progress=self._on_progress, save_ref=self._save_ref, cancel_requested=lambda: self.cancel_requested
        )

    async def _on_progress(self, percent: int) -> None:
        self.progress.append(percent)

    async def _save_ref(self, ref: str) -> None:
        await self.cancel_point.hit()
        self.saved_refs.append(ref)
        await self.cancel_point.hit()


@dataclass
class JobServer(ABC):
    """A double of an upstream that is polled: each submit is a purchase. `base` is set while it is served.

    A submit is answered by the next of `submit_answers`: a response, or what happens before or after it is bought.
    """

    cancel_point: CancelPoint = field(default_factory=CancelPoint)
    looks: int = 2
    base: str = ""
    # Where the job's addresses lead, if not to this server.
    addresses: str = ""
    bought: list[dict[str, Any]] = field(default_factory=list)
    heads: list[Any] = field(default_factory=list)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    submit_answers: list[Any] = field(default_factory=list)
    look_answers: list[Any] = field(default_factory=list)
    end: dict[str, Any] = field(default_factory=dict)
    asked: int = 0
    cancels: int = 0

    @abstractmethod
    def routes(self) -> list[web.RouteDef]: ...

    @abstractmethod
    def accepted(self, request: web.Request, body: dict[str, Any]) -> web.Response:
        """The response to a submit that is bought."""

    async def submit(self, request: web.Request) -> web.Response:
        await self.cancel_point.hit()
        body = await request.json()
        self.heads.append(request.headers)
        self.bodies.append(body)
        planned = self.submit_answers.pop(0) if self.submit_answers else "buy"
        if isinstance(planned, web.Response):
            return planned
        if planned == "hang up":
            return abort_connection(request)
        response = self.accepted(request, body)
        await self.cancel_point.hit()
        if planned == "buy and hang up":
            return abort_connection(request)
        if planned == "buy and garble":
            return web.Response(text="<html>ok</html>", content_type="text/html")
        return response

    async def cancel(self, request: web.Request) -> web.Response:
        self.cancels += 1
        return web.json_response({"status": "processing"})

    async def file(self, request: web.Request) -> web.Response:
        await self.cancel_point.hit()
        return web.Response(body=png(), content_type="image/png")


def cut_off_everywhere(
    protocol: str, make_server: Callable[[CancelPoint], JobServer], spool: Path, call: Call, *, repeatable: bool
) -> int:
    """Cuts a call of two images off at each of its steps, takes it up again, and counts the steps.

    Where the submit is not `repeatable`, nobody calls again before the job's id is saved.
    """

    async def is_cut(at: int) -> bool:
        cancel_point = CancelPoint(at)
        server = make_server(cancel_point)
        async with serve_routes(*server.routes()) as server.base:
            runner = AttemptRunner(protocol, server.base, Spool(spool / str(at)), cancel_point)
            outcome = await runner.produce_until_cancelled(call)
            was_cut = cancel_point.reached
            is_resumed = repeatable or bool(runner.saved_refs)
            if outcome is None and is_resumed:
                last = runner.saved_refs[-1] if runner.saved_refs else ""
                outcome = await runner.produce(msgspec.structs.replace(call, ref=last))
            if is_resumed:
                assert isinstance(outcome, Produced), (at, outcome)
                assert len(outcome.answer.images) == 2
            assert len(server.bought) == 1 or (not repeatable and not server.bought), at
            return was_cut

    return len(list(itertools.takewhile(lambda at: asyncio.run(is_cut(at)), range(1, 100))))


def assert_outcome(outcome: Outcome, kind: type[Any], failure_kind: FailureKind | None = None) -> None:
    assert isinstance(outcome, kind), outcome
    assert getattr(outcome, "failure_kind", None) is failure_kind


def run_attempt(
    protocol: str, server: JobServer, spool: Path, call: Call, **runner: Any
) -> tuple[AttemptRunner, Outcome]:
    """One attempt against the server, and its runner, for what it saved and reported."""

    async def scenario() -> tuple[AttemptRunner, Outcome]:
        async with serve_routes(*server.routes()) as server.base:
            attempt = AttemptRunner(protocol, server.base, Spool(spool), **runner)
            return attempt, await attempt.produce(call)

    return asyncio.run(scenario())
