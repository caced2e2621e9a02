"""fal's queue.

Knows: its submit, its three addresses per request, and what its errors mean. Refuses to know: how pictures are
fetched, and prices. The addresses are the ones that the submit answered, never built here, and get our key only where
they are fal's own or the operator's base URL.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from imagegate.catalog.routes import Dialect, UpstreamConfig
from imagegate.domain.errors import TaskErrorCode
from imagegate.spool import Spool
from imagegate.upstreams.base import Call, CallHooks, CallOutcome, FailureKind, RecoveryMode, Unknown
from imagegate.upstreams.downloads import Fetch, Link
from imagegate.upstreams.polling import (
    POLL_TIMEOUT_S,
    JobResult,
    Lost,
    Pending,
    PollDeps,
    PollFailed,
    PollResult,
    PollSchedule,
    Reply,
    Wire,
    run_job,
)
from imagegate.upstreams.request_fields import apply_dialect, format_fields, image_urls, quality_field
from imagegate.upstreams.same_origin import is_same_origin
from imagegate.upstreams.verdicts import (
    REFUSED_CODES,
    UNREADABLE,
    Words,
    refused,
    rejected,
    stopped,
    submit_once,
    unavailable,
    words_of,
)

DEFAULT_BASE_URL = "https://queue.fal.run"
FAL_DOMAIN = "fal.run"
_PERCENT_BY_STATUS = {"IN_QUEUE": 5, "IN_PROGRESS": 30}
_TEXT_TO_IMAGE_SUFFIX = "/text-to-image"
_CANCELLED = 499


class RemoteRef(msgspec.Struct, frozen=True):
    """What is remembered: fal's name of the request and where to ask about it."""

    request_id: str
    status_url: str
    response_url: str
    cancel_url: str

    @property
    def urls(self) -> tuple[str, str, str]:
        return self.status_url, self.response_url, self.cancel_url


class _Status(msgspec.Struct, frozen=True):
    status: str = ""
    error: Any = None


class _ResultImage(msgspec.Struct, frozen=True):
    url: str


class _Result(msgspec.Struct, frozen=True):
    images: list[_ResultImage] = []


class Fal:
    recovery_mode = RecoveryMode.by_ref

    def __init__(
        self,
        row: UpstreamConfig,
        dialect: Dialect,
        spool: Spool,
        fetch: Fetch,
        link: Link,
        secret: str,
        *,
        pace: PollSchedule | None = None,
    ) -> None:
        self.name = row.name
        self._config, self._dialect, self._link = row, dialect, link
        self._deps = PollDeps(spool, fetch, pace or PollSchedule())
        self._base = (row.base_url or DEFAULT_BASE_URL).rstrip("/")
        self._wire = Wire({"Authorization": f"Key {secret}"}, row.connect_s)

    async def produce(self, call: Call, hooks: CallHooks) -> CallOutcome:
        end = asyncio.get_running_loop().time() + self._config.timeout_s
        if call.ref:
            ticket = msgspec.json.decode(call.ref, type=RemoteRef)
        else:
            submitted = await self._submit(call)
            if not isinstance(submitted, RemoteRef):
                return submitted
            ticket = submitted
            await hooks.save_ref(msgspec.json.encode(ticket).decode())
        if not all(is_same_origin(url, self._base, FAL_DOMAIN) for url in ticket.urls):
            return Unknown("the addresses of the request are not fal's own", request_id=ticket.request_id)
        return await run_job(_FalJob(self._wire, ticket, hooks), call, hooks, end, self._deps)

    async def close(self) -> None:
        await self._wire.close()

    async def _submit(self, call: Call) -> RemoteRef | CallOutcome:
        body = msgspec.json.encode(await self._body(call))
        headers = {"x-fal-no-retry": "1", "X-Client-Request-Id": call.attempt_id}
        url = f"{self._base}/{_model_path(call)}"
        return await submit_once(self._wire, url, body, headers, self._dialect, RemoteRef)

    async def _body(self, call: Call) -> dict[str, Any]:
        order = call.order
        pictures = await image_urls([*call.references, *([call.mask] if call.mask else [])], self._link)
        references = pictures[: len(call.references)]
        size = order.size
        return apply_dialect(
            {
                "prompt": order.prompt,
                "image_size": "auto" if size.assumed else {"width": size.width, "height": size.height},
                "quality": quality_field(order, self._dialect),
                "num_images": order.n,
                "output_format": format_fields(order, self._dialect)["output_format"],
                "image_urls": references or None,
                "mask_url": pictures[-1] if call.mask else None,
            },
            self._dialect,
        )


def _model_path(call: Call) -> str:
    """Some models have a path of their own for text, `.../text-to-image`; edits lie beside it, else below."""
    model = call.model.strip("/")
    if not call.references or model.endswith("/edit"):
        return model
    return f"{model.removesuffix(_TEXT_TO_IMAGE_SUFFIX)}/edit"


class _FalJob:
    """A request in fal's queue."""

    def __init__(self, wire: Wire, ticket: RemoteRef, ties: CallHooks) -> None:
        self._wire, self._ticket, self._ties = wire, ticket, ties
        self.id, self.cancel_sent = ticket.request_id, False

    async def poll(self, remaining_s: float) -> PollResult:
        match await self._wire.ask("GET", self._ticket.status_url, min(POLL_TIMEOUT_S, remaining_s)):
            case Lost(detail=detail):
                return PollFailed(detail)
            case Reply(status=200 | 202, body=body):
                return await self._read_status(body, remaining_s)
            case Reply() as reply:
                return self._unexpected_status(reply)

    async def cancel(self) -> None:
        """What it answers decides nothing: the next look does."""
        await self._wire.ask("PUT", self._ticket.cancel_url)

    async def _read_status(self, body: bytes, left_s: float) -> PollResult:
        """COMPLETED only says that it ended: how, is told by the response."""
        try:
            status = msgspec.json.decode(body, type=_Status)
        except UNREADABLE as error:
            return PollFailed(f"an unreadable status: {error}")
        if status.status != "COMPLETED":
            return Pending(_PERCENT_BY_STATUS.get(status.status, 0))
        match await self._wire.ask("GET", self._ticket.response_url, min(POLL_TIMEOUT_S, left_s)):
            case Lost(detail=detail):
                return PollFailed(detail)
            case Reply(status=200) as reply:
                return self._result(reply, status)
            case Reply() as reply:
                return self._failure(reply)

    def _result(self, reply: Reply, status: _Status) -> PollResult:
        try:
            result = msgspec.json.decode(reply.body, type=_Result)
        except UNREADABLE as error:
            return PollFailed(f"an unreadable result: {error}")
        if result.images:
            return JobResult(urls=tuple(image.url for image in result.images), request_id=self.id)
        if status.error:
            return self._end(500, Words(True, "", str(status.error)[:500]))
        return Unknown("completed without images", True, request_id=self.id)

    def _failure(self, reply: Reply) -> PollResult:
        """An answer without fal's own error object is somebody's between us: looked at again."""
        words = words_of(reply.body)
        if not words.said or reply.status in (401, 403, 404, 408, 429):
            return self._unexpected_status(reply)
        return self._end(reply.status, words)

    def _end(self, status: int, words: Words) -> CallOutcome:
        detail = f"status {status} {words.code} {words.message}"
        if words.code in REFUSED_CODES:
            return refused(words.message, self.id)
        if status == _CANCELLED:
            return stopped(not self._ties.cancel_requested(), detail)
        if status >= 500:
            return unavailable(FailureKind.failing, detail)
        return rejected(TaskErrorCode.invalid_parameters, words.message, self.id)

    def _unexpected_status(self, reply: Reply) -> PollResult:
        """A request that was taken out of the queue is not found any more."""
        if self.cancel_sent and reply.status == 404:
            return stopped(not self._ties.cancel_requested(), "taken out of the queue")
        return PollFailed(f"status {reply.status}", reply.retry_after_s)
