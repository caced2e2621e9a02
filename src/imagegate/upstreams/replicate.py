"""Replicate's predictions.

Knows: its create, the states of a prediction, and which of them are billed. Refuses to know: how pictures are fetched,
and prices. It makes ratios, not pixels.
"""

from __future__ import annotations

import asyncio
from math import gcd
from typing import Any

import msgspec

from imagegate.catalog.routes import Dialect, UpstreamRow
from imagegate.domain.errors import TaskErrorCode
from imagegate.domain.images import Size
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
from imagegate.upstreams.verdicts import UNREADABLE, refused, rejected, stopped, submit_once, unavailable

HOST = "https://api.replicate.com"
_PERCENT = {"starting": 5, "processing": 30}
_CANCEL_AFTER_LEAST_S = 5


class _Urls(msgspec.Struct, frozen=True):
    get: str
    cancel: str


class Ticket(msgspec.Struct, frozen=True):
    """What is remembered: the prediction's id and where to ask about it."""

    id: str
    urls: _Urls


class _Prediction(msgspec.Struct, frozen=True):
    status: str = ""
    output: list[str] | str | None = None
    error: Any = None


class Replicate:
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
        self._base = (row.base_url or HOST).rstrip("/").removesuffix("/v1")
        self._wire = Wire({"Authorization": f"Bearer {secret}"}, row.connect_s)

    async def produce(self, call: Call, ties: Ties) -> Answer:
        end = asyncio.get_running_loop().time() + self._row.timeout_s
        if call.ref:
            ticket = msgspec.json.decode(call.ref, type=Ticket)
        else:
            created = await self._create(call)
            if not isinstance(created, Ticket):
                return created
            ticket = created
            await ties.remember(msgspec.json.encode(ticket).decode())
        if not all(same_place(url, self._base) for url in (ticket.urls.get, ticket.urls.cancel)):
            return Unknown("the addresses of the prediction are not Replicate's own", request_id=ticket.id)
        return await see_through(_Running(self._wire, ticket, ties), call, ties, end, self._hands)

    async def close(self) -> None:
        await self._wire.close()

    async def _create(self, call: Call) -> Ticket | Answer:
        ratio = _ratio(call.order.size, self._dialect)
        if not ratio:
            return unavailable(Trouble.ours, f"size {call.order.size.requested} is none of {self._dialect.sizes}")
        body = msgspec.json.encode({"input": await self._input(call, ratio)})
        longest = max(int(self._row.timeout_s), _CANCEL_AFTER_LEAST_S)
        headers = {"Cancel-After": f"{longest}s", "X-Client-Request-Id": call.attempt_id}
        url = f"{self._base}/v1/models/{call.model}/predictions"
        return await submit_once(self._wire, url, body, headers, self._dialect, Ticket)

    async def _input(self, call: Call, ratio: str) -> dict[str, Any]:
        order = call.order
        return shaped(
            {
                "prompt": order.prompt,
                "aspect_ratio": ratio,
                "input_images": await as_urls(call.references, self._link) or None,
                "number_of_images": order.n,
                "quality": quality_of(order, self._dialect),
                "background": order.background,
                **wanted_format(order, self._dialect),
            },
            self._dialect,
        )


def _ratio(size: Size, dialect: Dialect) -> str:
    """One of the ratios that they make, or nothing."""
    divisor = gcd(size.width, size.height)
    exact = f"{size.width // divisor}:{size.height // divisor}"
    known = [name for name in (size.requested, exact) if name in dialect.sizes]
    return known[0] if known and not size.assumed else ""


class _Running:
    """A prediction that Replicate works on."""

    def __init__(self, wire: Wire, ticket: Ticket, ties: Ties) -> None:
        self._wire, self._ticket, self._ties = wire, ticket, ties
        self.id, self.stopped = ticket.id, False

    async def look(self, left_s: float) -> Seen:
        match await self._wire.ask("GET", self._ticket.urls.get, min(ASK_S, left_s)):
            case Lost(detail=detail):
                return Unseen(detail)
            case Reply(status=200, body=body):
                try:
                    return self._seen(msgspec.json.decode(body, type=_Prediction))
                except UNREADABLE as error:
                    return Unseen(f"an unreadable prediction: {error}")
            case Reply() as reply:
                return Unseen(f"status {reply.status}", reply.retry_after_s)

    async def stop(self) -> None:
        """What it answers decides nothing: the next look does."""
        await self._wire.ask("POST", self._ticket.urls.cancel)

    def _seen(self, prediction: _Prediction) -> Seen:
        wanted = not self._ties.unwanted()
        match prediction.status:
            case "succeeded":
                return self._landed(prediction)
            case "failed":
                return self._failed(str(prediction.error)[:500])
            case "canceled" if wanted:
                return Unknown("canceled while it ran, which is billed", request_id=self.id)
            case "canceled" | "aborted":
                return stopped(wanted, f"prediction {prediction.status}")
            case status:
                return Pending(_PERCENT.get(status, 0))

    def _landed(self, prediction: _Prediction) -> Seen:
        output = prediction.output
        urls = (output,) if isinstance(output, str) else tuple(output or ())
        if not urls:
            return Unknown("succeeded without output", True, request_id=self.id)
        return Landed(urls=urls, request_id=self.id)

    def _failed(self, error: str) -> Answer:
        """Replicate ends its error texts with a code in brackets; the text itself is not looked at."""
        code = error.rstrip().rpartition("(")[2].rstrip(").")
        match code:
            case "E005":
                return refused("", self.id)
            case "E006":
                return rejected(TaskErrorCode.invalid_parameters, "", self.id)
            case _:
                return unavailable(Trouble.failing, f"prediction failed: {error}")
