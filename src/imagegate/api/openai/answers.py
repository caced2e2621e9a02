"""The answer of a completed task: its images as links, or as base64 that is read from storage in pieces."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncGenerator
from typing import Any

import msgspec
import pybase64
from litestar import Response
from litestar.types import ASGIApp, Receive, Scope, Send
from msgspec import UNSET, UnsetType

from imagegate.api.client_connection import is_client_gone
from imagegate.blobs import BlobDamaged, BlobNotFound, OpenBlob
from imagegate.domain.assets import AssetKind
from imagegate.domain.errors import ResultExpired, StorageFailed
from imagegate.domain.tasks import ImageResult, Task
from imagegate.domain.time import US_PER_SECOND
from imagegate.domain.usage import Usage
from imagegate.flows.views.task import result_links
from imagegate.logging import log_error
from imagegate.runtime import Runtime
from imagegate.store.assets import find_live_output_asset

# A multiple of 3: the base64 of the pieces is that of the whole.
PIECE_BYTES = 96 * 1024
_FORMATS = {"image/png": "png", "image/jpeg": "jpeg", "image/webp": "webp"}


class InputDetails(msgspec.Struct, frozen=True):
    text_tokens: int
    image_tokens: int


class OutputDetails(msgspec.Struct, frozen=True):
    image_tokens: int
    text_tokens: int


class UsageView(msgspec.Struct, frozen=True):
    total_tokens: int
    input_tokens: int
    input_tokens_details: InputDetails
    output_tokens: int
    output_tokens_details: OutputDetails


class ImageHead(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer says of its images. `quality` is absent where the model has none."""

    created: int
    background: str
    output_format: str
    quality: str | UnsetType = UNSET
    size: str
    usage: UsageView | UnsetType = UNSET
    safety_identifier: str | UnsetType = UNSET


def image_head(task: Task, safety_identifier: str) -> ImageHead:
    first = task.results[0]
    return ImageHead(
        created=(task.ended or task.created) // US_PER_SECOND,
        background=task.order.background,
        output_format=format_of(first),
        quality=quality_of(task, first),
        size=f"{first.width}x{first.height}",
        usage=usage_view(task.usage) if task.usage and task.billing_rule == "per_token" else UNSET,
        safety_identifier=safety_identifier or UNSET,
    )


def quality_of(task: Task, image: ImageResult) -> str | UnsetType:
    """The one that was used; none where the model ignores what is asked for."""
    return (image.quality or task.order.quality) if task.order.quality else UNSET


def format_of(image: ImageResult) -> str:
    return _FORMATS.get(image.media_type, image.ext)


def usage_view(usage: Usage, *, image_output: int | None = None, with_input: bool = True) -> UsageView:
    """`image_output`: of one image alone, and `with_input` whether it carries the tokens of the prompt."""
    text, image = (usage.text_input, usage.image_input) if with_input else (0, 0)
    output = usage.image_output if image_output is None else image_output
    text_output = usage.text_output if with_input else 0
    return UsageView(
        total_tokens=text + image + output + text_output,
        input_tokens=text + image,
        input_tokens_details=InputDetails(text, image),
        output_tokens=output + text_output,
        output_tokens_details=OutputDetails(output, text_output),
    )


async def open_results(runtime: Runtime, task: Task) -> list[OpenBlob]:
    """The bytes of every image, open: what is announced can be sent. ResultExpired, StorageFailed."""
    blobs: list[OpenBlob] = []
    with contextlib.ExitStack() as opened:
        for image in task.results:
            asset = await runtime.db.read(
                find_live_output_asset, task.account_id, task.id, AssetKind.result, image.index
            )
            if asset is None:
                raise ResultExpired
            try:
                blob = await runtime.blobs.open(asset.key, asset.bytes)
            except (BlobNotFound, BlobDamaged) as error:
                log_error("blob_unusable", key=asset.key, error=f"{type(error).__name__}: {error}")
                raise StorageFailed("The stored bytes of this image are missing or damaged") from error
            opened.callback(blob.close)
            blobs.append(blob)
        opened.pop_all()
    return blobs


async def base64_pieces(blob: OpenBlob) -> AsyncGenerator[bytes]:
    async for chunk in blob.read(0, blob.size, PIECE_BYTES):
        yield pybase64.b64encode(chunk)


def base64_length(size: int) -> int:
    return -(-size // 3) * 4


def links_body(runtime: Runtime, task: Task, head: ImageHead) -> bytes:
    data = [{"url": link} for link in result_links(runtime, task)]
    return msgspec.json.encode(head)[:-1] + b',"data":' + msgspec.json.encode(data) + b"}"


class Base64Answer(Response[Any]):
    """The images as base64 within JSON, whose length is known before the first byte is read."""

    def __init__(self, head: ImageHead, blobs: list[OpenBlob], headers: dict[str, str]) -> None:
        super().__init__(None, headers=headers)
        self._head, self._blobs = head, blobs

    def to_asgi_response(self, *_: Any, **__: Any) -> ASGIApp:  # type: ignore[override]
        headers = [(name.lower().encode(), value.encode()) for name, value in self.headers.items()]
        return functools.partial(_send_base64, self._head, self._blobs, headers)


async def _send_base64(
    head: ImageHead, blobs: list[OpenBlob], headers: list[tuple[bytes, bytes]], scope: Scope, _: Receive, send: Send
) -> None:
    begin = msgspec.json.encode(head)[:-1] + b',"data":[{"b64_json":"'
    between, end = b'"},{"b64_json":"', b'"}]}'
    length = len(begin) + sum(base64_length(blob.size) for blob in blobs) + len(between) * (len(blobs) - 1) + len(end)
    try:
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [
                    *headers,
                    (b"content-type", b"application/json"),
                    (b"content-length", b"%d" % length),
                ],
            }
        )
        await _send_part(send, begin)
        for number, blob in enumerate(blobs):
            if number:
                await _send_part(send, between)
            async with contextlib.aclosing(base64_pieces(blob)) as pieces:
                async for piece in pieces:
                    await _send_part(send, piece)
                    if is_client_gone(scope):
                        return
        await send({"type": "http.response.body", "body": end, "more_body": False})
    finally:
        for blob in blobs:
            blob.close()


async def _send_part(send: Send, part: bytes) -> None:
    await send({"type": "http.response.body", "body": part, "more_body": True})
