"""What the tests of upstreams share: calls, small pictures, a fetcher that says what a test wants."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from imagegate.catalog.routes import Dialect, UpstreamConfig, resolve_dialect
from imagegate.domain.images import ImageOrder, Size
from imagegate.domain.usage import Usage
from imagegate.spool import Spool
from imagegate.upstreams.base import Call, CallHooks, CallOutcome
from imagegate.upstreams.downloads import Download, DownloadFailed, Fetch
from imagegate.upstreams.openai.adapter import OpenAI
from tests.images.corpus import encoded_image

SECRET = "sk-secret-of-the-operator"
ATTEMPT = "att_0123456789"


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


def make_order(**fields: Any) -> ImageOrder:
    size = fields.pop("size", Size("1024x1024", 1024, 1024, assumed=False))
    plain = {"model": "gpt-image-2", "row": "gpt-image-2", "prompt": "a cat", "size": size, "quality": "medium", "n": 1}
    return ImageOrder(**{**plain, **fields})


def make_call(references: tuple[Path, ...] = (), mask: Path | None = None, partials: int = 0, **fields: Any) -> Call:
    made = make_order(**fields)
    expected = Usage(images=made.n, text_input=8, image_output=1756 * made.n)
    return Call(
        attempt_id=ATTEMPT,
        order=made,
        expected=expected,
        model="gpt-image-2",
        references=references,
        mask=mask,
        customer="c-77",
        partial_images=partials,
    )


def make_config(port: int, **fields: Any) -> UpstreamConfig:
    plain = {"name": "there", "protocol": "openai", "base_url": f"http://127.0.0.1:{port}/v1", "timeout_s": 20.0}
    return UpstreamConfig(**{**plain, **fields})


async def fake_fetch(url: str, target: Path, max_bytes: int) -> Download | DownloadFailed:
    if "nowhere" in url:
        return DownloadFailed("unreachable")
    return Download(target.write_bytes(encoded_image("PNG")[:max_bytes]))


def make_upstream(
    tmp_path: Path, config: UpstreamConfig, fetching: Fetch = fake_fetch, dialect: Dialect | None = None, **options: Any
) -> OpenAI:
    options = {"pauses": (0.0, 0.0, 0.0), **options}
    return OpenAI(config, dialect or resolve_dialect(config), Spool(tmp_path / "spool"), fetching, SECRET, **options)


async def run_call(there: OpenAI, asked: Call, ties: CallHooks | None = None) -> CallOutcome:
    try:
        return await there.produce(asked, ties or CallHooks())
    finally:
        await there.close()


def base64_image(kind: str = "PNG", mode: str = "RGB") -> str:
    return base64.b64encode(encoded_image(kind, mode)).decode()


def one_image_body(**more: Any) -> bytes:
    return msgspec.json.encode({"created": 1, "data": [{"b64_json": base64_image()}], **more})
