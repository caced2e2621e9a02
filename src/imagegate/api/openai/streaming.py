"""The answer as server-sent events: unfinished images as they come, each finished one, and signs of life.

What fails after the head has been sent is an event too, which the vendor's SDKs raise as an error.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pybase64
from litestar import Response
from litestar.types import ASGIApp, Receive, Scope, Send
from msgspec import UNSET, UnsetType

from imagegate.api.client_connection import Caller, is_client_gone
from imagegate.api.openai.answers import (
    PIECE_BYTES,
    UsageView,
    base64_pieces,
    format_of,
    open_results,
    quality_of,
    usage_view,
)
from imagegate.api.openai.delivery import Delivery
from imagegate.api.openai.failures import failure_body
from imagegate.api.problems import OPENAI_PATH, ErrorResponse, problem_body, to_problem
from imagegate.api.responses import find_owned_task
from imagegate.concurrency import HEARTBEAT_S
from imagegate.domain.errors import ServiceUnavailable
from imagegate.domain.tasks import Task
from imagegate.domain.time import US_PER_SECOND
from imagegate.domain.usage import Usage
from imagegate.flows.wait import wait_until_terminal
from imagegate.images import InvalidImage, inspect
from imagegate.partial_images import PartialImage, PartialImageStream
from imagegate.runtime import Runtime
from imagegate.store.answers import may_be_bought

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]
_LONGEST_S = 7 * 86_400.0  # beyond every deadline
_PING = b": ping\n\n"


class ImageEvent(msgspec.Struct, frozen=True, kw_only=True):
    """All of an event but the image."""

    type: str
    partial_image_index: int | UnsetType = UNSET
    created_at: int
    size: str
    quality: str | UnsetType = UNSET
    background: str
    output_format: str
    usage: UsageView | UnsetType = UNSET
    safety_identifier: str | UnsetType = UNSET


class ErrorEvent(msgspec.Struct, frozen=True, kw_only=True):
    type: str = "error"
    error: Any


class StreamedAnswer(Response[Any]):
    """A stream and the headers of its answer."""

    def __init__(self, stream: ImageStream, headers: dict[str, str]) -> None:
        super().__init__(None, headers=headers)
        self._stream = stream

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIApp:  # type: ignore[override]
        headers = [(name.lower().encode(), value.encode()) for name, value in self.headers.items()]
        return functools.partial(_send_stream, self._stream, headers)


async def _send_stream(
    stream: ImageStream, headers: list[tuple[bytes, bytes]], scope: Scope, _: Receive, send: Send
) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [*headers, *_HEADERS]})
    await stream.send_all(scope, send)


class ImageStream:
    """`kind`: `image_generation` or `image_edit`. `delivery` follows the answer, where it may be found again."""

    def __init__(
        self,
        runtime: Runtime,
        task: Task,
        partials: PartialImageStream,
        delivery: Delivery | None,
        *,
        kind: str,
        safety_identifier: str,
        request_id: str,
    ) -> None:
        self._runtime, self._task, self._partials, self._delivery = runtime, task, partials, delivery
        self._kind = kind
        self._identifier = safety_identifier
        self._request_id = request_id

    async def send_all(self, scope: Scope, send: Send) -> None:
        try:
            with self._partials, Caller(scope):
                await self._send_events(send)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except BaseException as error:
            self.lose()
            if isinstance(error, asyncio.CancelledError) and is_client_gone(scope):
                return
            raise
        if self._delivery is not None:
            self._delivery.follow(scope)

    def lose(self) -> None:
        self._partials.close()
        if self._delivery is not None:
            self._delivery.lose()
            self._delivery = None

    async def _send_events(self, send: Send) -> None:
        try:
            async for change in watch_task(self._runtime, self._task, self._partials, HEARTBEAT_S):
                match change:
                    case None:
                        await _send_part(send, _PING)
                    case PartialImage():
                        await self._send_partial(send, change)
                    case Task():
                        await self._send_end(send, change)
        except Exception as error:  # noqa: BLE001  the head is sent: this is the only way to say so
            problem = problem_body(to_problem(error, self._request_id), self._request_id, OPENAI_PATH)
            assert isinstance(problem, ErrorResponse)
            self.lose()
            await self._send_error(send, problem)

    async def _send_partial(self, send: Send, partial: PartialImage) -> None:
        """Nothing at all of a file that is no image."""
        order = self._task.order
        with contextlib.ExitStack() as opened:
            opened.callback(partial.path.unlink, missing_ok=True)
            try:
                facts = await asyncio.to_thread(inspect, partial.path)
            except (InvalidImage, OSError):
                return
            event = ImageEvent(
                type=f"{self._kind}.partial_image",
                partial_image_index=partial.index,
                created_at=self._runtime.clock() // US_PER_SECOND,
                size=f"{facts.width}x{facts.height}",
                quality=order.quality or UNSET,
                background=order.background,
                output_format=facts.media_type.partition("/")[2],
            )
            await _send_part(send, _begin(event))
            file = opened.enter_context(partial.path.open("rb"))
            while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
                await _send_part(send, pybase64.b64encode(piece))
            await _send_part(send, b'"}\n\n')

    async def _send_end(self, send: Send, task: Task) -> None:
        if not task.terminal:
            raise ServiceUnavailable(
                "The images are still being made: repeat the request to get them", reason="unfinished"
            )
        if task.error is not None:
            if await self._runtime.db.read(may_be_bought, task.account_id, task.id):
                self.lose()  # found again, and nothing bought, for a while
            await self._send_error(send, failure_body(task.error, self._request_id))
            return
        await self._send_images(send, task)

    async def _send_images(self, send: Send, task: Task) -> None:
        blobs = await open_results(self._runtime, task)
        try:
            for number, (image, blob) in enumerate(zip(task.results, blobs, strict=True)):
                event = ImageEvent(
                    type=f"{self._kind}.completed",
                    created_at=(task.ended or task.created) // US_PER_SECOND,
                    size=f"{image.width}x{image.height}",
                    quality=quality_of(task, image),
                    background=task.order.background,
                    output_format=format_of(image),
                    usage=usage_of_image(task.usage, number, len(blobs)) if task.usage else UNSET,
                    safety_identifier=self._identifier or UNSET,
                )
                await _send_part(send, _begin(event))
                async with contextlib.aclosing(base64_pieces(blob)) as pieces:
                    async for piece in pieces:
                        await _send_part(send, piece)
                await _send_part(send, b'"}\n\n')
        finally:
            for blob in blobs:
                blob.close()

    async def _send_error(self, send: Send, body: ErrorResponse) -> None:
        data = msgspec.json.encode(ErrorEvent(error=body.error))
        await _send_part(send, b"event: error\ndata: %b\n\n" % data)


async def watch_task(
    runtime: Runtime, task: Task, partials: PartialImageStream, heartbeat_s: float
) -> AsyncIterator[PartialImage | Task | None]:
    """Each unfinished image, None after so much silence, and at last the task, ended or as it is when waits end."""
    load = functools.partial(find_owned_task, runtime, task.account_id, task.id)
    ending = asyncio.ensure_future(wait_until_terminal(runtime, task.id, load, _LONGEST_S))
    coming = asyncio.ensure_future(partials.queue.get())
    try:
        while True:
            done, _ = await asyncio.wait({ending, coming}, timeout=heartbeat_s, return_when=asyncio.FIRST_COMPLETED)
            if coming in done:
                yield coming.result()
                coming = asyncio.ensure_future(partials.queue.get())
            elif ending in done:
                coming.cancel()
                while not partials.queue.empty():
                    yield partials.queue.get_nowait()
                yield ending.result()
                return
            else:
                yield None
    finally:
        coming.cancel()
        ending.cancel()


def usage_of_image(usage: Usage, number: int, count: int) -> UsageView:
    """The first carries the input tokens and what does not divide: the sum over all is the bill."""
    share = usage.image_output // count
    first = usage.image_output - share * (count - 1)
    return usage_view(usage, image_output=share if number else first, with_input=number == 0)


def _begin(event: ImageEvent) -> bytes:
    return b'event: %b\ndata: %b,"b64_json":"' % (event.type.encode(), msgspec.json.encode(event)[:-1])


async def _send_part(send: Send, part: bytes) -> None:
    await send({"type": "http.response.body", "body": part, "more_body": True})
