"""The task API: other instances of imagegate, and gateways that speak the same compatible API.

Knows: its create, query and cancel calls and its task object. Refuses to know: how pictures are fetched and who may
read a reference. The attempt's id is the Idempotency-Key of the create where the dialect says that the other side
honours it: then a create is repeated until it is answered, and only one purchase is made of it.
"""

from __future__ import annotations

import asyncio
from urllib.parse import quote

import msgspec

from imagegate.catalog.routes import Dialect, UpstreamRow
from imagegate.spool import Spool
from imagegate.upstreams.base import Answer, Call, Resumes, Ties, Trouble, Unavailable, Unknown
from imagegate.upstreams.downloads import Fetch, Link
from imagegate.upstreams.polling import (
    ASK_S,
    SUBMIT_S,
    Hands,
    Lost,
    NotSent,
    Pace,
    Reply,
    Seen,
    Unseen,
    Wire,
    see_through,
)
from imagegate.upstreams.request_fields import quality_of, shaped, wanted_format
from imagegate.upstreams.task_object import read_task, seen_of
from imagegate.upstreams.verdicts import HOP, judge, unavailable

LONG_POLL_S = 20
_SLACK_S = 10.0
_CONFLICT = 409


class Ticket(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is remembered of a call. Without `id` a create with these links was about to leave."""

    id: str = ""
    links: tuple[str, ...] = ()
    mask: str = ""


class TaskApi:
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
        self._keyed = dialect.idempotency == "header"
        self.resumes = Resumes.by_key if self._keyed else Resumes.by_ref
        self._row, self._dialect, self._link = row, dialect, link
        self._hands = Hands(spool, fetch, pace or Pace())
        self._base = row.base_url.rstrip("/").removesuffix("/v1")
        self._wire = Wire({"Authorization": f"Bearer {secret}"}, row.connect_s)

    async def produce(self, call: Call, ties: Ties) -> Answer:
        end = asyncio.get_running_loop().time() + self._row.timeout_s
        ticket = msgspec.json.decode(call.ref, type=Ticket) if call.ref else None
        if ticket is None or not ticket.id:
            created = await self._create(call, ties, ticket, end)
            if not isinstance(created, str):
                return created
            ticket = Ticket(created)
            await ties.remember(_text(ticket))
        work = _RemoteTask(self._wire, self._base, ticket.id, ties)
        return await see_through(work, call, ties, end, self._hands)

    async def close(self) -> None:
        await self._wire.close()

    async def _create(self, call: Call, ties: Ties, before: Ticket | None, end: float) -> str | Answer:
        """The task's id. `before`: an earlier process may have sent this very create, so its links are used again."""
        ticket = before or Ticket(
            links=tuple(map(self._link, call.references)), mask=self._link(call.mask) if call.mask else ""
        )
        if before is None and self._keyed:
            await ties.remember(_text(ticket))
        url, body = f"{self._base}/v1/images/generations", self._body(call, ticket)
        create = _Create(self._wire, url, body, self._headers(call), self._dialect)
        create.in_doubt = before is not None
        return await create.until(end, self._hands.pace)

    def _body(self, call: Call, ticket: Ticket) -> bytes:
        order = call.order
        body = {
            "model": call.model or order.model,
            "prompt": order.prompt,
            "size": order.size.requested,
            "resolution": order.size.resolution,
            "quality": quality_of(order, self._dialect),
            "n": order.n,
            "image_urls": list(ticket.links) or None,
            "mask_url": ticket.mask or None,
            "background": order.background,
            **wanted_format(order, self._dialect),
        }
        return msgspec.json.encode(shaped(body, self._dialect))

    def _headers(self, call: Call) -> dict[str, str]:
        hop = {HOP: str(call.hop + 1), "X-Client-Request-Id": call.attempt_id}
        return {**hop, "Idempotency-Key": call.attempt_id} if self._keyed else hop


class _Again(msgspec.Struct, frozen=True):
    """No end yet: to be sent again, after `rest_s` at least."""

    detail: str
    rest_s: float = 0.0


class _Create:
    """One create, sent until it is answered where repeats are one purchase, else once.

    `in_doubt`: a copy of it may have arrived whose answer nobody saw. Then only what depends on the request alone
    can prove that there is no task.
    """

    def __init__(self, wire: Wire, url: str, body: bytes, headers: dict[str, str], dialect: Dialect) -> None:
        self._wire, self._url, self._body, self._headers, self._dialect = wire, url, body, headers, dialect
        self._keyed = dialect.idempotency == "header"
        self.in_doubt = False

    async def until(self, end: float, pace: Pace) -> str | Answer:
        clock, sent = asyncio.get_running_loop().time, 0
        while True:
            got = await self._once(max(min(SUBMIT_S, end - clock()), 1.0))
            if not isinstance(got, _Again):
                return got
            sent += 1
            rest = max(pace.backoff(sent), got.rest_s)
            if clock() + rest >= end:
                return Unknown(f"no answer to {sent} equal requests before the deadline; the last: {got.detail}")
            await asyncio.sleep(rest)

    async def _once(self, total_s: float) -> str | Answer | _Again:
        match await self._wire.submit(self._url, self._body, self._headers, total_s):
            case NotSent(detail=detail):
                return self._unless_in_doubt(unavailable(Trouble.failing, f"not sent: {detail}"))
            case Lost(detail=detail):
                return self._doubted(Unknown(detail))
            case Reply(status=200 | 201 | 202) as reply:
                task = read_task(reply.body)
                return task.id if task and task.id else self._doubted(judge(reply, self._dialect))
            case Reply() as reply:
                return self._refusal(reply)

    def _refusal(self, reply: Reply) -> Answer | _Again:
        match judge(reply, self._dialect):
            case Unknown() as unknown if reply.status == _CONFLICT:
                return unknown  # the key was used with another body: there is a task, and no way to find it
            case Unknown() as unknown:
                return self._doubted(unknown)
            case Unavailable() as proven:
                return self._unless_in_doubt(proven)
            case verdict:
                return verdict

    def _doubted(self, answer: Answer) -> Answer | _Again:
        self.in_doubt = True
        return _Again(_detail(answer)) if self._keyed else answer

    def _unless_in_doubt(self, answer: Unavailable) -> Answer | _Again:
        return _Again(answer.detail, answer.retry_after_s) if self.in_doubt else answer


class _RemoteTask:
    """A task of the other side, told apart from ours by its address."""

    def __init__(self, wire: Wire, base: str, task_id: str, ties: Ties) -> None:
        self._wire, self._ties = wire, ties
        self._url = f"{base}/v1/tasks/{quote(task_id, safe='')}"
        self.id, self.stopped = task_id, False

    async def look(self, left_s: float) -> Seen:
        """A long poll where the other side honours `wait`; where it does not, it answers at once."""
        wait = max(1, min(LONG_POLL_S, int(left_s)))
        match await self._wire.ask("GET", f"{self._url}?wait={wait}", wait + _SLACK_S):
            case Lost(detail=detail):
                return Unseen(detail)
            case Reply(status=200) as reply:
                task = read_task(reply.body)
                unwanted = self._ties.unwanted()
                return seen_of(task, reply, wanted=not unwanted) if task else Unseen("an unreadable task")
            case Reply() as reply:
                return Unseen(f"status {reply.status}", reply.retry_after_s)

    async def stop(self) -> None:
        """What it answers decides nothing: the next look does."""
        await self._wire.ask("POST", f"{self._url}/cancel", ASK_S)


def _text(ticket: Ticket) -> str:
    return msgspec.json.encode(ticket).decode()


def _detail(answer: Answer) -> str:
    return answer.detail if isinstance(answer, Unknown | Unavailable) else ""
