"""The task API: other instances of imagegate, and gateways that speak the same compatible API.

Knows: its create, query and cancel calls and its task object. Refuses to know: how pictures are fetched and who may
read a reference. The attempt's id is the Idempotency-Key of the create where the dialect says that the other side
honours it: then a create is repeated until it is answered, and only one purchase is made of it.
"""

from __future__ import annotations

import asyncio
from urllib.parse import quote

import msgspec

from imagegate.catalog.routes import Dialect, UpstreamConfig
from imagegate.spool import Spool
from imagegate.upstreams.base import Call, CallHooks, CallOutcome, FailureKind, RecoveryMode, Unavailable, Unknown
from imagegate.upstreams.downloads import Fetch, Link
from imagegate.upstreams.polling import (
    POLL_TIMEOUT_S,
    SUBMIT_TIMEOUT_S,
    Lost,
    NotSent,
    PollDeps,
    PollFailed,
    PollResult,
    PollSchedule,
    Reply,
    Wire,
    run_job,
)
from imagegate.upstreams.request_fields import apply_dialect, format_fields, quality_field
from imagegate.upstreams.task_object import poll_result, read_task
from imagegate.upstreams.verdicts import HOP, judge, unavailable

MAX_LONG_POLL_S = 20
_LONG_POLL_MARGIN_S = 10.0
_CONFLICT_STATUS = 409


class RemoteRef(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is remembered of a call. Without `id` a create with these links was about to leave."""

    id: str = ""
    links: tuple[str, ...] = ()
    mask: str = ""


class TaskApi:
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
        self._is_idempotent = dialect.idempotency == "header"
        self.recovery_mode = RecoveryMode.by_key if self._is_idempotent else RecoveryMode.by_ref
        self._config, self._dialect, self._link = row, dialect, link
        self._deps = PollDeps(spool, fetch, pace or PollSchedule())
        self._base = row.base_url.rstrip("/").removesuffix("/v1")
        self._wire = Wire({"Authorization": f"Bearer {secret}"}, row.connect_s)

    async def produce(self, call: Call, hooks: CallHooks) -> CallOutcome:
        end = asyncio.get_running_loop().time() + self._config.timeout_s
        ticket = msgspec.json.decode(call.ref, type=RemoteRef) if call.ref else None
        if ticket is None or not ticket.id:
            created = await self._create(call, hooks, ticket, end)
            if not isinstance(created, str):
                return created
            ticket = RemoteRef(created)
            await hooks.save_ref(_encode_ref(ticket))
        work = _RemoteTask(self._wire, self._base, ticket.id, hooks)
        return await run_job(work, call, hooks, end, self._deps)

    async def close(self) -> None:
        await self._wire.close()

    async def _create(self, call: Call, ties: CallHooks, saved_ref: RemoteRef | None, end: float) -> str | CallOutcome:
        """The task's id. `saved_ref`: an earlier process may have sent this very create, so its links are used
        again."""
        ticket = saved_ref or RemoteRef(
            links=tuple(map(self._link, call.references)), mask=self._link(call.mask) if call.mask else ""
        )
        if saved_ref is None and self._is_idempotent:
            await ties.save_ref(_encode_ref(ticket))
        url, body = f"{self._base}/v1/images/generations", self._body(call, ticket)
        create = _Create(self._wire, url, body, self._headers(call), self._dialect)
        create.in_doubt = saved_ref is not None
        return await create.run(end, self._deps.schedule)

    def _body(self, call: Call, ticket: RemoteRef) -> bytes:
        order = call.order
        body = {
            "model": call.model or order.model,
            "prompt": order.prompt,
            "size": order.size.requested,
            "resolution": order.size.resolution,
            "quality": quality_field(order, self._dialect),
            "n": order.n,
            "image_urls": list(ticket.links) or None,
            "mask_url": ticket.mask or None,
            "background": order.background,
            **format_fields(order, self._dialect),
        }
        return msgspec.json.encode(apply_dialect(body, self._dialect))

    def _headers(self, call: Call) -> dict[str, str]:
        hop = {HOP: str(call.hop + 1), "X-Client-Request-Id": call.attempt_id}
        return {**hop, "Idempotency-Key": call.attempt_id} if self._is_idempotent else hop


class _RetryCreate(msgspec.Struct, frozen=True):
    """No end yet: to be sent again, after `delay_s` at least."""

    detail: str
    delay_s: float = 0.0


class _Create:
    """One create, sent until it is answered where repeats are one purchase, else once.

    `in_doubt`: a copy of it may have arrived whose answer nobody saw. Then only what depends on the request alone
    can prove that there is no task.
    """

    def __init__(self, wire: Wire, url: str, body: bytes, headers: dict[str, str], dialect: Dialect) -> None:
        self._wire, self._url, self._body, self._headers, self._dialect = wire, url, body, headers, dialect
        self._is_idempotent = dialect.idempotency == "header"
        self.in_doubt = False

    async def run(self, end: float, schedule: PollSchedule) -> str | CallOutcome:
        clock, sent = asyncio.get_running_loop().time, 0
        while True:
            got = await self._send_once(max(min(SUBMIT_TIMEOUT_S, end - clock()), 1.0))
            if not isinstance(got, _RetryCreate):
                return got
            sent += 1
            rest = max(schedule.backoff(sent), got.delay_s)
            if clock() + rest >= end:
                return Unknown(f"no answer to {sent} equal requests before the deadline; the last: {got.detail}")
            await asyncio.sleep(rest)

    async def _send_once(self, total_s: float) -> str | CallOutcome | _RetryCreate:
        match await self._wire.submit(self._url, self._body, self._headers, total_s):
            case NotSent(detail=detail):
                return self._final_unless_in_doubt(unavailable(FailureKind.failing, f"not sent: {detail}"))
            case Lost(detail=detail):
                return self._retry_if_idempotent(Unknown(detail))
            case Reply(status=200 | 201 | 202) as reply:
                task = read_task(reply.body)
                return task.id if task and task.id else self._retry_if_idempotent(judge(reply, self._dialect))
            case Reply() as reply:
                return self._refusal(reply)

    def _refusal(self, reply: Reply) -> CallOutcome | _RetryCreate:
        match judge(reply, self._dialect):
            case Unknown() as unknown if reply.status == _CONFLICT_STATUS:
                return unknown  # the key was used with another body: there is a task, and no way to find it
            case Unknown() as unknown:
                return self._retry_if_idempotent(unknown)
            case Unavailable() as proven:
                return self._final_unless_in_doubt(proven)
            case verdict:
                return verdict

    def _retry_if_idempotent(self, answer: CallOutcome) -> CallOutcome | _RetryCreate:
        self.in_doubt = True
        return _RetryCreate(_detail(answer)) if self._is_idempotent else answer

    def _final_unless_in_doubt(self, answer: Unavailable) -> CallOutcome | _RetryCreate:
        return _RetryCreate(answer.detail, answer.retry_after_s) if self.in_doubt else answer


class _RemoteTask:
    """A task of the other side, told apart from ours by its address."""

    def __init__(self, wire: Wire, base: str, task_id: str, ties: CallHooks) -> None:
        self._wire, self._ties = wire, ties
        self._url = f"{base}/v1/tasks/{quote(task_id, safe='')}"
        self.id, self.cancel_sent = task_id, False

    async def poll(self, remaining_s: float) -> PollResult:
        """A long poll where the other side honours `wait`; where it does not, it answers at once."""
        wait = max(1, min(MAX_LONG_POLL_S, int(remaining_s)))
        match await self._wire.ask("GET", f"{self._url}?wait={wait}", wait + _LONG_POLL_MARGIN_S):
            case Lost(detail=detail):
                return PollFailed(detail)
            case Reply(status=200) as reply:
                task = read_task(reply.body)
                unwanted = self._ties.cancel_requested()
                return poll_result(task, reply, wanted=not unwanted) if task else PollFailed("an unreadable task")
            case Reply() as reply:
                return PollFailed(f"status {reply.status}", reply.retry_after_s)

    async def cancel(self) -> None:
        """What it answers decides nothing: the next look does."""
        await self._wire.ask("POST", f"{self._url}/cancel", POLL_TIMEOUT_S)


def _encode_ref(ticket: RemoteRef) -> str:
    return msgspec.json.encode(ticket).decode()


def _detail(answer: CallOutcome) -> str:
    return answer.detail if isinstance(answer, Unknown | Unavailable) else ""
