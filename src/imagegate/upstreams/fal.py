"""fal's queue.

Knows: its submit, its three addresses per request, and what its errors mean. Refuses to know: how pictures are
fetched, and prices. The addresses are the ones that the submit answered, never built here, and get our key only where
they are fal's own or the operator's base URL.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from imagegate.catalog.routes import Dialect, UpstreamRow
from imagegate.domain.errors import TaskErrorCode
from imagegate.spool import Spool
from imagegate.upstreams.base import Answer, Call, Resumes, Ties, Trouble, Unknown
from imagegate.upstreams.downloads import Fetch, Link
from imagegate.upstreams.polling import (
    ASK_S,
    Hands,
    Landed,
    Lost,
    Pace,
    Pending,
    Reply,
    Seen,
    Unseen,
    Wire,
    see_through,
)
from imagegate.upstreams.request_fields import as_urls, quality_of, shaped, wanted_format
from imagegate.upstreams.same_origin import same_place
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

HOST = "https://queue.fal.run"
DOMAIN = "fal.run"
_PERCENT = {"IN_QUEUE": 5, "IN_PROGRESS": 30}
_TEXT = "/text-to-image"
_CANCELLED = 499


class Ticket(msgspec.Struct, frozen=True):
    """What is remembered: fal's name of the request and where to ask about it."""

    request_id: str
    status_url: str
    response_url: str
    cancel_url: str

    @property
    def addresses(self) -> tuple[str, str, str]:
        return self.status_url, self.response_url, self.cancel_url


class _Status(msgspec.Struct, frozen=True):
    status: str = ""
    error: Any = None


class _Picture(msgspec.Struct, frozen=True):
    url: str


class _Result(msgspec.Struct, frozen=True):
    images: list[_Picture] = []


class Fal:
    resumes = Resumes.by_ref

    def __init__(
        self,
        row: UpstreamRow,
        dialect: Dialect,
        spool: Spool,
        fetch: Fetch,
        link: Link,
        secret: str,
        *,
        pace: Pace | None = None,
    ) -> None:
        self.name = row.name
        self._row, self._dialect, self._link = row, dialect, link
        self._hands = Hands(spool, fetch, pace or Pace())
        self._base = (row.base_url or HOST).rstrip("/")
        self._wire = Wire({"Authorization": f"Key {secret}"}, row.connect_s)

    async def produce(self, call: Call, ties: Ties) -> Answer:
        end = asyncio.get_running_loop().time() + self._row.timeout_s
        if call.ref:
            ticket = msgspec.json.decode(call.ref, type=Ticket)
        else:
            submitted = await self._submit(call)
            if not isinstance(submitted, Ticket):
                return submitted
            ticket = submitted
            await ties.remember(msgspec.json.encode(ticket).decode())
        if not all(same_place(url, self._base, DOMAIN) for url in ticket.addresses):
            return Unknown("the addresses of the request are not fal's own", request_id=ticket.request_id)
        return await see_through(_Request(self._wire, ticket, ties), call, ties, end, self._hands)

    async def close(self) -> None:
        await self._wire.close()

    async def _submit(self, call: Call) -> Ticket | Answer:
        body = msgspec.json.encode(await self._body(call))
        headers = {"x-fal-no-retry": "1", "X-Client-Request-Id": call.attempt_id}
        url = f"{self._base}/{_path(call)}"
        return await submit_once(self._wire, url, body, headers, self._dialect, Ticket)

    async def _body(self, call: Call) -> dict[str, Any]:
        order = call.order
        pictures = await as_urls([*call.references, *([call.mask] if call.mask else [])], self._link)
        references = pictures[: len(call.references)]
        size = order.size
        return shaped(
            {
                "prompt": order.prompt,
                "image_size": "auto" if size.assumed else {"width": size.width, "height": size.height},
                "quality": quality_of(order, self._dialect),
                "num_images": order.n,
                "output_format": wanted_format(order, self._dialect)["output_format"],
                "image_urls": references or None,
                "mask_url": pictures[-1] if call.mask else None,
            },
            self._dialect,
        )


def _path(call: Call) -> str:
    """Some models have a path of their own for text, `.../text-to-image`; edits lie beside it, else below."""
    model = call.model.strip("/")
    if not call.references or model.endswith("/edit"):
        return model
    return f"{model.removesuffix(_TEXT)}/edit"


class _Request:
    """A request in fal's queue."""

    def __init__(self, wire: Wire, ticket: Ticket, ties: Ties) -> None:
        self._wire, self._ticket, self._ties = wire, ticket, ties
        self.id, self.stopped = ticket.request_id, False

    async def look(self, left_s: float) -> Seen:
        match await self._wire.ask("GET", self._ticket.status_url, min(ASK_S, left_s)):
            case Lost(detail=detail):
                return Unseen(detail)
            case Reply(status=200 | 202, body=body):
                return await self._look_behind(body, left_s)
            case Reply() as reply:
                return self._missed(reply)

    async def stop(self) -> None:
        """What it answers decides nothing: the next look does."""
        await self._wire.ask("PUT", self._ticket.cancel_url)

    async def _look_behind(self, body: bytes, left_s: float) -> Seen:
        """COMPLETED only says that it ended: how, is told by the response."""
        try:
            status = msgspec.json.decode(body, type=_Status)
        except UNREADABLE as error:
            return Unseen(f"an unreadable status: {error}")
        if status.status != "COMPLETED":
            return Pending(_PERCENT.get(status.status, 0))
        match await self._wire.ask("GET", self._ticket.response_url, min(ASK_S, left_s)):
            case Lost(detail=detail):
                return Unseen(detail)
            case Reply(status=200) as reply:
                return self._result(reply, status)
            case Reply() as reply:
                return self._failure(reply)

    def _result(self, reply: Reply, status: _Status) -> Seen:
        try:
            result = msgspec.json.decode(reply.body, type=_Result)
        except UNREADABLE as error:
            return Unseen(f"an unreadable result: {error}")
        if result.images:
            return Landed(urls=tuple(image.url for image in result.images), request_id=self.id)
        if status.error:
            return self._end(500, Words(True, "", str(status.error)[:500]))
        return Unknown("completed without images", True, request_id=self.id)

    def _failure(self, reply: Reply) -> Seen:
        """An answer without fal's own error object is somebody's between us: looked at again."""
        words = words_of(reply.body)
        if not words.said or reply.status in (401, 403, 404, 408, 429):
            return self._missed(reply)
        return self._end(reply.status, words)

    def _end(self, status: int, words: Words) -> Answer:
        detail = f"status {status} {words.code} {words.message}"
        if words.code in REFUSED_CODES:
            return refused(words.message, self.id)
        if status == _CANCELLED:
            return stopped(not self._ties.unwanted(), detail)
        if status >= 500:
            return unavailable(Trouble.failing, detail)
        return rejected(TaskErrorCode.invalid_parameters, words.message, self.id)

    def _missed(self, reply: Reply) -> Seen:
        """A request that was taken out of the queue is not found any more."""
        if self.stopped and reply.status == 404:
            return stopped(not self._ties.unwanted(), "taken out of the queue")
        return Unseen(f"status {reply.status}", reply.retry_after_s)
